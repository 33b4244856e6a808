//! A fake cell for the whole program: a network namespace of the test's own, with its door and what leads there, and a
//! watcher that the test speaks for.

#![allow(dead_code, unreachable_pub, missing_docs)]

pub mod dns;
pub mod held;
pub mod http2;
pub mod models;
pub mod script;
pub mod server;
pub mod socket;
pub mod walls;

use std::collections::HashSet;
use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use policy::{Conjunction, Policy, Rule, Target};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, ipproto, netlink,
};
use wire::{Bounds, GateReport, Lease};

pub const ORDINARY: u32 = 12345;
/// Where the servers of a test are: an address of its own that is no loopback, since that has one way only.
pub const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 62, 0, 1);
/// An address on the public internet, as far as a test's network has one: another host answers there.
pub const PUBLIC: Ipv4Addr = Ipv4Addr::new(93, 184, 215, 14);
const TCP: u16 = 61001;
const DNS: u16 = 61053;

/// Moves this thread, and what it starts from now on, to a network of the test's own that stands for the host's.
pub fn outside() {
    thread_local!(static MOVED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
    if MOVED.replace(true) {
        return;
    }
    // Only this thread moves.
    #[allow(deprecated)]
    rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNET).unwrap();
    ip(&["link set lo up", &format!("addr add {OUTSIDE}/32 dev lo")]);
}

/// Gives one more address to the network of this thread.
pub fn also(address: &str) {
    outside();
    ip(&[&format!("addr replace {address} dev lo")]);
}

/// A thread that is another host, at [`PUBLIC`], with a wire to the network of this thread, which has one.
pub fn public() -> Elsewhere {
    thread_local!(static OTHER: std::cell::OnceCell<Elsewhere> = const { std::cell::OnceCell::new() });
    OTHER.with(|other| other.get_or_init(wired).clone())
}

fn wired() -> Elsewhere {
    outside();
    let (jobs, todo) = mpsc::channel::<Job>();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        // Only this thread moves.
        #[allow(deprecated)]
        rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNET).unwrap();
        tell.send(rustix::thread::gettid()).unwrap();
        todo.into_iter().for_each(|job| job());
    });
    let thread = told.recv().unwrap().as_raw_nonzero();
    let elsewhere = Elsewhere(jobs);
    ip(&[
        &format!("link add wire type veth peer name wire netns {thread}"),
        "addr add 10.63.0.1/24 dev wire",
        "link set wire up",
        &format!("route add {PUBLIC}/32 dev wire"),
    ]);
    elsewhere.does(|| {
        let own = format!("addr add {PUBLIC}/32 dev wire");
        ip(&["link set lo up", &own, "link set wire up", "route add 10.63.0.0/24 dev wire"]);
    });
    elsewhere
}

/// Another host.
#[derive(Clone)]
pub struct Elsewhere(mpsc::Sender<Job>);

impl Elsewhere {
    /// Runs something there and waits for what it gives.
    pub fn does<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (give, take) = mpsc::channel();
        self.0.send(Box::new(move || drop(give.send(job())))).unwrap();
        take.recv_timeout(Duration::from_secs(30)).unwrap()
    }
}

