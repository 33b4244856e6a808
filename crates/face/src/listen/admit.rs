//! Who is let in, and to which session: one that shows the token, or everybody on this host, but no page of the web.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::crowd::{Crowd, Place};
use super::head::{self, Head};
use super::mux::Door;
use super::{Admits, Listening};
use crate::args::SessionFrom;

/// How long all of a head, and of a body that is looked into, may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it rests when no connection can be taken, for want of descriptors or threads.
const REST: Duration = Duration::from_millis(50);
/// Longest body that is looked into for a model's name.
const LONGEST: usize = 32 << 20;
const PIECE: usize = 64 * 1024;

/// Why a connection is not served.
struct Refused {
    status: &'static str,
    why: &'static str,
}

impl Refused {
    const fn new(status: &'static str, why: &'static str) -> Refused {
        Refused { status, why }
    }
}

impl Listening {
    /// Takes connections for as long as the process lives.
    pub(super) fn take(self: &Arc<Listening>, listener: &TcpListener) {
        let crowd = Arc::<Crowd>::default();
        loop {
            let begun = listener.accept().and_then(|(stream, _)| {
                let (serving, place) = (Arc::clone(self), crowd.enter(stream));
                thread::Builder::new().spawn(move || serving.serve(place))
            });
            if begun.is_err() {
                // Of descriptors or threads there are none: who waits longest gives some back.
                crowd.send_off();
                thread::sleep(REST);
            }
        }
    }

    fn serve(&self, mut place: Place) {
        if let Err(Refused { status, why }) = self.admit(&mut place) {
            let body = format!("bastide refused this: {why}\n");
            let text = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = (&*place.stream).write_all(text.as_bytes());
        }
    }

    fn admit(&self, place: &mut Place) -> Result<(), Refused> {
        let (stream, until) = (Arc::clone(&place.stream), Instant::now() + PATIENCE);
        let gone = |_| Refused::new("502 Bad Gateway", "the session's cell ended");
        stream.set_write_timeout(Some(PATIENCE)).map_err(gone)?;
        let (head, mut rest) =
            read_head(&stream, until).ok_or(Refused::new("400 Bad Request", "this is no request"))?;
        let key = self.key(place, (&head, &mut rest), until)?;
        if !place.admit() {
            return Err(Refused::new("503 Service Unavailable", "too many connections are served at once"));
        }
        let cell = self.cell(&key).map_err(|_| Refused::new("502 Bad Gateway", "no cell can be made"))?;
        // A tunnel may be silent for long.
        stream.set_read_timeout(None).and_then(|()| stream.set_write_timeout(None)).map_err(gone)?;
        // What breaks from here on was answered by the door, or cut.
        let carried = cell.open(&stream, head.door).and_then(|id| {
            cell.send(id, &head.said)?;
            cell.send(id, &rest)?;
            drop(rest);
            place.release();
            cell.carry(id, &stream)
        });
        drop(carried);
        Ok(())
    }

    /// The value that says which session it is for; the token is for the only one.
    fn key(&self, place: &mut Place, (head, rest): (&Head, &mut Vec<u8>), until: Instant) -> Result<String, Refused> {
        let status = match head.door {
            Door::Proxy => "407 Proxy Authentication Required",
            Door::Inference => "401 Unauthorized",
        };
        let from = match &self.admits {
            Admits::Token(token) => {
                let has = head.bearer.as_ref().is_some_and(|bearer| same(bearer.as_bytes(), token.as_bytes()));
                return has.then(String::new).ok_or(Refused::new(status, "the token is missing or another one"));
            }
            Admits::Each(from) => from,
        };
        // A browser on this host reaches the address for whatever page it shows.
        if head.door == Door::Inference && (head.from_a_page || !head.is_for(self.at)) {
            let why = "no page of the web may ask without a token: `Host` has to be this address, or `localhost` \
                       with its port, and `Origin`, `Referer` and `Sec-Fetch-Site` are not taken";
            return Err(Refused::new("403 Forbidden", why));
        }
        match from {
            SessionFrom::Bearer => head.bearer.clone().ok_or(Refused::new(status, "a key says which session it is")),
            SessionFrom::Model => model(place, head, rest, until),
        }
    }
}

/// The head, and what came behind it.
fn read_head(stream: &TcpStream, until: Instant) -> Option<(Head, Vec<u8>)> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Some((head::read(&bytes)?, rest));
        }
        let length = read_until(stream, &mut piece, until).ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&piece[..length]);
        if bytes.len() > head::LONGEST {
            return None;
        }
    }
}

/// The model that a body names, once it is whole.
fn model(place: &mut Place, head: &Head, rest: &mut Vec<u8>, until: Instant) -> Result<String, Refused> {
    /// Nothing else of it is kept, however much that is.
    #[derive(serde::Deserialize)]
    struct Named {
        model: String,
    }
    let unnamed = || Refused::new("400 Bad Request", "its body names no model, which says which session it is");
    if head.length > LONGEST || rest.len() > head.length {
        return Err(unnamed());
    }
    let full = || Refused::new("503 Service Unavailable", "too many bodies are looked into at once");
    place.hold(rest.len()).then_some(()).ok_or_else(full)?;
    let (stream, mut piece) = (Arc::clone(&place.stream), vec![0; PIECE]);
    while rest.len() < head.length {
        let most = PIECE.min(head.length - rest.len());
        let read = read_until(&stream, &mut piece[..most], until).ok().filter(|length| *length > 0);
        let length = read.ok_or_else(unnamed)?;
        place.hold(length).then_some(()).ok_or_else(full)?;
        rest.extend_from_slice(&piece[..length]);
    }
    let Named { model } = serde_json::from_slice(rest).map_err(|_| unnamed())?;
    if model.len() <= 256 { Ok(model) } else { Err(unnamed()) }
}

/// Reads what there is, no later than that: bytes that drip in do not make it later.
fn read_until(mut stream: &TcpStream, piece: &mut [u8], until: Instant) -> io::Result<usize> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Compares in a time that says nothing of where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_drips_in_has_one_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut theirs = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let (ours, _) = listener.accept().expect("one");
        let drips = thread::spawn(move || {
            while theirs.write_all(b"G").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        });
        let begun = Instant::now();
        assert!(read_head(&ours, begun + Duration::from_millis(300)).is_none());
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        drop(ours);
        drips.join().expect("ends");
    }
}
