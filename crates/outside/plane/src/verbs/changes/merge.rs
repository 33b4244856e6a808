//! `apply` and `discard`: on a session that ended or was lost, held meanwhile, recorded before and after.

use std::path::{Path, PathBuf};

use wire::command::{MergeAnswer, Problem, Reply, Select};

use super::answers::bounded;
use super::paths::{Wanted, choose};
use super::review::Review;
use super::tree::{ChangedTree, Done, failed};
use super::{guards, recover};
use crate::channel::Client;
use crate::labels;
use crate::ledger::{self, LedgerError};
use crate::store::{self, SessionDirectory, Store};
use crate::workspace::{Change, Conflict, Flag, Node, Workspace, flags};

/// What the record says before a merge.
const MERGES: &str = "begun";

/// Merges what a session changed into the original.
pub(in crate::verbs) fn apply(store: &Store, client: &mut Client, select: &Select) -> Result<Reply, Problem> {
    let (session, chosen) = take(store, client, select)?;
    let guards = guards(&session)?;
    let mut answer = MergeAnswer { session: session.record.id.clone(), done: Vec::new(), left: Vec::new() };
    let review = Review::load(&session)?;
    if review.is_empty() {
        let text = "`bastide diff` was not asked for before: what is there now is merged";
        client.reply(&Reply::Notice { text: text.into() });
    }
    let each = |tree: &mut ChangedTree, changes: &[Change], wanted: &Wanted| {
        let (changes, others) = as_shown(&review, tree.path(), changes);
        let (done, mut left) = tree.apply(&changes, wanted.paths(), &named(&guards, &changes, wanted))?;
        let others: Vec<String> = others.iter().map(|path| tree.name(path)).collect();
        for (_, why) in left.iter_mut().filter(|(path, _)| others.contains(path)) {
            *why = "changed since you looked: `bastide diff` shows it".into();
        }
        Ok((done, left))
    };
    each_tree(&session, &chosen, Some(&guards), [MERGES, "merged"], &mut answer, each)?;
    leave(store, &session)?;
    Ok(Reply::Merged(Box::new(fitting(answer))))
}

/// Throws away what a session changed.
pub(in crate::verbs) fn discard(store: &Store, client: &mut Client, select: &Select) -> Result<Reply, Problem> {
    if select.paths.is_empty() {
        return discard_all(store, client, select);
    }
    let (session, chosen) = take(store, client, select)?;
    let mut answer = MergeAnswer { session: session.record.id.clone(), done: Vec::new(), left: Vec::new() };
    let each = |tree: &mut ChangedTree, changes: &[Change], wanted: &Wanted| tree.discard(changes, wanted.paths());
    // Nothing is held back from being thrown away.
    each_tree(&session, &chosen, None, ["discarding", "discarded"], &mut answer, each)?;
    leave(store, &session)?;
    Ok(Reply::Merged(Box::new(fitting(answer))))
}

/// Throws all away. What it was is told as far as it can be told; what cannot be listed is emptied all the same.
fn discard_all(store: &Store, client: &mut Client, select: &Select) -> Result<Reply, Problem> {
    let mut session = store::select(store, select)?;
    session.hold()?;
    session.enter()?;
    let mut answer = MergeAnswer { session: session.record.id.clone(), done: Vec::new(), left: Vec::new() };
    // A merge that was cut short is finished first where it can be.
    match recover(&session) {
        Ok(words) => words.into_iter().for_each(|text| client.reply(&Reply::Notice { text })),
        Err(problem) => client.reply(&Reply::Notice { text: format!("thrown away unread: {}", problem.cause) }),
    }
    for (index, tree) in session.record.trees.iter().enumerate() {
        let upper = tree.changes.join("upper");
        if std::fs::read_dir(&upper).is_ok_and(|mut entries| entries.next().is_none()) || !upper.exists() {
            continue;
        }
        let listed = ChangedTree::open(index, tree).and_then(|tree| Ok((tree.changes(&[])?, tree)));
        let names = match listed {
            Ok((changes, tree)) => changes.iter().map(|change| tree.name(&change.path)).collect(),
            Err(_) => vec![tree.path.to_string_lossy().into_owned()],
        };
        let mut record = super::ledger(&session)?;
        record.note(names.clone(), "discarding")?;
        Workspace::empty(&tree.changes).map_err(|error| failed(&error))?;
        record.note(names.clone(), "discarded")?;
        answer.done.extend(names);
    }
    leave(store, &session)?;
    Ok(Reply::Merged(Box::new(fitting(answer))))
}

