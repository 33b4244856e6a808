//! The private home: one for each agent and workspace, kept between sessions; no file of the operator's own home
//! but his name and address for commits.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use wire::command::Problem;

use crate::problem::state;
use crate::store::{Store, private_directory};
use crate::workspace::let_owner_in;

/// Longest git configuration that is read.
const MAX_CONFIGURATION: u64 = 256 * 1024;

/// The home of an agent on a workspace, made on first use, and held for as long as the value lives; none where another session has
/// it. Two cells that write to one directory could meet at a socket there, and hand each other what their policies keep apart.
///
/// # Errors
/// When it cannot be made.
pub(super) fn kept(store: &Store, agent: &str, workspace: &Path) -> Result<Option<(PathBuf, File)>, Problem> {
    let path = place(store, agent, workspace);
    let held = private_directory(&path).and_then(|()| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let_owner_in(rustix::fs::open(&path, flags, Mode::empty())?)?;
        let directory = File::open(&path)?;
        match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some((path.clone(), directory))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    });
    held.map_err(|error| state("make", &path, &error))
}

/// Where the home of an agent on a workspace lies.
pub(super) fn place(store: &Store, agent: &str, workspace: &Path) -> PathBuf {
    let mut hash = Sha256::new();
    hash.update(agent.as_bytes());
    hash.update([0]);
    hash.update(workspace.as_os_str().as_encoded_bytes());
    let digest: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let word: String = agent.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    store.homes().join(format!("{word}-{digest}"))
}

/// A home that ends with the session.
///
/// # Errors
/// When it cannot be made.
pub(super) fn fresh(session: &Path) -> Result<PathBuf, Problem> {
    let path = session.join("home");
    private_directory(&path).map_err(|error| state("make", &path, &error))?;
    Ok(path)
}

/// Gives a new home the operator's name and address for commits. Another session of the same agent may be writing in
/// that home: the file is made by one call that follows no link, and everything else goes through its descriptor.
///
/// # Errors
/// When it cannot be written.
pub(super) fn introduce(home: &Path, operator: &Path) -> Result<(), Problem> {
    let file = home.join(".gitconfig");
    if fs::symlink_metadata(&file).is_ok() {
        return Ok(());
    }
    let config = configuration(operator);
    if config.is_empty() {
        return Ok(());
    }
    match written(&file, home, &format!("[user]\n{config}")) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(|error| state("write", &file, &error)),
    }
}

fn written(file: &Path, home: &Path, text: &str) -> io::Result<()> {
    let mut made = File::options().write(true).create_new(true).mode(0o644).open(file)?;
    if rustix::process::geteuid().is_root() {
        let meta = fs::metadata(home)?;
        fchown(&made, Some(meta.uid()), Some(meta.gid()))?;
    }
    made.write_all(text.as_bytes())
}

/// Name and address, from where git looks for them.
fn configuration(operator: &Path) -> String {
    let (mut name, mut email) = (None, None);
    for place in [operator.join(".gitconfig"), operator.join(".config/git/config")] {
        let (found_name, found_email) = identity(&text(&place).unwrap_or_default());
        name = name.or(found_name);
        email = email.or(found_email);
    }
    let line = |key: &str, value: Option<String>| {
        let value = value?.replace('\\', "\\\\").replace('"', "\\\"");
        Some(format!("\t{key} = \"{value}\"\n"))
    };
    [line("name", name), line("email", email)].into_iter().flatten().collect()
}

fn text(path: &Path) -> Option<String> {
    let small = fs::metadata(path).ok().is_some_and(|meta| meta.is_file() && meta.len() <= MAX_CONFIGURATION);
    if small { fs::read_to_string(path).ok() } else { None }
}

/// `user.name` and `user.email` of a git configuration; includes are not followed.
fn identity(text: &str) -> (Option<String>, Option<String>) {
    let (mut name, mut email, mut in_user) = (None, None, false);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            in_user = section.trim_end_matches(']').trim().eq_ignore_ascii_case("user");
        } else if let (true, Some((key, value))) = (in_user, line.split_once('=')) {
            let value = value.trim().trim_matches('"').replace("\\\"", "\"").replace("\\\\", "\\");
            match key.trim().to_ascii_lowercase().as_str() {
                "name" => name = Some(value),
                "email" => email = Some(value),
                _ => {}
            }
        }
    }
    (name, email)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_name_and_address_are_taken() {
        let text = "[core]\n\tname = no\n[user]\n\tname = A \\\"B\\\" C\n\temail=a@b.example\n\tsigningkey = secret\n[x]\n email = no\n";
        let home = tempfile::tempdir().expect("a directory");
        let private = tempfile::tempdir().expect("a directory");
        fs::write(home.path().join(".gitconfig"), text).expect("written");
        introduce(private.path(), home.path()).expect("introduced");
        let written = fs::read_to_string(private.path().join(".gitconfig")).expect("written");
        assert_eq!(written, "[user]\n\tname = \"A \\\"B\\\" C\"\n\temail = \"a@b.example\"\n");
    }

    /// A link that an agent plants between the look and the write must not lead the plane anywhere.
    #[test]
    fn a_planted_link_is_not_followed() {
        let home = tempfile::tempdir().expect("a directory");
        let outside = home.path().join("outside");
        std::os::unix::fs::symlink(&outside, home.path().join(".gitconfig")).expect("planted");
        assert!(written(&home.path().join(".gitconfig"), home.path(), "x").is_err());
        assert!(!outside.exists());
    }
}
