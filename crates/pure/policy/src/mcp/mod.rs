//! The Model Context Protocol, as rules see it: which tools are called and with what, what else a server is asked for, and
//! what it may ask for itself.
//!
//! Where a rule has it spoken, each message is read once, strictly, and decided by itself. What two servers could read in two
//! ways is none.

mod heard;
mod message;
mod rpc;
mod said;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use heard::{Asks, Kind, LISTS, Offer, asks_in, elicits, offers, words};
pub use message::Message;
pub use rpc::{Id, Odd, Rpc};
pub use said::{Said, What, without_capabilities};
pub use text::{TextError, TextPattern};

use crate::print::quoted;

/// The name under which every argument stands that a rule does not name itself.
pub const OTHERS: &str = "*";

/// What a rule with `protocol: mcp` is about. Where it names no tool, resource or prompt it is about all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Mcp {
    /// Tools that are called.
    #[serde(default)]
    pub tools: Option<Vec<TextPattern>>,
    /// Their arguments, by name; empty means any.
    #[serde(default)]
    pub arguments: BTreeMap<String, Vec<TextPattern>>,
    /// Resources that are read.
    #[serde(default)]
    pub resources: Option<Vec<TextPattern>>,
    /// Prompts that are fetched.
    #[serde(default)]
    pub prompts: Option<Vec<TextPattern>>,
    /// What the server may do that it otherwise may not.
    #[serde(default)]
    pub grant: BTreeSet<Grant>,
}

/// What a server does not do unless it is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// Ask the program's model.
    Sampling,
    /// Ask the program's user.
    Elicitation,
    /// Ask for the directories that the program works in.
    Roots,
    /// Describe what it offers in another way than it did at first.
    Changes,
}

impl Grant {
    /// Every one, in the order of the language.
    pub const ALL: [Grant; 4] = [Grant::Sampling, Grant::Elicitation, Grant::Roots, Grant::Changes];

    /// The name as written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Grant::Sampling => "sampling",
            Grant::Elicitation => "elicitation",
            Grant::Roots => "roots",
            Grant::Changes => "changes",
        }
    }
}

impl Mcp {
    /// Whether nothing is said of messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Mcp::default()
    }

    /// Whether it names no tool, resource or prompt.
    const fn is_about_all(&self) -> bool {
        self.tools.is_none() && self.resources.is_none() && self.prompts.is_none()
    }

    /// Whether an allow rule takes a message.
    pub(crate) fn takes(&self, message: &Message) -> bool {
        let named = |list: &Option<Vec<TextPattern>>, name: &str| {
            list.as_ref().map_or(self.is_about_all(), |list| list.iter().any(|one| one.takes(name, false)))
        };
        match message {
            Message::Plain { .. } => true,
            Message::Tool { name, arguments } => {
                named(&self.tools, name) && arguments.as_ref().is_none_or(|arguments| self.takes_arguments(arguments))
            }
            Message::Resource { uri, .. } => named(&self.resources, uri),
            Message::Prompt { name, .. } => named(&self.prompts, name),
            Message::Granted(grant) => self.grant.contains(grant),
        }
    }

    /// Each argument that is named fits; what is not named, stands under [`OTHERS`] or not at all.
    fn takes_arguments(&self, arguments: &Map<String, Value>) -> bool {
        if self.arguments.is_empty() {
            return true;
        }
        let fits = |patterns: &[TextPattern], value: Option<&Value>| match value {
            Some(value) => patterns.iter().any(|pattern| pattern.takes_value(value, false)),
            // What is not there is what the server makes of it.
            None => patterns.iter().any(TextPattern::is_all),
        };
        let named = self.arguments.iter().filter(|(name, _)| *name != OTHERS);
        let others = self.arguments.get(OTHERS).map_or(&[][..], Vec::as_slice);
        named.clone().all(|(name, patterns)| fits(patterns, arguments.get(name)))
            && arguments
                .iter()
                .filter(|(name, _)| !named.clone().any(|(own, _)| own == *name))
                .all(|(_, value)| fits(others, Some(value)))
    }

    /// Whether a deny rule means a message, in any way in which a server may read it.
    pub(crate) fn means(&self, message: &Message) -> bool {
        let named = |list: &Option<Vec<TextPattern>>, name: &str| {
            list.as_ref().is_some_and(|list| list.iter().any(|one| one.takes(name, true)))
        };
        match message {
            _ if self.is_empty() => true,
            Message::Tool { name, arguments } => {
                let tool = named(&self.tools, name) || self.tools.is_none() && !self.arguments.is_empty();
                tool && self.means_arguments(arguments.as_ref())
            }
            Message::Resource { uri, .. } => named(&self.resources, uri),
            Message::Prompt { name, .. } => named(&self.prompts, name),
            Message::Plain { .. } | Message::Granted(_) => false,
        }
    }

    /// Where it is not known what a tool is called with, a rule about that means none.
    fn means_arguments(&self, arguments: Option<&Map<String, Value>>) -> bool {
        let Some(arguments) = arguments else { return self.arguments.is_empty() };
        self.arguments.iter().all(|(name, patterns)| {
            let alike = |other: &str| name == OTHERS || folded(other) == folded(name);
            let mut values = arguments.iter().filter(|(other, _)| alike(other)).map(|(_, value)| value);
            values.any(|value| patterns.iter().any(|pattern| pattern.takes_value(value, true)))
        })
    }

    /// Whether it takes every message that the other one takes; not seen where it takes more than a look.
    pub(crate) fn covers(&self, other: &Mcp) -> bool {
        let list = |own: &Option<Vec<TextPattern>>, other: &Option<Vec<TextPattern>>| match (own, other) {
            (_, None) => true,
            (None, Some(other)) => other.is_empty(),
            (Some(own), Some(other)) => other.iter().all(|one| own.iter().any(|own| own.covers(one))),
        };
        let lists = list(&self.tools, &other.tools)
            && list(&self.resources, &other.resources)
            && list(&self.prompts, &other.prompts);
        let named = self.is_about_all() || !other.is_about_all() && lists;
        let arguments = self.arguments.is_empty() || self.arguments == other.arguments;
        named && arguments && other.grant.is_subset(&self.grant)
    }
}

/// A name in one case of letters: some servers take a field by its name in any.
pub(crate) fn folded(name: &str) -> String {
    let lower = name.chars().flat_map(char::to_lowercase);
    lower.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

impl fmt::Display for Mcp {
    /// As it stands within a rule: each key after a comma.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |patterns: &[TextPattern]| {
            patterns.iter().map(|pattern| quoted(pattern.as_str())).collect::<Vec<_>>().join(", ")
        };
        if let Some(tools) = &self.tools {
            write!(formatter, ", tools: [{}]", list(tools))?;
        }
        if !self.arguments.is_empty() {
            let said =
                |(name, patterns): (&String, &Vec<TextPattern>)| format!("{}: [{}]", quoted(name), list(patterns));
            let said: Vec<String> = self.arguments.iter().map(said).collect();
            write!(formatter, ", arguments: {{{}}}", said.join(", "))?;
        }
        for (key, patterns) in [("resources", &self.resources), ("prompts", &self.prompts)] {
            if let Some(patterns) = patterns {
                write!(formatter, ", {key}: [{}]", list(patterns))?;
            }
        }
        if !self.grant.is_empty() {
            let names: Vec<&str> = self.grant.iter().map(|grant| grant.name()).collect();
            write!(formatter, ", grant: [{}]", names.join(", "))?;
        }
        Ok(())
    }
}
