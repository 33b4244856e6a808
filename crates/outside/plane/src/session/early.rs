//! What is started before the policy is read: cell and gate do their own starting while the plane prepares. Neither
//! does anything for a session yet; a request that is refused ends both by the end of their sockets.

use std::io;
use std::path::PathBuf;

use plan::{Door, Foundation, Layer};
use wire::command::Problem;

use super::asked::Begun;
use super::cell::Cell;
use super::gate::{self, Gate};
use super::identity::{self, Who};
use super::program;
use crate::problem::{NOT_RUN, problem};

/// Where the door's sockets are bound inside.
const DOOR: Door = Door { tcp_port: 61_001, dns_port: 61_053 };
/// Longest hostname inside.
const MAX_HOSTNAME: usize = 32;

/// Programs that wait for their part of a session.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) cell: Cell,
    pub(super) foundation: Foundation,
    pub(super) who: Who,
    /// None where the cell keeps the host's network.
    pub(super) gate: Option<Gate>,
    pub(super) gates: PathBuf,
}

/// Starts the launcher alone: the first thing to do, since all else can be done meanwhile.
///
/// # Errors
/// When it cannot be started.
pub(super) fn cell() -> Result<Cell, Problem> {
    Cell::start(&program("bastide-cell")?).map_err(unstarted)
}

/// Tells the launcher its foundation, and starts the gate.
///
/// # Errors
/// When either cannot be done.
pub(super) fn begin(cell: Cell, begun: &Begun) -> Result<Early, Problem> {
    let hostname = hostname(begun.run.name.as_deref());
    let who = identity::choose(std::process::id(), &begun.workspace, begun.variable("USER"), hostname)?;
    let (identity, without) = (who.identity.clone(), begun.accepted.without);
    let foundation = Foundation { version: plan::VERSION, identity, without, door: DOOR };
    cell.found(&foundation).map_err(unstarted)?;
    let gates = program("bastide-gate")?;
    let networked = !without.contains(Layer::NetworkNamespace);
    let gate = networked.then(|| gate::start(&gates, who.gate, 1)).transpose().map_err(unstarted)?;
    Ok(Early { cell, foundation, who, gate, gates })
}

/// The problem of a program of ours that cannot be started.
pub(super) fn unstarted(error: io::Error) -> Problem {
    let hint = "`bastide doctor` says what is missing";
    problem("E-PLANE-060", format!("cannot start a cell: {error}"), hint, NOT_RUN)
}

fn hostname(name: Option<&str>) -> String {
    let word = name.unwrap_or("cell").chars();
    let plain: String = word.filter(|one| one.is_ascii_alphanumeric() || *one == '-').take(MAX_HOSTNAME).collect();
    if plain.is_empty() { "cell".into() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_without_a_plain_name_is_called_cell() {
        assert_eq!(hostname(Some("fix the build!")), "fixthebuild");
        assert_eq!((hostname(Some("!")), hostname(None)), ("cell".into(), "cell".into()));
        assert_eq!(hostname(Some(&"x".repeat(99))).len(), MAX_HOSTNAME);
    }
}
