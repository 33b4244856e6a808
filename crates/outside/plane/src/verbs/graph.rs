//! `graph`: what led to what in a session and in those below it.

use record::graph::Builder;
use wire::command::{GraphAnswer, Problem, Reply, Select};

use super::family;
use crate::problem::state;
use crate::store::{self, Events, Store};

/// Events of a graph, and of one that is to be as whole as an answer has room for: a node takes 700 bytes at most.
const SOME: usize = 2_000;
const MOST: usize = 8_000;

/// Answers the graph, each session before those below it.
pub(super) fn graph(store: &Store, select: &Select, all: bool) -> Result<Reply, Problem> {
    let root = store::select(store, select)?;
    let below = family::all_below(store, &root.record.id)?;
    let mut builder = Builder::new(if all { MOST } else { SOME });
    for session in std::iter::once(&root).chain(&below) {
        builder.session(&session.record.id);
        let read = Events::of(session).each(|entry| builder.take(&entry));
        read.map_err(|error| state("read", &session.path, &error))?;
    }
    Ok(Reply::Graph(Box::new(GraphAnswer { session: root.record.id.clone(), graph: builder.finish() })))
}
