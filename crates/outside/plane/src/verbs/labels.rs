//! `labels` and `declassify`: what carries which label of what sessions left behind, and the operator's word that it does no more.

use std::path::{Component, Path, PathBuf};

use record::{Kind, Redactor, Segment};
use wire::command::{
    Declassify, LabelsAnswer, MarkInfo, PlaceInfo, Places, Problem, ReleaseInfo, Reply, Select, SessionState, TakenInfo,
};

use super::Place as Asking;
use crate::channel::Client;
use crate::labels::{Declassifying, Mark, Place, Release, Shelf};
use crate::ledger::{self, LedgerError};
use crate::problem::{NO, problem, quoted, state};
use crate::store::{self, Ledger, SessionDirectory, Store, now};

/// Marks of one place that are told.
const TOLD: usize = 2000;
/// Sessions in whose record it is written.
const RECORDED: usize = 16;
/// Letters of a reason.
const REASON: usize = 400;

/// What carries which label.
pub(super) fn labels(store: &Store, client: &mut Client, asked: &Places) -> Result<Reply, Problem> {
    repair(store, client);
    let shelf = Shelf::open(store)?;
    let session = match &asked.session {
        Some(_) => Some(select(store, asked)?),
        None => None,
    };
    let workspace = asked.workspace.as_ref().map(|path| real(path));
    let mut places = Vec::new();
    for (name, place) in shelf.all("home")? {
        let own = session
            .as_ref()
            .is_none_or(|one| one.record.home.as_ref().is_some_and(|key| Shelf::name_of_home(key) == name));
        let of = place.home.as_ref().map(|(_, workspace)| PathBuf::from(workspace));
        if own && workspace.as_ref().is_none_or(|workspace| of.as_ref() == Some(workspace)) {
            places.push(told(&place));
        }
    }
    if !asked.home {
        for (_, place) in shelf.all("tree")? {
            let at = PathBuf::from(&place.path);
            let own = session.as_ref().is_none_or(|one| one.record.trees.iter().any(|tree| tree.path == at));
            if own && workspace.as_ref().is_none_or(|workspace| at.starts_with(workspace) || workspace.starts_with(&at))
            {
                places.push(told(&place));
            }
        }
    }
    places.retain(|place| !(place.marks.is_empty() && place.open.is_empty() && place.releases.is_empty()));
    Ok(Reply::Labels(Box::new(LabelsAnswer { places, taken: None })))
}

/// Takes labels away. Recorded first, in the sessions that left them.
pub(super) fn declassify(asking: &Asking, client: &mut Client, asked: &Declassify) -> Result<Reply, Problem> {
    if asked.paths.is_empty() != asked.all {
        let cause = "either paths are named, or all is meant: neither is guessed";
        let hint = "`bastide labels` lists what carries labels; `bastide declassify PATH…`, or `--all`";
        return Err(problem("E-PLANE-176", cause, hint, NO));
    }
    let Places { session, home, workspace, .. } = &asked.places;
    if workspace.is_some() && (*home || session.is_some()) {
        let cause = "a workspace is named beside a home or a session: which of them is meant is not guessed";
        return Err(problem(
            "E-PLANE-176",
            cause,
            "name one: `--workspace DIR`, `--session S`, or `--home` of that",
            NO,
        ));
    }
    let store = &asking.store;
    repair(store, client);
    let shelf = Shelf::open(store)?;
    let meant = place(asking, &shelf, &asked.places)?;
    let paths = asked.paths.iter().map(|path| beneath(asking, &meant, path)).collect::<Result<Vec<_>, _>>()?;
    let taking = meant.look(&paths, &asked.labels)?;
    let reason = asked.reason.as_ref().map(|reason| reason.chars().take(REASON).collect::<String>());
    let who = format!("uid {}", rustix::process::geteuid().as_raw());
    let event = Kind::Declassified {
        place: meant.place.name(),
        paths: taking.paths(),
        labels: taking.labels.iter().map(|label| label.as_str().to_owned()).collect(),
        contents: taking.contents(),
        who: who.clone(),
        reason: reason.clone(),
    };
    let mut recorded = Vec::new();
    for id in taking.sessions.iter().take(RECORDED) {
        if let Some(id) = record(store, id, &event)? {
            recorded.push(id);
        }
    }
    if recorded.is_empty() {
        let text =
            "no session that left these labels is there any more: what was taken away is noted with the labels alone";
        client.reply(&Reply::Notice { text: text.into() });
    }
    let (contents, labels) = (taking.contents(), taking.labels.clone());
    let release = Release { at: now(), who, paths, labels: labels.clone(), contents, reason };
    meant.take(&shelf, taking, release)?;
    let after = shelf.all(if meant.place.home.is_some() { "home" } else { "tree" })?;
    let after = after.into_iter().find(|(name, _)| *name == meant.name);
    let places = after.map(|(_, place)| told(&place)).into_iter().collect();
    let labels = labels.iter().map(|label| label.as_str().to_owned()).collect();
    let taken = Some(TakenInfo { labels, contents, recorded });
    Ok(Reply::Labels(Box::new(LabelsAnswer { places, taken })))
}

