//! `bastide gate`: the door without the walls, for an agent that runs elsewhere. Behind the address there is a cell with
//! nothing in it, so that what is decided, lent and recorded is what it always is.

mod admit;
mod cell;
mod crowd;
mod directory;
mod head;
mod inside;
mod mux;

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use signal_hook::consts;

use crate::args::{Gate, SessionFrom};
use crate::errors::{Error, wrap};
use crate::exit;
use crate::terminal::signals;
use crate::verbs::print;
use cell::{Cell, Unmade};
use directory::Directory;

/// The first argument of the program inside.
pub(crate) const INSIDE: &str = "--carry-to-the-door";
/// What ends it.
const ENDS: [i32; 3] = [consts::SIGINT, consts::SIGTERM, consts::SIGHUP];
/// Longest file of a token.
const LONGEST_TOKEN: u64 = 4096;
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
    /// What its client tells, it tells as JSON.
    json: bool,
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
    /// Where it listens.
    at: SocketAddr,
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
    let at = listener.local_addr().map_err(host("listen there"))?;
    let room = Directory::make(&std::env::temp_dir()).map_err(host("make a directory"))?;
    let work = room.path().join("work");
    fs::create_dir(&work).map_err(host("make a directory"))?;
    let policy = asked.policy.as_ref().map(fs::canonicalize).transpose().map_err(host("read the policy"))?;
    let options = Options { policy, json };
    let listening = Arc::new(Listening { admits, options, at, room: work, cells: Mutex::default() });
    // A policy that does not hold is told now, not to the first who connects.
    let first = Cell::start(&listening.options, &listening.room).map_err(|unmade| match unmade {
        Unmade::Refused(problem) => Error::Plane(problem),
        Unmade::Failed(cause) => Error::Host { what: "make a cell", cause },
    })?;
    // Where no TLS is read, an agent trusts what it trusts anyway.
    let bundle = (!first.trusted.is_empty()).then(|| room.path().join("trusted.pem"));
    if let Some(bundle) = &bundle {
        fs::write(bundle, &first.trusted).map_err(host("write what is to be trusted"))?;
    }
    match &listening.admits {
        Admits::Token(_) => _ = listening.cells().insert(String::new(), first),
        Admits::Each(_) => first.end(),
    }
    tell(&listening, bundle.as_deref(), asked.token_file.is_some(), json)?;
    let serving = Arc::clone(&listening);
    thread::Builder::new().spawn(move || serving.take(&listener)).map_err(host("begin a thread"))?;
    let _ = told.read_exact(&mut [0]);
    listening.cells().drain().for_each(|(_, cell)| cell.end());
    Ok(exit::DONE)
}

/// A token of the operator's file, or a new one.
fn token(file: Option<&Path>) -> Result<String, Error> {
    let refused = |cause| Error::Host { what: "read the token", cause };
    if let Some(file) = file {
        let opened = fs::File::open(file).map_err(refused)?;
        if opened.metadata().map_err(refused)?.mode() & 0o077 != 0 {
            let cause = format!("others may read or change it; hint: `chmod 600 {}`", file.display());
            return Err(refused(io::Error::other(cause)));
        }
        let mut text = String::new();
        opened.take(LONGEST_TOKEN).read_to_string(&mut text).map_err(refused)?;
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

fn tell(listening: &Listening, bundle: Option<&Path>, given: bool, json: bool) -> Result<(), Error> {
    let (at, bundle) = (listening.at, bundle.map(|path| path.display().to_string()));
    let token = match &listening.admits {
        Admits::Token(token) => Some(token.as_str()).filter(|_| !given),
        Admits::Each(_) => None,
    };
    if json {
        let said = serde_json::json!({"listen": at.to_string(), "token": token, "trusted": bundle});
        return print(&format!("{said}\n")).map(drop);
    }
    let secret = token.unwrap_or(match listening.admits {
        Admits::Token(_) => "TOKEN",
        Admits::Each(_) => "ANY",
    });
    let mut rows =
        vec![format!("models     http://{at}  with the key {secret}"), format!("proxy      http://x:{secret}@{at}")];
    rows.extend(bundle.map(|bundle| format!("trusted    SSL_CERT_FILE={bundle}")));
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
    /// The session of a value; a new one where there is none.
    fn cell(&self, key: &str) -> Result<Arc<Cell>, Unmade> {
        let mut cells = self.cells();
        if let Some(cell) = cells.get(key).filter(|cell| !cell.is_over()) {
            return Ok(Arc::clone(cell));
        }
        if cells.len() >= SESSIONS {
            let idle = cells.iter().filter_map(|(key, cell)| Some((cell.idle_since()?, key.clone())));
            let (_, oldest) = idle.min().unwrap_or((Instant::now(), String::new()));
            let gone = cells.remove(&oldest).ok_or(io::Error::from(io::ErrorKind::QuotaExceeded))?;
            let ends = Arc::clone(&gone);
            if thread::Builder::new().spawn(move || ends.end()).is_err() {
                gone.end();
            }
        }
        let cell = Cell::start(&self.options, &self.room)?;
        cells.insert(key.to_owned(), Arc::clone(&cell));
        Ok(cell)
    }

    fn cells(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Cell>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn host(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |cause| Error::Host { what, cause }
}
