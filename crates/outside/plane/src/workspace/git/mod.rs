//! A git directory's changes as one unit: objects imported after checking, then refs by compare-and-swap. Whole or
//! not at all.
//!
//! Never runs git, never overwrites or deletes an object, never merges hooks, config, or what sends git elsewhere.

mod beside;
mod index;
mod log;
mod object;
mod pack;
mod part;
mod plan;
mod refs;
mod store;
mod unit;
mod walk;

pub(super) use beside::beside;
pub use beside::{Beside, Unbrought};
pub(super) use log::lines_of_a_log;
pub(super) use object::Object;
pub(super) use plan::plan;

use super::{Change, Error, Flag, Kind, Node, Refusal, Stamp, Tree, seal};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a git directory's change consists of.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Unit {
    /// Loose objects, packs and their indexes to import.
    pub(super) imports: Vec<Change>,
    /// Refs that move.
    pub moves: Vec<Move>,
    /// The original's packed refs as they were reviewed.
    pub(super) packed: Option<Stamp>,
    /// Reflogs that grow.
    pub(super) logs: Vec<Change>,
    /// The index and the state of an operation in progress.
    pub(super) data: Vec<Change>,
    /// What stays in the cell, and why.
    pub held: Vec<(String, Held)>,
    /// Why the unit is refused.
    pub fault: Option<Fault>,
    /// A repository that the original does not have.
    pub fresh: bool,
    /// New commits that were counted, those in packs left out.
    pub commits: usize,
    /// Paths that the new commits or the index change, each with its mode as git writes it, 0 if it is removed.
    pub paths: Vec<(String, u32)>,
    /// There is more than `paths` says, or something could not be read.
    pub partial: bool,
    /// A ref that moves has the short name of another.
    pub ambiguous: bool,
    /// What its reflogs and state say, each by a hash; of an index what it stages, and not what git remembers of files.
    #[serde(default)]
    pub says: Vec<(String, String)>,
    /// The files of the upper layer that all this was read from, as they were then; none where it held that one is gone.
    #[serde(default)]
    pub(super) read: Vec<(String, Option<Stamp>)>,
}

/// One ref that moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The ref's whole name, relative to the git directory.
    pub name: String,
    /// What the original says: an object's name or `ref: NAME`.
    pub old: Option<String>,
    /// What the cell says; none if it is deleted.
    pub new: Option<String>,
    /// The original's loose file as it was reviewed.
    pub(super) before: Option<Stamp>,
}

/// Why something in a git directory is not merged with the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// git would run it.
    Hook,
    /// It can name programs to run.
    Config,
    /// It sends git elsewhere.
    Gitdir,
    /// A submodule's repository: merge it from within.
    Submodule,
    /// A worktree that the original does not have.
    NewWorktree,
    /// A list of commands, or the state of something, that git would go on with.
    Todo,
    /// An index that hides files from git, names what is nowhere, or cannot be read: `git reset` makes another.
    Index,
    /// The original's changed too.
    ChangedOutside,
    /// Nothing that is known to be data.
    Unknown,
}

/// Why a unit is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Alternates, grafts, a shallow boundary, promisor packs or replacements: history that is not what it says.
    FalseHistory,
    /// A ref's name that git would not make.
    RefName,
    /// A ref that holds neither an object's name nor an acceptable ref's.
    RefContent,
    /// A ref names an object that is nowhere.
    MissingObject,
    /// A ref stands where the original has a directory, or the other way round.
    RefDirectory,
    /// A link, device or unreadable entry where data belongs.
    NotData,
    /// Refs in one file for all (`reftable`), which is not read here: without them the commits would lead nowhere.
    RefFormat,
}

impl Unit {
    /// Whether there is nothing to merge.
    pub fn is_empty(&self) -> bool {
        self.imports.is_empty() && self.moves.is_empty() && self.data.is_empty() && self.logs.is_empty()
    }

    /// The stamps of everything that would be merged, to see that it has settled.
    pub(super) fn stamps(&self) -> impl Iterator<Item = Option<Stamp>> {
        let moves = self.moves.iter().map(|moved| moved.new.as_ref().map(|new| Stamp::of_content(new.as_bytes(), 0)));
        self.imports.iter().chain(&self.logs).chain(&self.data).map(|change| change.after.clone()).chain(moves)
    }

