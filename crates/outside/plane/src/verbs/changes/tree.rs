//! One tree of a session with what was changed in it: where the plane's verbs meet the workspace's own room.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use policy::{Grounding, Intent, Policy};
use record::Kind as RecordKind;
use sense::meaning::{Merged, Said, Unasked};
use serde::Serialize;
use wire::command::{ChangeInfo, Problem};

use super::paths::Wanted;
use crate::problem::{NO, problem, quoted, shell, state};
use crate::store::{Events, SessionDirectory, TreeRecord};
use crate::workspace::{
    Beside, Change, Conflict, Error, Filter, Flag, Kind, Node, Outcome, Reason, Refusal, Stamp, Unbrought, Workspace,
};

/// A tree, opened where anything could be changed in it.
pub(super) struct ChangedTree {
    workspace: Option<Workspace>,
    path: PathBuf,
    /// Where its changes lie.
    changes: PathBuf,
    is_workspace: bool,
    /// It is a sub-agent's, who saw a copy.
    is_view: bool,
    /// What the operator said, by each policy that has what acts judged by it.
    said: Rc<[Said]>,
}

/// What was done, by the names that the operator knows.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) done: Vec<String>,
    /// What was left, with the reason.
    pub(super) left: Vec<(String, String)>,
    /// What stood outside and went, with the file that holds it now.
    pub(super) kept: Vec<(String, String)>,
}

impl ChangedTree {
    /// The trees of a session, the workspace first.
    pub(super) fn all(session: &SessionDirectory) -> Result<Vec<ChangedTree>, Problem> {
        session.record.trees.iter().enumerate().map(|(index, tree)| Self::open(index, tree)).collect()
    }

    /// The same, of which changes are judged by what the operator said.
    pub(super) fn judged(session: &SessionDirectory) -> Result<Vec<ChangedTree>, Problem> {
        let said = said(session)?;
        let judged = |tree| ChangedTree { said: Rc::clone(&said), ..tree };
        Ok(Self::all(session)?.into_iter().map(judged).collect())
    }

    /// One of them.
    pub(super) fn open(index: usize, tree: &TreeRecord) -> Result<ChangedTree, Problem> {
        let opened = match &tree.view {
            Some(view) => Workspace::open_view(&tree.changes, view, &tree.path, tree.owner),
            None => Workspace::open(&tree.changes, &tree.path, tree.owner),
        };
        let workspace = match opened {
            Ok(workspace) => Some(workspace),
            Err(error) if unbegun(&error, &tree.changes) => None,
            Err(error) => return Err(failed(&error)),
        };
        let (path, changes) = (tree.path.clone(), tree.changes.clone());
        Ok(ChangedTree {
            workspace,
            path,
            changes,
            is_workspace: index == 0,
            is_view: tree.view.is_some(),
            said: Rc::default(),
        })
    }

    /// Where the original is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Every change, by path.
    pub(super) fn changes(&self, guards: &[PathBuf]) -> Result<Vec<Change>, Problem> {
        let Some(workspace) = &self.workspace else { return Ok(Vec::new()) };
        let mut changes = workspace.changes(guards).map_err(|error| failed(&error))?;
        for change in changes.iter_mut().filter(|change| change.kind != Kind::Git) {
            let found = self.unasked(change);
            change.flags.extend(found);
        }
        Ok(changes)
    }

    /// What of a change the operator's words do not ask for, by any policy.
    fn unasked(&self, change: &Change) -> Vec<Flag> {
        let runs =
            |stamp: Option<&Stamp>| stamp.is_some_and(|stamp| stamp.node == Node::File && stamp.mode & 0o111 != 0);
        let host: Vec<&str> = change.flags.iter().filter_map(|flag| flag.asked_by()).flatten().copied().collect();
        let name = self.name(&change.path);
        let merged = Merged {
            path: &name,
            removed: change.kind == Kind::Removed,
            runs: runs(change.after.as_ref()) && !runs(change.before.as_ref()),
            host: (!host.is_empty()).then_some(&host),
        };
        let found: BTreeSet<Unasked> = self.said.iter().flat_map(|said| said.unasked(&merged)).collect();
        let flag = |one: Unasked| match one {
            Unasked::Removal => Flag::UnaskedRemoval,
            Unasked::Executable => Flag::UnaskedExecutable,
            Unasked::HostRuns => Flag::UnaskedHostRun,
        };
        found.into_iter().map(flag).collect()
    }

