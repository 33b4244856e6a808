//! Who lives in a cell, as the host's kernel numbers them.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::Caller;

/// Most ancestors of a pid namespace that are looked through for a process's number inside.
const LONGEST: u64 = 64 * 1024;

/// The inhabitants of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Census {
    /// All that runs as this host uid, which no other living session and no account has.
    User(u32),
    /// All that is in this pid namespace, by the inode that names it.
    Namespace(u64),
}

impl Census {
    /// Of a cell that root started: it has a host uid of its own.
    #[must_use]
    pub const fn of_user(uid: u32) -> Self {
        Self::User(uid)
    }

    /// Of a cell that shares its user with others, by its pid 1 in the host's numbers. None when that is gone, or is in
    /// our own pid namespace.
    #[must_use]
    pub fn of_namespace(first: u32) -> Option<Self> {
        let (theirs, own) = (namespace(&first.to_string())?, namespace("self")?);
        (theirs != own).then_some(Self::Namespace(theirs))
    }

    /// Whether a caller lives there. By namespace, a process that ended already does not: it can no longer be asked.
    #[must_use]
    pub fn holds(self, caller: Caller) -> bool {
        match self {
            Self::User(uid) => caller.uid == uid,
            Self::Namespace(wanted) => namespace(&caller.pid.to_string()) == Some(wanted),
        }
    }

    /// The number that a process has inside; none once it is gone, or when it is not of this cell.
    #[must_use]
    pub fn inside(self, pid: u32) -> Option<u32> {
        let path = format!("/proc/{pid}");
        if let Self::User(uid) = self
            && fs::metadata(&path).ok()?.uid() != uid
        {
            return None;
        }
        if matches!(self, Self::Namespace(wanted) if namespace(&pid.to_string()) != Some(wanted)) {
            return None;
        }
        number(&status(&path)?)
    }
}

fn namespace(pid: &str) -> Option<u64> {
    // The link is followed: the inode is the namespace's.
    fs::metadata(format!("/proc/{pid}/ns/pid")).ok().map(|meta| meta.ino())
}

fn status(path: &str) -> Option<String> {
    use std::io::Read as _;
    let mut text = String::new();
    fs::File::open(format!("{path}/status")).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The last number of `NSpid:`, where there is more than one namespace.
fn number(status: &str) -> Option<u32> {
    let mut numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_whitespace();
    numbers.next()?;
    numbers.next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    #[test]
    fn the_number_inside_is_the_last_one() {
        assert_eq!(number("Name:\tx\nNSpid:\t616\t7\nThreads:\t1\n"), Some(7));
        for text in ["NSpid:\t616\n", "NSpid:\n", "Name:\tNSpid:\n", "NSpid:\t616\tx"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    struct Ended(Child);
    impl Drop for Ended {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_cell_is_told_from_the_host() {
        let own = std::process::id();
        assert_eq!(Census::of_namespace(own), None);
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--pid", "--fork", "--kill-child", "sh", "-c", "echo; exec sleep 60"]);
        let mut started = Ended(command.stdout(Stdio::piped()).spawn().expect("unshare of util-linux"));
        let mut line = [0];
        std::io::Read::read_exact(started.0.stdout.as_mut().expect("a pipe"), &mut line).expect("it runs");
        let unshare = started.0.id();
        let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).expect("children");
        let first: u32 = children.trim().parse().expect("one child");
        let census = Census::of_namespace(first).expect("another namespace");
        let uid = fs::metadata(format!("/proc/{first}")).expect("there").uid();
        assert!(census.holds(Caller { pid: first, uid }) && !census.holds(Caller { pid: own, uid }));
        assert_eq!((census.inside(first), census.inside(own)), (Some(1), None));
        let by_user = Census::of_user(uid);
        assert!(by_user.holds(Caller { pid: 1, uid }) && !by_user.holds(Caller { pid: first, uid: uid + 1 }));
        assert_eq!(by_user.inside(first), Some(1));
        assert_eq!(Census::of_user(uid + 1).inside(first), None);
    }
}
