//! The attempts, each with the layer whose answer it is.

use crate::confine::last_error;
use plan::Layer;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs;
use std::time::Duration;

/// One attempt.
pub(super) struct Probe {
    /// What is tried.
    pub(super) name: &'static str,
    /// The layer that is to stop it.
    pub(super) layer: Layer,
    /// Tries it.
    pub(super) attempt: fn() -> Answer,
}

/// What came of it.
pub(super) struct Answer {
    /// The layer held.
    pub(super) stopped: bool,
    /// What the kernel said.
    pub(super) detail: String,
}

const fn probe(name: &'static str, layer: Layer, attempt: fn() -> Answer) -> Probe {
    Probe { name, layer, attempt }
}

/// At least one for each layer.
pub(super) const PROBES: &[Probe] = &[
    probe("count the uids that are mapped", Layer::UserNamespace, mapped_uids),
    probe("open core_pattern for writing", Layer::HostUid, || opened("/proc/sys/kernel/core_pattern", true)),
    probe("find root's uid in the map", Layer::HostUid, root_in_map),
    probe("read /etc/shadow", Layer::PrivateRoot, || absent("/etc/shadow")),
    probe("write into /usr", Layer::PrivateRoot, write_usr),
    probe("see a disk's filesystem as the root", Layer::PrivateRoot, disk_as_root),
    probe("find a bound tree of its own user", Layer::SocketShadow, user_trees),
    probe("read pid 1's memory", Layer::PidNamespace, || opened("/proc/1/mem", false)),
    probe("end pid 1", Layer::PidNamespace, end_pid_1),
    probe("see the host's processes", Layer::PidNamespace, foreign_processes),
    probe("connect to 203.0.113.1:80 past the door", Layer::NetworkNamespace, interfaces),
    probe("see the host's System V IPC", Layer::IpcNamespace, || same_namespace("ipc")),
    probe("rename the host", Layer::UtsNamespace, rename_host),
    probe("see the host's cgroup path", Layer::CgroupNamespace, cgroup_path),
    probe("rename itself in /proc", Layer::Landlock, || opened("/proc/self/comm", true)),
    probe("signal pid 1", Layer::Landlock, signal_pid_1),
    probe("io_uring_setup", Layer::Seccomp, || call(libc::SYS_io_uring_setup, [1, 0, 0])),
    probe("unshare a user namespace", Layer::Seccomp, || call(libc::SYS_unshare, [0x1000_0000, 0, 0])),
    probe("open_tree of /", Layer::Seccomp, || call(libc::SYS_open_tree, [-100, c"/".as_ptr() as _, 1])),
    probe("bpf", Layer::Seccomp, || call(libc::SYS_bpf, [0, 0, 0])),
    probe("an MPTCP socket", Layer::Seccomp, || call(libc::SYS_socket, [2, 1, 262])),
    probe("TIOCSTI", Layer::Seccomp, || call(libc::SYS_ioctl, [0, libc::TIOCSTI as libc::c_long, 0])),
    probe("hold a capability", Layer::Capabilities, || field_is("CapEff", "0000000000000000")),
    probe("keep a bounding set", Layer::Capabilities, || field_is("CapBnd", "0000000000000000")),
    probe("gain privileges by a setuid program", Layer::NoNewPrivileges, || field_is("NoNewPrivs", "1")),
    probe("find an inherited descriptor", Layer::SealedDescriptors, inherited),
    probe("find a stream of the host's", Layer::RelayedStdio, streams),
];

fn answer(stopped: bool, detail: impl Into<String>) -> Answer {
    Answer { stopped, detail: detail.into() }
}

/// The names that a reader knows; the number for the others.
fn named(errno: Errno) -> String {
    match errno {
        Errno::PERM => "EPERM".into(),
        Errno::ACCESS => "EACCES".into(),
        Errno::ROFS => "EROFS".into(),
        Errno::NOENT => "ENOENT".into(),
        Errno::NOSYS => "ENOSYS".into(),
        Errno::SRCH => "ESRCH".into(),
        other => format!("errno {}", other.raw_os_error()),
    }
}

fn call(number: libc::c_long, arguments: [libc::c_long; 3]) -> Answer {
    // SAFETY: calls that the filter refuses; let through, they take numbers or a static C string, and what they
    // make ends with this process.
    let result = unsafe { libc::syscall(number, arguments[0], arguments[1], arguments[2]) };
    if result >= 0 {
        return answer(false, "let through");
    }
    let errno = last_error();
    answer(errno == Errno::PERM, named(errno))
}

fn opened(path: &str, write: bool) -> Answer {
    let flags = if write { OFlags::WRONLY } else { OFlags::RDONLY };
    match rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()) {
        Ok(_) => answer(false, "opened"),
        Err(errno) => answer(true, named(errno)),
    }
}

fn absent(path: &str) -> Answer {
    match fs::metadata(path) {
        Ok(_) => answer(false, "there"),
        Err(error) => {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            answer(errno == Errno::NOENT, named(errno))
        }
    }
}

fn write_usr() -> Answer {
    match rustix::fs::statfs("/usr") {
        Ok(of) if u64::try_from(of.f_flags).unwrap_or(0) & libc::ST_RDONLY != 0 => answer(true, "read-only"),
        Ok(_) => answer(false, "writable"),
        Err(errno) => answer(true, named(errno)),
    }
}

