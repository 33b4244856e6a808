//! `log checkpoint`, `log key`, `log verify --checkpoint`, `log prune` and `log export`.

use record::ocsf::About;
use wire::command::{CheckpointInfo, LedgerRequest, LedgerVerify, Problem, Reply, Select};

use super::gone;
use crate::channel::Client;
use crate::ledger::{self, Asked, LedgerError, Log, Old, Snapshot, refused};
use crate::problem::{quoted, state};
use crate::store::{self, Events, Store};

/// Answers what is asked of the ledger.
pub(super) fn answer(store: &Store, client: &mut Client, request: LedgerRequest) -> Result<Reply, Problem> {
    match request {
        LedgerRequest::Checkpoint => checkpoint(store),
        LedgerRequest::Key => {
            let key = Log::wait(store).and_then(|log| log.key()).map_err(refused)?;
            Ok(Reply::Page { text: format!("{}\n", key.public()) })
        }
        LedgerRequest::Verify(asked) => verify(store, &asked),
        LedgerRequest::Prune { before, keep } => prune(store, client, before, keep),
        LedgerRequest::Export(select) => export(store, client, &select),
    }
}

/// The newest checkpoint, of every session that ended before it was asked for; what it covers is on disk.
fn checkpoint(store: &Store) -> Result<Reply, Problem> {
    store::wait_for_ended(store);
    let before = Snapshot::take(store, None).map_err(refused)?;
    // What was signed is gone: that is no ledger that was never begun.
    if before.book.tree().size() == 0 && before.own.is_none() {
        return Err(refused(LedgerError::None));
    }
    Log::wait(store).and_then(|log| log.settle()).map_err(refused)?;
    let snapshot = Snapshot::take(store, None).map_err(refused)?;
    if let Some(why) = snapshot.strayed() {
        return Err(refused(LedgerError::Damaged(why)));
    }
    let (Some(own), Some(key)) = (snapshot.own, snapshot.key) else { return Err(refused(LedgerError::None)) };
    let opened = own.opened.map_err(|why| refused(LedgerError::Damaged(why)))?;
    let key_id = format!("{:08x}", key.id(record::ledger::SignatureKind::Plain));
    let record::ledger::Checkpoint { origin, size, root } = opened.checkpoint;
    let (root, time) = (record::segment::hex(&root), opened.time);
    Ok(Reply::Checkpoint(Box::new(CheckpointInfo { note: own.text, origin, size, root, time, key_id })))
}

fn verify(store: &Store, asked: &LedgerVerify) -> Result<Reply, Problem> {
    let session = asked.select.as_ref().map(|select| store::select(store, select)).transpose()?;
    let (checkpoint, key) = (asked.checkpoint.as_deref(), asked.key.as_deref());
    let proof = ledger::verify(store, &Asked { session: session.as_ref(), checkpoint, key })?;
    Ok(Reply::Proved(Box::new(proof)))
}

fn prune(store: &Store, client: &mut Client, before: Option<u64>, keep: Option<u64>) -> Result<Reply, Problem> {
    for text in store::repair(store) {
        client.reply(&Reply::Notice { text });
    }
    let old = match (before, keep) {
        (Some(moment), _) => Old::Before(moment),
        // Who says nothing loses nothing.
        (None, keep) => Old::AllBut(keep.unwrap_or(u64::MAX)),
    };
    Ok(Reply::Pruned(Box::new(ledger::prune(store, old)?)))
}

/// Every event of one session, a line each.
fn export(store: &Store, client: &mut Client, select: &Select) -> Result<Reply, Problem> {
    let session = store::select(store, select)?;
    let about = About {
        version: env!("CARGO_PKG_VERSION").into(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        session: session.record.id.clone(),
        name: session.record.name.clone(),
        policy: session.policy_names().join(" and "),
    };
    gone::tell(store, client, &session);
    let mut events = Events::of(&session);
    while let Some(next) = events.next_event().map_err(|error| state("read", &session.path, &error))? {
        client.reply(&match next {
            Ok(entry) => Reply::Line { text: about.event(&entry).to_string() },
            Err(words) => Reply::Notice { text: format!("no event: {}", quoted(&words)) },
        });
        if client.is_gone() {
            break;
        }
    }
    Ok(Reply::LogEnd)
}
