//! What every cell has beside what the policy names: devices, /proc, /tmp, and the few files of /etc that say who
//! and where the agent is. Nothing here is read from the host's own.

use std::path::Path;

use plan::{Access, Content, Step};

use super::identity::Who;
use super::layout::{Layout, bind};
use plan::Owner;

/// Device nodes that are no way out.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];
/// Terminals of one cell.
const TERMINALS: u32 = 256;
/// Bytes of each tree in memory, where the policy sets no limit on memory.
const MEMORY: u64 = 1 << 30;
/// Files of each tree in memory.
const INODES: u64 = 1 << 18;
/// The address that /etc/resolv.conf names: any would do, all are led to the door.
const RESOLVER: &str = "198.18.0.1";

/// Files of /proc that tell of keys of whoever has the same uid on the host.
const KEYS: [&str; 2] = ["/proc/keys", "/proc/key-users"];

/// Places that are links to /tmp, unless something comes in beneath them.
const SHARED: [&str; 2] = ["/var/tmp", "/run"];

/// Whether a path lies in one of them.
pub(super) fn shares(path: &Path) -> bool {
    SHARED.iter().any(|at| path.starts_with(at))
}

/// Adds devices, processes and memory; `named` are the paths that come in later.
pub(super) fn kernel(layout: &mut Layout, memory: Option<u64>, named: &[&Path]) {
    layout.steps.extend(DEVICES.map(|device| bind(device, true, Owner::Everybody)));
    for (name, target) in [("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1")] {
        layout.steps.push(Step::Symlink { at: format!("/dev/{name}"), target: target.into() });
    }
    layout.steps.push(Step::Symlink { at: "/dev/stderr".into(), target: "/proc/self/fd/2".into() });
    layout.steps.push(Step::Terminals { max: TERMINALS });
    layout.steps.push(Step::Proc);
    // What the kernel lists there is the host's.
    layout.steps.extend(KEYS.map(|at| Step::Hide { at: at.into() }));
    // First, since one rule serves all that is named beneath it later: nothing is in this /etc but what was named.
    layout.made(Path::new("/etc"), Access::Execute);
    layout.rule(Path::new("/dev"), Access::Device);
    layout.rule(Path::new("/proc"), Access::Read);
    let bytes = memory.map_or(MEMORY, |memory| memory / 2);
    for at in ["/tmp", "/dev/shm"] {
        layout.scratch(at, bytes, INODES);
    }
    // One tree in memory serves all that is temporary, since each costs the start 60 µs; a place in which something
    // else has to come in cannot be a link.
    for at in SHARED {
        if named.iter().any(|path| path.starts_with(at)) {
            layout.scratch(at, bytes, INODES);
        } else {
            layout.steps.push(Step::Symlink { at: at.into(), target: "/tmp".into() });
        }
    }
}

/// Adds the files that say who the agent is and where names are looked up.
pub(super) fn files(layout: &mut Layout, who: &Who, home: &str) {
    let (uid, gid, name) = (who.identity.inside_uid, who.identity.inside_gid, &who.name);
    let host = &who.identity.hostname;
    let files = [
        (
            "/etc/passwd",
            format!("{name}:x:{uid}:{gid}:{name}:{home}:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"),
        ),
        ("/etc/group", format!("{name}:x:{gid}:\nnogroup:x:65534:\n")),
        ("/etc/hosts", format!("127.0.0.1 localhost {host}\n::1 localhost ip6-localhost ip6-loopback\n")),
        ("/etc/resolv.conf", format!("nameserver {RESOLVER}\noptions timeout:5 attempts:2\n")),
        ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\n".into()),
        ("/etc/host.conf", "multi on\n".into()),
        ("/etc/hostname", format!("{host}\n")),
        ("/etc/machine-id", format!("{:032x}\n", u128::from(uid) << 64 | 0x6261_7374_6964_6500)),
    ];
    for (at, content) in files {
        layout.steps.push(Step::File { at: at.into(), content: Content::from(content.as_bytes()), mode: 0o644 });
    }
}
