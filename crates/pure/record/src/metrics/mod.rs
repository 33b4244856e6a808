//! What sessions came to, as counters: added up over sessions, and told in Prometheus' text format ([`Page`]).

mod page;

pub use page::{Page, Sessions};

use serde::{Deserialize, Serialize};

use crate::event::{Cost, Kind, Verdict};

/// Currencies that are told apart.
const MAX_CURRENCIES: usize = 8;

/// How often something was allowed, refused, or asked and not answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decisions {
    /// It went through.
    pub allowed: u64,
    /// It did not.
    pub refused: u64,
    /// It needed an answer of the operator's, and had none.
    pub asked: u64,
}

impl Decisions {
    fn take(&mut self, verdict: Verdict) {
        self.take_many(verdict, 1);
    }

    fn take_many(&mut self, verdict: Verdict, times: u64) {
        let count = match verdict {
            Verdict::Allowed => &mut self.allowed,
            Verdict::Refused => &mut self.refused,
            Verdict::Asked => &mut self.asked,
        };
        *count = count.saturating_add(times);
    }

    fn add(&mut self, other: &Self) {
        self.allowed = self.allowed.saturating_add(other.allowed);
        self.refused = self.refused.saturating_add(other.refused);
        self.asked = self.asked.saturating_add(other.asked);
    }
}

/// Counts of one session's events, or of many sessions'. Each only grows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Events of the record.
    pub events: u64,
    /// Programs that were started.
    pub programs: u64,
    /// Names that were looked up.
    pub names: Decisions,
    /// Connections.
    pub connections: Decisions,
    /// Requests that were read.
    pub requests: Decisions,
    /// Messages of MCP.
    pub mcp: Decisions,
    /// Requests to models.
    pub models: Decisions,
    /// Calls of tools that were taken out of a model's answer.
    pub withheld: u64,
    /// Findings: what spoke against something that was asked, or told where it came from.
    pub findings: u64,
    /// Accesses to files that Landlock refused, as far as the host tells.
    pub files_refused: u64,
    /// Bytes that left over connections that ended.
    pub sent: u64,
    /// Bytes that came in over them.
    pub received: u64,
    /// Answers of models that ended.
    pub answers: u64,
    /// Tokens that models were asked.
    pub tokens_in: u64,
    /// Tokens that they answered.
    pub tokens_out: u64,
    /// What that cost, by currency.
    pub cost: Vec<Cost>,
    /// Questions to the operator.
    pub questions: u64,
    /// Of them, those that he answered.
    pub questions_answered: u64,
    /// How often a gate died.
    pub gates_lost: u64,
}

impl Counts {
    /// Counts one event.
    pub fn take(&mut self, kind: &Kind) {
        add(&mut self.events, 1);
        match kind {
            Kind::Exec { .. } => add(&mut self.programs, 1),
            Kind::Resolve { verdict, times, .. } => self.names.take_many(*verdict, *times),
            Kind::Connect { verdict, times, .. } => self.connections.take_many(*verdict, *times),
            Kind::Request { verdict, .. } => self.requests.take(*verdict),
            Kind::Mcp { verdict, .. } => self.mcp.take(*verdict),
            Kind::Model { verdict, .. } => self.models.take(*verdict),
            Kind::Said { standing, .. } if standing == "withheld" => add(&mut self.withheld, 1),
            Kind::Evidence { .. } | Kind::Risk { .. } => add(&mut self.findings, 1),
            Kind::FileRefused { path, untold, .. } => {
                add(&mut self.files_refused, untold.saturating_add(u64::from(path.is_some())));
            }
            Kind::Close { sent, received, .. } => {
                add(&mut self.sent, *sent);
                add(&mut self.received, *received);
            }
            Kind::Answered { input, output, cost, .. } => {
                add(&mut self.answers, 1);
                add(&mut self.tokens_in, input.unwrap_or(0));
                add(&mut self.tokens_out, output.unwrap_or(0));
                cost.iter().for_each(|cost| self.spend(cost));
            }
            Kind::Question { .. } => add(&mut self.questions, 1),
            Kind::Ruled { answer, .. } => {
                let answered = ["once", "session", "always", "deny"].contains(&answer.as_str());
                add(&mut self.questions_answered, u64::from(answered));
            }
            Kind::GateLost => add(&mut self.gates_lost, 1),
            _ => {}
        }
    }

    /// Adds those of another session.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.events, other.events),
            (&mut self.programs, other.programs),
            (&mut self.withheld, other.withheld),
            (&mut self.findings, other.findings),
            (&mut self.files_refused, other.files_refused),
            (&mut self.sent, other.sent),
            (&mut self.received, other.received),
            (&mut self.answers, other.answers),
            (&mut self.tokens_in, other.tokens_in),
            (&mut self.tokens_out, other.tokens_out),
            (&mut self.questions, other.questions),
            (&mut self.questions_answered, other.questions_answered),
            (&mut self.gates_lost, other.gates_lost),
        ] {
            add(mine, theirs);
        }
        for (mine, theirs) in [
            (&mut self.names, &other.names),
            (&mut self.connections, &other.connections),
            (&mut self.requests, &other.requests),
            (&mut self.mcp, &other.mcp),
            (&mut self.models, &other.models),
        ] {
            mine.add(theirs);
        }
        other.cost.iter().for_each(|cost| self.spend(cost));
    }

    fn spend(&mut self, cost: &Cost) {
        if let Some(known) = self.cost.iter_mut().find(|known| known.currency == cost.currency) {
            add(&mut known.micros, cost.micros);
            known.estimated |= cost.estimated;
        } else if self.cost.len() < MAX_CURRENCIES {
            self.cost.push(cost.clone());
        }
    }
}

/// A segment is only as sane as its writer: a forged figure must not end the count.
fn add(count: &mut u64, more: u64) {
    *count = count.saturating_add(more);
}

#[cfg(test)]
mod tests;
