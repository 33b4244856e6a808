//! One session whose agent is outside: a cell with nothing in it but a way to its door.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use wire::command::Problem;

use super::mux::{Door, Frame, PIECE};
use super::{INSIDE, Options};
use crate::exit;

/// How long an error that its client told may take to be read, once that has ended.
const MOMENT: Duration = Duration::from_secs(2);

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

/// Why there is none.
#[derive(Debug)]
pub(super) enum Unmade {
    /// What its client told, where that tells errors as JSON.
    Refused(Box<Problem>),
    /// Anything else; what its client said is on our standard error.
    Failed(io::Error),
}

impl From<io::Error> for Unmade {
    fn from(error: io::Error) -> Unmade {
        Unmade::Failed(error)
    }
}

impl Cell {
    /// Starts one.
    ///
    /// # Errors
    /// When it cannot be started, or ends at once.
    pub(super) fn start(options: &Options, directory: &Path) -> Result<Arc<Cell>, Unmade> {
        let this = std::env::current_exe()?;
        let mut command = Command::new(&this);
        command.arg("run").arg("--fresh-home").arg("--mode").arg("read-only");
        command.arg("--workspace").arg(directory).arg("--read").arg(&this);
        if let Some(policy) = &options.policy {
            command.arg("--policy").arg(policy);
        }
        if options.json {
            command.arg("--json").stderr(Stdio::piped());
        }
        command.arg("--").arg(&this).arg(INSIDE).current_dir(directory);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (Some(to), Some(mut from)) = (to, from) else {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        };
        let told = child.stderr.take().map(pass_on).transpose()?;
        let Ok(Some(Frame::Ready(trusted))) = Frame::read(&mut from) else {
            let ended = child.wait()?;
            return Err(match told.and_then(|told| told.recv_timeout(MOMENT).ok()) {
                Some(problem) => Unmade::Refused(Box::new(problem)),
                None => io::Error::other(format!("the cell ended: {ended}")).into(),
            });
        };
        let open = Open { next: 1, streams: HashMap::new(), last: Instant::now(), over: false };
        let (child, to) = (Mutex::new(child), Mutex::new(Some(to)));
        let cell = Arc::new(Cell { child, to, open: Mutex::new(open), trusted });
        let heard = Arc::clone(&cell);
        thread::Builder::new().spawn(move || heard.hear(&mut from))?;
        Ok(cell)
    }

    /// Opens a connection to the door for this one.
    pub(super) fn open(&self, stream: &TcpStream, door: Door) -> io::Result<u32> {
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
        Ok(id)
    }

    /// Sends bytes on it.
    pub(super) fn send(&self, id: u32, bytes: &[u8]) -> io::Result<()> {
        bytes.chunks(PIECE).try_for_each(|piece| self.say(&Frame::Bytes(id, piece.to_vec())))
    }

    /// Serves it until its agent says no more.
    pub(super) fn carry(&self, id: u32, stream: &TcpStream) -> io::Result<()> {
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

/// Passes on what a client says on its standard error, but an error of its own while somebody waits for that.
fn pass_on(from: ChildStderr) -> io::Result<Receiver<Problem>> {
    let (tells, told) = channel();
    thread::Builder::new().spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if problem(&line).is_none_or(|problem| tells.send(problem).is_err()) {
                let _ = writeln!(io::stderr(), "{line}");
            }
        }
    })?;
    Ok(told)
}

/// An error as `--json` tells it.
fn problem(line: &str) -> Option<Problem> {
    #[derive(serde::Deserialize)]
    struct Told {
        error: What,
    }
    #[derive(serde::Deserialize)]
    struct What {
        code: String,
        cause: String,
        hint: Option<String>,
    }
    let Told { error: What { code, cause, hint } } = serde_json::from_str(line).ok()?;
    Some(Problem { code, cause, hint, exit: exit::NOT_RUN })
}
