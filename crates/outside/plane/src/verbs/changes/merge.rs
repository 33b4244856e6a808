//! `apply` and `discard`: on a session that ended or was lost, held meanwhile, recorded before and after.

use std::path::{Path, PathBuf};

use wire::command::{MergeAnswer, MergeCounts, Problem, Reply, Select};

use super::answers::bounded;
use super::paths::{Wanted, choose};
use super::review::Review;
use super::tree::{ChangedTree, Done, failed};
use super::{Record, free, guards, is_untouched, recover};
use crate::channel::Client;
use crate::labels;
use crate::ledger::{self, LedgerError};
use crate::problem::{NO, problem, quoted};
use crate::store::{self, SessionDirectory, Store};
use crate::workspace::{Change, Conflict, Flag, Node, Stamp, Workspace, flags};

/// What the record says before a merge.
const MERGES: &str = "begun";
/// Of what is not as the last look showed it.
const OTHER: &str = "changed since you looked: `bastide diff` shows it";

/// Merges what a session changed into the original; `over` what was changed outside only at these very paths, where the
/// last look showed both.
pub(in crate::verbs) fn apply(
    store: &Store,
    client: &mut Client,
    select: &Select,
    over: &[PathBuf],
) -> Result<Reply, Problem> {
    let (session, chosen) = take(store, client, select, over)?;
    let guards = guards(&session)?;
    let mut answer = MergeAnswer { session: session.record.id.clone(), ..MergeAnswer::default() };
    let review = Review::load(&session)?;
    if review.is_empty() && over.is_empty() {
        let text = "`bastide diff` was not asked for before: what is there now is merged";
        client.reply(&Reply::Notice { text: text.into() });
    }
    let each = |tree: &mut ChangedTree, changes: &[Change], wanted: &Wanted, record: &mut Record| {
        let (changes, others) = as_shown(&review, tree.path(), changes);
        let (over, unseen) = may_go_over(&review, tree.path(), &changes, wanted);
        for change in changes.iter().filter(|change| change.conflict.is_some() && over.contains(&change.path)) {
            record.note(vec![tree.name(&change.path)], &outside(change))?;
        }
        let mut done = tree.apply(&changes, wanted, &over, &named(&guards, &changes, wanted))?;
        let others: Vec<String> = others.iter().map(|path| tree.name(path)).collect();
        for (_, why) in done.left.iter_mut().filter(|(path, _)| others.contains(path)) {
            *why = OTHER.into();
        }
        // What is not as it was shown is not brought in either.
        let shown: Vec<Change> =
            changes.iter().filter(|change| !others.contains(&tree.name(&change.path))).cloned().collect();
        for (path, why, refs) in tree.bring_beside(&shown, wanted, &named(&guards, &changes, wanted))? {
            if !refs.is_empty() {
                record.note(refs, "commits brought in beside")?;
            }
            done.left.retain(|(left, _)| *left != path);
            done.left.push((path, why));
        }
        done.left.extend(unseen.into_iter().map(|(path, why)| (tree.name(&path), why.to_owned())));
        Ok(done)
    };
    each_tree(&session, &chosen, Some(&guards), [MERGES, "merged"], &mut answer, each)?;
    leave(store, &session)?;
    is_any(&answer, &[&select.paths[..], over].concat())?;
    Ok(Reply::Merged(Box::new(fitting(answer))))
}