    /// How many there are, at most.
    pub(super) fn count(&self) -> Result<usize, Problem> {
        self.workspace.as_ref().map_or(Ok(0), |workspace| workspace.count().map_err(|error| failed(&error)))
    }

    /// What a change does, as text; or why that is not shown, and then it is not seen.
    pub(super) fn diff(&self, change: &Change) -> Result<String, String> {
        let Some(workspace) = &self.workspace else { return Ok(String::new()) };
        workspace.diff(change).map_err(|error| match error {
            Error::Unsettled => format!("cannot be shown: {error}: look again\n"),
            other => format!("cannot be shown: {}\n", quoted(&other.to_string())),
        })
    }

    /// Finishes or undoes a merge that was cut short, and names what it finished.
    pub(super) fn recover(&mut self) -> Result<Vec<String>, Problem> {
        let Some(workspace) = &mut self.workspace else { return Ok(Vec::new()) };
        let outcome = workspace.recover().map_err(|error| failed(&error))?;
        Ok(outcome.merged.iter().map(|path| self.name(path)).collect())
    }

    /// Merges the changes that are wanted; guarded ones only at and beneath `named`, and these very ones at `over`,
    /// also over what was changed outside.
    pub(super) fn apply(
        &mut self,
        changes: &[Change],
        wanted: &Wanted,
        over: &[PathBuf],
        named: &[PathBuf],
    ) -> Result<Done, Problem> {
        let Some(workspace) = &mut self.workspace else { return Ok(Done::default()) };
        let itself = |path: &PathBuf| named.iter().any(|named| path.starts_with(named)) || wanted.over().contains(path);
        let (mut outcome, mut rest) = (Outcome::default(), changes.to_vec());
        if !named.is_empty() || !over.is_empty() {
            // First, with the directories that they need: the others would find those merged and no longer as reviewed.
            let filter = Filter { paths: named.to_vec(), over: over.to_vec(), guarded: true, ..Filter::default() };
            outcome = workspace.apply(changes, &filter).map_err(|error| failed(&error))?;
        }
        rest.retain(|change| !itself(&change.path) && !outcome.merged.contains(&change.path));
        if !wanted.is_only_over() {
            let filter = Filter { paths: wanted.paths().to_vec(), ..Filter::default() };
            let more = workspace.apply(&rest, &filter).map_err(|error| failed(&error))?;
            outcome.merged.extend(more.merged);
            outcome.left.extend(more.left);
        }
        outcome.merged.sort();
        outcome.merged.dedup();
        let unasked = |path: &PathBuf| {
            let change = changes.iter().find(|change| change.path == *path)?;
            change.flags.iter().filter(|flag| **flag != Flag::Guarded).find_map(|flag| flag.holds())
        };
        let told = |path: &PathBuf, reason| unasked(path).filter(|_| reason == Reason::Held).unwrap_or(why(reason));
        let left =
            outcome.left.iter().map(|(path, reason)| (self.name(path), told(path, *reason).to_owned())).collect();
        let went = |change: &&Change| {
            change.conflict.is_some() && over.contains(&change.path) && outcome.merged.contains(&change.path)
        };
        let kept = changes.iter().filter(went).filter_map(|change| {
            let sha256 = change.before.as_ref()?.sha256.as_ref()?;
            let file = self.changes.join(Workspace::kept(sha256));
            Some((self.name(&change.path), file.to_string_lossy().into_owned()))
        });
        Ok(Done { kept: kept.collect(), done: outcome.merged.iter().map(|path| self.name(path)).collect(), left })
    }

    /// Brings the commits of git directories that both sides changed in beside the original's own, where they are wanted and
    /// not held back; says of each what came of it, and the refs that lead to them.
    pub(super) fn bring_beside(
        &mut self,
        changes: &[Change],
        wanted: &Wanted,
        named: &[PathBuf],
    ) -> Result<Vec<(String, String, Vec<String>)>, Problem> {
        let names = |change: &Change| named.iter().any(|named| change.path.starts_with(named));
        let free = |change: &Change| names(change) || change.flags.iter().all(|flag| flag.holds().is_none());
        let contested = |change: &&Change| change.git.is_some() && change.conflict.is_some() && free(change);
        let mut told = Vec::new();
        let meant = |change: &&Change| wanted.takes(&change.path) && !wanted.over().contains(&change.path);
        for change in changes.iter().filter(contested).filter(meant) {
            let Some(workspace) = &mut self.workspace else { break };
            let Beside { refs, why } =
                workspace.bring_beside(change, &session(&self.changes)).map_err(|error| failed(&error))?;
            let name = self.name(&change.path);
            let words = match (why, refs.is_empty()) {
                (Some(why), _) => unbrought(why).to_owned(),
                (None, true) => continue,
                (None, false) => brought(&refs, &session(&self.changes), &name),
            };
            told.push((name, words, refs));
        }
        Ok(told)
    }

