//! Which changes are meant: the operator names paths of the host, a tree knows its own.

use std::path::{Component, Path, PathBuf};

use wire::command::Problem;

use crate::problem::{NO, problem, quoted};
use crate::store::SessionDirectory;

/// What is wanted of one tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Everything.
    all: bool,
    /// What is or lies below one of these, relative to the tree; none where everything is.
    paths: Vec<PathBuf>,
    /// These very paths, also over what was changed outside.
    over: Vec<PathBuf>,
}

impl Wanted {
    /// Whether a change is meant.
    pub(super) fn takes(&self, change: &Path) -> bool {
        let named = self.paths.iter().any(|path| change.starts_with(path));
        self.all || named || self.over.iter().any(|path| change == path)
    }

    /// The paths, none for everything.
    pub(super) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Those that are to go over what was changed outside.
    pub(super) fn over(&self) -> &[PathBuf] {
        &self.over
    }

    /// Whether nothing is meant but those.
    pub(super) fn is_only_over(&self) -> bool {
        !self.all && self.paths.is_empty()
    }
}

/// For each tree of the session what is wanted of it; nothing of a tree that no path lies in.
pub(super) fn choose(
    session: &SessionDirectory,
    paths: &[PathBuf],
    over: &[PathBuf],
) -> Result<Vec<Option<Wanted>>, Problem> {
    let trees = &session.record.trees;
    if paths.is_empty() && over.is_empty() {
        return Ok(vec![Some(Wanted { all: true, ..Wanted::default() }); trees.len()]);
    }
    let mut chosen = vec![None; trees.len()];
    for (path, is_over) in paths.iter().map(|path| (path, false)).chain(over.iter().map(|path| (path, true))) {
        let (index, rest) = place(session, path).ok_or_else(|| outside(session, path))?;
        let wanted: &mut Wanted = chosen[index].get_or_insert_default();
        match (is_over, rest.as_os_str().is_empty()) {
            (true, _) => wanted.over.push(rest),
            (false, true) => (wanted.all, wanted.paths) = (true, Vec::new()),
            (false, false) if !wanted.all => wanted.paths.push(rest),
            (false, false) => {}
        }
    }
    Ok(chosen)
}

/// The tree that holds the path, the innermost where several do, and the path in it.
fn place(session: &SessionDirectory, path: &Path) -> Option<(usize, PathBuf)> {
    let written = plain(path)?;
    holds(session, &written).or_else(|| {
        // Named through a link: its directory is real, the path itself may exist only in the changes.
        let real = written.parent()?.canonicalize().ok()?.join(written.file_name()?);
        holds(session, &real)
    })
}

fn holds(session: &SessionDirectory, path: &Path) -> Option<(usize, PathBuf)> {
    let trees = session.record.trees.iter().enumerate();
    let inside = trees.filter_map(|(index, tree)| Some((index, path.strip_prefix(&tree.path).ok()?)));
    inside.min_by_key(|(_, rest)| rest.components().count()).map(|(index, rest)| (index, rest.to_owned()))
}

/// The path without `.` and `..`, as the words say.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::RootDir | Component::Normal(_) => out.push(part),
            Component::CurDir => {}
            Component::ParentDir if out.pop() => {}
            _ => return None,
        }
    }
    out.is_absolute().then_some(out)
}

fn outside(session: &SessionDirectory, path: &Path) -> Problem {
    let id = &session.record.id;
    problem(
        "E-PLANE-019",
        format!("`{}` is in no tree of session `{id}`", quoted(&path.to_string_lossy())),
        &format!("`bastide diff {id}` lists what it changed"),
        NO,
    )
}
