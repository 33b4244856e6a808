//! One gate from its lease to the end of its channel.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::DnsName;
use record::segment::Head;
use record::{Kind, Origin, Redactor, Segment, Writer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use wire::{GateOrder, GateReport, Labelled, Lease, Lent, Secret, Words};

use crate::answers;
use crate::aside::Aside;
use crate::collect::Room;
use crate::confine::{ceiling, confine, prepare};
use crate::consent::Held;
use crate::diag::Diag;
use crate::door::Door;
use crate::flood::{CONNECTIONS, Flood, REQUESTS, STOPPED};
use crate::flows::{Flows, Tree};
use crate::generation::Generation;
use crate::lease::{Descriptors, take};
use crate::ledger::Ledger;
use crate::mcp::Servers;
use crate::models::Models;
use crate::naming::Naming;
use crate::original::Kernel;
use crate::outside::{self, Pool};
use crate::passage::Passage;
use crate::petition::Desk;
use crate::programs::{Heard, Programs};
use crate::refusals::Refusals;
use crate::relay::Buffers;
use crate::resolver::Resolver;
use crate::risk::Risks;
use crate::stdio::Stdio;
use crate::stood::Asking;
use crate::tls::Authority;
use crate::upstream::Upstream;

/// Descriptors beside those of connections: stdio, the leased ones, tokio's, some room, connections that are kept, and lines.
const OWN: u64 = 32 + outside::SPARE as u64 + wire::MAX_LINES as u64;
/// Descriptors that one connection holds at most: its own, and two questions to a resolver.
const EACH: u64 = 3;
/// Connections that are being made at once.
const OPENING: usize = 128;

/// Why a gate does not serve: what it could not do, and why.
#[derive(Debug)]
pub struct Failure {
    what: &'static str,
    why: String,
}

impl Failure {
    /// Turns an error into the failure of `what`.
    fn of<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Failure {
        move |error| Failure { what, why: error.to_string() }
    }
}

/// Keeps out of the record what was let in by name, what is lent, and what is secret in files.
fn hide(ledger: &mut Ledger, secrets: &[Secret], lent: &[Lent], labelled: &[Labelled]) {
    secrets.iter().for_each(|secret| ledger.hide(&secret.name, &secret.value));
    lent.iter().for_each(|lent| ledger.hide(&lent.name, &lent.value));
    labelled.iter().filter(|one| one.exact).for_each(|one| ledger.hide(one.label.as_str(), &one.text));
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.what, self.why)
    }
}

/// Takes the lease on `channel`, reports on it, and serves until it ends.
///
/// # Errors
/// The [`Failure`] that was reported.
pub fn run(mut channel: UnixStream) -> Result<(), Failure> {
    let begun = begin(&channel);
    let report = match &begun {
        Ok(_) => GateReport::Ready,
        Err(Failure { what, why }) => GateReport::Failed { what: (*what).to_owned(), why: why.clone() },
    };
    let frame = wire::encode(&report).map_err(Failure::of("report"))?;
    // Small, so that it fits into the socket's buffer at once.
    let said = channel.write_all(&frame);
    let gate = begun?;
    said.map_err(Failure::of("report"))?;
    gate.serve(&channel)
}

/// A confined gate, before the first byte of the cell is read.
struct Gate {
    runtime: tokio::runtime::Runtime,
    door: Rc<Door<Kernel>>,
    tcp: Vec<TcpListener>,
    dns_udp: Vec<UdpSocket>,
    dns_tcp: Vec<TcpListener>,
    channel: tokio::net::UnixStream,
    reports: mpsc::UnboundedReceiver<GateReport>,
    paused: bool,
}