fn ip(commands: &[&str]) {
    for command in commands {
        let arguments = command.split(' ');
        assert!(Command::new("/usr/sbin/ip").args(arguments).status().unwrap().success(), "{command}");
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread that lives in a network namespace of its own.
pub struct Cell {
    jobs: mpsc::Sender<Job>,
    /// In the order of `plan::Report::Door`.
    pub door: Vec<OwnedFd>,
    /// The watcher's own end.
    pub watcher: OwnedFd,
    /// The gate's ends of lines to servers.
    pub lines: Vec<UnixStream>,
    /// What left in drops from the cells of its tree; its own alone where nobody says otherwise.
    pub drops: std::path::PathBuf,
    directory: tempfile::TempDir,
}

impl Cell {
    pub fn new() -> Cell {
        outside();
        let (jobs, todo) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            // Only this thread moves.
            #[allow(deprecated)]
            rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNET).unwrap();
            todo.into_iter().for_each(|job| job());
        });
        let (watcher, gates) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let directory = tempfile::Builder::new().prefix("bastide-gate-").tempdir_in("/tmp").unwrap();
        install(directory.path());
        let drops = directory.path().join(wire::DROPS);
        let mut cell = Cell { jobs, door: Vec::new(), watcher, lines: Vec::new(), drops, directory };
        cell.door = cell.inside(open);
        cell.door.push(gates);
        cell
    }

    /// No namespace yet: the door is somebody else's.
    pub fn empty() -> Cell {
        outside();
        let flags = SocketFlags::CLOEXEC;
        let (watcher, _) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        let directory = tempfile::Builder::new().prefix("bastide-gate-").tempdir_in("/tmp").unwrap();
        install(directory.path());
        let drops = directory.path().join(wire::DROPS);
        Cell { jobs: mpsc::channel().0, door: Vec::new(), watcher, lines: Vec::new(), drops, directory }
    }

    /// Runs something inside and waits for what it gives.
    pub fn inside<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (give, take) = mpsc::channel();
        self.jobs.send(Box::new(move || drop(give.send(job())))).unwrap();
        take.recv_timeout(Duration::from_secs(30)).unwrap()
    }

    pub fn segment(&self) -> std::path::PathBuf {
        self.directory.path().join("gate.segment")
    }

    pub fn record(&self) -> String {
        std::fs::read_to_string(self.segment()).unwrap()
    }

    /// Waits until the record holds this text.
    pub fn wait_for(&self, text: &str) -> String {
        for _ in 0..500 {
            let record = self.record();
            if record.contains(text) {
                return record;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("`{text}` never came: {}", self.record())
    }

    pub fn start(&self, lease: &Lease, uid: u32) -> Gate {
        let segment = File::options().append(true).create(true).open(self.segment()).unwrap();
        self.start_on(lease, uid, segment)
    }

    /// A gate that writes to this segment.
    pub fn start_on(&self, lease: &Lease, uid: u32, segment: File) -> Gate {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut command = Command::new(self.directory.path().join("bastide-gate"));
        command.stdin(OwnedFd::from(theirs)).stderr(Stdio::null()).env_clear().current_dir("/").uid(uid).gid(uid);
        let child = command.spawn().unwrap();
        drop(command);
        let appends = File::options().append(true).create(true).open(&self.drops).unwrap();
        let own = [segment, appends, File::open(&self.drops).unwrap()];
        let lines = self.lines.iter().map(AsFd::as_fd);
        let descriptors: Vec<_> =
            own.iter().map(AsFd::as_fd).chain(self.door.iter().map(AsFd::as_fd)).chain(lines).collect();
        send(&ours, &wire::encode(lease).unwrap(), &descriptors);
        Gate { child, channel: Some(ours), stood: Arc::default() }
    }
}

/// A running gate.
pub struct Gate {
    pub child: Child,
    channel: Option<UnixStream>,
    /// Hashes of the files that stood in the workspace before, where it is [`Gate::answering`].
    pub stood: Arc<Mutex<HashSet<String>>>,
}

impl Gate {
    pub fn report(&mut self) -> GateReport {
        let channel = self.channel.as_mut().unwrap();
        channel.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (mut decoder, mut bytes) = (wire::Decoder::new(), [0; 4096]);
        loop {
            let length = channel.read(&mut bytes).unwrap();
            assert!(length > 0, "the gate ended without a report");
            if let Some(report) = decoder.push(&bytes[..length]).unwrap().pop() {
                return report;
            }
        }
    }

    /// Answers its petitions as the session's process does, for as long as it lives.
    pub fn answering(
        &self,
        answer: impl Fn(wire::petition::Petitioned) -> Option<wire::petition::Answer> + Send + 'static,
    ) {
        let mut channel = self.channel.as_ref().unwrap().try_clone().unwrap();
        let stood = Arc::clone(&self.stood);
        channel.set_read_timeout(None).unwrap();
        std::thread::spawn(move || {
            let (mut decoder, mut bytes) = (wire::Decoder::new(), [0; 4096]);
            while let Ok(length @ 1..) = channel.read(&mut bytes) {
                for report in decoder.push(&bytes[..length]).unwrap() {
                    let order = match report {
                        GateReport::Petition(petitioned) => {
                            let number = petitioned.number;
                            let Some(answer) = answer(*petitioned) else { continue };
                            wire::GateOrder::Petitioned { number, answer }
                        }
                        GateReport::Stood { number, wholes } => {
                            let known = stood.lock().unwrap();
                            let stood = (0..).zip(&wholes).filter(|(_, one)| known.contains(&one.sha256));
                            let path = || "images/logo.png".to_owned();
                            let stood = stood.map(|(whole, _)| wire::Stood { whole, path: path() }).collect();
                            wire::GateOrder::Stood { number, stood }
                        }
                        other => panic!("{other:?}"),
                    };
                    channel.write_all(&wire::encode(&order).unwrap()).unwrap();
                }
            }
        });
    }

    /// Says something to it, as the plane does.
    pub fn order(&mut self, order: &wire::GateOrder) {
        self.channel.as_mut().unwrap().write_all(&wire::encode(order).unwrap()).unwrap();
    }

    pub fn ready(mut self) -> Gate {
        assert_eq!(self.report(), GateReport::Ready);
        self
    }

    /// What it says, to be heard frame by frame.
    pub fn channel(&self) -> UnixStream {
        self.channel.as_ref().unwrap().try_clone().unwrap()
    }

    /// Ends the channel and gives the exit code.
    pub fn end(&mut self) -> Option<i32> {
        self.channel = None;
        self.child.wait().unwrap().code()
    }

    pub fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn lease(allow: &[&str]) -> Lease {
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    policy.network.allow = allow.iter().map(|rule| Rule::to(Target::parse(rule).unwrap())).collect();
    Lease {
        version: wire::VERSION,
        session: "s1".into(),
        policy: Conjunction::new(vec![policy]),
        nameservers: Vec::new(),
        hosts: vec![("web.example".into(), OUTSIDE.into())],
        incarnation: 1,
        segment: None,
        names: Vec::new(),
        upstream_proxy: None,
        secrets: Vec::new(),
        lets_own: false,
        tls: None,
        credentials: Vec::new(),
        carried: Vec::new(),
        lacking: None,
        heard: Vec::new(),
        labelled: Vec::new(),
        intent: Vec::new(),
        reserved: policy::Amounts::default(),
        granted: Vec::new(),
        endorsed: Vec::new(),
        suspected: Vec::new(),
        lines: 0,
        paused: false,
        bounds: Bounds::default(),
    }
}

/// A server at [`OUTSIDE`] and on the loopback there that echoes what it gets; it ends with the test.
pub fn echo() -> u16 {
    echo_at(Ipv4Addr::UNSPECIFIED)
}

/// The same at one address alone.
pub fn echo_at(address: Ipv4Addr) -> u16 {
    outside();
    let listener = std::net::TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut bytes) {
                    if stream.write_all(&bytes[..length]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    port
}

/// Says something to an address and gives what comes back until the end.
pub fn talk(address: SocketAddr, text: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(text)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply)
}

fn send(socket: &UnixStream, bytes: &[u8], descriptors: &[std::os::fd::BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(32))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)));
    let sent = rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::empty()).unwrap();
    (&*socket).write_all(&bytes[sent..]).unwrap();
}

