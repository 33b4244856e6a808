//! Who a cell is, inside and to the kernel.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;

use plan::{Identity, Owner};
use wire::command::Problem;

use crate::problem::{NOT_RUN, problem};

/// The first host uid that cells of root get; far from accounts and from what distributions give to containers.
const FIRST: u32 = 0x6000_0000;
/// How many there are in one of the places that are tried: more than there are pids.
const COUNT: u32 = 0x0100_0000;
/// An id above all that are tried, below the highest, which is nobody's.
const LAST: u32 = FIRST + PLACES * COUNT;
/// How many places are tried.
const PLACES: u32 = 64;
/// Where ids are given to users for their containers.
const GIVEN: [&str; 2] = ["/etc/subuid", "/etc/subgid"];
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
///
/// # Errors
/// When root would start the cell and has no id to give that is nobody's.
pub(super) fn choose(holder: u32, workspace: &Path, user: Option<&str>, hostname: String) -> Result<Who, Problem> {
    let Some(own) = own(holder)? else {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let (inside_uid, inside_gid) = inside();
        let identity = Identity { inside_uid, inside_gid, host_uid: uid, host_gid: gid, privileged: false, hostname };
        let name = user.filter(|_| uid != 0).unwrap_or(NAME);
        return Ok(Who { identity, name: name.to_owned(), gate: None });
    };
    let seen = fs::metadata(workspace).map(|meta| (meta.uid(), meta.gid())).unwrap_or_default();
    let identity = Identity {
        inside_uid: never_root(seen.0),
        inside_gid: never_root(seen.1),
        host_uid: own,
        host_gid: own,
        privileged: true,
        hostname,
    };
    Ok(Who { identity, name: NAME.into(), gate: Some(own + 1) })
}

/// The cell's uid in a session of this process, where the plane has ids to give.
///
/// # Errors
/// As [`choose`].
pub(super) fn cell(holder: u32) -> Result<Option<u32>, Problem> {
    own(holder)
}

/// The gate's uid in a session of this process, where the plane has ids to give.
///
/// # Errors
/// As [`choose`].
pub(super) fn gate(holder: u32) -> Result<Option<u32>, Problem> {
    Ok(own(holder)?.map(|own| own + 1))
}

/// The uid and gid that an agent of an ordinary user sees: his own.
pub(super) fn inside() -> (u32, u32) {
    (never_root(rustix::process::geteuid().as_raw()), never_root(rustix::process::getegid().as_raw()))
}

fn never_root(id: u32) -> u32 {
    if id == 0 { ORDINARY } else { id }
}

/// Whether this process has other ids than its own to give: root of the host, and of containers that have all ids. To
/// the kernel, root of a user namespace with a few ids is an ordinary user, and so it is to us.
pub(super) fn is_privileged() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let text = |map: &str| fs::read_to_string(map).unwrap_or_default();
        let all = ["/proc/self/uid_map", "/proc/self/gid_map"].into_iter().all(|map| has_all(&text(map)));
        all && rustix::process::geteuid().is_root()
    })
}

/// Whether a user namespace has the ids that cells get: `INSIDE OUTSIDE COUNT`, a line each.
fn has_all(map: &str) -> bool {
    map.lines().any(|line| {
        let words: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
        matches!(words[..], [first, _, count] if Range { first, count }.holds(LAST))
    })
}

/// The first of the two uids of a session: the agent must not be able to signal or trace its own gate. None where there
/// is none to give.
fn own(holder: u32) -> Result<Option<u32>, Problem> {
    if !is_privileged() {
        return Ok(None);
    }
    free_range(holder, &given()?).map(Some).ok_or_else(|| {
        unfree(format!("every id that cells may have is given to somebody's containers by {}", GIVEN.join(" and ")))
    })
}

/// The first of two ids that lie in no given range; none where there are no such two.
fn free_range(holder: u32, given: &[Range]) -> Option<u32> {
    let wanted = FIRST + (holder % (COUNT / 2)) * 2;
    let free = |from: u32| !given.iter().any(|range| range.holds(from) || range.holds(from + 1));
    (0..PLACES).map(|place| wanted + place * COUNT).find(|&from| free(from))
}

/// Ids that belong to somebody's containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u64,
    count: u64,
}

impl Range {
    fn holds(self, id: u32) -> bool {
        u64::from(id).checked_sub(self.first).is_some_and(|place| place < self.count)
    }
}

