//! The private home: one for each agent and workspace, kept between sessions; no file of the operator's own home
//! but his name and address for commits.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wire::command::Problem;

use crate::problem::state;
use crate::store::{Store, private_directory};

/// Longest git configuration that is read.
const MAX_CONFIGURATION: u64 = 256 * 1024;

/// The home of an agent on a workspace, made on first use.
///
/// # Errors
/// When it cannot be made.
pub(super) fn kept(store: &Store, agent: &str, workspace: &Path) -> Result<PathBuf, Problem> {
    let mut hash = Sha256::new();
    hash.update(agent.as_bytes());
    hash.update([0]);
    hash.update(workspace.as_os_str().as_encoded_bytes());
    let digest: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let word: String = agent.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    let path = store.homes().join(format!("{word}-{digest}"));
    private_directory(&path).map_err(|error| state("make", &path, &error))?;
    Ok(path)
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

/// Gives a new home the operator's name and address for commits.
///
/// # Errors
/// When it cannot be written.
pub(super) fn introduce(home: &Path, operator: &Path) -> Result<(), Problem> {
    let file = home.join(".gitconfig");
    if fs::symlink_metadata(&file).is_ok() {
        return Ok(());
    }
    let places = [operator.join(".gitconfig"), operator.join(".config/git/config")];
    let (mut name, mut email) = (None, None);
    for place in places {
        let (found_name, found_email) = identity(&text(&place).unwrap_or_default());
        name = name.or(found_name);
        email = email.or(found_email);
    }
    let mut config = String::new();
    for (key, value) in [("name", name), ("email", email)] {
        if let Some(value) = value {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            config.push_str(&format!("\t{key} = \"{value}\"\n"));
        }
    }
    if config.is_empty() {
        return Ok(());
    }
    let written = fs::write(&file, format!("[user]\n{config}")).and_then(|()| as_owner(&file, home));
    written.map_err(|error| state("write", &file, &error))
}

fn as_owner(file: &Path, home: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let meta = fs::metadata(home)?;
    chown(file, Some(meta.uid()), Some(meta.gid()))
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
}
