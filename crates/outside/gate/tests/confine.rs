//! A confined gate cannot do what its work does not need. Each probe is a child of its own, which confines itself as
//! the program does and then tries one thing.

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::fd::AsFd;
use rustix::fs::{FallocateFlags, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketType, ipproto};

/// Names the probe in the child's environment.
const PROBE: &str = "BASTIDE_TEST_PROBE";
const ORDINARY: u32 = 12345;
/// How long a child may take.
const PATIENCE: Duration = Duration::from_secs(10);

type Probe = fn() -> io::Result<()>;

/// What is refused, and how it is tried.
const REFUSED: &[(&str, Probe)] = &[
    ("open", || std::fs::File::open("/dev/null").map(drop)),
    ("stat", || std::fs::metadata("/").map(drop)),
    ("execute", || Command::new("/bin/true").status().map(drop)),
    ("replace", || Err(Command::new("/bin/true").exec())),
    ("thread", || std::thread::Builder::new().spawn(|| ()).map(drop)),
    ("truncate", || segment(|file| rustix::fs::ftruncate(file, 0))),
    ("allocate", || segment(|file| rustix::fs::fallocate(file, FallocateFlags::empty(), 0, 1))),
    ("overwrite", || {
        segment(|file| {
            rustix::io::pwritev2(file, &[io::IoSlice::new(b"x")], 0, rustix::io::ReadWriteFlags::empty()).map(drop)
        })
    }),
    ("write at", || segment(|file| rustix::io::pwrite(file, b"x", 0).map(drop))),
    ("append no more", || segment(|file| rustix::fs::fcntl_setfl(file, OFlags::empty()))),
    ("listen", || {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        Ok(rustix::net::listen(socket, 1)?)
    }),
    ("bind a stream", || {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        Ok(rustix::net::bind(socket, &std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?)
    }),
    ("bind a datagram", || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(drop)),
    ("unix socket", || UnixDatagram::unbound().map(drop)),
    ("netlink socket", || socket(AddressFamily::NETLINK, SocketType::DGRAM, None)),
    ("raw socket", || socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP))),
    ("multipath socket", || socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::MPTCP))),
    ("send descriptors", || {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let stderr = io::stderr();
        let rights = [stderr.as_fd()];
        ancillary.push(SendAncillaryMessage::ScmRights(&rights));
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        Ok(rustix::net::sendmsg(socket, &[], &mut ancillary, SendFlags::empty()).map(drop)?)
    }),
    ("kill", || Ok(rustix::process::kill_process(rustix::process::Pid::INIT, rustix::process::Signal::CONT)?)),
    ("raise a limit", || {
        let limit = rustix::process::Rlimit { current: Some(4096), maximum: Some(4096) };
        Ok(rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)?)
    }),
    ("be dumped", || Ok(rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)?)),
];

/// What must go on working.
const WORKS: &[(&str, Probe)] = &[
    // A check of tokio's in builds with assertions: without it every connection there ended in a reset.
    ("look at a descriptor's flags", || segment(|file| rustix::fs::fcntl_getfl(file).map(drop))),
    ("connect", || {
        let peer = std::env::var("BASTIDE_TEST_PEER").map_err(io::Error::other)?;
        TcpStream::connect(peer.parse::<std::net::SocketAddr>().map_err(io::Error::other)?)?.write_all(b"x")
    }),
    ("ask", || {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        rustix::net::connect(&socket, &std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 53)))?;
        rustix::net::getsockname(&socket)?;
        Ok(rustix::net::sockopt::ip_mtu(&socket).map(drop)?)
    }),
    ("grow", || {
        std::hint::black_box(vec![1_u8; 8 << 20]);
        Ok(())
    }),
];

/// How a gate may come to abort.
const ABORTS: &[(&str, Probe)] = &[
    ("abort", || std::process::abort()),
    ("take more memory than there is", || {
        std::hint::black_box(vec![1_u8; 1 << 30]);
        Ok(())
    }),
    ("use up the stack", || {
        std::hint::black_box(deeper(0));
        Ok(())
    }),
];

