//! A server from its own plane's side: what it was given, made into a session like any other.

use std::path::PathBuf;

use policy::Policy;
use record::EventId;
use wire::command::{Run, ServerRun};
use wire::{Labelled, Secret, Words};

use crate::store::ParentRecord;

/// What makes a session a server's.
#[derive(Debug)]
pub(in crate::session) struct Serves {
    pub(in crate::session) parent: ParentRecord,
    pub(in crate::session) server: String,
    pub(in crate::session) event: EventId,
    pub(in crate::session) own: Policy,
    /// What carries a label in the session that speaks to it.
    pub(in crate::session) labelled: Vec<Labelled>,
    /// What other agents said to it.
    pub(in crate::session) heard: Vec<Words>,
    /// What left in drops from the cells of that session's tree.
    pub(in crate::session) drops: PathBuf,
    pub(in crate::session) secrets: Vec<Secret>,
}

impl Serves {
    /// Takes a request apart.
    pub(in crate::session) fn of(asked: ServerRun) -> (Run, Serves) {
        let ServerRun { run, parent, server, event, policy, labelled, heard, drops, secrets } = asked;
        let parent = ParentRecord { session: parent, child: 0, event: event.to_string(), server: Some(server.clone()) };
        (run, Serves { parent, server, event, own: policy, labelled, heard, drops, secrets })
    }
}
