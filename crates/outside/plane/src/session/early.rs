//! What is started before the policy is read: a cell that has left the host's namespaces; and a gate, where that is
//! before there is a request at all. Neither knows anything of a session; what is not needed ends by the end of its socket.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use plan::{Content, Door, Foundation, Layer, LayerSet, Plan};
use policy::Policy;
use wire::command::Problem;

use super::asked::Begun;
use super::cell::Cell;
use super::gate::{self, Gate};
use super::gates::Gates;
use super::ground::Laid;
use super::identity::{self, Who};
use super::layout::Seen;
use super::{limits, program};
use crate::policy_file;
use crate::problem::{NOT_RUN, problem};
use crate::store::{DirectoryAhead, Store};

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
    /// One that was started ahead.
    pub(super) gate: Option<Gate>,
    pub(super) gates: Gates,
    /// As in [`Ahead`].
    pub(super) policy: Option<(PathBuf, Policy)>,
    /// What the cell has made already.
    ground: Option<Laid>,
    /// What becomes the session's directory.
    pub(super) directory: Option<DirectoryAhead>,
    /// What the cell has joined.
    pub(super) limits: Option<limits::Ahead>,
}

/// What was started before anything is known of the session. It is handed on by every step of a start, and would lie in the room of
/// each.
#[derive(Debug)]
pub struct Ahead {
    cell: Cell,
    parked: Option<Parked>,
    /// The policy of who names none, for this home.
    policy: Option<(PathBuf, Policy)>,
}

/// What was made for a session with every wall that may never come.
#[derive(Debug)]
struct Parked {
    gate: Gate,
    gates: Gates,
    ground: Laid,
    limits: Option<limits::Ahead>,
    directory: Option<DirectoryAhead>,
}

impl Ahead {
    /// The launcher alone: the first thing to start, since all else can be done meanwhile.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start() -> Result<Box<Ahead>, Problem> {
        let cell = Cell::start(&program("bastide-cell")?).map_err(unstarted)?;
        Ok(Box::new(Ahead { cell, parked: None, policy: None }))
    }

    /// A cell with the part of its root that every session under the policy of who names none has, and a gate: what most
    /// sessions of an operator with this home begin with.
    ///
    /// # Errors
    /// When something cannot be started or read.
    pub fn park(home: &Path, store: &Store) -> Result<Box<Ahead>, Problem> {
        let mut ahead = Ahead::start()?;
        let gates = Gates::open(identity::gate(std::process::id())?)?;
        let policy = policy_file::look_at_policy(None, home)?;
        // Without it a session makes its own.
        let directory = DirectoryAhead::make(store).ok();
        let limits = directory.as_ref().map(|directory| limits::Ahead::make(directory.id(), &policy.limits));
        let mut ground = Laid::out(&policy, home, identity::cell(std::process::id())?)?;
        ground.ground.join = limits.as_ref().map(limits::Ahead::join).unwrap_or_default();
        let founded = Foundation { ground: Some(ground.ground.clone()), ..foundation(LayerSet::default()) };
        ahead.cell.found(&founded).map_err(unstarted)?;
        drop(founded);
        let gate = gate::start(&gates, 1).map_err(unstarted)?;
        ahead.cell.wait_for_launcher();
        ahead.parked = Some(Parked { gate, gates, ground, limits, directory });
        ahead.policy = Some((home.to_owned(), policy));
        Ok(ahead)
    }

    /// Where its parts are heard; each ends with its part.
    pub fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let gate = self.parked.as_ref().map(|parked| parked.gate.as_fd());
        std::iter::once(self.cell.as_fd()).chain(gate)
    }

    /// Where it is heard, as something urgent, that what was made ahead is no longer as the host is.
    pub fn host(&self) -> Option<BorrowedFd<'_>> {
        self.parked.as_ref().map(|parked| parked.ground.as_fd())
    }

    /// Whether a session without these layers, whose gate has this uid, can begin with it.
    fn serves(&self, without: LayerSet, uid: Option<u32>) -> bool {
        self.parked.as_ref().is_none_or(|parked| without == LayerSet::default() && parked.gates.uid() == uid)
    }
}

/// Makes what a session begins with, or takes what is there.
///
/// # Errors
/// When something cannot be started.
pub(super) fn begin(begun: &Begun, ahead: Box<Ahead>) -> Result<Box<Early>, Problem> {
    let hostname = hostname(begun.run.name.as_deref());
    let who = identity::choose(std::process::id(), &begun.workspace, begun.variable("USER"), hostname)?;
    let without = begun.accepted.without;
    let foundation = foundation(without);
    let Ahead { cell, parked, policy } = *if ahead.serves(without, who.gate) { ahead } else { Ahead::start()? };
    let Some(Parked { gate, gates, ground, limits, directory }) = parked else {
        cell.found(&foundation).map_err(unstarted)?;
        let gates = Gates::open(who.gate)?;
        return Ok(Box::new(Early {
            cell,
            foundation,
            who,
            gate: None,
            gates,
            policy,
            ground: None,
            directory: None,
            limits: None,
        }));
    };
    let (gate, ground) = (Some(gate), Some(ground));
    Ok(Box::new(Early { cell, foundation, who, gate, gates, policy, ground, directory, limits }))
}

impl Early {
    /// What the small files held that are there already.
    pub(super) fn known(&self) -> Vec<Content> {
        self.ground.as_ref().map(Laid::contents).unwrap_or_default()
    }

    /// Tells the cell its plan, laid out from what was `seen`; a cell that was made ahead for other ones is left for a new
    /// one.
    ///
    /// # Errors
    /// When it cannot be started or told.
    pub(super) fn build(&mut self, mut plan: Plan, seen: &[Seen], stdio: &[OwnedFd]) -> Result<(), Problem> {
        if self.ground.take().is_some_and(|ground| !ground.serves(&mut plan, seen)) {
            self.cell = Ahead::start()?.cell;
            self.cell.found(&self.foundation).map_err(unstarted)?;
        }
        self.cell.build(&plan, stdio).map_err(unstarted)
    }

    /// The gate, started where none was ahead: when the plan is told, since the cell then takes longer to build than the
    /// gate to start. None where the cell keeps the host's network.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn gate(&mut self) -> Result<Option<Gate>, Problem> {
        if self.gate.is_none() && !self.foundation.without.contains(Layer::NetworkNamespace) {
            return gate::start(&self.gates, 1).map(Some).map_err(unstarted);
        }
        Ok(self.gate.take())
    }
}

fn foundation(without: LayerSet) -> Foundation {
    let inside = (!identity::is_privileged()).then(identity::inside);
    Foundation { version: plan::VERSION, inside, without, door: DOOR, ground: None }
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
