//! `bastide gate`: the door without the walls, for an agent that runs elsewhere. Behind the address there is a cell with
//! nothing in it, so that what is decided, lent and recorded is what it always is.

mod cell;
mod head;
mod inside;
mod mux;

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use signal_hook::consts;

use crate::args::{Gate, SessionFrom};
use crate::errors::{Error, wrap};
use crate::exit;
use crate::terminal::signals;
use crate::verbs::print;
use cell::Cell;
use head::Head;

/// The first argument of the program inside.
pub(crate) const INSIDE: &str = "--carry-to-the-door";
/// What ends it.
const ENDS: [i32; 3] = [consts::SIGINT, consts::SIGTERM, consts::SIGHUP];
/// How long a head, and a body that is looked into, may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest body that is looked into for a model's name.
const LONGEST: usize = 32 << 20;
/// Sessions at once, where each value has its own; the one that was idle longest makes room.
const SESSIONS: usize = 64;
const NOT_ENFORCED: &str = "\
Not enforced for an agent outside of a cell: files, processes, system calls,
limits, and whatever it says past this address. Which program asks is not known.
";

/// How every cell is made.
#[derive(Debug)]
pub(super) struct Options {
    policy: Option<PathBuf>,
}

/// Who may speak, and in which session.
#[derive(Debug)]
enum Admits {
    /// Whoever has the token, in one session.
    Token(String),
    /// Everybody on this host; each bearer, or each model, has a session.
    Each(SessionFrom),
}

/// What connections share.
#[derive(Debug)]
struct Listening {
    admits: Admits,
    options: Options,
    /// An empty directory: the workspace of every cell.
    room: PathBuf,
    cells: Mutex<HashMap<String, Arc<Cell>>>,
}

/// The part of the program inside, where this program was started as it.
pub(crate) fn as_carrier(arguments: &[std::ffi::OsString]) -> Option<u8> {
    (arguments.len() == 2 && arguments[1] == INSIDE).then(inside::serve)
}

/// Listens until it is told to end.
///
/// # Errors
/// When it cannot listen here, or no cell can be made.
pub(crate) fn listen(asked: &Gate, json: bool) -> Result<u8, Error> {
    let address = asked.listen;
    if asked.session_from.is_some() && !address.ip().is_loopback() {
        let cause =
            "`--session-from` lets everybody in who reaches the address, so that must be on the loopback".into();
        let hint = "`bastide gate --listen 127.0.0.1:8088 --session-from …`, or a token".into();
        return Err(Error::Usage { cause, hint, run: false });
    }
    let admits = match asked.session_from {
        Some(from) => Admits::Each(from),
        None => Admits::Token(token(asked.token_file.as_deref())?),
    };
    let (mut told, tells) = UnixStream::pair().map_err(host("handle signals"))?;
    for signal in ENDS.into_iter().filter(|signal| !signals::ignored().contains(signal)) {
        let tells = tells.try_clone().map_err(host("handle signals"))?;
        signal_hook::low_level::pipe::register(signal, tells).map_err(host("handle signals"))?;
    }
    let listener = TcpListener::bind(address).map_err(host("listen there"))?;
    let address = listener.local_addr().map_err(host("listen there"))?;
    let room = tempfile::Builder::new().prefix("bastide-gate-").tempdir().map_err(host("make a directory"))?;
    let work = room.path().join("work");
    fs::create_dir(&work).map_err(host("make a directory"))?;
    let policy = asked.policy.as_ref().map(fs::canonicalize).transpose().map_err(host("read the policy"))?;
    let options = Options { policy };
    let listening = Arc::new(Listening { admits, options, room: work, cells: Mutex::default() });
    // A policy that does not hold is told now, not to the first who connects.
    let first = Cell::start(&listening.options, &listening.room).map_err(host("make a cell"))?;
    let bundle = room.path().join("trusted.pem");
    fs::write(&bundle, &first.trusted).map_err(host("write what is to be trusted"))?;
    match &listening.admits {
        Admits::Token(_) => _ = listening.cells().insert(String::new(), first),
        Admits::Each(_) => first.end(),
    }
    tell(&listening, address, &bundle, asked.token_file.is_some(), json)?;
    let serving = Arc::clone(&listening);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serving = Arc::clone(&serving);
            std::thread::spawn(move || serving.serve(&stream));
        }
    });
    let _ = told.read_exact(&mut [0]);
    listening.cells().drain().for_each(|(_, cell)| cell.end());
    Ok(exit::DONE)
}

