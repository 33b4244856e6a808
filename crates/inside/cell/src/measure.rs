//! The boundary as measured on the agent's own process, just before it becomes the agent: it waits, and pid 1
//! reads what the kernel says of it. Nothing here repeats what was asked for.

mod process;

use plan::{Failure, Identity, Layer, LayerSet, Measured, Step};
use process::{Status, fact};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Stat};

/// Namespaces by the name that /proc gives them, with the layer that each is.
const NAMESPACES: [(Layer, &str); 6] = [
    (Layer::UserNamespace, "user"),
    (Layer::PidNamespace, "pid"),
    (Layer::NetworkNamespace, "net"),
    (Layer::IpcNamespace, "ipc"),
    (Layer::UtsNamespace, "uts"),
    (Layer::CgroupNamespace, "cgroup"),
];

/// The host as the launcher saw it before it left.
pub(crate) struct Host {
    namespaces: [String; 6],
    root: (u64, u64),
    /// The uid and gid that the kernel's root has here: in a user namespace without it the ids of nobody.
    kernels_root: (u32, u32),
}

impl Host {
    /// Looks at the calling process's own namespaces and root.
    ///
    /// # Errors
    /// The kernel's error.
    pub(crate) fn look() -> rustix::io::Result<Host> {
        let mut namespaces = [const { String::new() }; 6];
        for (seen, (_, name)) in namespaces.iter_mut().zip(NAMESPACES) {
            let link = rustix::fs::readlink(format!("/proc/self/ns/{name}"), Vec::with_capacity(32))?;
            *seen = link.to_string_lossy().into_owned();
        }
        let root = rustix::fs::stat("/")?;
        // Whatever user namespace looks, settings of the kernel belong to its root.
        let settings = rustix::fs::stat("/proc/sys/kernel/core_pattern");
        let kernels_root = settings.map_or((0, 0), |stat| (stat.st_uid, stat.st_gid));
        Ok(Host { namespaces, root: (root.st_dev, root.st_ino), kernels_root })
    }
}

/// What the agent's process tried on itself: error numbers, 0 where it was let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// A signal to pid 1, which stands outside the agent's Landlock domain.
    pub(crate) signal: i32,
    /// Opening its own name in /proc for writing, which no plan grants.
    pub(crate) write: i32,
}

/// What there is to measure.
pub(crate) struct Scene<'a> {
    /// Layers that the operator switched off.
    pub(crate) without: LayerSet,
    /// Who the agent was to be.
    pub(crate) identity: &'a Identity,
    /// What the root was built from.
    pub(crate) steps: &'a [Step],
    /// The host as it was seen before.
    pub(crate) host: &'a Host,
    /// The cell's /proc.
    pub(crate) processes: BorrowedFd<'a>,
    /// The agent's process, waiting.
    pub(crate) agent: i32,
    /// Stdio as pid 1 made it.
    pub(crate) stdio: &'a [OwnedFd; 3],
    /// What the process tried.
    pub(crate) attempts: Attempts,
    /// How many filters were installed on it.
    pub(crate) filters: u32,
}

/// One measurement for each layer, in the order in which they are printed.
///
/// # Errors
/// When a layer that was not switched off does not hold.
pub(crate) fn walls(scene: &Scene<'_>) -> Result<Vec<Measured>, Failure> {
    let status = Status::read(scene.processes, scene.agent);
    let measured: Vec<Measured> = Layer::ALL
        .into_iter()
        .map(|layer| {
            if scene.without.contains(layer) {
                return Measured { layer, holds: false, detail: "off: accepted".into() };
            }
            let (holds, detail) = measure(scene, &status, layer);
            Measured { layer, holds, detail }
        })
        .collect();
    let missing = measured.iter().find(|one| !one.holds && !scene.without.contains(one.layer));
    match missing {
        None => Ok(measured),
        Some(one) => Err(Failure {
            layer: Some(one.layer),
            doing: format!("measure the layer `{}`: {}", one.layer.name(), one.detail),
            errno: 0,
            exit: crate::launch::NOT_BUILT,
        }),
    }
}

