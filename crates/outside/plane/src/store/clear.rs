//! Removes a directory that a cell filled: whatever its permissions and however deep, never through a symbolic link.

use std::fs;
use std::io;
use std::path::Path;

use crate::workspace::{Error, Workspace};

/// How often it is begun anew where something went meanwhile. Each time less is there.
const TRIES: usize = 1000;

/// Removes a directory and all in it; one that is gone is no error, and a link goes without what it leads to. Nobody else
/// may be changing it, but another may be removing it: a start does, of a session that `gc` has marked as gone.
///
/// # Errors
/// The kernel's error.
pub fn clear(directory: &Path) -> io::Result<()> {
    for _ in 0..TRIES {
        match once(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
    }
    once(directory)
}

fn once(directory: &Path) -> io::Result<()> {
    match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(meta) if meta.is_symlink() => return fs::remove_file(directory),
        other => other.map(drop)?,
    }
    Workspace::clear(directory).map_err(|error| match error {
        Error::Io { source, .. } => source,
        other => io::Error::other(other),
    })?;
    fs::remove_dir(directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    /// Of a session that another removed at the same moment it was told that it stays.
    #[test]
    fn two_that_remove_the_same_are_both_done() {
        let room = tempfile::tempdir().expect("a directory");
        for round in 0..20 {
            let top = room.path().join(round.to_string());
            for part in 0..20 {
                fs::create_dir_all(top.join(format!("{part}/a/b"))).expect("made");
                fs::write(top.join(format!("{part}/a/file")), "").expect("written");
            }
            let both = std::sync::Barrier::new(2);
            let one = || {
                both.wait();
                clear(&top)
            };
            let (first, second) = std::thread::scope(|scope| {
                let other = scope.spawn(one);
                (one(), other.join().expect("no panic"))
            });
            assert!(first.is_ok() && second.is_ok() && !top.exists(), "{round}: {first:?} {second:?}");
        }
    }

    /// A descriptor for each level once ended at the host's limit: such a home stayed, and each start told of it.
    #[test]
    fn a_tree_deeper_than_there_are_descriptors_goes_and_nothing_beside_it() {
        // In a process of its own: its limit is not that of the tests beside.
        const LIMITED: &str = "BASTIDE_TEST_LIMITED";
        if std::env::var_os(LIMITED).is_none() {
            let own = "store::clear::tests::a_tree_deeper_than_there_are_descriptors_goes_and_nothing_beside_it";
            let mut command = Command::new("sh");
            command.args(["-c", "ulimit -n 200 && exec \"$@\"", "sh"]).arg(std::env::current_exe().expect("a program"));
            let output = command.args([own, "--exact"]).env(LIMITED, "1").output().expect("runs");
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("1 passed"), "{text}");
            return;
        }
        let room = tempfile::tempdir().expect("a directory");
        let (top, beside) = (room.path().join("top"), room.path().join("beside"));
        fs::create_dir_all(&beside).expect("made");
        fs::write(beside.join("kept"), "kept").expect("written");
        fs::create_dir(&top).expect("made");
        let mut at = openat(CWD, &top, OFlags::PATH, Mode::empty()).expect("open");
        for depth in 0..3000 {
            mkdirat(&at, "d", Mode::RWXU).expect("made");
            at = openat(&at, "d", OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()).expect("open");
            if depth % 100 == 0 {
                rustix::fs::symlinkat(&beside, &at, "link").expect("linked");
                mkdirat(&at, "shut", Mode::empty()).expect("made");
                // What is moved up finds its name taken.
                mkdirat(&at, ".bastide-gone-1", Mode::RWXU).expect("made");
            }
        }
        for n in 0..3 {
            fs::write(top.join(format!(".bastide-gone-{n}")), "").expect("written");
        }
        fs::set_permissions(&top, fs::Permissions::from_mode(0o000)).expect("shut");
        clear(&top).expect("gone");
        assert!(!top.exists() && beside.join("kept").exists());
        symlink(&beside, &top).expect("linked");
        clear(&top).expect("a link is none");
        assert!(fs::symlink_metadata(&top).is_err() && beside.join("kept").exists());
        clear(&top).expect("gone already");
    }
}