fn begin(channel: &UnixStream) -> Result<Gate, Failure> {
    // What needs no lease comes before it: a gate may be started long before, and a cell waits for it afterwards.
    let walls = Arc::new(prepare().map_err(Failure::of("confine"))?);
    let aside = Aside::begin(&walls).map_err(Failure::of("begin a second thread"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(Failure::of("runtime"))?;
    let (lease, descriptors) = take(channel).map_err(Failure::of("lease"))?;
    channel.set_nonblocking(true).map_err(Failure::of("channel"))?;
    // Where the operator allows fewer descriptors, fewer connections are held, and none fails half-way.
    let fits = ceiling().saturating_sub(OWN + answers::most()) / EACH;
    let connections = u64::from(lease.bounds.connections).clamp(1, fits.max(1));
    let inside = runtime.enter();
    // A second descriptor for the loop, made while that is still allowed: the first one carries the report.
    let waited = channel.try_clone().and_then(tokio::net::UnixStream::from_std).map_err(Failure::of("channel"))?;
    let Descriptors { segment, drops, tcp, dns_udp, dns_tcp, diag, watcher, lines } = descriptors;
    let listeners = |sockets: [OwnedFd; 2]| sockets.into_iter().map(listener).collect::<io::Result<Vec<_>>>();
    let tcp = listeners(tcp).map_err(Failure::of("listen"))?;
    let dns_tcp = listeners(dns_tcp).map_err(Failure::of("listen for names"))?;
    let dns_udp: io::Result<Vec<_>> = dns_udp.into_iter().map(datagrams).collect();
    let dns_udp = dns_udp.map_err(Failure::of("listen for names"))?;
    let programs = Programs::new(watcher, Diag::new(diag, lease.incarnation));
    let programs = programs.map_err(Failure::of("watch"))?;
    let idle = Duration::from_secs(lease.bounds.idle.max(1).into());
    let authority = lease.tls.as_ref().map(Authority::new).transpose().map_err(Failure::of("tls"))?;
    let (held, reports) = Held::new(lease.bounds.held, Duration::from_secs(lease.bounds.patience.into()));
    let stdio = Stdio::new(lines, held.reports(), lease.incarnation).map_err(Failure::of("servers"))?;
    let paused = lease.paused;
    let passage = Passage {
        aside: aside.confined().map_err(Failure::of("confine"))?,
        ..passage(lease, (segment, drops), connections, (held, stdio))?
    };
    drop(inside);
    confine(&walls, EACH * connections + OWN + answers::most(), connections).map_err(Failure::of("confine"))?;
    // A listener that waits holds a slot: one more, so that the idle one of two takes none from the other.
    let slots = Arc::new(Semaphore::new(usize::try_from(connections).unwrap_or(1) + tcp.len() - 1));
    let buffers = Buffers::default();
    let door = Rc::new(Door {
        passage,
        programs: Some(programs),
        authority,
        original: Kernel,
        slots,
        buffers,
        room: Room::default(),
        pool: Pool::default(),
        idle,
    });
    Ok(Gate { runtime, door, tcp, dns_udp, dns_tcp, channel: waited, reports, paused })
}

fn passage(
    lease: Lease,
    (segment, [appends, reads]): (File, [File; 2]),
    connections: u64,
    (held, stdio): (Held, Rc<Stdio>),
) -> Result<Passage, Failure> {
    let earlier: Result<Vec<DnsName>, _> = lease.names.iter().map(|name| DnsName::parse(name)).collect();
    let earlier = earlier.map_err(Failure::of("restore names"))?;
    let naming = Naming::new(&lease.policy, lease.bounds.names, &earlier).map_err(Failure::of("restore names"))?;
    let writer = writer(&lease)?;
    let tree = Tree::new(&lease.session, appends, reads);
    let heard = lease.heard.iter().flat_map(Words::labelled);
    let labelled: Vec<Labelled> = lease.labelled.into_iter().chain(heard).collect();
    let flows = Flows::new(&lease.policy, &labelled, lease.incarnation == 1, tree);
    let mut ledger = Ledger::new(segment, writer, Redactor::new());
    ledger.keep(lease.policy.bodies());
    hide(&mut ledger, &lease.secrets, &lease.credentials, &labelled);
    let upstream = lease.upstream_proxy.as_ref().map(Upstream::new).transpose();
    let risks = Risks::new(&lease.suspected, lease.tls.is_some());
    flows.begin_with(&lease.carried, lease.lacking.as_deref());
    let models =
        Models::new(&lease.intent, lease.incarnation == 1).knowing(&lease.policy, &labelled, lease.lacking.as_deref());
    models.hold(&lease.reserved, &lease.policy);
    models.cut(&lease.policy, lease.policy.is_cut());
    let generation =
        Generation::new(lease.policy, lease.credentials, lease.incarnation == 1).granted(lease.granted, lease.endorsed);
    Ok(Passage {
        held,
        upstream: upstream.map_err(Failure::of("upstream proxy"))?,
        generation: RefCell::new(Rc::new(generation)),
        replaced: Notify::new(),
        naming: RefCell::new(naming),
        ledger: RefCell::new(ledger),
        resolver: Resolver::new(lease.nameservers, lease.hosts),
        refusals: RefCell::new(Refusals::new(Instant::now())),
        flows,
        risks,
        servers: Servers::default(),
        models,
        stdio,
        desk: Desk::new(lease.incarnation),
        asking: Asking::default(),
        aside: Aside::default(),
        pace: RefCell::new(Flood::new(Instant::now(), CONNECTIONS)),
        request_pace: RefCell::new(Flood::new(Instant::now(), REQUESTS)),
        stopped_pace: RefCell::new(Flood::new(Instant::now(), STOPPED)),
        behind: Notify::new(),
        lets_own: lease.lets_own,
        opening: Semaphore::new(OPENING.min(usize::try_from(connections).unwrap_or(1))),
    })
}

/// Goes on where the segment's chain ends.
fn writer(lease: &Lease) -> Result<Writer, Failure> {
    let Some((events, hex)) = &lease.segment else {
        return Ok(Writer::new(&Origin { session: lease.session.clone(), segment: Segment::Gate }));
    };
    let failed = || Failure { what: "continue the segment", why: "its hash is no SHA-256 in hexadecimal".into() };
    let mut hash = [0; 32];
    if hex.len() != 2 * hash.len() || !hex.is_ascii() {
        return Err(failed());
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).map_err(|_| failed())?;
    }
    Ok(Writer::after(Segment::Gate, Head { events: *events, hash }))
}

fn listener(socket: OwnedFd) -> io::Result<TcpListener> {
    // Its connections inherit it; see `dial`.
    rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

fn datagrams(socket: OwnedFd) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::from(socket);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// Turns of the loop that connections get which were not accepted when the plane closed the channel: one is accepted in each.
const LAST: usize = 16;

impl Gate {
    fn serve(self, plane: &UnixStream) -> Result<(), Failure> {
        let Gate { runtime, door, tcp, dns_udp, dns_tcp, channel, reports, paused } = self;
        let tasks = tokio::task::LocalSet::new();
        for listener in tcp {
            tasks.spawn_local(Rc::clone(&door).serve(listener));
        }
        for socket in dns_udp {
            tasks.spawn_local(answers::datagrams(Rc::clone(&door), socket));
        }
        for listener in dns_tcp {
            tasks.spawn_local(answers::connections(Rc::clone(&door), listener));
        }
        let watched = Rc::clone(&door);
        tasks.spawn_local(async move {
            if let Some(programs) = &watched.programs
                && programs.listen(&watched.passage.ledger).await.is_err()
            {
                // Nobody would hear what is started: another gate does.
                programs.lost.notify_one();
            }
        });
        let refused = Rc::clone(&door);
        tasks.spawn_local(async move { refused.passage.settle_for_ever().await });
        let kept = Rc::clone(&door);
        tasks.spawn_local(async move { kept.pool.expire_for_ever(&kept.passage).await });
        let ended = runtime.block_on(async {
            let (pause, mut paused) = watch::channel(paused);
            let mut heard = pin!(heard(channel, reports, Rc::clone(&door), pause));
            loop {
                let held = *paused.borrow_and_update();
                let course = async {
                    tokio::select! {
                        // The plane is heard before anything else has a turn.
                        biased;
                        ended = &mut heard => {
                            // What the kernel took from a program that has ended since is decided and recorded, too.
                            for _ in 0..LAST {
                                tokio::task::yield_now().await;
                            }
                            Some(ended.map_err(Failure::of("channel")))
                        }
                        // Programs wait then, with what they would do, for a gate that can record it.
                        () = door.unrecorded() => {
                            Some(Err(Failure { what: "record", why: "a started program could not be".into() }))
                        }
                        _ = paused.changed() => None,
                    }
                };
                // All else is a task of this set: as long as those have no turn, nothing comes in, goes out or is decided.
                let ended = if held { course.await } else { tasks.run_until(course).await };
                if let Some(ended) = ended {
                    break ended;
                }
            }
        });
        door.drain();
        // All is recorded: nobody has to wait until this process is gone.
        let _ = plane.shutdown(Shutdown::Write);
        ended
    }
}

impl<O> Door<O> {
    /// Waits until a started program could not be recorded.
    async fn unrecorded(&self) {
        match &self.programs {
            Some(programs) => programs.lost.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Records what the watcher still said, and what was only counted.
    fn drain(&self) {
        if let Some(programs) = &self.programs {
            while programs.hear(&self.passage.ledger) == Heard::Some {}
            programs.settle(&self.passage.ledger);
        }
        self.passage.settle();
        self.pool.drain(&self.passage);
    }
}

/// Hears the plane until it closes the channel, and tells it what there is to tell.
async fn heard<O>(
    mut channel: tokio::net::UnixStream,
    reports: mpsc::UnboundedReceiver<GateReport>,
    door: Rc<Door<O>>,
    pause: watch::Sender<bool>,
) -> io::Result<()> {
    let (hears, says) = channel.split();
    tokio::select! {
        ended = orders(hears, &door, &pause) => ended,
        failed = tell(says, reports, &door) => failed,
    }
}

/// Tells the plane what there is to tell, one after the other.
async fn tell<O>(
    mut channel: tokio::net::unix::WriteHalf<'_>,
    mut reports: mpsc::UnboundedReceiver<GateReport>,
    door: &Door<O>,
) -> io::Result<()> {
    loop {
        let frame = tokio::select! {
            frame = door.passage.desk.told() => frame,
            Some(report) = reports.recv() => {
                if matches!(report, GateReport::Suspected(_)) {
                    door.passage.suspected_told();
                }
                wire::encode(&report).map_err(io::Error::other)?
            }
        };
        match channel.write_all(&frame).await {
            Ok(()) => {}
            // It was killed.
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

async fn orders<O>(
    mut channel: tokio::net::unix::ReadHalf<'_>,
    door: &Door<O>,
    pause: &watch::Sender<bool>,
) -> io::Result<()> {
    let mut orders = wire::Decoder::new();
    let mut buffer = [0; 4096];
    loop {
        match channel.read(&mut buffer).await {
            Ok(0) => return Ok(()),
            Ok(length) => {
                for order in orders.push(&buffer[..length]).map_err(io::Error::other)? {
                    if let Some(report) = carry_out(&door.passage, pause, order) {
                        // In one line with what is held: what a policy has decided anew is told after the policy.
                        let _ = door.passage.held.reports().send(report);
                    }
                }
            }
            // The plane was killed with our report unread.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Carries an order out; gives what it is answered.
fn carry_out(passage: &Passage, pause: &watch::Sender<bool>, order: GateOrder) -> Option<GateReport> {
    match order {
        GateOrder::Attested { words } => passage.models.attest(&words),
        GateOrder::Lend { credentials } => {
            hide(&mut passage.ledger.borrow_mut(), &[], &credentials, &[]);
            passage.lend(credentials);
        }
        GateOrder::Replace { revision, policy, credentials, labelled, forgives } => {
            hide(&mut passage.ledger.borrow_mut(), &[], &credentials, &labelled);
            if forgives {
                passage.risks.forgive();
            }
            // What cannot be recorded any more refuses all that follows.
            let _ = passage.ledger.borrow_mut().write(Kind::DecidesBy { revision });
            passage.replace(policy, credentials, &labelled);
            passage.risks.begin_anew();
            passage.keep_narrow();
            return Some(GateReport::Replaced { revision });
        }
        GateOrder::Reserve { reserved } => {
            let fits = passage.models.hold(&reserved, &passage.now().policy);
            return Some(GateReport::Reserved { reserved, fits });
        }
        GateOrder::Names { nameservers, hosts } => passage.resolver.replace(nameservers, hosts),
        GateOrder::Petitioned { number, answer } => passage.desk.answer(number, answer),
        GateOrder::Stood { number, stood } => passage.asking.answer(number, stood),
        GateOrder::Severed { line, why } => passage.stdio.sever(line, why),
        GateOrder::Grant { rules, endorsed } => passage.grant(rules, endorsed),
        GateOrder::Suspect(child) => passage.suspect_child(&child),
        GateOrder::Narrow { score } => {
            return passage.narrow_with_parent(score).map(|narrowed| GateReport::Narrowed(Box::new(narrowed)));
        }
        GateOrder::Ruled { number, ruling } => passage.held.rule(number, ruling),
        GateOrder::Pause { number } => {
            pause.send_replace(true);
            return Some(GateReport::Paused { number });
        }
        GateOrder::Resume => drop(pause.send_replace(false)),
    }
    None
}
