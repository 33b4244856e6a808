//! What a session came to, counted from its events.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Serialize, Serializer};

use crate::event::{Cost, Event, Kind, Verdict};

/// How many destinations, and how many paths, are told apart. A program can make up names without end.
pub const MAX_TOLD: usize = 1000;

/// Currencies that are told apart: a session has one for each policy at most.
const MAX_CURRENCIES: usize = 8;

/// Characters of a report that are told.
const MAX_REPORTED: usize = 300;
/// Characters of a path that are told.
const MAX_PATH: usize = 4096;
/// Characters of a destination that are told. Every real name is shorter.
const MAX_HOST: usize = 300;

/// A destination: shown as `host:port`, an IPv6 address in brackets, a name that was only looked up alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Name or address, without brackets.
    pub host: String,
    /// Absent where the name was refused before any connection.
    pub port: Option<u16>,
}

impl Target {
    /// A destination as an event tells it: an IPv6 address with or without brackets is one and the same.
    pub fn new(host: &str, port: Option<u16>) -> Self {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).filter(|bare| bare.contains(':'));
        Self { host: bare.unwrap_or(host).chars().take(MAX_HOST).collect(), port }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => out.write_str(&self.host),
            Some(port) if self.host.contains(':') => write!(out, "[{}]:{port}", self.host),
            Some(port) => write!(out, "{}:{port}", self.host),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

/// What a session came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Connections that went through.
    pub allowed: BTreeMap<Target, u64>,
    /// Connections, requests and names that did not, the unanswered ones among them.
    pub refused: BTreeMap<Target, u64>,
    /// File accesses that Landlock refused, as far as the host's audit told. Never among [`Summary::refused`]:
    /// programs look at many files that they do not need.
    pub files_refused: u64,
    /// Paths of the workspace that differ.
    pub changed: BTreeSet<String>,
    /// Bytes that left over closed connections.
    pub sent: u64,
    /// Bytes that came in over closed connections.
    pub received: u64,
    /// What models answered.
    pub models: Answers,
    /// The last that whoever is inside reported: its own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<String>,
    /// How often the gate died.
    pub gates_lost: u64,
    /// The exit code, once the session ended.
    pub exit: Option<i32>,
}

/// What models answered, and what that cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Answers {
    /// Answers that ended, however.
    pub answers: u64,
    /// Tokens that were asked.
    pub input: u64,
    /// Tokens that were answered.
    pub output: u64,
    /// What they cost, by currency.
    pub cost: Vec<Cost>,
}

impl Answers {
    fn take(&mut self, input: Option<u64>, output: Option<u64>, cost: Option<&Cost>) {
        // As with bytes: a forged figure must not end the count.
        self.answers = self.answers.saturating_add(1);
        self.input = self.input.saturating_add(input.unwrap_or(0));
        self.output = self.output.saturating_add(output.unwrap_or(0));
        let Some(cost) = cost else { return };
        if let Some(known) = self.cost.iter_mut().find(|known| known.currency == cost.currency) {
            known.micros = known.micros.saturating_add(cost.micros);
            known.estimated |= cost.estimated;
        } else if self.cost.len() < MAX_CURRENCIES {
            self.cost.push(cost.clone());
        }
    }
}

/// Counts events of any number of segments, in any order.
pub fn summarise<'e>(events: impl IntoIterator<Item = &'e Event>) -> Summary {
    let mut summary = Summary::default();
    for event in events {
        summary.take(&event.kind);
    }
    summary
}

impl Summary {
    /// Counts one event.
    pub fn take(&mut self, kind: &Kind) {
        match kind {
            Kind::Connect { host, port, verdict, times, .. } => self.count(host, Some(*port), *verdict, *times),
            // One that was allowed goes on a connection, which is counted.
            Kind::Request { host, port, verdict: verdict @ (Verdict::Refused | Verdict::Asked), .. } => {
                self.count(host, Some(*port), *verdict, 1);
            }
            Kind::Mcp { host, port, verdict: verdict @ (Verdict::Refused | Verdict::Asked), .. } => {
                self.count(host, Some(*port), *verdict, 1);
            }
            Kind::Petition { verb, words, verdict: Verdict::Allowed, .. } if verb == "report" => {
                self.reported = Some(crate::why::brief(words).chars().take(MAX_REPORTED).collect());
            }
            Kind::Petition { verdict: verdict @ (Verdict::Refused | Verdict::Asked), .. }
            | Kind::PetitionAnswered { verdict: verdict @ (Verdict::Refused | Verdict::Asked), .. } => {
                self.count("bastide.internal", Some(80), *verdict, 1);
            }
            Kind::Model { host, verdict: verdict @ (Verdict::Refused | Verdict::Asked), .. } => {
                self.count(host, None, *verdict, 1);
            }
            // An allowed name is followed by its connection; a refused one never is.
            Kind::Resolve { name, verdict: Verdict::Refused, times, .. } => {
                self.count(name, None, Verdict::Refused, *times);
            }
            Kind::Close { sent, received, .. } => {
                // A segment is only as sane as its writer: a forged figure must not end the count.
                self.sent = self.sent.saturating_add(*sent);
                self.received = self.received.saturating_add(*received);
            }
            Kind::FileRefused { path, untold, .. } => {
                let told = u64::from(path.is_some());
                self.files_refused = self.files_refused.saturating_add(*untold).saturating_add(told);
            }
            Kind::WorkspaceChange { path, .. } if self.changed.len() < MAX_TOLD => {
                self.changed.insert(path.chars().take(MAX_PATH).collect());
            }
            Kind::Answered { input, output, cost, .. } => self.models.take(*input, *output, cost.as_ref()),
            Kind::GateLost => self.gates_lost += 1,
            Kind::Ended { exit, .. } => self.exit = Some(*exit),
            _ => {}
        }
    }

    fn count(&mut self, host: &str, port: Option<u16>, verdict: Verdict, times: u64) {
        let side = match verdict {
            Verdict::Allowed => &mut self.allowed,
            Verdict::Refused | Verdict::Asked => &mut self.refused,
        };
        let mut target = Target::new(host, port);
        if side.len() >= MAX_TOLD && !side.contains_key(&target) {
            target = Target { host: "(others)".into(), port: None };
        }
        let told = side.entry(target).or_default();
        // A segment is only as sane as its writer.
        *told = told.saturating_add(times);
    }
}