/// What a killed plane left open is closed first.
fn repair(store: &Store, client: &mut Client) {
    for text in store::repair(store) {
        client.reply(&Reply::Notice { text });
    }
}

fn select(store: &Store, asked: &Places) -> Result<SessionDirectory, Problem> {
    let select = Select { session: asked.session.clone(), directory: asked.directory.clone(), paths: Vec::new() };
    store::select(store, &select)
}

/// The one place that is meant.
fn place(asking: &Asking, shelf: &Shelf, asked: &Places) -> Result<Declassifying, Problem> {
    let nothing = |what: &str| {
        let cause = format!("nothing is labelled in {}", quoted(what));
        problem("E-PLANE-172", cause, "`bastide labels` tells what is", NO)
    };
    if asked.home {
        let session = select(&asking.store, asked)?;
        let key = session
            .record
            .home
            .clone()
            .ok_or_else(|| nothing(&format!("the home of session `{}`, which ended with it", session.record.id)))?;
        let place = shelf.home(&key)?.ok_or_else(|| nothing("that home"))?;
        return Ok(Declassifying { at: asking.store.homes().join(&key), name: Shelf::name_of_home(&key), place });
    }
    let tree = match &asked.workspace {
        Some(path) => real(path),
        None => {
            let session = select(&asking.store, asked)?;
            let tree = session.record.trees.first().map(|tree| tree.path.clone());
            tree.ok_or_else(|| nothing(&format!("session `{}`, which has no workspace", session.record.id)))?
        }
    };
    let place = shelf.tree(&tree)?.ok_or_else(|| nothing(&tree.to_string_lossy()))?;
    Ok(Declassifying { at: tree.clone(), name: Shelf::name_of_tree(&tree), place })
}

/// A path counted from the place: as it stands there, or in a home by the name that it has inside.
fn beneath(asking: &Asking, meant: &Declassifying, path: &Path) -> Result<PathBuf, Problem> {
    let inside = meant.place.home.is_some().then(|| asking.home());
    let relative = path.strip_prefix(&meant.at).ok().or_else(|| path.strip_prefix(inside?).ok());
    let relative = relative.or_else(|| path.is_relative().then_some(path));
    let plain = |path: &&Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    relative.filter(plain).map(Path::to_owned).ok_or_else(|| {
        let cause = format!("`{}` does not lie in {}", quoted(&path.to_string_lossy()), quoted(&meant.place.name()));
        problem("E-PLANE-175", cause, "name paths of that place; those of a home counted from it", NO)
    })
}

/// Writes it into the record of a session that ended and is there; gives its id.
fn record(store: &Store, id: &str, event: &Kind) -> Result<Option<String>, Problem> {
    let Ok(mut session) = SessionDirectory::open(&store.sessions().join(id)) else { return Ok(None) };
    if session.state() == SessionState::Running || session.hold().is_err() {
        return Ok(None);
    }
    session.enter()?;
    let (path, origin) = (session.segment(Segment::Plane), session.origin(Segment::Plane));
    let written = Ledger::resume(&path, &origin, Redactor::new()).and_then(|mut ledger| {
        ledger.write(event.clone())?;
        ledger.checkpoint()
    });
    written.map_err(|error| state("write", &path, &error))?;
    match ledger::merge(store, &session) {
        Ok(()) | Err(LedgerError::Strayed(_)) => session.leave()?,
        // It stays marked: the next start tells the ledger.
        Err(_) => {}
    }
    Ok(Some(session.record.id))
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn told(place: &Place) -> PlaceInfo {
    let mark = |mark: &Mark| MarkInfo {
        path: mark.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
        label: mark.label.as_str().to_owned(),
        value: mark.value,
        session: mark.session.clone(),
        since: mark.since,
        last: mark.last.clone(),
        why: why(mark).to_owned(),
    };
    let release = |release: &Release| ReleaseInfo {
        at: release.at,
        who: release.who.clone(),
        paths: release.paths.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
        labels: release.labels.iter().map(|label| label.as_str().to_owned()).collect(),
        contents: release.contents,
        reason: release.reason.clone(),
    };
    PlaceInfo {
        place: place.name(),
        path: place.path.clone(),
        home: place.home.is_some(),
        marks: place.marks.iter().take(TOLD).map(mark).collect(),
        left: place.marks.len().saturating_sub(TOLD) as u64,
        open: place.open.keys().cloned().collect(),
        releases: place.releases.iter().map(release).collect(),
    }
}

/// Why something carries a label.
fn why(mark: &Mark) -> &'static str {
    match mark.label.as_str() {
        record::join::AGENT => "an agent wrote it",
        record::join::NETWORK => "its session had let something in from outside",
        record::join::TOOL => "a tool had told its session's model something",
        label if label.starts_with(record::join::UNTRUSTED) => "others' words had come to its session",
        _ if mark.value => "its session could read it, and it is known by itself wherever it stands",
        _ => "its session could read what carries this label",
    }
}
