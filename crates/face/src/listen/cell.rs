//! One session whose agent is outside: a cell with nothing in it but a way to its door.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::mux::{Door, Frame, PIECE};
use super::{INSIDE, Options};

/// A running cell.
#[derive(Debug)]
pub(super) struct Cell {
    child: Mutex<Child>,
    /// Taken when it ends.
    to: Mutex<Option<ChildStdin>>,
    open: Mutex<Open>,
    /// What its programs trust.
    pub(super) trusted: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    next: u32,
    streams: HashMap<u32, TcpStream>,
    last: Instant,
    over: bool,
}

impl Cell {
    /// Starts one.
    ///
    /// # Errors
    /// When it cannot be started, or ends at once; what it said is on our standard error.
    pub(super) fn start(options: &Options, directory: &Path) -> io::Result<Arc<Cell>> {
        let this = std::env::current_exe()?;
        let mut command = Command::new(&this);
        command.arg("run").arg("--fresh-home").arg("--mode").arg("read-only");
        command.arg("--workspace").arg(directory).arg("--read").arg(&this);
        if let Some(policy) = &options.policy {
            command.arg("--policy").arg(policy);
        }
        command.arg("--").arg(&this).arg(INSIDE).current_dir(directory);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (Some(to), Some(mut from)) = (to, from) else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let Ok(Some(Frame::Ready(trusted))) = Frame::read(&mut from) else {
            let ended = child.wait()?;
            return Err(io::Error::other(format!("the cell ended: {ended}")));
        };
        let open = Open { next: 1, streams: HashMap::new(), last: Instant::now(), over: false };
        let (child, to) = (Mutex::new(child), Mutex::new(Some(to)));
        let cell = Arc::new(Cell { child, to, open: Mutex::new(open), trusted });
        let heard = Arc::clone(&cell);
        std::thread::spawn(move || heard.hear(&mut from));
        Ok(cell)
    }

    /// Serves a connection that began with these bytes, until its agent says no more.
    pub(super) fn carry(&self, stream: &TcpStream, door: Door, first: Vec<u8>) -> io::Result<()> {
        let id = {
            let mut open = self.opened();
            if open.over {
                return Err(io::ErrorKind::NotConnected.into());
            }
            let id = open.next;
            open.next = open.next.wrapping_add(1);
            open.streams.insert(id, stream.try_clone()?);
            id
        };
        self.say(&Frame::Open(id, door))?;
        self.say(&Frame::Bytes(id, first))?;
        let mut bytes = vec![0; PIECE];
        let mut from = stream;
        loop {
            match from.read(&mut bytes) {
                Ok(0) => return self.say(&Frame::End(id)),
                Ok(length) => self.say(&Frame::Bytes(id, bytes[..length].to_vec()))?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.opened().streams.remove(&id);
                    self.say(&Frame::Gone(id))?;
                    return Err(error);
                }
            }
        }
    }

    /// Since when nothing was said in it; none while somebody is connected.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let open = self.opened();
        (open.streams.is_empty()).then_some(open.last)
    }

    /// Whether its cell ended.
    pub(super) fn is_over(&self) -> bool {
        self.opened().over
    }

    /// Ends it, and waits for that.
    pub(super) fn end(&self) {
        drop(self.to.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }

    fn hear(&self, from: &mut impl Read) {
        while let Ok(Some(frame)) = Frame::read(from) {
            match frame {
                Frame::Bytes(id, bytes) => {
                    let stream = self.opened().streams.get(&id).and_then(|stream| stream.try_clone().ok());
                    if stream.is_none_or(|mut stream| stream.write_all(&bytes).is_err()) {
                        let known = self.opened().streams.remove(&id).is_some();
                        let _ = known.then(|| self.say(&Frame::Gone(id)));
                    }
                }
                // Each connection is for one answer; its agent reads the end of it.
                Frame::End(id) => _ = self.closed(id).map(|stream| stream.shutdown(Shutdown::Write)),
                Frame::Gone(id) => _ = self.closed(id).map(|stream| stream.shutdown(Shutdown::Both)),
                Frame::Ready(_) | Frame::Open(..) => break,
            }
        }
        let mut open = self.opened();
        open.over = true;
        open.streams.drain().for_each(|(_, stream)| _ = stream.shutdown(Shutdown::Both));
    }

    fn closed(&self, id: u32) -> Option<TcpStream> {
        let mut open = self.opened();
        open.last = Instant::now();
        open.streams.remove(&id)
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, frame: &Frame) -> io::Result<()> {
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        frame.write(to.as_mut().ok_or(io::ErrorKind::NotConnected)?)
    }
}