/// The changes, those that are others than were shown as if in conflict, and the paths of these.
fn as_shown(review: &Review, tree: &Path, changes: &[Change]) -> (Vec<Change>, Vec<PathBuf>) {
    let (mut changes, mut others) = (changes.to_vec(), Vec::new());
    for change in changes.iter_mut().filter(|change| change.refusal.is_none() && change.conflict.is_none()) {
        if review.differs(tree, change) {
            change.conflict = Some(Conflict::ChangedOutside);
            others.push(change.path.clone());
        }
    }
    (changes, others)
}

/// Holds the session, and finishes first what an earlier merge left. It is marked until all is done: a merge that is
/// cut short, by a full disk or a kill, is finished or undone by the next start and not only by the next merge.
fn take(
    store: &Store,
    client: &mut Client,
    select: &Select,
) -> Result<(SessionDirectory, Vec<Option<Wanted>>), Problem> {
    let mut session = store::select(store, select)?;
    session.hold()?;
    let chosen = choose(&session, &select.paths)?;
    session.enter()?;
    for text in recover(&session)? {
        client.reply(&Reply::Notice { text });
    }
    Ok((session, chosen))
}

/// A session that was lost stays marked: the next start has more to put in order than its merge.
fn leave(store: &Store, session: &SessionDirectory) -> Result<(), Problem> {
    for tree in &session.record.trees {
        // What is left there is nobody's: it is in the way of who removes the directory, and of nothing else.
        let _ = Workspace::tidy(&tree.changes);
    }
    if session.record.ended.is_none() {
        return Ok(());
    }
    match ledger::merge(store, session) {
        // `bastide log verify` tells; the changes are the operator's all the same.
        Ok(()) | Err(LedgerError::Strayed(_)) => session.leave(),
        // The next start tries again.
        Err(error) => Err(ledger::refused(error)),
    }
}

/// Does the same to each tree that is meant, judged where there is something to guard. What cannot be recorded is not done.
fn each_tree(
    session: &SessionDirectory,
    chosen: &[Option<Wanted>],
    guards: Option<&[PathBuf]>,
    [before, after]: [&str; 2],
    answer: &mut MergeAnswer,
    mut act: impl FnMut(&mut ChangedTree, &[Change], &Wanted) -> Result<Done, Problem>,
) -> Result<(), Problem> {
    let trees = if guards.is_some() { ChangedTree::judged(session)? } else { ChangedTree::all(session)? };
    for (mut tree, wanted) in trees.into_iter().zip(chosen) {
        let Some(wanted) = wanted else { continue };
        let changes = tree.changes(guards.unwrap_or_default())?;
        let meant: Vec<_> = changes.iter().filter(|change| wanted.takes(&change.path)).collect();
        if meant.is_empty() {
            continue;
        }
        let mut record = super::ledger(session)?;
        record.note(meant.iter().map(|change| tree.name(&change.path)).collect(), before)?;
        if before == MERGES {
            // Before any of it is there: what is merged carries what its session may have read.
            let paths: Vec<PathBuf> = meant.iter().map(|change| change.path.clone()).collect();
            labels::attach(&session.store(), session, tree.path(), &paths)?;
        }
        match act(&mut tree, &changes, wanted) {
            Ok((done, left)) => {
                record.note(done.clone(), after)?;
                answer.done.extend(done);
                answer.left.extend(left);
            }
            Err(problem) => {
                record.note(Vec::new(), &format!("stopped: {}", problem.cause))?;
                return Err(problem);
            }
        }
    }
    Ok(())
}

/// Those of the named paths that are guarded themselves: a guarded path is merged only when it is named, not when a
/// directory above it is.
fn named(guards: &[PathBuf], changes: &[Change], wanted: &Wanted) -> Vec<PathBuf> {
    let itself =
        |path: &PathBuf| changes.iter().any(|c| c.path == *path && c.flags.iter().any(|flag| flag.holds().is_some()));
    let above = |path: &PathBuf| flags(path, (Node::Directory, 0), guards).contains(&Flag::Guarded);
    let guarded = |path: &&PathBuf| itself(path) || above(path);
    wanted.paths().iter().filter(guarded).cloned().collect()
}

fn fitting(answer: MergeAnswer) -> MergeAnswer {
    MergeAnswer {
        session: answer.session,
        done: bounded(answer.done, String::len, |more| format!("({more} more)")),
        left: bounded(
            answer.left,
            |(path, why)| path.len() + why.len(),
            |more| (format!("({more} more)"), "name a directory to see those in it".into()),
        ),
    }
}