/// What both files give. One that cannot be read may give anything.
fn given() -> Result<Vec<Range>, Problem> {
    let mut all = Vec::new();
    for file in GIVEN {
        match fs::read(file) {
            Ok(bytes) => all.extend(ranges(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unfree(format!("cannot read `{file}`: {error}"))),
        }
    }
    Ok(all)
}

/// The ranges that the text of such a file gives: `NAME:FIRST:COUNT`, a line each. A line that the tools which hand
/// ids out do not understand gives nothing; one that says more than there are ids gives them all.
fn ranges(text: &str) -> Vec<Range> {
    let range = |line: &str| {
        let mut parts = line.split(':').skip(1);
        Some(Range { first: number(parts.next()?)?, count: number(parts.next()?)? })
    };
    text.lines().filter_map(range).collect()
}

/// A number as those tools read it: hexadecimal behind `0x`, octal behind `0`.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    let (digits, radix) = match text.strip_prefix('0') {
        Some(rest) if rest.starts_with(['x', 'X']) => (&rest[1..], 16),
        Some(rest) if !rest.is_empty() => (rest, 8),
        _ => (text, 10),
    };
    let all = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    all.then(|| u64::from_str_radix(digits, radix).unwrap_or(u64::MAX))
}

fn unfree(cause: String) -> Problem {
    let hint = "look at /etc/subuid and /etc/subgid, or start the cell as an ordinary user";
    problem("E-PLANE-054", cause, hint, NOT_RUN)
}

/// Whose files a tree holds, for a cell that root started.
pub(super) fn owner(path: &Path) -> Owner {
    match fs::metadata(path) {
        Ok(meta) => Owner::Agent { uid: meta.uid(), gid: meta.gid() },
        Err(_) => Owner::Everybody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sessions_never_share_an_id() {
        let (a, b) = (free_range(1000, &[]), free_range(1001, &[]));
        assert!(a.is_some_and(|a| a >= FIRST && b.is_some_and(|b| b >= a + 2)), "{a:?} {b:?}");
    }

    #[test]
    fn a_cell_of_root_has_ids_outside_every_range_that_is_given() {
        let own = free_range(7, &[]).expect("free");
        let texts = [
            format!("u:{own}:1"),
            format!("u:{}:1", own + 1),
            format!("u:{FIRST}:{COUNT}\nv:{}:{}", FIRST + COUNT, 2 * COUNT),
            format!("a:100000:65536\nu:{:#x}:65536\n", own - 5),
            format!("u:0{:o}:65536", own),
            format!("u: {own} : +2 "),
            format!("u:{own}:1:more\nbroken\n:::\nu:x:1\n\u{fffd}"),
            "u:100000:99999999999999999999999\nv:0:1610612736".replace("u:100000", "u:2147483648"),
        ];
        for text in texts {
            let given = ranges(&text);
            assert!(!given.is_empty(), "{text}");
            for holder in [7, 0, COUNT / 2 - 1, u32::MAX] {
                let from = free_range(holder, &given).expect("there is room");
                for id in [from, from + 1] {
                    let taken = |range: &Range| range.first <= id.into() && u64::from(id) - range.first < range.count;
                    assert!(!given.iter().any(taken), "{id} in {text}");
                }
            }
            assert_ne!(free_range(7, &given), Some(own).filter(|_| !text.starts_with("u:2147483648")), "{text}");
        }
    }

    #[test]
    fn where_every_id_is_somebodys_there_is_none_to_give() {
        for text in ["u:0:4294967295", "u:1:99999999999999999999999", "u:1000:0xffffffffff"] {
            assert_eq!(free_range(7, &ranges(text)), None, "{text}");
        }
    }

    /// In a rootless container nothing was run: the ids of a cell of root do not exist there.
    #[test]
    fn root_of_a_namespace_with_a_few_ids_is_an_ordinary_user() {
        assert!(has_all("         0          0 4294967295\n"));
        for few in ["0 1000 1\n", "0 1000 1\n1 100000 65536\n", "0 100000 65536\n", "", "0 0\n", "x y z\n"] {
            assert!(!has_all(few), "{few}");
        }
    }

    #[test]
    fn what_gives_no_range_is_passed_over() {
        for text in
            ["", "u", "u:", "u:1", "u:1:", "u::1", "u:x:1", "u:1:x", "u:-1:5", "u:1:5x", "u:0x:1", "u:08:1", "# 1:2"]
        {
            assert_eq!(ranges(text), [], "{text}");
        }
    }
}
