//! Which files of the workspace carry a label, and what in them is labelled: their text, or the secrets of an `.env` file
//! and of a key. Read once, before anything runs: what an agent writes later carries the labels of its session ([`crate::labels`]).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use policy::{Data, Label, Policy};
use rustix::fs::{Mode, OFlags};
use sense::{is_key_file, secrets_of_env, secrets_of_key};
use wire::Labelled;
use wire::command::Problem;

use crate::problem::{NOT_RUN, problem, quoted};

/// Longest file that is read.
const LONGEST: u64 = 1 << 20;
/// Bytes of all of them: they go to the gate in one message.
const ALL: usize = 4 << 20;
/// Directories that are looked through, and how deep.
const DIRECTORIES: usize = 20_000;
const DEPTH: usize = 24;

/// What a policy's `data` finds in a workspace.
struct Search<'s> {
    root: &'s Path,
    data: &'s [Data],
    found: Found,
    bytes: usize,
    directories: usize,
}

/// What is labelled in a workspace.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The texts that are looked for.
    pub(super) labelled: Vec<Labelled>,
    /// Each label that a file carries, and whether only files of secrets do.
    pub(super) labels: BTreeMap<Label, bool>,
}

/// Finds what is labelled.
///
/// # Errors
/// When there is more than can be looked for: a part of it would be believed to be all.
pub(super) fn find(policy: &Policy, workspace: &Path) -> Result<Found, Problem> {
    let mut search = Search { root: workspace, data: &policy.data, found: Found::default(), bytes: 0, directories: 0 };
    if policy.data.is_empty() {
        return Ok(search.found);
    }
    let looked = search.look(workspace, "", 0);
    if policy.flows.is_empty() {
        // Nothing is looked for here, but what the session leaves behind carries the labels all the same.
        search.found.labelled.clear();
        if looked.is_err() {
            search.found.labels = policy.data.iter().map(|data| (data.label.clone(), false)).collect();
        }
        return Ok(search.found);
    }
    looked.map(|()| search.found)
}

/// What was labelled before, and what was found now: who was told of it may still know it.
///
/// # Errors
/// When that is more than goes to a gate in one message.
pub(super) fn joined(before: &[Labelled], found: Vec<Labelled>) -> Result<Vec<Labelled>, Problem> {
    let mut all = before.to_vec();
    let fresh: Vec<_> = found.into_iter().filter(|one| !before.contains(one)).collect();
    all.extend(fresh);
    if all.iter().map(|one| one.text.len()).sum::<usize>() > ALL {
        return Err(too_much(format!("more than {ALL} bytes of text, with what was labelled before")));
    }
    Ok(all)
}

