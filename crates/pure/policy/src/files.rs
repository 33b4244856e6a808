//! What a path is inside a cell, computed from the policy: what is not named is simply absent and makes no event. (What
//! Landlock refuses makes one where the host's audit is on.) Links are not followed: the opener's path is judged.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CanonicalPath, Policy, WorkspaceMode};

/// Where a cell stands.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The workspace's path, the same inside and outside.
    pub workspace: &'a CanonicalPath,
    /// The operator's home; inside it is a private one of the cell's own.
    pub home: &'a CanonicalPath,
    /// The mode that the session runs in, which may differ from the policy's.
    pub mode: WorkspaceMode,
}

/// What a host's path is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Not there.
    Absent,
    /// Not there, since a `hide` rule takes it out of what is named.
    Hidden,
    /// A directory on the way to something named; it holds nothing else.
    Passage,
    /// There, and never written.
    Readable,
    /// There; changes are kept apart and merged by review or continuously.
    Writable,
}

/// What stands inside at a path whose host file is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stead {
    /// The cell's private home.
    Home,
    /// A file or tree that the cell makes itself, such as `/proc` or `/etc/passwd`.
    Made,
    /// The cell's own scratch space: `/tmp` and `/var/tmp`. What is named below shows.
    Scratch,
}

/// The answer for one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAnswer {
    /// The path.
    pub path: CanonicalPath,
    /// What it is.
    pub access: Access,
    /// The rule that says so, as `files.read: /usr`; none when nothing names the path.
    pub rule: Option<String>,
    /// The guarded name that holds changes back from merging.
    pub guarded: Option<String>,
    /// What stands there instead of the host's file.
    pub stead: Option<Stead>,
    /// The smallest `--read`, when one would make it readable.
    pub read: Option<CanonicalPath>,
    /// The smallest `--write`, when one would make it writable.
    pub write: Option<CanonicalPath>,
}

/// What the cell makes itself; the host's file never shows there.
pub const MADE: &[&str] = &[
    "/proc",
    "/dev",
    "/sys",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/machine-id",
];

/// Where the cell has scratch space of its own, empty at the start.
pub const SCRATCH: &[&str] = &["/tmp", "/var/tmp"];

/// What the path is inside. `hide` wins over everything; then workspace, `write`, `read`.
#[must_use]
pub fn file(policy: &Policy, place: &Place<'_>, path: &CanonicalPath) -> FileAnswer {
    let files = &policy.files;
    let covering = |list: &[CanonicalPath]| list.iter().find(|rule| rule.covers(path)).cloned();
    let changed = if place.mode == WorkspaceMode::ReadOnly { Access::Readable } else { Access::Writable };
    let named = |key: &str, rule: &CanonicalPath| Some(format!("{key}: {rule}"));
    let stead = stead(place, path);
    let (access, rule, root) = if let Some(rule) = covering(&files.hide) {
        (Access::Hidden, named("files.hide", &rule), None)
    } else if stead == Some(Stead::Made) {
        (Access::Absent, None, None)
    } else if place.workspace.covers(path) {
        (changed, Some(format!("files.workspace: {}", place.mode.name())), Some(place.workspace.clone()))
    } else if let Some(rule) = covering(&files.write) {
        (changed, named("files.write", &rule), Some(rule))
    } else if let Some(rule) = covering(&files.read) {
        (Access::Readable, named("files.read", &rule), None)
    } else if stead.is_none() && leads(policy, place, path) {
        (Access::Passage, None, None)
    } else {
        (Access::Absent, None, None)
    };
    let guarded = root.filter(|_| access == Access::Writable).and_then(|root| guard(&files.guard, &root, path));
    let stead = stead.filter(|_| access == Access::Absent);
    let nameable = path.as_str() != "/" && stead != Some(Stead::Made);
    let lifts = |wanted: &[Access]| (nameable && wanted.contains(&access)).then(|| path.clone());
    let read = lifts(&[Access::Absent, Access::Passage]);
    let write =
        lifts(&[Access::Absent, Access::Passage, Access::Readable]).filter(|_| place.mode != WorkspaceMode::ReadOnly);
    FileAnswer { path: path.clone(), access, rule, guarded, stead, read, write }
}

fn stead(place: &Place<'_>, path: &CanonicalPath) -> Option<Stead> {
    let made = |name: &&str| CanonicalPath::parse(name).is_ok_and(|made| made.covers(path));
    if MADE.iter().any(made) {
        return Some(Stead::Made);
    }
    if SCRATCH.iter().any(made) {
        return Some(Stead::Scratch);
    }
    place.home.covers(path).then_some(Stead::Home)
}

/// Whether something named lies below the path.
fn leads(policy: &Policy, place: &Place<'_>, path: &CanonicalPath) -> bool {
    let rules = policy.files.read.iter().chain(&policy.files.write).chain([place.workspace, place.home]);
    path.as_str() == "/" || rules.into_iter().any(|rule| path.covers(rule))
}

/// The guarded name that the path is or lies below, wherever its parts stand in a row beneath the root of what is merged, in any
/// case of letters: as it is merged.
fn guard(names: &[String], root: &CanonicalPath, path: &CanonicalPath) -> Option<String> {
    let base = root.as_str().trim_end_matches('/');
    let rest = path.as_str().strip_prefix(base)?.strip_prefix('/')?.to_lowercase();
    let parts: Vec<&str> = rest.split('/').collect();
    let holds = |name: &&String| {
        let name = name.to_lowercase();
        let name: Vec<&str> = name.split('/').collect();
        parts.windows(name.len()).any(|row| row == name)
    };
    names.iter().find(holds).cloned()
}

impl fmt::Display for FileAnswer {
    /// One line: what it is, by which rule, and what would change it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule.as_ref().map(|rule| format!(" by `{rule}`")).unwrap_or_default();
        let path = &self.path;
        match (self.access, self.stead) {
            (Access::Absent, Some(Stead::Home)) => {
                write!(formatter, "`{path}` of the host is absent; the cell has a private home there")?;
            }
            (Access::Absent, Some(Stead::Made)) => {
                write!(formatter, "`{path}` inside is the cell's own, not the host's")?
            }
            (Access::Absent, Some(Stead::Scratch)) => {
                write!(formatter, "`{path}` of the host is absent; the cell has scratch space of its own there")?;
            }
            (Access::Absent, None) => write!(formatter, "`{path}` is absent: nothing names it")?,
            (Access::Hidden, _) => write!(formatter, "`{path}` is hidden{rule}; only removing that rule shows it")?,
            (Access::Passage, _) => {
                write!(formatter, "`{path}` is a directory that holds only what is named below it")?
            }
            (Access::Readable, _) => write!(formatter, "`{path}` is readable{rule}")?,
            (Access::Writable, _) => write!(formatter, "`{path}` is writable{rule}")?,
        }
        if let Some(name) = &self.guarded {
            write!(formatter, "; changes are held back by `files.guard: {name}`")?;
        }
        let option = |name: &str, path: &Option<CanonicalPath>| path.as_ref().map(|path| format!("`--{name} {path}`"));
        let options: Vec<_> =
            [option("read", &self.read), option("write", &self.write)].into_iter().flatten().collect();
        if options.is_empty() { Ok(()) } else { write!(formatter, "; allowed by {}", options.join(" or ")) }
    }
}