fn deeper(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 128]);
    if std::hint::black_box(depth) == u64::MAX { 0 } else { deeper(depth + 1) + room[7] }
}

fn socket(family: AddressFamily, kind: SocketType, protocol: Option<rustix::net::Protocol>) -> io::Result<()> {
    Ok(rustix::net::socket(family, kind, protocol).map(drop)?)
}

fn segment(verb: fn(std::os::fd::BorrowedFd<'_>) -> rustix::io::Result<()>) -> io::Result<()> {
    // Descriptor 1 of the child: a file that was opened to append.
    Ok(verb(io::stdout().as_fd())?)
}

/// The child: confines itself and tries. Its exit code tells what happened.
#[test]
fn probe() {
    let Ok(name) = std::env::var(PROBE) else { return };
    let probe = REFUSED.iter().chain(WORKS).chain(ABORTS).find(|(known, _)| *known == name).unwrap().1;
    let prepared = gate::confine::prepare().expect("compiles");
    if gate::confine::confine(&prepared, 64, 8).is_err() {
        std::process::exit(9);
    }
    std::process::exit(match probe() {
        Ok(()) => 7,
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::PERM | Errno::ACCESS) => 8,
            _ => 10,
        },
    });
}

/// What the child came to, as root and as an ordinary user; nothing where it did not end in time.
fn attempts(name: &str, program: &Path) -> [(u32, Option<ExitStatus>); 2] {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    [0, ORDINARY].map(|uid| {
        let path =
            std::env::temp_dir().join(format!("bastide-confine-{}-{}", std::process::id(), name.replace(' ', "-")));
        let file = std::fs::File::options().append(true).create(true).open(&path).unwrap();
        let mut command = Command::new(program);
        command.args(["--exact", "confine::probe", "--nocapture", "--test-threads=1"]).current_dir("/");
        command.env(PROBE, name).env("BASTIDE_TEST_PEER", listener.local_addr().unwrap().to_string());
        command.stdout(file).stderr(std::process::Stdio::null());
        if rustix::process::getuid().is_root() {
            command.uid(uid).gid(uid);
        }
        let mut child = command.spawn().unwrap();
        let until = Instant::now() + PATIENCE;
        let mut ended = child.try_wait().unwrap();
        while ended.is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
            ended = child.try_wait().unwrap();
        }
        if ended.is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        std::fs::remove_file(&path).unwrap();
        (uid, ended)
    })
}

/// This program where an ordinary user can run it.
fn reachable_copy() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::Builder::new().prefix("bastide-gate-").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    // By another process: a program that somebody here holds open for writing cannot be started.
    let program = std::env::current_exe().unwrap();
    assert!(Command::new("cp").arg(program).arg(directory.path().join("probe")).status().unwrap().success());
    directory
}

#[test]
fn what_a_gate_never_does_is_refused() {
    let directory = reachable_copy();
    let program = directory.path().join("probe");
    for (name, _) in REFUSED {
        for (uid, ended) in attempts(name, &program) {
            assert_eq!(ended.and_then(|ended| ended.code()), Some(8), "{name} as {uid}");
        }
    }
}

#[test]
fn what_a_gate_does_goes_on_working() {
    let directory = reachable_copy();
    let program = directory.path().join("probe");
    for (name, _) in WORKS {
        for (uid, ended) in attempts(name, &program) {
            assert_eq!(ended.and_then(|ended| ended.code()), Some(7), "{name} as {uid}");
        }
    }
}

/// While it goes on there is no network and no other gate.
#[test]
fn a_gate_that_aborts_is_gone() {
    let directory = reachable_copy();
    let program = directory.path().join("probe");
    for (name, _) in ABORTS {
        for (uid, ended) in attempts(name, &program) {
            assert_eq!(ended.and_then(|ended| ended.signal()), Some(libc::SIGABRT), "{name} as {uid}");
        }
    }
}
