//! What a policy says of the calls that a model makes: what a tool does, what its arguments are, and which values its operator
//! vouches for. Whether calls are judged at all, and whose words count as the operator's.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::mcp::TextPattern;
use crate::print::quoted;

/// How the name of a request of HTTP begins, where it is judged as a call: `request:POST:api.example`.
pub const REQUESTS: &str = "request:";
/// How a petition for a sub-agent is called where it is judged as one.
pub const SPAWN: &str = "petition:spawn";

/// What a call does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Nothing but to tell.
    Read,
    /// Something is made or changed.
    Write,
    /// Somebody is told.
    Send,
    /// Money goes, or is bound.
    Spend,
    /// Something is no more.
    Delete,
    /// A program runs.
    Execute,
    /// Everybody is told.
    Publish,
    /// Another agent begins.
    Spawn,
}

/// What an argument is to its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Who or where it goes to.
    Target,
    /// Which thing it is about.
    Reference,
    /// How much.
    Amount,
    /// What is said.
    Content,
    /// What narrows or times it, and chooses nobody.
    Selector,
}

/// What becomes of a call that nothing the operator said speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grounding {
    /// Calls are not judged.
    #[default]
    Off,
    /// The operator is asked; it is refused where he does not answer.
    Ask,
    /// It is refused.
    Deny,
}

/// Whose words are the operator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intent {
    /// What he is known to have said: the command line, what he typed.
    #[default]
    Attested,
    /// What stands as the user's in a request to a model too: he vouches for the program that writes it.
    UserRole,
}

/// What a policy says of some tools. All rules that match hold together, whatever their order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolRule {
    /// Names of tools.
    pub matches: TextPattern,
    /// What they do, in place of what their names tell.
    #[serde(default)]
    pub effect: Option<Effect>,
    /// What arguments are, by name.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
    /// Values that need no other ground, by argument.
    #[serde(default)]
    pub ground: BTreeMap<String, Vec<TextPattern>>,
    /// What fields of their results are, by name; `content` is written by whoever likes.
    #[serde(default)]
    pub returns: BTreeMap<String, Role>,
}

macro_rules! named {
    ($type:ident: $($variant:ident $name:literal),+) => {
        impl $type {
            /// Every one, in the order of the language.
            pub const ALL: &'static [$type] = &[$($type::$variant),+];

            /// The name as written.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name),+
                }
            }
        }
    };
}

named!(Effect: Read "read", Write "write", Send "send", Spend "spend", Delete "delete", Execute "execute",
    Publish "publish", Spawn "spawn");
named!(Role: Target "target", Reference "reference", Amount "amount", Content "content", Selector "selector");
named!(Grounding: Off "off", Ask "ask", Deny "deny");
named!(Intent: Attested "attested", UserRole "user-role");

impl ToolRule {
    /// Whether it is about a tool of this name. What it says of all tools it does not say of requests and petitions: those it
    /// has to name.
    #[must_use]
    pub fn is_about(&self, tool: &str) -> bool {
        let named = match tool == SPAWN {
            true => self.matches.as_str() == SPAWN,
            false => !tool.starts_with(REQUESTS) || self.matches.as_str().starts_with(REQUESTS),
        };
        named && self.matches.takes(tool, false)
    }

    /// Whether it vouches for a value of an argument.
    #[must_use]
    pub fn grounds(&self, argument: &str, value: &str) -> bool {
        self.ground.get(argument).is_some_and(|patterns| patterns.iter().any(|pattern| pattern.takes(value, false)))
    }
}

impl fmt::Display for ToolRule {
    /// As it stands in a policy.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{match: {}", quoted(self.matches.as_str()))?;
        if let Some(effect) = self.effect {
            write!(formatter, ", effect: {}", effect.name())?;
        }
        let roles = |map: &BTreeMap<String, Role>| {
            let pairs: Vec<String> =
                map.iter().map(|(name, role)| format!("{}: {}", quoted(name), role.name())).collect();
            pairs.join(", ")
        };
        if !self.roles.is_empty() {
            write!(formatter, ", roles: {{{}}}", roles(&self.roles))?;
        }
        if !self.ground.is_empty() {
            let list = |patterns: &[TextPattern]| {
                patterns.iter().map(|pattern| quoted(pattern.as_str())).collect::<Vec<_>>().join(", ")
            };
            let pairs: Vec<String> =
                self.ground.iter().map(|(name, values)| format!("{}: [{}]", quoted(name), list(values))).collect();
            write!(formatter, ", ground: {{{}}}", pairs.join(", "))?;
        }
        if !self.returns.is_empty() {
            write!(formatter, ", returns: {{{}}}", roles(&self.returns))?;
        }
        write!(formatter, "}}")
    }
}
