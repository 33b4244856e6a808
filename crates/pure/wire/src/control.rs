//! The control socket of a running session: what another plane of the same operator asks of the one that holds it.
//!
//! One connection carries one [`Ask`] and one [`Answer`]. The two planes may be of two builds: what runs outlives an
//! upgrade.

use policy::Policy;
use serde::{Deserialize, Serialize};

use crate::command::Problem;
use crate::{Labelled, Lent};

/// The socket's name in the session's directory.
pub const NAME: &str = "control";

/// Version of what is asked, and the only one that this build answers.
pub const VERSION: u32 = 1;

/// What is asked.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Version of this message.
    pub version: u32,
    /// What to do.
    pub order: Order,
}

/// What to do.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "order", deny_unknown_fields)]
pub enum Order {
    /// Put another policy in force: all of this, or nothing.
    Replace(Box<Replacement>),
}

/// All that a gate decides by.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The policy.
    pub policy: Policy,
    /// Secrets of the vault that its rules lend.
    pub credentials: Vec<Lent>,
    /// Texts that carry a label.
    pub labelled: Vec<Labelled>,
    /// What differs from the revision that it replaces, a line each.
    pub changes: Vec<String>,
    /// The revision that it takes the place of. Where another one is in force by now nothing is done.
    pub replaces: u32,
    /// It is what was in force before that revision.
    pub undoes: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer", deny_unknown_fields)]
pub enum Answer {
    /// The gate decides by it.
    InForce {
        /// Which revision of the session's it is.
        revision: u32,
    },
    /// Nothing was changed: another revision is in force than the one that was to be replaced.
    Overtaken {
        /// Which.
        revision: u32,
    },
    /// Nothing was changed.
    Refused(Box<Problem>),
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_survive_the_frame() {
        let policy = Policy { name: "mine".into(), ..Policy::default() };
        let (credentials, labelled) = (Vec::new(), Vec::new());
        let (changes, replaces) = (vec!["+ a".to_owned()], 2);
        let replacement =
            Replacement { policy: policy.clone(), credentials, labelled, changes, replaces, undoes: true };
        let ask = Ask { version: VERSION, order: Order::Replace(Box::new(replacement)) };
        let Ask { version, order } = crate::decode(&crate::encode(&ask).unwrap()).unwrap();
        let Order::Replace(read) = order;
        assert_eq!((version, &read.policy, read.replaces, read.undoes), (VERSION, &policy, 2, true));
        let problem = Problem { code: "E-PLANE-091".into(), cause: "no".into(), hint: None, exit: 1 };
        let refused = Answer::Refused(Box::new(problem));
        for answer in [Answer::InForce { revision: 3 }, Answer::Overtaken { revision: 3 }, refused] {
            assert_eq!(crate::decode::<Answer>(&crate::encode(&answer).unwrap()).unwrap(), answer);
        }
    }
}
