//! Servers of MCP in cells of their own. Each speaks on its standard input and output, which the gate has at the other end of a
//! line; whoever is inside speaks to it by HTTP, as to a server elsewhere, and is judged by the same code. Between the two
//! stands what a library for that would be: `http` takes a message, `link` says it to the server under a number of its own and
//! hears the answer.
//!
//! The gate asks for a server when something is first said to it, and introduces itself: so a server has one client, however many
//! programs speak to it, and is told of nothing that a program could do for it. It asks a program for nothing.

mod http;
pub mod lines;
mod link;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Socket;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::io::DuplexStream;
use tokio::net::UnixStream;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::time::timeout;
use wire::GateReport;

use link::Link;

/// How long a server may take to begin, and to answer what it is first asked.
const BEGINNING: Duration = Duration::from_secs(60);
/// How long the plane may take to say why there is none.
const MOMENT: Duration = Duration::from_secs(1);
/// Bytes on their way between a program's connection and a server.
const PIPE: usize = 64 << 10;
/// The version of the protocol that is spoken where no program named one.
const VERSION: &str = "2025-06-18";
/// Longest name of a version.
const MAX_VERSION: usize = 32;

/// Where one server stands, once it was begun. Who comes while that goes on waits.
type Place = Rc<Mutex<Option<Rc<Link>>>>;

/// The servers of one session.
#[derive(Debug)]
pub struct Stdio {
    /// Nothing is behind these yet.
    lines: RefCell<VecDeque<(u32, UnixStream)>>,
    /// There were some.
    had: bool,
    reports: mpsc::UnboundedSender<GateReport>,
    running: RefCell<HashMap<String, Place>>,
    severed: RefCell<HashMap<u32, String>>,
    /// Rung when one is.
    rung: Notify,
    incarnation: u32,
    clients: Cell<u64>,
}

impl Stdio {
    /// Speaks on these lines; what it tells the plane goes to `reports`. Needs a runtime around it.
    ///
    /// # Errors
    /// When a line is no socket.
    pub fn new(
        lines: Vec<OwnedFd>,
        reports: mpsc::UnboundedSender<GateReport>,
        incarnation: u32,
    ) -> io::Result<Rc<Stdio>> {
        let line = |(number, line): (u32, OwnedFd)| {
            let socket = Socket::from(line);
            socket.set_nonblocking(true)?;
            Ok((number, UnixStream::from_std(socket)?))
        };
        let lines = (0..).zip(lines).map(line).collect::<io::Result<VecDeque<_>>>()?;
        Ok(Rc::new(Stdio {
            had: !lines.is_empty(),
            lines: RefCell::new(lines),
            reports,
            running: RefCell::default(),
            severed: RefCell::default(),
            rung: Notify::new(),
            incarnation,
            clients: Cell::new(0),
        }))
    }

    /// A connection to a server, on which HTTP is spoken. Needs a [`tokio::task::LocalSet`] around it.
    pub(crate) fn open(self: &Rc<Self>, server: &str) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        tokio::task::spawn_local(http::serve(Rc::clone(self), server.to_owned(), theirs));
        ours
    }

    /// What is behind a line is gone, or never was.
    pub(crate) fn sever(&self, line: u32, why: String) {
        self.severed.borrow_mut().insert(line, why);
        self.rung.notify_waiters();
    }

    /// The server, where it runs.
    async fn there(&self, server: &str) -> Option<Rc<Link>> {
        let place = self.place(server);
        let link = place.lock().await.clone();
        link.filter(|link| !link.is_over())
    }

    /// The server, begun where it does not run; `version` is what a program would speak with it.
    async fn running(&self, server: &str, version: Option<&str>) -> Result<Rc<Link>, String> {
        let place = self.place(server);
        let mut place = place.lock().await;
        if let Some(link) = place.as_ref().filter(|link| !link.is_over()) {
            return Ok(Rc::clone(link));
        }
        let link = self.begin(server, version.filter(|version| is_version(version)).unwrap_or(VERSION)).await?;
        *place = Some(Rc::clone(&link));
        Ok(link)
    }

    /// One place for each: who comes while it begins waits for the same.
    fn place(&self, server: &str) -> Place {
        Rc::clone(self.running.borrow_mut().entry(server.to_owned()).or_default())
    }

    async fn begin(&self, server: &str, version: &str) -> Result<Rc<Link>, String> {
        let Some((line, stream)) = self.lines.borrow_mut().pop_front() else {
            return Err(match self.had {
                true => "servers were begun as often as they may be in this session".into(),
                false => "this session began under a policy without servers: they are there in the next".into(),
            });
        };
        let asks = GateReport::Server { server: server.to_owned(), line };
        self.reports.send(asks).map_err(|_| "nobody is there to begin it".to_owned())?;
        let link = Link::new(line, format!("{}-{line}", self.incarnation));
        let (carried, parted) = (Rc::clone(&link), self.reports.clone());
        tokio::task::spawn_local(async move {
            carried.carry(stream).await;
            let _ = parted.send(GateReport::Parted { line });
        });
        let introduced = json!({"jsonrpc": "2.0", "method": "initialize", "params": {
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": {"name": "bastide", "version": env!("CARGO_PKG_VERSION")},
        }});
        let begun = match timeout(BEGINNING, link.introduce(introduced)).await {
            Ok(Ok(begun)) => begun,
            Ok(Err(why)) => return Err(self.unable(&link, why).await),
            Err(_) => {
                link.end();
                return Err(format!("it did not answer `initialize` within {} seconds", BEGINNING.as_secs()));
            }
        };
        match begun {
            Ok(begun) => link.begun(begun),
            Err(why) => {
                link.end();
                return Err(format!("it refused to begin: {why}"));
            }
        }
        Ok(link)
    }

    /// Why a server gave no answer: for what it said, else by its plane, where that says so.
    async fn unable(&self, link: &Link, why: String) -> String {
        let told = async {
            loop {
                let rung = self.rung.notified();
                if let Some(why) = self.severed.borrow().get(&link.line()) {
                    return why.clone();
                }
                rung.await;
            }
        };
        // Also where it is known already: who asks again at once is to find that it ended, and how often.
        match timeout(MOMENT, told).await {
            Ok(told) if !link.is_cut() => told,
            _ => why,
        }
    }

    /// What a further program is known by to a server.
    fn client(&self, link: &Link) -> String {
        let client = self.clients.get() + 1;
        self.clients.set(client);
        format!("{}-{client}", link.mark())
    }
}

fn is_version(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    !text.is_empty() && text.len() <= MAX_VERSION && text.bytes().all(plain)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