    /// What the operator can do where two git directories differ.
    fn gits_ways(&self, change: &Change) -> String {
        let name = shell(&self.name(&change.path));
        let discard = format!("`discard {name}` keeps what is outside");
        if self.is_view {
            return format!("{discard}; a git directory goes over no other");
        }
        let space = format!("refs/bastide/{}/", session(&self.changes));
        format!("`apply {name}` brings its commits in beside, as `{space}BRANCH`, for `git merge`; {discard} alone")
    }

    /// The wanted paths that are parts of a git directory, which is taken whole, and what is said of each.
    pub(super) fn parts(&self, changes: &[Change], wanted: &Wanted) -> Vec<(String, String)> {
        let part = |path: &PathBuf| {
            let whole = changes.iter().find(|change| path != &change.path && path.starts_with(&change.path))?;
            let (unit, inside) = (whole.git.as_ref()?, path.strip_prefix(&whole.path).ok()?);
            let own = unit.held.iter().any(|(held, _)| Path::new(held) == inside);
            let why = format!("part of a git directory, which is taken whole: name `{}`", self.name(&whole.path));
            Some((self.name(path), if own { GITS_OWN.to_owned() } else { why }))
        };
        wanted.paths().iter().chain(wanted.over()).filter_map(part).collect()
    }

    /// Throws away the changes beneath the paths, all where there are none.
    pub(super) fn discard(&mut self, changes: &[Change], paths: &[PathBuf]) -> Result<Done, Problem> {
        let Some(workspace) = &mut self.workspace else { return Ok(Done::default()) };
        let told = workspace.discard(changes, paths).map_err(|error| failed(&error))?;
        let left =
            |path: &PathBuf| (self.name(path), "its directory was removed or made anew: name that one".to_owned());
        let (done, left) =
            (told.gone.iter().map(|path| self.name(path)).collect(), told.left.iter().map(left).collect());
        Ok(Done { done, left, kept: Vec::new() })
    }

    /// The name of a path: relative to the workspace, absolute in another tree. As it is: who shows it, quotes it.
    pub(super) fn name(&self, path: &Path) -> String {
        match (self.is_workspace, path.as_os_str().is_empty()) {
            (true, false) => path.to_string_lossy().into_owned(),
            (true, true) => ".".into(),
            (false, _) => self.path.join(path).to_string_lossy().into_owned(),
        }
    }

    /// A change as the client shows it.
    pub(super) fn info(&self, change: &Change, diff: String) -> ChangeInfo {
        ChangeInfo {
            path: self.name(&change.path),
            kind: word(&change.kind),
            flags: change.flags.iter().map(word).collect(),
            held: held(change, &self.gits_ways(change)),
            diff,
        }
    }
}

/// What the operator said in a session, by each policy that has what acts judged by it: its command line, and what the record knows
/// to be his. A sub-agent's command is its parent's words.
fn said(session: &SessionDirectory) -> Result<Rc<[Said]>, Problem> {
    let policies = session.policy()?;
    let judging: Vec<&Policy> = policies.policies().filter(|policy| policy.grounding != Grounding::Off).collect();
    if judging.is_empty() {
        return Ok(Rc::default());
    }
    let (mut attested, mut vouched) = (Vec::new(), Vec::new());
    if session.record.parent.is_none() {
        attested.extend(session.record.command.iter().skip(1).filter(|word| word.contains(' ')).cloned());
    }
    let read = Events::of(session).each(|entry| {
        if let RecordKind::Said { speaker, form, words, standing, .. } = entry.event.kind
            && speaker == "user"
            && form == "text"
        {
            match standing.as_str() {
                "attested" => attested.push(words),
                _ => vouched.push(words),
            }
        }
    });
    read.map_err(|error| state("read", &session.path, &error))?;
    let of = |policy: &&Policy| {
        let more: &[String] = if policy.intent == Intent::UserRole { &vouched } else { &[] };
        Said::of(attested.iter().chain(more).map(String::as_str))
    };
    Ok(judging.iter().map(of).collect())
}

