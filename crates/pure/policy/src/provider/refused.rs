//! A refusal in words that an agent can act on. It never shows more of what was sent than a few visible characters.

use std::fmt;

use super::Hosted;

/// Longest text of the agent's own that a refusal repeats, in characters.
const MAX_SHOWN: usize = 64;

/// Why a request to a provider does not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    /// The part that is refused, for example ``tools[2].type `web_search_20250305` ``; empty for the body as a whole.
    pub what: String,
    /// The reason, for example `the provider would search the web for the agent, past the door`.
    pub why: &'static str,
    /// What would help.
    pub hint: Option<String>,
}

impl Refused {
    pub(super) fn hint(self, hint: String) -> Refused {
        Refused { hint: Some(hint), ..self }
    }

    pub(super) fn grant(self, hosted: Hosted) -> Refused {
        self.hint(format!("the operator grants it with `{hosted}` under `inference.grant`"))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.what.is_empty() { "the request" } else { &self.what };
        write!(formatter, "{what}: {}", self.why)?;
        self.hint.iter().try_for_each(|hint| write!(formatter, "; hint: {hint}"))
    }
}

/// A text of the agent's own in visible characters of one line.
pub(super) fn shown(text: &str) -> String {
    let mut characters = text.chars();
    let visible = |character: char| if character.is_ascii_graphic() && character != '`' { character } else { '?' };
    let shown: String = characters.by_ref().take(MAX_SHOWN).map(visible).collect();
    if characters.next().is_some() { shown + "…" } else { shown }
}
