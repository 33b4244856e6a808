//! Which of the reviewed changes a merge takes. Looks at the original once more; decides nothing else.

use super::stamp::unchanged;
use super::{Baseline, Change, Error, Flag, Kind, Node, Stamp, Tree, seal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which changes to merge.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these paths and what lies beneath them; empty means all.
    pub paths: Vec<PathBuf>,
    /// Merge guarded paths too: only when the operator named them.
    pub guarded: bool,
    /// Hold back everything that has a flag (continuous merging).
    pub unflagged_only: bool,
    /// Beside `paths`, these very paths and nothing beneath them, also where the original was changed outside: what
    /// stands there as the change's `before` says is kept, and goes. Anything else that stands there by then is a
    /// conflict again.
    pub over: Vec<PathBuf>,
}

impl Filter {
    /// Whether the operator names a path.
    fn names(&self, path: &Path) -> bool {
        let all = self.paths.is_empty() && self.over.is_empty();
        all || self.paths.iter().any(|wanted| path.starts_with(wanted)) || self.over.iter().any(|over| path == over)
    }

    /// Whether a conflict there is decided. A git directory belongs together: of two only git makes one.
    pub(super) fn decides(&self, change: &Change) -> bool {
        change.kind != Kind::Git && change.conflict.is_some() && self.over.contains(&change.path)
    }
}

/// Why a path was left as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The change is of a kind that is never merged.
    Refused,
    /// The original changed.
    Conflict,
    /// The cell changed it after it was reviewed.
    ChangedSinceReview,
    /// Guarded or flagged: merged where it is named itself.
    Held,
    /// It needs a directory that is left, or would take one away that holds something which is left.
    Bound,
    /// What git runs or obeys: merged under no name.
    GitHeld,
    /// The original's file system refused it: read-only, immutable, or not the operator's.
    Unwritable,
    /// A git directory holds objects that are not what their names say.
    GitUnsafe,
}

/// What a merge did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Paths merged.
    #[serde(serialize_with = "seal::paths")]
    pub merged: Vec<PathBuf>,
    /// Paths left alone, and why.
    #[serde(serialize_with = "seal::reasons")]
    pub left: Vec<(PathBuf, Reason)>,
}

/// The changes that a merge takes; what it leaves goes into `outcome`. Without a `baseline` what each was compared with
/// counts alone, and not when it was changed.
pub(super) fn choose<'c>(
    lower: &Tree,
    baseline: Option<&Baseline>,
    changes: &'c [Change],
    filter: &Filter,
    outcome: &mut Outcome,
) -> Result<Vec<&'c Change>, Error> {
    let wanted = wanted(changes, filter);
    let (mut chosen, mut left) = (Vec::new(), BTreeSet::new());
    for change in changes.iter().filter(|change| wanted.contains(&change.path)) {
        match reason(lower, baseline, change, filter)? {
            Some(reason) => {
                left.insert(change.path.clone());
                outcome.left.push((change.path.clone(), reason));
            }
            None => chosen.push(change),
        }
    }
    // What is not asked for stays too, and binds its directories just the same.
    left.extend(changes.iter().map(|change| &change.path).filter(|path| !wanted.contains(*path)).cloned());
    let bound = paths(changes.iter().filter(|c| makes_directory(c) && left.contains(&c.path)));
    chosen.retain(|change| {
        let filled = change.before.as_ref().is_some_and(|b| b.node == Node::Directory)
            && matches!(change.kind, Kind::Removed | Kind::Replaced)
            && left.range::<PathBuf, _>(&change.path..).next().is_some_and(|next| next.starts_with(&change.path));
        let homeless = change.path.ancestors().skip(1).any(|dir| bound.contains(dir));
        if filled || homeless {
            outcome.left.push((change.path.clone(), Reason::Bound));
        }
        !filled && !homeless
    });
    Ok(chosen)
}

fn paths<'c>(changes: impl Iterator<Item = &'c Change>) -> BTreeSet<PathBuf> {
    changes.map(|change| change.path.clone()).collect()
}

fn makes_directory(change: &Change) -> bool {
    let directory = change.after.as_ref().is_some_and(|after| after.node == Node::Directory);
    directory && matches!(change.kind, Kind::Created | Kind::Replaced)
}

fn reason(
    lower: &Tree,
    baseline: Option<&Baseline>,
    change: &Change,
    filter: &Filter,
) -> Result<Option<Reason>, Error> {
    if change.refusal.is_some() {
        return Ok(Some(Reason::Refused));
    }
    if change.is_of_gits_own() {
        return Ok(Some(Reason::GitHeld));
    }
    if held(change, filter) {
        return Ok(Some(Reason::Held));
    }
    let decided = filter.decides(change);
    if change.conflict.is_some() && !decided {
        return Ok(Some(Reason::Conflict));
    }
    if change.kind == Kind::Git {
        return Ok(None);
    }
    let now = Stamp::take(lower, &change.path, false)?;
    let moved = !unchanged(change.before.as_ref(), now.as_ref());
    let judged = baseline.filter(|_| !decided).and_then(|baseline| baseline.conflict(&change.path, now.as_ref()));
    Ok((moved || judged.is_some()).then_some(Reason::Conflict))
}

/// The paths that the filter names, and the new directories that they need.
fn wanted(changes: &[Change], filter: &Filter) -> BTreeSet<PathBuf> {
    let mut wanted = paths(changes.iter().filter(|change| filter.names(&change.path)));
    let needed: BTreeSet<PathBuf> =
        wanted.iter().flat_map(|path| path.ancestors().skip(1)).map(Path::to_owned).collect();
    wanted.extend(changes.iter().filter(|c| makes_directory(c) && needed.contains(&c.path)).map(|c| c.path.clone()));
    wanted
}

fn held(change: &Change, filter: &Filter) -> bool {
    let guarded = change.flags.iter().any(|flag| flag.holds().is_some()) && !filter.guarded;
    let flagged = change.flags.iter().any(|flag| *flag != Flag::Git || change.kind != Kind::Git);
    guarded || (filter.unflagged_only && flagged)
}
