//! The plane's verbs on real directories: sessions whose segments are written as plane and gate write them.
#![allow(clippy::unwrap_used, missing_docs)]

mod again;
mod clocks;
mod damage;
mod generations;
mod imports;
mod labels;
mod ledgers;
mod merging;
mod over;
mod policies;
mod pruning;
mod record;
mod repairing;
mod reviewing;
mod room;
mod running;
mod sessions;
mod vaults;
mod watching;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

/// Started by root, every test here is run once more by a user without any privilege.
#[test]
fn an_ordinary_user_gets_the_same_answers() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = directory.path().join("verbs");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new(&copy);
    command.args(["--test-threads=2", "--skip", "an_ordinary_user"]).current_dir("/").uid(12345).gid(12345);
    command.env_clear().env("PATH", "/usr/bin:/bin").stdout(std::process::Stdio::piped());
    let output = room::spawn(&mut command).wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains(" passed; 0 failed"), "{text}");
}
