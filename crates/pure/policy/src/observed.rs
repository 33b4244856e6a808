//! The smallest policy of a whole run: what was observed, without widening it and without judging it.

use std::collections::{BTreeMap, BTreeSet};

use crate::suggest::smallest;
use crate::{CanonicalPath, Egress, Host, Outcome, Rule, Target, print, special};

/// One request that a run made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The destination as the program named it.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// The executable, then its parents'; empty when unknown.
    pub program: Vec<String>,
    /// What became of it.
    pub outcome: Outcome,
}

/// The smallest policy, as text of the language, that allows every request of a run.
///
/// Requests to one host and port become one rule with all their programs; hosts are never joined into a
/// wildcard nor ports left out. A request of an unknown program needs a rule for every program: a comment says
/// so, as it says what the run was refused. Requests whose executable cannot be written, and those to an address that
/// no rule opens, are listed and left out.
#[must_use]
pub fn suggest_policy(name: &str, requests: &[Observed]) -> String {
    let mut rules: BTreeMap<Target, Programs> = BTreeMap::new();
    let (mut left, mut closed) = (BTreeSet::new(), BTreeSet::new());
    for request in requests {
        let program = (!request.program.is_empty()).then_some(request.program.as_slice());
        if let Host::Address(address) = request.host
            && special(address).is_some_and(|found| found.range.is_closed())
        {
            closed.insert(format!("{}:{}", request.host, request.port));
            continue;
        }
        match smallest(&Egress { host: &request.host, port: request.port, program }) {
            Some(rule) => rules.entry(rule.to.clone()).or_default().add(rule, request.outcome),
            None => {
                let program: String =
                    request.program.first().into_iter().flat_map(|path| path.chars().take(200)).collect();
                left.insert(format!("{}:{} by {}", request.host, request.port, print::quoted(&program)));
            }
        }
    }
    let mut text = String::from("# observed, not judged: what one run asked for, whatever made it ask\n");
    text += &format!("bastide: 1\nname: {}\nnetwork:\n  default: deny\n", print::quoted(&named(name)));
    if !rules.is_empty() {
        text += "  allow:\n";
    }
    for (to, programs) in rules {
        text += &programs.line(to);
    }
    for request in left {
        text += &format!("# left out, no rule can name the executable: {request}\n");
    }
    for request in closed {
        text += &format!("# left out, no rule opens the address: {request}\n");
    }
    text
}

/// A name that the reader takes.
fn named(name: &str) -> String {
    let name: String = name.chars().filter(|character| !character.is_control()).take(64).collect();
    if name.trim().is_empty() { "observed".into() } else { name }
}

#[derive(Default)]
struct Programs {
    known: BTreeSet<CanonicalPath>,
    unknown: bool,
    refused: bool,
}

impl Programs {
    fn add(&mut self, rule: Rule, outcome: Outcome) {
        self.unknown |= rule.programs.is_empty();
        self.refused |= outcome != Outcome::Allow;
        self.known.extend(rule.programs);
    }

    fn line(self, to: Target) -> String {
        let mut said = Vec::new();
        if self.refused {
            said.push("refused in the run");
        }
        if self.unknown {
            said.push("program unknown: every program may");
        }
        let programs = if self.unknown { Vec::new() } else { self.known.into_iter().collect() };
        let said = if said.is_empty() { String::new() } else { format!(" # {}", said.join("; ")) };
        format!("    - {}{said}\n", Rule { programs, ..Rule::to(to) })
    }
}
