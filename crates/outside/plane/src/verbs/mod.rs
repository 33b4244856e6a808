//! Every verb but those that start a cell: what it reads from the store, and what it answers.

use wire::command::{Problem, Reply, Request};

use crate::channel::Client;
use crate::problem::{NO, problem};

/// Answers one request; events and notices go to the client before.
///
/// # Errors
/// Why it was not done.
pub fn answer(_client: &mut Client, _request: Request) -> Result<Reply, Problem> {
    Err(problem("E-PLANE-099", "this verb is not built yet", "", NO))
}