/// Nothing was begun there, so nothing can be in it: a read-only tree, or a plane that was killed before.
fn unbegun(error: &Error, changes: &Path) -> bool {
    let filled = std::fs::read_dir(changes.join("upper")).is_ok_and(|mut entries| entries.next().is_some());
    let gone = matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::NotFound);
    (gone && !changes.join("journal").is_dir()) || (matches!(error, Error::Unbegun) && !filled)
}

/// Why a change will not be merged, where it will not.
fn held(change: &Change, gits_ways: &str) -> Option<String> {
    if let Some(refusal) = change.refusal {
        return Some(refused(refusal).into());
    }
    if let Some(conflict) = change.conflict {
        let ways = if change.git.is_some() { gits_ways } else { WAYS };
        return Some(format!("{}: {ways}", contested(conflict)));
    }
    if change.is_of_gits_own() {
        return Some(GITS_OWN.into());
    }
    let why: Vec<&str> = change.flags.iter().filter_map(|flag| flag.holds()).collect();
    (!why.is_empty()).then(|| why.join("; "))
}

fn refused(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Special => "never merged: a device, socket or pipe",
        Refusal::Setuid => "never merged: a setuid or setgid bit",
        Refusal::Capabilities => "never merged: file capabilities",
        Refusal::EscapingLink => "never merged: a link that leaves the tree",
        Refusal::Gitfile => "never merged: a `.git` that sends git elsewhere",
        Refusal::GitRemoved => "never merged: the git directory is gone or something else",
        Refusal::GitUnsafe => "never merged: it holds what git must not be given",
        Refusal::Alternates => "never merged: it makes git read objects elsewhere",
        Refusal::Redirect => "never merged: its content lies in another place than it seems",
        Refusal::TooLarge => "never merged: larger than what is merged",
        Refusal::TooDeep => "never merged: nested too deep",
        Refusal::NotGranted => "never merged: the sub-agent was given it to be read only",
        Refusal::Unreadable => "never merged: it could not be read",
    }
}

/// What the operator can do about a conflict.
const WAYS: &str = "`discard PATH` keeps what is outside, `apply --over PATH` takes this";
/// Refs that are named in one line.
const NAMED: usize = 4;

/// The session whose changes lie there.
fn session(changes: &Path) -> String {
    let directory = changes.ancestors().nth(2).and_then(Path::file_name);
    directory.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Where commits lie that were brought in, and what to type next: an agent called the branches.
fn brought(refs: &[String], session: &str, name: &str) -> String {
    let all: Vec<String> = refs.iter().take(NAMED).map(|name| format!("`git merge {}`", shell(name))).collect();
    let more = refs.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more refs beside") } else { String::new() };
    let discard = format!("`bastide discard {session} {}`", shell(name));
    format!(
        "conflict: the original was changed, too. Its commits lie beside; merge them by {}{more}, then {discard}",
        all.join(", ")
    )
}

fn unbrought(why: Unbrought) -> &'static str {
    match why {
        Unbrought::Incomplete => {
            "conflict: the original was changed, too; its commits are not brought in: something that they lead to is missing, or \
             there is more of it than is looked through"
        }
        Unbrought::Left => {
            "conflict: the original was changed, too; its commits are not brought in: an object is not what its name says, or git \
             works there just now: try again"
        }
    }
}

/// Of hooks, configuration and what sends git elsewhere.
const GITS_OWN: &str = "never merged: git runs or obeys it; make the change outside, where you want it";

fn contested(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::ChangedOutside => "conflict: the original was changed, too",
        Conflict::RemovedOutside => "conflict: the original was removed",
        Conflict::ParentMoved => "conflict: a directory above it was moved or changed",
    }
}

fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Refused => "of a kind that is never merged: `bastide diff` says which",
        Reason::Conflict => {
            "conflict: the original was changed, too: `bastide diff` shows both and what to do; `discard PATH` keeps what is outside"
        }
        Reason::ChangedSinceReview => "it was changed while it was merged",
        Reason::Held => "held back: guarded; name it to merge it",
        Reason::Bound => "held back: bound to something that is left, in it or above it: that has to go first",
        Reason::GitHeld => GITS_OWN,
        Reason::Unwritable => "the original cannot be written",
        Reason::GitUnsafe => {
            "the git directory holds an object that is not what its name says, or a reflog with more than its lines"
        }
    }
}

/// The name under which a value is serialised.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "other".into(),
    }
}

pub(super) fn failed(error: &Error) -> Problem {
    problem("E-PLANE-073", quoted(&error.to_string()), "`bastide help E-PLANE-073` says what is whole", NO)
}
