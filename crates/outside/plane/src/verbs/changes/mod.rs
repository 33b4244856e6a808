//! What a session changed: listed, counted, shown; and an unfinished merge put in order.

mod answers;
mod merge;
mod paths;
mod review;
mod tree;

pub(crate) use answers::bounded;
pub(super) use merge::{apply, discard};

use std::io::ErrorKind;
use std::path::PathBuf;

use policy::WorkspaceMode;
use record::{Kind, Redactor, Segment};
use wire::command::{ChangeInfo, DiffAnswer, Problem, Reply, Select};
use wire::petition::Changed;

use crate::channel::Client;
use crate::problem::{NO, problem};
use crate::store::{self, Ledger, SessionDirectory, Store, TreeRecord, Weight};
use crate::workspace::Workspace;
use answers::Budget;
use review::Review;
use tree::ChangedTree;

/// Every change of a session, without its diff: for the outcome of a run.
///
/// # Errors
/// When the changes cannot be read.
pub fn list(session: &SessionDirectory) -> Result<Vec<ChangeInfo>, Problem> {
    let guards = guards(session)?;
    let mut listed = Vec::new();
    for tree in ChangedTree::judged(session)? {
        listed.extend(tree.changes(&guards)?.iter().map(|change| tree.info(change, String::new())));
    }
    Ok(listed)
}

/// What a sub-agent changed where it may: its paths, and all of it as a patch where that is not too long.
///
/// # Errors
/// When the changes cannot be read.
pub(crate) fn patch(
    session: &SessionDirectory,
    most: usize,
    bytes: usize,
) -> Result<(Vec<Changed>, u64, Option<String>), Problem> {
    let guards = guards(session)?;
    let (mut changed, mut unlisted, mut patch) = (Vec::new(), 0, Some(String::new()));
    for tree in ChangedTree::all(session)? {
        for change in tree.changes(&guards)?.iter().filter(|change| change.refusal.is_none()) {
            let info = tree.info(change, String::new());
            if changed.len() < most {
                changed.push(Changed { path: info.path, change: info.kind });
            } else {
                unlisted += 1;
            }
            patch = patch.and_then(|so_far| {
                let more = tree.diff(change).unwrap_or_else(|why| why);
                (so_far.len() + more.len() <= bytes).then(|| so_far + &more)
            });
        }
    }
    Ok((changed, unlisted, patch.filter(|patch| !patch.is_empty())))
}

/// How many paths wait for `apply` or `discard`. Where nothing was written nothing waits, whatever became of the original.
pub(crate) fn pending(session: &SessionDirectory) -> Result<u64, Problem> {
    let mut count = 0;
    for (index, tree) in session.record.trees.iter().enumerate() {
        if session.record.mode != WorkspaceMode::ReadOnly && !is_untouched(tree) {
            count += u64::try_from(ChangedTree::open(index, tree)?.count()?).unwrap_or(u64::MAX);
        }
    }
    Ok(count)
}

/// Frees what a session that ended kept of its workspace, where nothing waits there any more: what was merged is in the original,
/// what was thrown away is nobody's, and who looks again finds nothing either way. What went at an `--over` stays. Whatever
/// cannot be freed goes with the session.
pub(crate) fn free(session: &SessionDirectory) {
    if matches!(pending(session), Ok(0)) {
        drop_changes(session);
    }
    note_weight(session);
}

/// The same of one of which it is known that nothing waits.
pub(crate) fn drop_changes(session: &SessionDirectory) {
    for tree in &session.record.trees {
        if !is_untouched(tree) {
            let _ = Workspace::empty(&tree.changes);
        }
        // Its root stays: by that it is known to be the one that the session began on.
        if let Some(view) = &tree.view {
            let _ = Workspace::clear(&view.at);
        }
    }
}

/// What it takes on disk from now on, for who lists sessions and for the session above.
pub(crate) fn note_weight(session: &SessionDirectory) {
    let weight = Weight::of(session);
    if Weight::noted(&session.path).unwrap_or_default() != weight {
        let _ = weight.note(&session.path);
    }
}