impl Search<'_> {
    fn look(&mut self, directory: &Path, name: &str, depth: usize) -> Result<(), Problem> {
        self.directories += 1;
        if self.directories > DIRECTORIES || depth > DEPTH {
            return Err(too_much(format!(
                "more than {DIRECTORIES} directories, or {DEPTH} one within another, to look through"
            )));
        }
        // What cannot be listed cannot be read inside either.
        let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
        for entry in entries.flatten() {
            let Some(own) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let path = if name.is_empty() { own } else { format!("{name}/{own}") };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && self.may_hold(&path) => self.look(&entry.path(), &path, depth + 1)?,
                Ok(kind) if kind.is_file() => self.take(&path)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a pattern may mean something beneath this directory.
    fn may_hold(&self, directory: &str) -> bool {
        self.data.iter().flat_map(|data| &data.files).any(|pattern| pattern.may_hold(directory))
    }

    fn take(&mut self, path: &str) -> Result<(), Problem> {
        let labels = self.data.iter().filter(|data| data.files.iter().any(|pattern| pattern.takes(path)));
        let labels: Vec<_> = labels.map(|data| data.label.clone()).collect();
        if labels.is_empty() {
            return Ok(());
        }
        let Some(text) = read(&self.root.join(path)) else { return Ok(()) };
        for label in &labels {
            let secret = holds_secrets(path, &text);
            self.found.labels.entry(label.clone()).and_modify(|known| *known &= secret).or_insert(secret);
        }
        if text.len() as u64 > LONGEST {
            return Err(too_much(format!("`{}` is longer than {LONGEST} bytes", quoted(path))));
        }
        for label in labels {
            for (source, text, exact) in parts(path, &text) {
                self.bytes += text.len();
                if self.bytes > ALL {
                    return Err(too_much(format!("more than {ALL} bytes of labelled text")));
                }
                self.found.labelled.push(Labelled { label: label.clone(), source, text, exact });
            }
        }
        Ok(())
    }
}

/// Whether a file is one of secrets, each of which is known by itself.
fn holds_secrets(path: &str, text: &str) -> bool {
    is_env(path) || is_key_file(text)
}

fn is_env(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name == ".env" || name.starts_with(".env.") || name.ends_with(".env")
}

/// What of a file is labelled: each secret of one that holds secrets, else all of it.
fn parts(path: &str, text: &str) -> Vec<(String, String, bool)> {
    if is_env(path) {
        let secrets = secrets_of_env(text).into_iter();
        return secrets.map(|(name, value)| (format!("`{name}` in {path}"), value, true)).collect();
    }
    if is_key_file(text) {
        return secrets_of_key(text).into_iter().map(|line| (format!("the key in {path}"), line, true)).collect();
    }
    // A run of a text is looked for where it is long enough to be its own; what is shorter is looked for whole.
    let short = text.trim().len() < 2 * sense::LEAST;
    vec![(path.to_owned(), if short { text.trim() } else { text }.to_owned(), short)]
}

/// Never follows a link, nor waits for a pipe. What is no text is read as far as it is.
fn read(path: &Path) -> Option<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn too_much(cause: String) -> Problem {
    let cause = format!("not all that `data` labels can be looked for: {cause}");
    problem("E-PLANE-050", cause, "name fewer files under `data` in the policy", NOT_RUN)
}

#[cfg(test)]
mod tests {
    use policy::{FilePattern, Flow, Label, LabelPattern};

    use super::*;

    fn policy(files: &[&str]) -> Policy {
        let files = files.iter().map(|text| FilePattern::parse(text).expect("a pattern")).collect();
        let data = vec![Data { label: Label::parse("secret:x").expect("a label"), files }];
        let flows = vec![Flow { deny: LabelPattern::parse("secret:*").expect("a pattern"), to: None }];
        Policy { data, flows, ..Policy::default() }
    }

    #[test]
    fn secrets_are_taken_out_of_env_files_and_keys_and_other_files_whole() {
        let room = tempfile::tempdir().expect("a directory");
        let put = |path: &str, text: &str| {
            let path = room.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        };
        put(".env", "PORT=80\nTOKEN=k9-Zt41pQx-0000\n");
        put("app/.env.local", "TOKEN=k9-Zt41pQx-1111\n");
        put("notes/clients/a/b.md", "the clients");
        put("notes/other.md", "others");
        put("app/.env.quoted", "PASSWORD=\"k9\\\"Zt41pQx-22\"\n");
        put("key.pem", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END PRIVATE KEY-----\n");
        std::os::unix::fs::symlink("/etc/passwd", room.path().join("notes/clients/link")).expect("linked");
        let found = find(&policy(&[".env", "*/.env.local", "notes/clients/**", "*.pem"]), room.path()).expect("found");
        assert_eq!(found.labels.values().collect::<Vec<_>>(), [&false]);
        let secrets = find(&policy(&[".env", "*/.env.quoted", "*.pem"]), room.path()).expect("found");
        let read = secrets.labelled.iter().any(|one| one.text == "k9\"Zt41pQx-22" && one.exact);
        assert!(read, "as a loader reads it: {:?}", secrets.labelled);
        assert_eq!(secrets.labels.values().collect::<Vec<_>>(), [&true]);
        let mut told: Vec<_> =
            found.labelled.iter().map(|one| (one.source.as_str(), one.text.as_str(), one.exact)).collect();
        told.sort_unstable();
        let expected = [
            ("`TOKEN` in .env", "k9-Zt41pQx-0000", true),
            ("`TOKEN` in app/.env.local", "k9-Zt41pQx-1111", true),
            ("notes/clients/a/b.md", "the clients", true),
            ("the key in key.pem", "MIIEvQIBADANBgkqhkiG9w0BAQ", true),
        ];
        assert_eq!(told, expected);
        assert!(find(&policy(&["notes/**"]), room.path()).expect("found").labelled.len() == 2);
        put("notes/long", &"x".repeat(2 << 20));
        assert_eq!(find(&policy(&["notes/**"]), room.path()).expect_err("too long").code, "E-PLANE-050");
        let unruled = Policy { flows: Vec::new(), ..policy(&["notes/**"]) };
        let found = find(&unruled, room.path()).expect("nothing is looked for");
        assert_eq!((found.labelled.len(), found.labels.len()), (0, 1));
    }
}
