//! What the operator endorses: a source for some effects, or a value in a role. A call that nothing else he said speaks for
//! may go on where all that speaks against it is lifted so.
//!
//! An endorsement is bound: to where a text came from and what it says, to effects, to targets, and to a time. Whoever brings more
//! text adds places where a value stands, and no endorsement. Nothing here reads a clock.

mod day;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use day::Day;

use crate::mcp::TextPattern;
use crate::print::quoted;
use crate::{Effect, Host, HostPattern, Role};

/// What the operator endorses.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endorsement {
    /// What.
    pub of: Endorsed,
    /// All that a call may do that it speaks for.
    pub effects: BTreeSet<Effect>,
    /// The last day on which it holds; none is for as long as it is kept by who gave it.
    pub until: Option<Day>,
}

/// What is endorsed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endorsed {
    /// What a source says.
    Source {
        /// Which.
        source: Origin,
        /// To whom it may lead; none is whoever the source names.
        targets: Option<Vec<TextPattern>>,
    },
    /// One value, as one thing to a call.
    Value {
        /// As what.
        role: Role,
        /// As the call has it.
        value: String,
    },
}

/// Which sources are meant: all that is said of one has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// What a tool was asked for: a path.
    #[serde(default)]
    pub file: Option<String>,
    /// Names of the tool that told it.
    #[serde(default)]
    pub tool: Option<TextPattern>,
    /// The host of what a tool was asked for.
    #[serde(default)]
    pub host: Option<HostPattern>,
    /// SHA-256 of what it says.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Who wrote it, by a field that a machine fills.
    #[serde(default)]
    pub author: Option<String>,
}

/// Where something that was read came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The tool that told it; empty where nobody is known to have.
    pub tool: String,
    /// What that was asked for: paths and addresses.
    pub places: Vec<String>,
    /// SHA-256 of what it says, in hexadecimal.
    pub sha256: String,
    /// Who wrote it, where a field that a machine fills says so.
    pub author: Option<String>,
}

/// A call, and all that speaks against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doubted {
    /// The tool.
    pub tool: String,
    /// What it does.
    pub effects: BTreeSet<Effect>,
    /// What speaks against it.
    pub doubts: Vec<Doubt>,
}

/// One thing that speaks against a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doubt {
    /// The effect that nothing asks for, where that is it.
    pub effect: Option<Effect>,
    /// The argument, where it is a value.
    pub argument: Option<String>,
    /// What that is to the call.
    pub role: Option<Role>,
    /// The value, or the beginning of it.
    pub value: String,
    /// It is all of the value.
    pub whole: bool,
    /// Why it counts, in words.
    pub why: String,
    /// Words around it where it stands: others' words.
    pub around: String,
    /// Where it stands, the closest first.
    pub sources: Vec<Source>,
}

impl Origin {
    /// Whether a source is meant.
    #[must_use]
    pub fn is(&self, source: &Source) -> bool {
        let file = |file: &String| source.places.iter().any(|place| own(place) == own(file));
        let host = |host: &HostPattern| source.places.iter().filter_map(|place| at(place)).any(|at| host.covers(&at));
        let author = |author: &String| source.author.as_ref().is_some_and(|own| same(own, author));
        self.file.as_ref().is_none_or(file)
            && self.tool.as_ref().is_none_or(|tool| tool.takes(&source.tool, false))
            && self.host.as_ref().is_none_or(host)
            && self.sha256.as_ref().is_none_or(|hash| *hash == source.sha256)
            && self.author.as_ref().is_none_or(author)
    }

    /// This source as it is, and no later content of it.
    #[must_use]
    pub fn exactly(source: &Source) -> Origin {
        Origin {
            tool: TextPattern::literal(&source.tool),
            sha256: Some(source.sha256.clone()),
            author: source.author.clone(),
            ..Origin::default()
        }
    }
}

/// A path as it is compared.
fn own(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}

