//! The freezer of a cell's control group, version 2: what is in it does not run, and cannot tell.
//!
//! Version 1 has a hierarchy of its own for it, in which no group is made: what is frozen there does not end by SIGKILL, so
//! a cell whose plane is killed would stay. Such cells are stopped by signal.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Milliseconds that the kernel may take, each time: a program that is in a call to a slow disk stops when that returns, and
/// one whose call pid 1 was about to let through when it stopped itself does once all went on for a moment.
const PATIENCE: [u64; 4] = [50, 100, 200, 400];
const PAUSE: Duration = Duration::from_millis(2);

/// The group among these that can be frozen, with all of the cell in it.
pub(super) fn group(groups: &[PathBuf]) -> Option<&Path> {
    groups.iter().map(PathBuf::as_path).find(|group| group.join("cgroup.freeze").is_file())
}

/// Lets nothing in it run. Where that cannot be reached in time all goes on.
///
/// # Errors
/// The kernel's, or that something still ran.
pub(super) fn freeze(group: &Path) -> io::Result<()> {
    for patience in PATIENCE {
        let frozen = freeze_within(group, Duration::from_millis(patience));
        if matches!(frozen, Ok(true)) {
            return Ok(());
        }
        thaw(group)?;
        frozen?;
        std::thread::sleep(PAUSE);
    }
    Err(io::Error::other("a process did not stop in time"))
}

fn freeze_within(group: &Path, patience: Duration) -> io::Result<bool> {
    fs::write(group.join("cgroup.freeze"), "1")?;
    let until = Instant::now() + patience;
    loop {
        if fs::read_to_string(group.join("cgroup.events"))?.lines().any(|line| line == "frozen 1") {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Lets it run again.
///
/// # Errors
/// The kernel's.
pub(super) fn thaw(group: &Path) -> io::Result<()> {
    fs::write(group.join("cgroup.freeze"), "0")
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// Where the host has version 2, and this user may make groups in it.
    fn made() -> Option<PathBuf> {
        let name = format!("freezer-test-{}", std::process::id());
        let places = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(|mount| Path::new(mount).join(&name));
        places.into_iter().find(|place| {
            place.parent().is_some_and(|parent| parent.join("cgroup.procs").is_file()) && fs::create_dir(place).is_ok()
        })
    }

    #[test]
    fn what_is_frozen_makes_no_progress_and_ends_by_kill_all_the_same() {
        let Some(place) = made() else { return };
        let groups = [PathBuf::from("/nowhere"), place.clone()];
        assert_eq!(group(&groups), Some(place.as_path()));
        let file = tempfile::NamedTempFile::new().expect("a file");
        let script = format!("while :; do echo x >> {}; sleep 0.005; done", file.path().display());
        let mut child = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).spawn().expect("it starts");
        fs::write(place.join("cgroup.procs"), child.id().to_string()).expect("it joins");
        let length = || fs::metadata(file.path()).expect("there").len();
        let grows = || {
            let (before, until) = (length(), Instant::now() + Duration::from_secs(5));
            while Instant::now() < until {
                if length() > before {
                    return true;
                }
                std::thread::sleep(PAUSE);
            }
            false
        };
        assert!(grows());
        freeze(&place).expect("frozen");
        let still = length();
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(length(), still);
        thaw(&place).expect("thawed");
        assert!(grows());
        freeze(&place).expect("frozen");
        child.kill().expect("killed");
        child.wait().expect("it ends though it is frozen");
        crate::store::remove_cgroup(&place).expect("removed");
    }

    #[test]
    fn what_is_no_group_cannot_be_frozen() {
        let room = tempfile::tempdir().expect("a directory");
        assert_eq!(group(&[room.path().to_owned()]), None);
        fs::write(room.path().join("cgroup.freeze"), "0").expect("written");
        fs::write(room.path().join("cgroup.events"), "populated 1\nfrozen 0\n").expect("written");
        assert!(freeze(room.path()).expect_err("it never stops").to_string().contains("did not stop"));
        assert_eq!(fs::read_to_string(room.path().join("cgroup.freeze")).expect("read"), "0", "all goes on");
    }
}
