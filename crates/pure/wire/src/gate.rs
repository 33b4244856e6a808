//! What a plane and a gate say to each other once the lease was handed over.

use std::net::{IpAddr, SocketAddr};

use policy::{Amounts, Conjunction, Endorsement, Rule};
use serde::{Deserialize, Serialize};

use crate::petition;
use crate::question::{Ruling, Wanted};
use crate::stood::{Stood, Whole};
use crate::suspected::Suspected;
use crate::{Labelled, Lent};

/// What the plane says to a gate that serves, in frames behind the lease.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "order", deny_unknown_fields)]
pub enum GateOrder {
    /// The operator said this.
    Attested {
        /// It may be a password: it is compared, and written nowhere.
        words: String,
    },
    /// What it lends from here on, under the policy that is in force.
    Lend {
        /// Secrets of the vault, and tokens that were derived from some.
        credentials: Vec<Lent>,
    },
    /// All that it decides by from here on, at once; answered by [`GateReport::Replaced`].
    Replace {
        /// Counts up from 2 in one session: the lease is 1.
        revision: u32,
        /// Every policy that must allow.
        policy: Conjunction,
        /// Secrets of the vault that its rules lend.
        credentials: Vec<Lent>,
        /// Texts that carry a label, beside those that did.
        labelled: Vec<Labelled>,
        /// The operator took back what it was narrowed to: what spoke for an attack so far counts no more.
        #[serde(default)]
        forgives: bool,
    },
    /// So much of the session's budgets is its children's, all together, and not the session's to use up; answered by
    /// [`GateReport::Reserved`].
    Reserve {
        /// How much.
        reserved: Amounts,
    },
    /// The host's resolvers and names, in place of those of the lease.
    Names {
        /// Asked in order.
        nameservers: Vec<SocketAddr>,
        /// Names that need none.
        hosts: Vec<(String, IpAddr)>,
    },
    /// What came of a [`GateReport::Petition`].
    Petitioned {
        /// Its number.
        number: u64,
        /// What.
        answer: petition::Answer,
    },
    /// What the operator granted, in place of what he had before.
    Grant {
        /// Looked at only where a policy wants him asked.
        rules: Vec<Rule>,
        /// What he endorsed, the same way.
        #[serde(default)]
        endorsed: Vec<Endorsement>,
    },
    /// What came of a [`GateReport::Stood`].
    Stood {
        /// Its number.
        number: u64,
        /// Those of its parts that stood there.
        stood: Vec<Stood>,
    },
    /// Something speaks for an attack in a sub-agent.
    Suspect(Suspected),
    /// The session's parent is narrowed under risk, and so is it; answered by [`GateReport::Narrowed`] where it was not already.
    Narrow {
        /// The parent's risk.
        score: u32,
    },
    /// What is behind a line is gone, or never was.
    Severed {
        /// Which, counted from 0.
        line: u32,
        /// Why, in words that whoever is inside may have.
        why: String,
    },
    /// What becomes of something that it holds; more than once, where it waits first.
    Ruled {
        /// The number that it was told under.
        number: u64,
        /// It.
        ruling: Ruling,
    },
    /// The session is paused: nothing is accepted, answered, looked up or carried any more; answered by [`GateReport::Paused`].
    Pause {
        /// Counts up in one session.
        number: u32,
    },
    /// It goes on, with all that was under way.
    Resume,
}

/// What a gate says: to its lease, once; to each [`GateOrder::Replace`]; what it holds, and what is asked inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "report", deny_unknown_fields)]
pub enum GateReport {
    /// It accepts connections.
    Ready,
    /// It decides by this revision.
    Replaced {
        /// Which.
        revision: u32,
    },
    /// So much is its children's.
    Reserved {
        /// As it was told.
        reserved: Amounts,
        /// Whether the session had not used it up itself. It counts all the same until another amount is told.
        fits: bool,
    },
    /// Whoever is inside asks for something; answered by [`GateOrder::Petitioned`].
    Petition(Box<petition::Petitioned>),
    /// It asks which of these stood in the workspace before the session, and carry no label; answered by [`GateOrder::Stood`].
    Stood {
        /// Counts up in one gate; one is asked at a time.
        number: u64,
        /// At most [`crate::MAX_WHOLES`].
        wholes: Vec<Whole>,
    },
    /// It holds something that its policies want the operator asked about; answered by [`GateOrder::Ruled`].
    Held {
        /// Counts up in one gate.
        number: u64,
        /// What.
        wanted: Box<Wanted>,
    },
    /// It holds that no longer, and nobody need be told what becomes of it.
    Left {
        /// Its number.
        number: u64,
    },
    /// Something is said to a server in a cell of its own, which is to be begun behind a line. [`GateOrder::Severed`] tells
    /// when there is none.
    Server {
        /// What the policy calls it.
        server: String,
        /// A line that nothing was behind yet, counted from 0.
        line: u32,
    },
    /// Something speaks for an attack. Where its policies are to be narrowed for it, it has done so.
    Suspected(Box<Suspected>),
    /// It narrowed its policies as it was told to, to this.
    Narrowed(Box<policy::Narrowed>),
    /// Nobody speaks on a line any more.
    Parted {
        /// Which.
        line: u32,
    },
    /// It carries nothing until it is told to go on.
    Paused {
        /// As it was told.
        number: u32,
    },
    /// It does not, and ends.
    Failed {
        /// What it could not do.
        what: String,
        /// Why not.
        why: String,
    },
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_frame() {
        let report = GateReport::Failed { what: "listen".into(), why: "no descriptor".into() };
        assert_eq!(crate::decode::<GateReport>(&crate::encode(&report).unwrap()).unwrap(), report);
    }
}
