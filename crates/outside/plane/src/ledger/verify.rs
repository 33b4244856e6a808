//! What the ledger proves: that it extends a checkpoint, and that each session is what it says.

use record::Segment;
use record::ledger::{Book, Known, Note, PublicKey, SignatureKind};
use wire::command::{Held, LedgerProof, Problem, PrunedDay};

use super::snapshot::off;
use super::{Snapshot, check, is_signature, refused};
use crate::problem::{NO, problem, quoted};
use crate::store::{self, SessionDirectory, Store};

/// Faults that are told one by one.
const MOST: usize = 100;
const DAY: u64 = 86_400_000_000;

/// What is to be proved.
#[derive(Debug, Default)]
pub struct Asked<'a> {
    /// Of this session alone.
    pub session: Option<&'a SessionDirectory>,
    /// Against a checkpoint that was kept elsewhere.
    pub checkpoint: Option<&'a str>,
    /// Signed by this key; by this machine's when absent.
    pub key: Option<&'a str>,
}

/// Proves it, as far as it can be proved.
///
/// # Errors
/// When the checkpoint or the key that was given is none, or something cannot be read.
pub fn verify(store: &Store, asked: &Asked<'_>) -> Result<LedgerProof, Problem> {
    let key: Option<PublicKey> = asked.key.map(str::trim).map(str::parse).transpose().map_err(|error| {
        problem("E-PLANE-114", format!("the key that was given is none: {error}"), "`bastide log key` prints one", NO)
    })?;
    let note = asked.checkpoint.map(|text| Note::read(text.as_bytes())).transpose().map_err(|error| {
        let hint = "`bastide log checkpoint` prints one; keep it byte by byte";
        problem("E-PLANE-113", format!("the checkpoint that was given is none: {error}"), hint, NO)
    })?;
    // Only where to look: it says nothing before it was opened.
    let size = note.as_ref().and_then(|note| record::ledger::Checkpoint::read(note.text()).ok()).map(|said| said.size);
    let snapshot = Snapshot::take(store, size).map_err(refused)?;
    let mut proof = LedgerProof { entries: snapshot.book.tree().size(), ..LedgerProof::default() };
    proof.faults.extend(snapshot.bad.iter().cloned());
    proof.faults.extend(snapshot.strayed());
    proof.held = match &note {
        Some(note) => held(note, key.as_ref(), &snapshot, &mut proof.faults),
        None => own(&snapshot, &mut proof.faults),
    };
    if let (Some(given), Some(own)) = (&key, &snapshot.key)
        && given != own
    {
        proof.faults.push(format!("key differs: this machine signs with {}", named(own)));
    }
    let under = proof.held.as_ref().map_or(0, |held| held.size);
    sessions(store, asked.session, &snapshot, under, &mut proof)?;
    let all = proof.faults.len();
    if all > MOST {
        proof.faults.truncate(MOST);
        proof.faults.push(format!("({} more)", all - MOST));
    }
    Ok(proof)
}

/// A key as it is told of in words.
fn named(key: &PublicKey) -> String {
    format!("`{}` {:08x}", key.name(), key.id(SignatureKind::Plain))
}

/// What was kept elsewhere, if the key signed it and the ledger extends it.
fn held(note: &Note<'_>, given: Option<&PublicKey>, snapshot: &Snapshot, faults: &mut Vec<String>) -> Option<Held> {
    let Some(key) = given.or(snapshot.key.as_ref()) else {
        faults.push("this machine has no key, and none was given: nothing tells who signed the checkpoint".into());
        return None;
    };
    let opened = match note.open(key, is_signature) {
        Ok(opened) => opened,
        Err(error) => {
            let signers: Vec<_> = note.signers().map(|(name, id)| format!("`{}` {id:08x}", quoted(name))).collect();
            faults.push(format!("key differs: {error}; wanted {}, signed by {}", named(key), signers.join(", ")));
            return None;
        }
    };
    let checkpoint = opened.checkpoint;
    if snapshot.key.as_ref().is_some_and(|own| own.name() != checkpoint.origin) {
        faults.push(format!("the checkpoint is of another log, `{}`", quoted(&checkpoint.origin)));
    }
    faults.extend(off(&snapshot.book, &checkpoint).map(|why| format!("the checkpoint that was held: {why}")));
    let key_id = format!("{:08x}", key.id(SignatureKind::Plain));
    Some(Held { origin: checkpoint.origin, size: checkpoint.size, time: opened.time, key_id, elsewhere: true })
}