/// Everything of `plan::Report::Door` but the watcher, behind what leads to it.
fn open() -> Vec<OwnedFd> {
    ip(&[
        "link set lo up",
        "addr add 198.18.0.2/32 dev lo",
        "addr add fd62:6173:7469:6465::2/128 dev lo nodad",
        "route add local default dev lo src 198.18.0.2",
        "-6 route add local default dev lo",
    ]);
    let rules = format!(
        "table inet t {{ chain c {{ type filter hook prerouting priority -150;
         ip daddr 127.0.0.0/8 accept; ip6 daddr ::1 accept; tcp flags & (syn | ack) != syn accept;
         tcp dport 53 tproxy ip to 127.0.0.1:{DNS} accept; tcp dport 53 tproxy ip6 to [::1]:{DNS} accept;
         meta l4proto tcp tproxy ip to 127.0.0.1:{TCP} accept; meta l4proto tcp tproxy ip6 to [::1]:{TCP} accept
         }}
         }}
         table ip n {{ chain c {{ type filter hook prerouting priority -150;
         udp dport 53 ip saddr set ip daddr udp dport set {DNS} accept;
         udp sport {DNS} ip saddr set ip daddr ip daddr set 198.18.0.2 udp sport set 53 accept
         }}
         }}
         table ip6 n {{ chain c {{ type filter hook prerouting priority -150;
         udp dport 53 ip6 saddr set ip6 daddr udp dport set {DNS} accept;
         udp sport {DNS} ip6 saddr set ip6 daddr ip6 daddr set fd62:6173:7469:6465::2 udp sport set 53 accept
         }}
         }}"
    );
    assert!(Command::new("/usr/sbin/nft").arg(rules).status().unwrap().success());
    let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    let bind = |address: SocketAddr, kind: SocketType| {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let protocol = if kind == SocketType::STREAM { ipproto::TCP } else { ipproto::UDP };
        let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, Some(protocol)).unwrap();
        if address.is_ipv6() {
            rustix::net::sockopt::set_ipv6_v6only(&socket, true).unwrap();
        }
        if kind == SocketType::STREAM {
            // Of both families.
            socket2::SockRef::from(&socket).set_ip_transparent_v4(true).unwrap();
        }
        rustix::net::bind(&socket, &address).unwrap();
        if kind == SocketType::STREAM {
            rustix::net::listen(&socket, 1024).unwrap();
        }
        socket
    };
    let mut door = vec![
        bind((v4, TCP).into(), SocketType::STREAM),
        bind((v6, TCP).into(), SocketType::STREAM),
        bind((Ipv4Addr::UNSPECIFIED, DNS).into(), SocketType::DGRAM),
        bind((Ipv6Addr::UNSPECIFIED, DNS).into(), SocketType::DGRAM),
        bind((v4, DNS).into(), SocketType::STREAM),
        bind((v6, DNS).into(), SocketType::STREAM),
    ];
    let flags = SocketFlags::CLOEXEC;
    let diag = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG));
    door.push(diag.unwrap());
    door
}

/// The gate where an ordinary user can run it.
fn install(directory: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    // By another process: a program that somebody here holds open for writing cannot be started.
    let gate = env!("CARGO_BIN_EXE_bastide-gate");
    assert!(Command::new("cp").arg(gate).arg(directory.join("bastide-gate")).status().unwrap().success());
}

/// Says something as the watcher would.
pub fn tell(watcher: &OwnedFd, sighting: &plan::Sighting) {
    let frame = plan::Frame::encode(sighting).unwrap();
    rustix::net::send(watcher, &frame[4..], SendFlags::empty()).unwrap();
}