/// A token of the operator's file, or a new one.
fn token(file: Option<&Path>) -> Result<String, Error> {
    let refused = |cause| Error::Host { what: "read the token", cause };
    if let Some(file) = file {
        let text = fs::read_to_string(file).map_err(refused)?;
        let text = text.trim();
        let plain = text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        return if plain {
            Ok(text.to_owned())
        } else {
            Err(refused(io::Error::other("it is no line of 16 visible letters or more, without `:`")))
        };
    }
    let mut bytes = [0; 24];
    fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes)).map_err(refused)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn tell(listening: &Listening, at: SocketAddr, bundle: &Path, given: bool, json: bool) -> Result<(), Error> {
    let bundle = bundle.display();
    let token = match &listening.admits {
        Admits::Token(token) => Some(token.as_str()).filter(|_| !given),
        Admits::Each(_) => None,
    };
    if json {
        let said = serde_json::json!({"listen": at.to_string(), "token": token, "trusted": bundle.to_string()});
        return print(&format!("{said}\n")).map(drop);
    }
    let secret = token.unwrap_or(match listening.admits {
        Admits::Token(_) => "TOKEN",
        Admits::Each(_) => "ANY",
    });
    let rows = [
        format!("models     http://{at}  with the key {secret}"),
        format!("proxy      http://x:{secret}@{at}"),
        format!("trusted    SSL_CERT_FILE={bundle}"),
    ];
    let rows: String = rows.iter().map(|row| wrap(row)).collect();
    let each = match listening.admits {
        Admits::Token(_) => "",
        Admits::Each(SessionFrom::Bearer) => {
            "Each key has a session of its own, and everybody on this host is let in.\n"
        }
        Admits::Each(SessionFrom::Model) => {
            "Each model has a session of its own, and everybody on this host is let in.\n"
        }
    };
    print(&format!("{rows}\n{each}{NOT_ENFORCED}")).map(drop)
}

impl Listening {
    fn serve(&self, stream: &TcpStream) {
        let served = self.admit(stream);
        if let Err(Refused { status, why }) = served {
            let body = format!("bastide refused this: {why}\n");
            let text = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let mut to = stream;
            let _ = to.write_all(text.as_bytes());
        }
    }

    fn admit(&self, stream: &TcpStream) -> Result<(), Refused> {
        let gone = |_| Refused::new("502 Bad Gateway", "the session's cell ended");
        stream.set_read_timeout(Some(PATIENCE)).map_err(gone)?;
        let (head, mut rest) = read_head(stream).ok_or(Refused::new("400 Bad Request", "this is no request"))?;
        let key = match &self.admits {
            Admits::Token(token) => {
                let has = head.bearer.as_ref().is_some_and(|bearer| same(bearer.as_bytes(), token.as_bytes()));
                has.then(String::new).ok_or(Refused::new(unknown(&head), "the token is missing or another one"))?
            }
            Admits::Each(SessionFrom::Bearer) => {
                head.bearer.clone().ok_or(Refused::new(unknown(&head), "a key says which session it is"))?
            }
            Admits::Each(SessionFrom::Model) => {
                let model = model(stream, &head, &mut rest);
                model
                    .ok_or(Refused::new("400 Bad Request", "its body names no model, which says which session it is"))?
            }
        };
        let cell = self.cell(&key).map_err(|_| Refused::new("502 Bad Gateway", "no cell can be made"))?;
        // A tunnel may be silent for long.
        stream.set_read_timeout(None).map_err(gone)?;
        let first = [head.said, rest].concat();
        // What breaks from here on was answered by the door, or cut.
        let _ = cell.carry(stream, head.door, first);
        Ok(())
    }

    /// The session of a value; a new one where there is none.
    fn cell(&self, key: &str) -> io::Result<Arc<Cell>> {
        let mut cells = self.cells();
        if let Some(cell) = cells.get(key).filter(|cell| !cell.is_over()) {
            return Ok(Arc::clone(cell));
        }
        if cells.len() >= SESSIONS {
            let idle = cells.iter().filter_map(|(key, cell)| Some((cell.idle_since()?, key.clone())));
            let (_, oldest) = idle.min().unwrap_or((Instant::now(), String::new()));
            let gone = cells.remove(&oldest).ok_or(io::ErrorKind::QuotaExceeded)?;
            std::thread::spawn(move || gone.end());
        }
        let cell = Cell::start(&self.options, &self.room)?;
        cells.insert(key.to_owned(), Arc::clone(&cell));
        Ok(cell)
    }

    fn cells(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Cell>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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

fn unknown(head: &Head) -> &'static str {
    match head.door {
        mux::Door::Proxy => "407 Proxy Authentication Required",
        mux::Door::Inference => "401 Unauthorized",
    }
}

/// The head, and what came behind it.
fn read_head(mut stream: &TcpStream) -> Option<(Head, Vec<u8>)> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Some((head::read(&bytes)?, rest));
        }
        let length = stream.read(&mut piece).ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&piece[..length]);
        if bytes.len() > head::LONGEST {
            return None;
        }
    }
}

/// The model that a body names, once it is whole.
fn model(stream: &TcpStream, head: &Head, rest: &mut Vec<u8>) -> Option<String> {
    let left = head.length.checked_sub(rest.len()).filter(|_| head.length <= LONGEST)?;
    stream.take(left as u64).read_to_end(rest).ok()?;
    let body: serde_json::Value = serde_json::from_slice(rest).ok()?;
    body["model"].as_str().filter(|model| model.len() <= 256).map(str::to_owned)
}

/// Compares in a time that says nothing of where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn host(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |cause| Error::Host { what, cause }
}