fn measure(scene: &Scene<'_>, status: &Status, layer: Layer) -> (bool, String) {
    match layer {
        Layer::HostUid => host_uid(scene, status),
        Layer::PrivateRoot => private_root(scene),
        Layer::SocketShadow => socket_shadow(scene),
        Layer::Landlock => landlock(scene.attempts),
        Layer::Seccomp => seccomp(scene, status),
        Layer::Capabilities => capabilities(status),
        Layer::NoNewPrivileges => (status.of("NoNewPrivs") == "1", format!("NoNewPrivs {}", status.of("NoNewPrivs"))),
        Layer::SealedDescriptors => descriptors(scene),
        Layer::RelayedStdio => stdio(scene),
        _ => namespace(scene, layer),
    }
}

fn namespace(scene: &Scene<'_>, layer: Layer) -> (bool, String) {
    let Some(index) = NAMESPACES.iter().position(|(of, _)| *of == layer) else { return (false, "unknown".into()) };
    let now = process::link(scene.processes, scene.agent, &format!("ns/{}", NAMESPACES[index].1));
    let now = now.unwrap_or_default();
    (!now.is_empty() && now != scene.host.namespaces[index], now)
}

/// The kernel's uid: by the map where there is one, else as the process has it.
fn host_uid(scene: &Scene<'_>, status: &Status) -> (bool, String) {
    if scene.without.contains(Layer::UserNamespace) {
        let uid = status.of("Uid");
        let first = uid.split_whitespace().next().and_then(|text| text.parse::<u32>().ok());
        return (first.is_some_and(|uid| uid != 0 && uid == scene.identity.host_uid), format!("uid {uid}"));
    }
    let maps = ["uid_map", "gid_map"].map(|file| fact(scene.processes, scene.agent, file));
    let alone = |map: &str, inside: u32, host: u32, root: u32| {
        let words: Vec<&str> = map.split_whitespace().collect();
        inside != 0 && host != root && words == [inside.to_string(), host.to_string(), "1".into()]
    };
    let identity = scene.identity;
    let (uid, gid) = scene.host.kernels_root;
    let holds = alone(&maps[0], identity.inside_uid, identity.host_uid, uid)
        && alone(&maps[1], identity.inside_gid, identity.host_gid, gid);
    (holds, format!("uid_map {}", maps[0].split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// The root is the sealed tmpfs that was built, for the agent's process too, and not the host's.
fn private_root(scene: &Scene<'_>) -> (bool, String) {
    const TMPFS: u64 = 0x0102_1994;
    let agents = rustix::fs::statat(scene.processes, format!("{}/root", scene.agent), rustix::fs::AtFlags::empty());
    let (Ok(agents), Ok(own), Ok(of)) = (agents, rustix::fs::stat("/"), rustix::fs::statfs("/")) else {
        return (false, "unreadable".into());
    };
    let same = (agents.st_dev, agents.st_ino) == (own.st_dev, own.st_ino);
    let left = (own.st_dev, own.st_ino) != scene.host.root;
    let kind = if u64::try_from(of.f_type) == Ok(TMPFS) { "tmpfs" } else { "not a tmpfs" };
    // ST_RDONLY of statfs.
    let sealed = u64::try_from(of.f_flags).unwrap_or(0) & libc::ST_RDONLY != 0;
    let access = if sealed { "read-only" } else { "writable" };
    (same && left && kind == "tmpfs" && sealed, format!("{kind}, {access}"))
}

/// What was to be an overlay is one, and nothing that the agent's user owns is merely bound.
fn socket_shadow(scene: &Scene<'_>) -> (bool, String) {
    const OVERLAY: u64 = 0x794c_7630;
    let (mut overlays, mut bare) = (0, None);
    let uid = rustix::process::getuid().as_raw();
    for step in scene.steps {
        match step {
            Step::Overlay { at, .. } => match rustix::fs::statfs(at.as_str()) {
                Ok(of) if u64::try_from(of.f_type) == Ok(OVERLAY) => overlays += 1,
                // Hidden afterwards, or not there in a host's tree.
                Err(rustix::io::Errno::ACCESS | rustix::io::Errno::NOENT) => {}
                _ => bare = Some(at),
            },
            // As root to the kernel the agent owns the system's trees too.
            Step::Bind { at, writable: false, .. }
                if !scene.without.contains(Layer::PrivateRoot) && !scene.without.contains(Layer::HostUid) =>
            {
                let owned = |of: Stat| of.st_uid == uid && FileType::from_raw_mode(of.st_mode) == FileType::Directory;
                if rustix::fs::stat(at.as_str()).is_ok_and(owned) {
                    bare = Some(at);
                }
            }
            _ => {}
        }
    }
    match bare {
        Some(at) => (false, format!("`{at}` is no overlay")),
        None => (true, format!("{overlays} trees as overlays")),
    }
}

/// Both attempts must have been refused by the domain: a missing /proc says nothing, the signal always does.
fn landlock(attempts: Attempts) -> (bool, String) {
    let abi = crate::confine::abi();
    let written = matches!(attempts.write, libc::EACCES | libc::ENOENT);
    (attempts.signal == libc::EPERM && written, format!("ABI {abi}, scopes"))
}

fn seccomp(scene: &Scene<'_>, status: &Status) -> (bool, String) {
    let (mode, count) = (status.of("Seccomp"), status.of("Seccomp_filters"));
    // Kernels before 5.9 do not tell how many.
    let enough = count.is_empty() || count.parse::<u32>().is_ok_and(|count| count >= scene.filters);
    (mode == "2" && enough, format!("mode {mode}, {count} filters"))
}

fn capabilities(status: &Status) -> (bool, String) {
    let sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(|name| (name, status.of(name)));
    let held = sets.iter().find(|(_, value)| value.is_empty() || value.bytes().any(|digit| digit != b'0'));
    match held {
        None => (true, "none in any set".into()),
        Some((name, value)) => (false, format!("{name} {value}")),
    }
}

/// Stdio, and the one on which the process waits, which exec closes.
fn descriptors(scene: &Scene<'_>) -> (bool, String) {
    let numbers = process::descriptors(scene.processes, scene.agent);
    let closes = process::closes_on_exec(scene.processes, scene.agent, super::init::WAITING);
    let expected = [0, 1, 2, super::init::WAITING];
    let holds = numbers == expected && closes;
    (holds, if holds { "0 1 2".into() } else { format!("{numbers:?}") })
}

/// Each stream is the very pipe or pty that pid 1 made.
fn stdio(scene: &Scene<'_>) -> (bool, String) {
    let mut words = Vec::with_capacity(3);
    let mut holds = true;
    for (number, made) in scene.stdio.iter().enumerate() {
        let path = format!("{}/fd/{number}", scene.agent);
        let seen = rustix::fs::statat(scene.processes, path, rustix::fs::AtFlags::empty());
        let same = match (seen, rustix::fs::fstat(made.as_fd())) {
            (Ok(seen), Ok(made)) => {
                (seen.st_dev, seen.st_ino) == (made.st_dev, made.st_ino) && kind(&seen) == kind(&made)
            }
            _ => false,
        };
        let word = seen.as_ref().map_or("unreadable", kind);
        holds &= same && word != "other";
        words.push(word);
    }
    (holds, words.join(", "))
}

fn kind(of: &Stat) -> &'static str {
    match FileType::from_raw_mode(of.st_mode) {
        FileType::Fifo => "pipe",
        FileType::CharacterDevice => "pty",
        _ => "other",
    }
}