/// Which of the paths that are to go over what was changed outside do, since the operator saw what stands there; and
/// why the others do not.
fn may_go_over(
    review: &Review,
    tree: &Path,
    changes: &[Change],
    wanted: &Wanted,
) -> (Vec<PathBuf>, Vec<(PathBuf, &'static str)>) {
    let (mut over, mut unseen) = (Vec::new(), Vec::new());
    for change in changes.iter().filter(|change| wanted.over().contains(&change.path)) {
        let why = if change.conflict.is_none() || change.refusal.is_some() {
            None
        } else if change.git.is_some() {
            Some("conflict: a git directory is merged whole, and over no other: `git` itself makes one of both")
        } else if review.differs(tree, change) {
            Some(OTHER)
        } else {
            (!review.saw(tree, change))
                .then_some("conflict: look first: `bastide diff` shows what `--over` would replace")
        };
        match why {
            Some(why) => unseen.push((change.path.clone(), why)),
            None => over.push(change.path.clone()),
        }
    }
    (over, unseen)
}

/// What the record says of what stands outside and is to go.
fn outside(change: &Change) -> String {
    match &change.before {
        None => "over nothing: it was removed outside".into(),
        Some(Stamp { sha256: Some(sha256), mode, .. }) => {
            let hash: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("over what was changed outside: mode {mode:o}, {hash}")
        }
        Some(_) => "over what was changed outside, without content".into(),
    }
}

/// Throws away what a session changed.
pub(in crate::verbs) fn discard(store: &Store, client: &mut Client, select: &Select) -> Result<Reply, Problem> {
    if select.paths.is_empty() {
        return discard_all(store, client, select);
    }
    let (session, chosen) = take(store, client, select, &[])?;
    let mut answer = MergeAnswer { session: session.record.id.clone(), ..MergeAnswer::default() };
    let each = |tree: &mut ChangedTree, changes: &[Change], wanted: &Wanted, _: &mut Record| {
        tree.discard(changes, wanted.paths())
    };
    // Nothing is held back from being thrown away.
    each_tree(&session, &chosen, None, ["discarding", "discarded"], &mut answer, each)?;
    leave(store, &session)?;
    is_any(&answer, &select.paths)?;
    Ok(Reply::Merged(Box::new(fitting(answer))))
}

/// Who names what was not changed, and is nowhere, meant something else. What is there may have been merged before.
fn is_any(answer: &MergeAnswer, paths: &[PathBuf]) -> Result<(), Problem> {
    let nothing = answer.done.is_empty() && answer.left.is_empty() && !paths.is_empty();
    if !nothing || paths.iter().any(|path| path.symlink_metadata().is_ok()) {
        return Ok(());
    }
    let named: Vec<String> = paths.iter().map(|path| format!("`{}`", quoted(&path.to_string_lossy()))).collect();
    let cause = format!("session `{}` changed nothing at {}", answer.session, named.join(", "));
    Err(problem("E-PLANE-036", cause, "`bastide diff` lists what it changed", NO))
}

/// Throws all away. What it was is told as far as it can be told; what cannot be listed is emptied all the same.
fn discard_all(store: &Store, client: &mut Client, select: &Select) -> Result<Reply, Problem> {
    let mut session = store::select(store, select)?;
    session.hold()?;
    session.enter()?;
    let mut answer = MergeAnswer { session: session.record.id.clone(), ..MergeAnswer::default() };
    // A merge that was cut short is finished first where it can be.
    match recover(&session) {
        Ok(words) => words.into_iter().for_each(|text| client.reply(&Reply::Notice { text })),
        Err(problem) => client.reply(&Reply::Notice { text: format!("a merge is given up: {}", problem.cause) }),
    }
    for (index, tree) in session.record.trees.iter().enumerate() {
        if is_untouched(tree) {
            continue;
        }
        let listed = ChangedTree::open(index, tree).and_then(|tree| Ok((tree.changes(&[])?, tree)));
        let names = match listed {
            Ok((changes, tree)) => changes.iter().map(|change| tree.name(&change.path)).collect(),
            Err(problem) => {
                client.reply(&Reply::Notice { text: format!("thrown away unread: {}", problem.cause) });
                vec![tree.changes.join("upper").to_string_lossy().into_owned()]
            }
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
    over: &[PathBuf],
) -> Result<(SessionDirectory, Vec<Option<Wanted>>), Problem> {
    let mut session = store::select(store, select)?;
    session.hold()?;
    let chosen = choose(&session, &select.paths, over)?;
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
    free(session);
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
    mut act: impl FnMut(&mut ChangedTree, &[Change], &Wanted, &mut Record) -> Result<Done, Problem>,
) -> Result<(), Problem> {
    let trees = if guards.is_some() { ChangedTree::judged(session)? } else { ChangedTree::all(session)? };
    for (mut tree, wanted) in trees.into_iter().zip(chosen) {
        let Some(wanted) = wanted else { continue };
        let changes = tree.changes(guards.unwrap_or_default())?;
        answer.left.extend(tree.parts(&changes, wanted));
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
        match act(&mut tree, &changes, wanted, &mut record) {
            Ok(Done { done, left, kept }) => {
                record.note(done.clone(), after)?;
                answer.done.extend(done);
                answer.left.extend(left);
                answer.kept.extend(kept);
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
/// directory above it is. What is to go over others is always named itself.
fn named(guards: &[PathBuf], changes: &[Change], wanted: &Wanted) -> Vec<PathBuf> {
    let itself =
        |path: &PathBuf| changes.iter().any(|c| c.path == *path && c.flags.iter().any(|flag| flag.holds().is_some()));
    let above = |path: &PathBuf| flags(path, (Node::Directory, 0), guards).contains(&Flag::Guarded);
    let guarded = |path: &&PathBuf| itself(path) || above(path);
    wanted.paths().iter().filter(guarded).cloned().collect()
}

fn fitting(answer: MergeAnswer) -> MergeAnswer {
    let pair = |(path, why): &(String, String)| path.len() + why.len();
    let more = |more| (format!("({more} more)"), "name a directory to see those in it".into());
    let counts = MergeCounts { done: answer.done.len() as u64, left: answer.left.len() as u64 };
    let (done, cut) = bounded(answer.done, String::len, |more| format!("({more} more)"));
    let (left, cut_too) = bounded(answer.left, pair, more);
    let (kept, _) = bounded(answer.kept, pair, more);
    let counts = cut.or(cut_too).map(|_| counts);
    MergeAnswer { session: answer.session, done, left, kept, counts }
}
