//! Who a cell is, inside and to the kernel.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use plan::{Identity, Owner};
use policy::{Conjunction, Policy};

/// The first host uid that cells of root get; far from accounts and from what distributions give to containers.
const FIRST: u32 = 0x6000_0000;
/// How many there are: more than there are pids.
const COUNT: u32 = 0x0100_0000;
/// The uid and gid that an agent sees when its files are root's: never 0.
const ORDINARY: u32 = 1000;
/// The name that an agent has where the operator's own would be root's.
const NAME: &str = "agent";

/// The identity of one cell and its gate.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub(super) identity: Identity,
    /// The name in the cell's /etc/passwd.
    pub(super) name: String,
    /// The host uid and gid of the gate, when the plane is root; its own otherwise.
    pub(super) gate: Option<u32>,
}

/// The identity for a session of this process on this workspace. `holder` is a number that no other living session
/// of the host has: the plane's pid.
pub(super) fn choose(holder: u32, workspace: &Path, user: Option<&str>, hostname: String) -> Who {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    if uid != 0 {
        let identity =
            Identity { inside_uid: uid, inside_gid: gid, host_uid: uid, host_gid: gid, privileged: false, hostname };
        return Who { identity, name: user.map_or_else(|| NAME.into(), str::to_owned), gate: None };
    }
    let seen = fs::metadata(workspace).map(|meta| (meta.uid(), meta.gid())).unwrap_or_default();
    let inside = |id: u32| if id == 0 { ORDINARY } else { id };
    // Two uids for each session: the agent must not be able to signal or trace its own gate.
    let own = free_range(holder);
    let identity = Identity {
        inside_uid: inside(seen.0),
        inside_gid: inside(seen.1),
        host_uid: own,
        host_gid: own,
        privileged: true,
        hostname,
    };
    Who { identity, name: NAME.into(), gate: Some(own + 1) }
}

/// The first of two ids that lie in no range of /etc/subuid or /etc/subgid.
fn free_range(holder: u32) -> u32 {
    let taken = subordinate();
    let wanted = FIRST + (holder % (COUNT / 2)) * 2;
    let clear = |from: u32| {
        !taken.iter().any(|&(first, count)| from + 1 >= first && u64::from(from) < u64::from(first) + u64::from(count))
    };
    (0..64).map(|step| wanted.wrapping_add(step * COUNT)).find(|&from| from >= FIRST && clear(from)).unwrap_or(wanted)
}

/// Ranges that belong to somebody's containers: first id and count.
fn subordinate() -> Vec<(u32, u32)> {
    let files = ["/etc/subuid", "/etc/subgid"];
    let text = files.map(|file| fs::read_to_string(file).unwrap_or_default()).join("\n");
    let range = |line: &str| {
        let mut parts = line.split(':').skip(1);
        Some((parts.next()?.trim().parse().ok()?, parts.next()?.trim().parse().ok()?))
    };
    text.lines().filter_map(range).collect()
}

/// Whose files a tree holds, for a cell that root started.
pub(super) fn owner(path: &Path) -> Owner {
    match fs::metadata(path) {
        Ok(meta) => Owner::Agent { uid: meta.uid(), gid: meta.gid() },
        Err(_) => Owner::Everybody,
    }
}

/// The policies that must all allow: today the operator's one.
pub(super) fn conjunction(policy: &Policy) -> Conjunction {
    Conjunction::new(vec![policy.clone()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sessions_never_share_an_id() {
        let (a, b) = (free_range(1000), free_range(1001));
        assert!(a >= FIRST && b >= a + 2, "{a} {b}");
    }
}