fn same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// The host of an address.
fn at(place: &str) -> Option<HostPattern> {
    let rest = place.strip_prefix("https://").or_else(|| place.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    // A name before an `@` is not where it goes.
    let host = authority.rsplit('@').next()?;
    Host::parse_with_port(host).ok().map(|(host, _)| match host {
        Host::Name(name) => HostPattern::Exact(name),
        Host::Address(address) => HostPattern::Address(address),
    })
}

impl Endorsement {
    fn holds(&self, today: Day) -> bool {
        self.until.is_none_or(|until| today <= until)
    }

    /// Whether it lifts one doubt about a call of which it may speak for everything that it does.
    fn lifts(&self, doubt: &Doubt) -> bool {
        match &self.of {
            Endorsed::Value { role, value } => doubt.whole && doubt.role == Some(*role) && doubt.value == *value,
            Endorsed::Source { source, targets } => {
                let leads = doubt.role != Some(Role::Target)
                    || targets.as_ref().is_none_or(|targets| {
                        doubt.whole && targets.iter().any(|target| target.takes(&doubt.value, false))
                    });
                leads && doubt.sources.iter().any(|one| source.is(one))
            }
        }
    }
}

impl Doubted {
    /// What it does that has to be spoken for: all that changes something, else that it reads.
    #[must_use]
    pub fn needs(&self) -> BTreeSet<Effect> {
        let changes: BTreeSet<Effect> = self.effects.iter().copied().filter(|effect| *effect != Effect::Read).collect();
        if changes.is_empty() { BTreeSet::from([Effect::Read]) } else { changes }
    }

    /// What lifts all that speaks against it, on this day; nothing where any of that stays. An effect that nothing asks for is
    /// lifted by what speaks for a value of the call.
    #[must_use]
    pub fn lifted<'e>(
        &self,
        by: impl IntoIterator<Item = &'e Endorsement>,
        today: Day,
    ) -> Option<Vec<&'e Endorsement>> {
        let needs = self.needs();
        let able: Vec<&Endorsement> =
            by.into_iter().filter(|one| one.holds(today) && needs.is_subset(&one.effects)).collect();
        let mut used: Vec<&Endorsement> = Vec::new();
        for doubt in &self.doubts {
            let lifting = match (doubt.effect, &doubt.argument) {
                (Some(_), _) => able.iter().find(|one| self.speaks(one, doubt)),
                (None, Some(_)) => able.iter().find(|one| one.lifts(doubt)),
                // It could not be looked through.
                (None, None) => None,
            }?;
            if !used.contains(lifting) {
                used.push(lifting);
            }
        }
        (!used.is_empty()).then_some(used)
    }

    /// Whether something that is endorsed stands behind what the call does.
    fn speaks(&self, one: &Endorsement, doubt: &Doubt) -> bool {
        match one.of {
            Endorsed::Source { .. } => one.lifts(doubt),
            Endorsed::Value { .. } => self.doubts.iter().any(|other| other.argument.is_some() && one.lifts(other)),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("file", self.file.clone()),
            ("tool", self.tool.as_ref().map(|tool| tool.as_str().to_owned())),
            ("host", self.host.as_ref().map(ToString::to_string)),
            ("sha256", self.sha256.clone()),
            ("author", self.author.clone()),
        ];
        let said: Vec<String> =
            parts.into_iter().filter_map(|(key, value)| Some(format!("{key}: {}", quoted(&value?)))).collect();
        write!(formatter, "{{{}}}", said.join(", "))
    }
}

impl fmt::Display for Endorsement {
    /// As it stands in a policy; a value stands there under `ground` of `tools`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effects: Vec<&str> = self.effects.iter().map(|effect| effect.name()).collect();
        let effects = effects.join(", ");
        match &self.of {
            Endorsed::Value { role, value } => {
                write!(formatter, "{{value: {}, role: {}, effects: [{effects}]", quoted(value), role.name())?;
            }
            Endorsed::Source { source, targets } => {
                write!(formatter, "{{source: {source}, effects: [{effects}]")?;
                if let Some(targets) = targets {
                    let targets: Vec<String> = targets.iter().map(|target| quoted(target.as_str())).collect();
                    write!(formatter, ", targets: [{}]", targets.join(", "))?;
                }
            }
        }
        if let Some(until) = self.until {
            write!(formatter, ", until: {until}")?;
        }
        write!(formatter, "}}")
    }
}

#[cfg(test)]
mod tests;