/// The newest checkpoint of this machine, where none was given.
fn own(snapshot: &Snapshot, faults: &mut Vec<String>) -> Option<Held> {
    let (Some(own), Some(key)) = (&snapshot.own, &snapshot.key) else {
        if snapshot.book.tree().size() > 0 {
            faults.push("the key or the newest checkpoint of this machine is gone".into());
        }
        return None;
    };
    // Why it says nothing is told already.
    let opened = own.opened.as_ref().ok()?;
    let key_id = format!("{:08x}", key.id(SignatureKind::Plain));
    let (origin, size) = (opened.checkpoint.origin.clone(), opened.checkpoint.size);
    Some(Held { origin, size, time: opened.time, key_id, elsewhere: false })
}

/// Every session of which the ledger knows is there and is what it says, or was pruned.
fn sessions(
    store: &Store,
    only: Option<&SessionDirectory>,
    snapshot: &Snapshot,
    under: u64,
    proof: &mut LedgerProof,
) -> Result<(), Problem> {
    let mut missing = Vec::new();
    for (id, known) in snapshot.book.sessions() {
        if only.is_some_and(|only| only.record.id != *id) {
            continue;
        }
        if let Some((_, pruned)) = &known.pruned {
            count(&mut proof.pruned, pruned.at);
            continue;
        }
        let path = store.sessions().join(id);
        if std::fs::symlink_metadata(&path).is_err() {
            missing.push(id.clone());
            continue;
        }
        match SessionDirectory::open(&path) {
            Ok(session) => one(&session, known, under, proof)?,
            Err(problem) => proof.faults.push(format!("session `{id}`: {}", quoted(&problem.cause))),
        }
    }
    if !missing.is_empty() {
        // One that is pruned at this moment is no longer there, and known to be pruned only by now.
        let now = Snapshot::take(store, None).map_err(refused)?;
        for id in missing {
            match now.book.sessions().get(&id).and_then(|known| known.pruned.as_ref()) {
                Some((_, pruned)) => count(&mut proof.pruned, pruned.at),
                None => proof.faults.push(format!("session `{id}` is missing: it was not pruned")),
            }
        }
    }
    strangers(store, only, &snapshot.book, proof)
}

/// Sessions that the ledger does not know: they prove nothing, and nothing is wrong with them.
fn strangers(
    store: &Store,
    only: Option<&SessionDirectory>,
    book: &Book,
    proof: &mut LedgerProof,
) -> Result<(), Problem> {
    if let Some(only) = only {
        if !book.sessions().contains_key(&only.record.id) {
            proof.notes.push(format!("session `{}` is not in the ledger yet", only.record.id));
        }
        return Ok(());
    }
    let found = store::sessions(store)?;
    let unknown = found.sessions.iter().filter(|session| !book.sessions().contains_key(&session.record.id)).count();
    if unknown > 0 {
        proof
            .notes
            .push(format!("sessions that are not in the ledger: {unknown}; they go on, or ended before it was kept"));
    }
    Ok(())
}

fn one(session: &SessionDirectory, known: &Known, under: u64, proof: &mut LedgerProof) -> Result<(), Problem> {
    proof.sessions += 1;
    for segment in [Segment::Plane, Segment::Gate] {
        let following = known.following(segment);
        let covered = following.under(under);
        let there = std::fs::symlink_metadata(session.segment(segment)).is_ok();
        if !there && covered == 0 && following.under(u64::MAX) == 0 {
            // A cell without a network has no gate.
            continue;
        }
        let (check, _) = check(session, segment, Some(following), false)?;
        if let Some(broken) = check.broken {
            let id = &session.record.id;
            proof.faults.push(format!("session `{id}`: {}: {}", check.segment, place(segment, &broken)));
            continue;
        }
        proof.under += covered;
        proof.after += check.events - covered;
    }
    Ok(())
}

/// `line 4: …` of a segment is its fourth event.
fn place(segment: Segment, broken: &str) -> String {
    match broken.strip_prefix("line ").and_then(|rest| rest.split_once(": ")) {
        Some((line, why)) => format!("changed at event {}{line}: {why}", segment.letter()),
        None => broken.to_owned(),
    }
}

fn count(days: &mut Vec<PrunedDay>, at: u64) {
    match days.iter_mut().find(|day| day.at / DAY == at / DAY) {
        Some(day) => day.sessions += 1,
        None => days.push(PrunedDay { at, sessions: 1 }),
    }
}
