//! Who lives in a cell, as the host's kernel numbers them.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::Caller;

/// Most ancestors of a pid namespace that are looked through for a process's number inside.
const LONGEST: u64 = 64 * 1024;

/// The inhabitants of one cell that root started: all that runs as this host uid, which no other living session and
/// no account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    uid: u32,
}

impl Census {
    /// Of the cell that has this host uid.
    #[must_use]
    pub const fn of_user(uid: u32) -> Self {
        Self { uid }
    }

    /// Whether a caller lives there.
    #[must_use]
    pub const fn holds(self, caller: Caller) -> bool {
        caller.uid == self.uid
    }

    /// The number that a process has inside; none once it is gone, or when it is not of this cell.
    #[must_use]
    pub fn inside(self, pid: u32) -> Option<u32> {
        let path = format!("/proc/{pid}");
        if fs::metadata(&path).ok()?.uid() != self.uid {
            return None;
        }
        number(&status(&path)?)
    }
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
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--pid", "--fork", "--kill-child", "sh", "-c", "echo; exec sleep 60"]);
        let mut started = Ended(command.stdout(Stdio::piped()).spawn().expect("unshare of util-linux"));
        let mut line = [0];
        std::io::Read::read_exact(started.0.stdout.as_mut().expect("a pipe"), &mut line).expect("it runs");
        let unshare = started.0.id();
        let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).expect("children");
        let first: u32 = children.trim().parse().expect("one child");
        let uid = fs::metadata(format!("/proc/{first}")).expect("there").uid();
        let census = Census::of_user(uid);
        assert!(census.holds(Caller { pid: 1, uid }) && !census.holds(Caller { pid: first, uid: uid + 1 }));
        assert_eq!((census.inside(first), census.inside(own)), (Some(1), None));
        assert_eq!(Census::of_user(uid + 1).inside(first), None);
    }
}