    /// One line for the operator: `git: 3 commits on refs/heads/main (1a2b3c4..5d6e7f8), 12 objects`.
    pub fn summary(&self) -> String {
        let short = |value: &Option<String>| match value {
            None => "none".to_owned(),
            Some(value) => value.strip_prefix("ref: ").map_or_else(|| value.chars().take(10).collect(), str::to_owned),
        };
        let moves: Vec<_> =
            self.moves.iter().take(8).map(|m| format!("{} ({}..{})", m.name, short(&m.old), short(&m.new))).collect();
        let packs = self.imports.iter().filter(|c| c.path.extension().is_some_and(|e| e == "pack")).count();
        let loose = self.imports.len() - self.imports.iter().filter(|c| c.path.extension().is_some()).count();
        let mut line = if self.fresh { "git: new repository, ".to_owned() } else { "git: ".to_owned() };
        match self.commits {
            0 => {}
            1 => line += "1 commit on ",
            n => line += &format!("{n} commits on "),
        }
        if !moves.is_empty() {
            line += &format!("{}, ", moves.join(", "));
        }
        if self.moves.len() > moves.len() {
            line += &format!("{} more refs, ", self.moves.len() - moves.len());
        }
        line += &format!("{loose} objects");
        if packs > 0 {
            line += &format!(", {packs} packs");
        }
        if !self.held.is_empty() {
            line += &format!(", {} held", self.held.len());
        }
        line
    }
}

/// The flags of a path of the workspace.
pub(super) type Judge<'j> = &'j dyn Fn(&Path, Node, u32) -> Vec<Flag>;

/// Folds what lies in git directories into one change each; `judge` flags what its commits change.
/// `whole`: the original is a git directory itself.
pub(super) fn fold(
    upper: &Tree,
    lower: &Tree,
    changes: Vec<Change>,
    whole: bool,
    judge: Judge<'_>,
) -> Result<Vec<Change>, Error> {
    let (mut units, mut rest) = (BTreeMap::<PathBuf, Vec<Change>>::new(), Vec::new());
    for change in changes {
        match root(&change.path, whole) {
            Some(root) => units.entry(root).or_default().push(change),
            None => rest.push(change),
        }
    }
    for (root, raw) in units {
        rest.extend(one(upper, lower, &root, raw, judge)?);
    }
    rest.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(rest)
}

fn one(upper: &Tree, lower: &Tree, root: &Path, raw: Vec<Change>, judge: Judge<'_>) -> Result<Option<Change>, Error> {
    let itself = raw.iter().find(|change| change.path == root);
    let fresh = match itself {
        None => false,
        Some(change) if change.refusal.is_none() && change.kind == Kind::Mode => false,
        // Anything but a directory was refused by that name.
        Some(change) if change.refusal.is_none() && change.kind == Kind::Created => true,
        Some(change) => {
            let refusal = change.refusal.or(Some(Refusal::GitRemoved));
            return Ok(Some(Change { refusal, ..change.clone() }));
        }
    };
    let (before, after) = itself.map_or((None, None), |change| (change.before.clone(), change.after.clone()));
    let guarded = raw.iter().any(|change| change.path == root && change.flags.contains(&Flag::Guarded));
    let (unit, conflict) = unit::build(upper, lower, root, raw, fresh)?;
    if unit.is_empty() && unit.held.is_empty() && unit.fault.is_none() {
        return Ok(None);
    }
    let flags = flags(root, &unit, guarded, judge);
    let refusal = unit.fault.map(|_| Refusal::GitUnsafe);
    let git = Some(Box::new(unit));
    Ok(Some(Change { path: root.to_owned(), kind: Kind::Git, after, before, flags, refusal, conflict, git }))
}

/// A unit has the flags of all that it would put before the operator: a checkout or a pull brings it to life.
fn flags(root: &Path, unit: &Unit, guarded: bool, judge: Judge<'_>) -> Vec<Flag> {
    let mut found = BTreeSet::from([Flag::Git]);
    let tree = root.parent().unwrap_or(Path::new(""));
    for (path, mode) in &unit.paths {
        let node = match mode & 0o170_000 {
            0o120_000 => Node::Symlink,
            0o160_000 => Node::Directory,
            _ => Node::File,
        };
        found.extend(judge(&tree.join(seal::unseal(path)), node, mode & 0o777));
    }
    let more = [(Flag::Guarded, guarded), (Flag::Unread, unit.partial), (Flag::Ambiguous, unit.ambiguous)];
    found.extend(more.iter().filter(|(_, is)| *is).map(|(flag, _)| *flag));
    found.into_iter().collect()
}

/// The git directory that a path lies in.
fn root(path: &Path, whole: bool) -> Option<PathBuf> {
    if whole {
        return Some(PathBuf::new());
    }
    let at = path.iter().position(|part| part == ".git")?;
    Some(path.iter().take(at + 1).collect())
}

/// Whether the original is a repository itself, as a worktree's common directory is.
pub(super) fn repository(lower: &Tree) -> Result<bool, Error> {
    for name in ["HEAD", "objects", "refs"] {
        if lower.stat(Path::new(name))?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A path in the unit's root, printable.
fn inside(root: &Path, path: &Path) -> String {
    seal::seal(path.strip_prefix(root).unwrap_or(path))
}