/// Nothing lies where its changes would.
fn is_untouched(tree: &TreeRecord) -> bool {
    match std::fs::read_dir(tree.changes.join("upper")) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// What a session changed, each with its diff. A session that runs may be looked at, too.
pub(super) fn diff(store: &Store, client: &mut Client, select: &Select) -> Result<Reply, Problem> {
    let session = store::select(store, select)?;
    let (guards, chosen) = (guards(&session)?, paths::choose(&session, &select.paths, &[])?);
    let (mut budget, mut changes, mut review) = (Budget::new(), Vec::new(), Review::load(&session)?);
    review.look(select.paths.is_empty());
    for (tree, wanted) in ChangedTree::judged(&session)?.iter().zip(chosen) {
        let Some(wanted) = wanted else { continue };
        let all = tree.changes(&guards)?;
        review.covers(tree.path(), &wanted);
        for change in all.iter().filter(|change| wanted.takes(&change.path)) {
            if client.is_gone() {
                break;
            }
            // What has no room is told as such, and counts as it was found.
            let shows = budget.shows() && !budget.is_spent();
            let text = if shows { tree.diff(change) } else { Ok(String::new()) };
            if text.is_ok() {
                review.note(tree.path(), change);
            }
            if budget.is_spent() {
                budget.leave_out();
            } else {
                changes.push(budget.take(tree.info(change, text.unwrap_or_else(|why| why))));
            }
        }
    }
    let count = budget.count(changes.len());
    changes.extend(budget.rest());
    // What nobody is told, nobody saw. A full disk does not keep the operator from looking, but then no look counts.
    if !client.is_gone()
        && let Err(problem) = review.save(&session)
    {
        client.reply(&Reply::Notice { text: format!("what you look at is not remembered: {}", problem.cause) });
    }
    Ok(Reply::Diff(Box::new(DiffAnswer { session: session.record.id, changes, count })))
}

/// Finishes or undoes merges that were cut short, and says what it did, a line each. The session is held.
pub(crate) fn recover(session: &SessionDirectory) -> Result<Vec<String>, Problem> {
    let mut words = Vec::new();
    for (index, tree) in session.record.trees.iter().enumerate() {
        // Where no merge was cut short the original is not needed: it may be gone.
        if matches!(Workspace::is_cut_short(&tree.changes), Ok(false)) {
            continue;
        }
        let merged = ChangedTree::open(index, tree)?.recover()?;
        if !merged.is_empty() {
            words.push(format!("a merge that was cut short is finished: {} paths", merged.len()));
            ledger(session)?.note(merged, "finished after it was cut short")?;
        }
    }
    Ok(words)
}

/// What the policies of the session hold back from merging. Where they cannot be read, nothing is merged.
fn guards(session: &SessionDirectory) -> Result<Vec<PathBuf>, Problem> {
    let policies: Vec<_> = session.policy()?.policies().cloned().collect();
    Ok(policies.into_iter().flat_map(|policy| policy.files.guard).map(PathBuf::from).collect())
}

/// The session's record, where each merge stands before it is done and after.
struct Record(Ledger);

fn ledger(session: &SessionDirectory) -> Result<Record, Problem> {
    let (path, origin) = (session.segment(Segment::Plane), session.origin(Segment::Plane));
    Ledger::resume(&path, &origin, Redactor::new()).map(Record).map_err(|error| unwritable(&error))
}

impl Record {
    fn note(&mut self, paths: Vec<String>, word: &str) -> Result<(), Problem> {
        let event = Kind::Merge { paths, state: word.into() };
        let written = self.0.write(event).and_then(|_| self.0.checkpoint());
        written.map_err(|error| unwritable(&error))
    }
}

fn unwritable(error: &std::io::Error) -> Problem {
    problem(
        "E-PLANE-072",
        format!("the session's record cannot be written: {error}"),
        "`bastide log verify` says whether it is broken; `bastide help E-PLANE-072` says what to do",
        NO,
    )
}
