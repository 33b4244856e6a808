//! Removes control groups that a session made. Ends what still runs in them; never touches one that is not beneath the
//! kernel's own mount, and removes only what has become empty.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};

/// Where control groups lie.
const MOUNT: &str = "/sys/fs/cgroup";
/// How often an end is waited for, and how long each time: one second in all.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(5);
/// Groups within a group that are looked at.
const DEPTH: u32 = 16;
/// Groups of the host that are looked at.
const MOST_GROUPS: u32 = 100_000;

/// The name of a session's control groups: by it they are found again.
#[must_use]
pub fn name(id: &str) -> String {
    format!("bastide-{id}")
}

/// The session whose control group bears this name.
#[must_use]
pub(crate) fn session(name: &str) -> Option<&str> {
    name.strip_prefix("bastide-").filter(|id| super::session::is_id(id))
}

/// The control groups that bear a session's name, wherever they lie: for one whose record does not say, since its plane
/// was killed between making them and keeping it. Looks at every group of the host; that costs nothing where none was
/// killed so.
pub(super) fn of_session(id: &str) -> Vec<PathBuf> {
    let name = name(id);
    let (mut found, mut seen) = (Vec::new(), 0);
    let mut todo = vec![(PathBuf::from(MOUNT), 0)];
    while let Some((group, depth)) = todo.pop() {
        seen += 1;
        if group.file_name().is_some_and(|own| *own == *name) {
            found.push(group);
        } else if depth < DEPTH && seen < MOST_GROUPS {
            todo.extend(children(&group).into_iter().map(|child| (child, depth + 1)));
        }
    }
    found
}

/// Ends what runs in a control group and removes it with all groups in it. One that is gone is no error.
///
/// # Errors
/// When the path is no control group, or it does not become empty within a second.
pub fn remove(group: &Path) -> io::Result<()> {
    let plain = group.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let beneath = group.strip_prefix(MOUNT).is_ok_and(|rest| rest.components().count() > 0);
    if !plain || !beneath {
        return Err(io::Error::other("not a control group"));
    }
    match fs::symlink_metadata(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(meta) if !meta.is_dir() => return Err(io::Error::other("not a control group")),
        Ok(_) => {}
    }
    let mut last = io::Error::other("not tried");
    for _ in 0..TRIES {
        end(group, 0);
        match remove_all(group, 0) {
            Ok(()) => return Ok(()),
            // What ends takes a moment to be gone; waiting brings no permission.
            Err(error) if matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::DirectoryNotEmpty) => {
                last = error;
            }
            Err(error) => return Err(error),
        }
        std::thread::sleep(PAUSE);
    }
    Err(last)
}

/// Kills what runs in a group and in the groups in it.
fn end(group: &Path, depth: u32) {
    // Version 2 kills a whole tree at once, forks that happen meanwhile included.
    if fs::write(group.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    for pid in members(group) {
        // Held before it is looked at again: a number that was given to another process meanwhile is not killed.
        let Ok(process) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { continue };
        if members(group).contains(&pid) {
            let _ = rustix::process::pidfd_send_signal(&process, Signal::KILL);
        }
    }
    if depth < DEPTH {
        children(group).iter().for_each(|child| end(child, depth + 1));
    }
}

fn members(group: &Path) -> Vec<Pid> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok().and_then(Pid::from_raw)).collect()
}

fn children(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(group) else { return Vec::new() };
    let directories = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| entry.path()).collect()
}

fn remove_all(group: &Path, depth: u32) -> io::Result<()> {
    if depth < DEPTH {
        children(group).iter().try_for_each(|child| remove_all(child, depth + 1))?;
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_control_groups_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path(), Path::new(MOUNT), Path::new("/sys/fs/cgroup/../../../tmp/x"), Path::new("x")] {
            assert!(remove(path).is_err(), "{}", path.display());
        }
        assert!(directory.path().exists());
        assert!(remove(Path::new("/sys/fs/cgroup/bastide-was-never-there")).is_ok());
    }
}