fn disk_as_root() -> Answer {
    const TMPFS: u64 = 0x0102_1994;
    match rustix::fs::statfs("/") {
        Ok(of) if u64::try_from(of.f_type) == Ok(TMPFS) => answer(true, "tmpfs"),
        Ok(of) => answer(false, format!("filesystem {:#x}", of.f_type)),
        Err(errno) => answer(true, named(errno)),
    }
}

/// A bound tree that the agent's user owns outside its home could show a host's socket. A file that is bound could not:
/// its mount shows that very file.
fn user_trees() -> Answer {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let uid = rustix::process::getuid().as_raw();
    let bare = mounts.lines().find(|line| {
        let mut words = line.split(' ').skip(1);
        let (at, kind, options) = (words.next(), words.next(), words.next());
        let is_tree = |of: &Stat| FileType::from_raw_mode(of.st_mode) == FileType::Directory;
        let owned = |at: &str| rustix::fs::stat(at).is_ok_and(|of| of.st_uid == uid && is_tree(&of));
        let read_only = options.is_some_and(|options| options.split(',').any(|option| option == "ro"));
        !matches!(kind, Some("overlay" | "tmpfs" | "proc" | "devpts")) && read_only && at.is_some_and(owned)
    });
    match bare {
        None => answer(!mounts.is_empty(), "none is bound"),
        Some(line) => answer(false, line.split(' ').nth(1).unwrap_or_default()),
    }
}

fn mapped_uids() -> Answer {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let map = map.split_whitespace().collect::<Vec<_>>();
    answer(map.len() == 3 && map[2] == "1", map.join(" "))
}

fn root_in_map() -> Answer {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let map = map.split_whitespace().collect::<Vec<_>>();
    // Settings of the kernel belong to its root, whatever number it has here.
    let root = rustix::fs::stat("/proc/sys/kernel/core_pattern").map(|stat| stat.st_uid);
    let ours = root.map_or(map.get(1) == Some(&"0"), |root| root == rustix::process::getuid().as_raw());
    answer(map.len() == 3 && !ours, map.join(" "))
}

fn end_pid_1() -> Answer {
    // SAFETY: a signal by number; pid 1 of a pid namespace is deaf to its children's SIGKILL, and in the host's
    // an ordinary uid may not send it.
    let sent = unsafe { libc::kill(1, libc::SIGKILL) };
    answer(true, if sent == 0 { "deaf".into() } else { named(last_error()) })
}

fn foreign_processes() -> Answer {
    let name = fs::read_to_string("/proc/1/comm").unwrap_or_default();
    answer(name.trim() == "bastide-cell", format!("pid 1 is `{}`", name.trim()))
}

/// Loopback alone, and nothing answers but the door: a connection is captured, which its own address shows.
fn interfaces() -> Answer {
    let text = fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    let names: Vec<_> = text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim()).collect();
    let target = std::net::SocketAddr::from(([203, 0, 113, 1], 80));
    let local = std::net::TcpStream::connect_timeout(&target, Duration::from_millis(500))
        .and_then(|stream| stream.local_addr())
        .map_or_else(|error| error.kind().to_string(), |address| format!("captured from {}", address.ip()));
    let captured = !local.starts_with("captured") || local == "captured from 198.18.0.2";
    answer(names == ["lo"] && captured, format!("{}; {local}", names.join(" ")))
}

/// Pid 1 of the cell made these namespaces; what the host's are called stands in the kernel's fixed numbers.
fn same_namespace(name: &str) -> Answer {
    const INITIAL_IPC: &str = "ipc:[4026531839]";
    match fs::read_link(format!("/proc/self/ns/{name}")) {
        Ok(link) => {
            let link = link.to_string_lossy().into_owned();
            answer(link != INITIAL_IPC, link)
        }
        Err(error) => answer(false, error.kind().to_string()),
    }
}

fn rename_host() -> Answer {
    match rustix::system::sethostname(b"probed") {
        Ok(()) => answer(false, "renamed"),
        Err(errno) => answer(true, named(errno)),
    }
}

fn cgroup_path() -> Answer {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let whole = text.lines().filter_map(|line| line.rsplit(':').next()).find(|path| *path != "/");
    answer(!text.is_empty() && whole.is_none(), whole.unwrap_or("/"))
}

fn signal_pid_1() -> Answer {
    // SAFETY: signal 0 only asks.
    match unsafe { libc::kill(1, 0) } {
        0 => answer(false, "allowed"),
        _ => {
            let errno = last_error();
            answer(errno == Errno::PERM, named(errno))
        }
    }
}

fn field_is(name: &str, expected: &str) -> Answer {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or("unreadable");
    answer(value.trim() == expected, format!("{name} {}", value.trim()))
}

fn inherited() -> Answer {
    // The directory that is read is itself one of them, the fourth.
    let count = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    answer(count == 4, format!("{} beside stdio", count.saturating_sub(4)))
}

/// Pipes and ptys only; /dev/null and the like would be the host's.
fn streams() -> Answer {
    let kind = |number: i32| fs::read_link(format!("/proc/self/fd/{number}")).unwrap_or_default();
    let kinds: Vec<_> = (0..3).map(|number| kind(number).to_string_lossy().into_owned()).collect();
    let ours = |name: &String| name.starts_with("pipe:") || name.starts_with("/dev/pts/");
    answer(kinds.iter().all(ours), kinds.join(" "))
}
