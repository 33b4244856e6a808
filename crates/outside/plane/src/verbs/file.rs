//! `why --file PATH`: what becomes of a path inside, computed from the policy, since what is not named is simply absent.

use std::path::Path;

use policy::{Access, CanonicalPath, FileAnswer as Found, Policy, Stead, WorkspaceMode, file};
use wire::command::{FileAnswer, Problem, Reply, Select};

use super::Place;
use crate::policy_file::look_at_policy;
use crate::problem::{NO, problem, quoted, shell};
use crate::session::names::Names;
use crate::session::owners::Own;
use crate::session::paths::Paths;
use crate::store;

/// Of a file that the policy would let be changed, and that is another's than who is inside.
const FOREIGN: &str = "foreign";

/// Answers by the session's policy, or by the default one where no session worked on the directory.
pub(super) fn why_file(place: &Place, select: &Select, path: &Path) -> Result<Reply, Problem> {
    let path = canonical(path)?;
    let session = match store::select(&place.store, select) {
        Err(problem) if select.session.is_none() && problem.code == "E-PLANE-013" => None,
        other => Some(other?),
    };
    // Who meets it.
    let own;
    let (policies, workspace, mode) = match session {
        Some(session) => {
            let tree = session.record.trees.first();
            let workspace = tree.map(|tree| tree.path.clone()).unwrap_or_default();
            own = tree.filter(|tree| tree.view.is_none()).map(|tree| Own::of(tree.owner));
            (session.policy()?.policies().cloned().collect(), workspace, session.record.mode)
        }
        None => {
            let policy = look_at_policy(None, place.home())?;
            let mode = policy.files.workspace;
            own = Own::at(&select.directory);
            (vec![policy], select.directory.clone(), mode)
        }
    };
    let mut answer = answer(&policies, &workspace, place.home(), mode, &path)
        .ok_or_else(|| problem("E-PLANE-018", "no policy is in force in that session", "", NO))?;
    let changed = ["reviewed", "live", "guarded"].contains(&answer.access.as_str());
    // What is made in a directory changes that; the workspace itself is the cell's own.
    let mut above = Path::new(path.as_str()).ancestors().take_while(|above| *above != workspace);
    let there = above.find(|above| above.symlink_metadata().is_ok()).filter(|there| there.starts_with(&workspace));
    if let Some(whose) = own.filter(|_| changed).and_then(|own| own.lacks(there?)) {
        (answer.access, answer.rule, answer.option) = (FOREIGN.into(), Some(whose), None);
    }
    Ok(Reply::File(answer))
}

/// A path in the one spelling that policies know.
pub(super) fn canonical(path: &Path) -> Result<CanonicalPath, Problem> {
    let text = path.to_string_lossy();
    CanonicalPath::parse(&text).map_err(|error| {
        problem("E-PLANE-067", format!("bad path `{}`: {error}", quoted(&text)), "write it absolute and plain", NO)
    })
}

/// What the narrowest of the policies says.
pub(super) fn answer(
    policies: &[Policy],
    workspace: &Path,
    home: &Path,
    mode: WorkspaceMode,
    path: &CanonicalPath,
) -> Option<FileAnswer> {
    let (workspace, home) = (canonical(workspace).ok()?, canonical(home).ok()?);
    let place = policy::Place { workspace: &workspace, home: &home, mode };
    let paths = Paths::default();
    let found = policies.iter().map(|policy| {
        let found = file(policy, &place, path);
        (policy, hidden_elsewhere(policy, &place, &paths, path).unwrap_or(found))
    });
    let (policy, found) = found.min_by_key(|(_, found)| rank(found))?;
    Some(FileAnswer {
        path: found.path.to_string(),
        access: word(&found, mode).into(),
        rule: rule(&found),
        policy: policy.name.clone(),
        option: option(&found, &place),
    })
}

/// The answer where a rule hides a path by another name than it was asked by: a link or a mount gives it several, and it is
/// hidden under each.
fn hidden_elsewhere(policy: &Policy, place: &policy::Place<'_>, paths: &Paths, path: &CanonicalPath) -> Option<Found> {
    let files = &policy.files;
    if files.hide.is_empty() {
        return None;
    }
    let trees = [place.workspace].into_iter().chain(&files.write).chain(&files.read);
    let names = Names::of(paths, trees.map(|tree| Path::new(tree.as_str())));
    let asked = paths.names(Path::new(path.as_str()));
    let covers = |rule: &&CanonicalPath| {
        let hidden = names.of_hidden(Path::new(rule.as_str()));
        rule.covers(path) || asked.iter().any(|name| hidden.iter().any(|hidden| name.starts_with(hidden)))
    };
    let rule = files.hide.iter().find(covers)?;
    Some(Found {
        path: path.clone(),
        access: Access::Hidden,
        rule: Some(format!("files.hide: {rule}")),
        guarded: None,
        stead: None,
        read: None,
        write: None,
    })
}

fn rank(found: &Found) -> u8 {
    match found.access {
        Access::Hidden => 0,
        Access::Absent => 1,
        Access::Passage => 2,
        Access::Readable => 3,
        Access::Writable => 4,
    }
}

fn word(found: &Found, mode: WorkspaceMode) -> &'static str {
    match (found.access, found.stead) {
        (Access::Hidden, _) => "hidden",
        (Access::Absent, Some(Stead::Home)) => "private",
        (Access::Absent, Some(Stead::Made)) => "made",
        (Access::Absent, Some(_)) => "scratch",
        (Access::Absent, None) => "absent",
        (Access::Passage, _) => "passage",
        (Access::Readable, _) => "read-only",
        (Access::Writable, _) if found.guarded.is_some() => "guarded",
        (Access::Writable, _) if mode == WorkspaceMode::Live => "live",
        (Access::Writable, _) => "reviewed",
    }
}

fn rule(found: &Found) -> Option<String> {
    match &found.guarded {
        Some(name) => Some(format!("files.guard: {name}")),
        None => found.rule.clone(),
    }
}

/// The option of `run` that changes the answer by the least.
fn option(found: &Found, place: &policy::Place<'_>) -> Option<String> {
    if let Some(path) = &found.read {
        return Some(format!("--read {}", shell(path.as_str())));
    }
    if found.access == Access::Readable && place.workspace.covers(&found.path) {
        return Some("--mode review".into());
    }
    found.write.as_ref().map(|path| format!("--write {}", shell(path.as_str())))
}
