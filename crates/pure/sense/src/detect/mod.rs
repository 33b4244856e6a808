//! What in a text speaks for an attack on the model that reads it, as named evidence with its place: instructions in what is
//! only data, text that no reader sees, instructions in an encoding, secrets in what leaves.
//!
//! Evidence raises a risk and decides nothing: whoever knows these detectors writes around them. Each looks at so many
//! bytes and tells so much, in time that is linear in them, whatever the text is.

mod classes;
mod encoded;
mod escaped;
mod hidden;
mod instruct;
mod model;
mod phrases;
mod secrets;
mod view;

#[cfg(feature = "train")]
pub mod train;

use std::ops::Range;

pub use instruct::{Judged, folded, orders, score};
pub use secrets::Secrets;

use crate::evidence::MAX_QUOTE;
use view::View;
pub(crate) use view::is_invisible;

/// Bytes of one text that are looked at: its beginning, and of a longer one its end too.
pub const LOOKED: usize = 256 << 10;
/// Bytes of its end.
const END: usize = 64 << 10;
/// Evidence that one text gives.
pub const MANY: usize = 8;
/// Of one name.
const OF_ONE: usize = 3;

/// What evidence shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// Data that tells the model what to do.
    Instruction,
    /// Text that a reader of the page would not see, and that tells the model what to do.
    HiddenText,
    /// The same in an encoding.
    EncodedInstruction,
    /// A tool says something else of itself than it did.
    ChangedDescription,
    /// Where nothing went before, once there was other evidence.
    NewDestination,
    /// A call that nothing the operator said speaks for.
    Drift,
    /// A secret in what leaves.
    Secret,
}

impl Name {
    /// All, in the order of this list.
    pub const ALL: [Name; 7] = [
        Name::Instruction,
        Name::HiddenText,
        Name::EncodedInstruction,
        Name::ChangedDescription,
        Name::NewDestination,
        Name::Drift,
        Name::Secret,
    ];

    /// As it stands in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Name::Instruction => "instruction",
            Name::HiddenText => "hidden-text",
            Name::EncodedInstruction => "encoded-instruction",
            Name::ChangedDescription => "changed-description",
            Name::NewDestination => "new-destination",
            Name::Drift => "drift",
            Name::Secret => "secret",
        }
    }

    /// The name that is written so.
    #[must_use]
    pub fn of(text: &str) -> Option<Name> {
        Name::ALL.into_iter().find(|name| name.as_str() == text)
    }

    /// What it weighs where a detector says no more of it.
    #[must_use]
    pub const fn weight(self) -> u32 {
        match self {
            Name::Instruction => 25,
            Name::HiddenText | Name::EncodedInstruction | Name::Secret => 40,
            Name::ChangedDescription => 30,
            Name::NewDestination => 15,
            Name::Drift => 35,
        }
    }
}

/// One thing that speaks for an attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What it is.
    pub name: Name,
    /// Where it stands, in bytes of the text.
    pub span: Range<usize>,
    /// Points of risk.
    pub weight: u32,
    /// Why, in our words.
    pub why: String,
    /// What stands there, at most [`MAX_QUOTE`] bytes; of a secret only what kind it is.
    pub quoted: String,
}

/// Looks at a text that came in from somebody else.
#[must_use]
pub fn incoming(text: &str) -> Vec<Evidence> {
    let mut found = Found::default();
    for (from, part) in parts(text) {
        let view = View::of(part);
        instruct::find(&view, part, from, &mut found);
        hidden::find(part, from, &mut found);
        encoded::find(part, from, &mut found);
    }
    found.finish()
}

/// Looks for secrets in a text that leaves.
#[must_use]
pub fn outgoing(text: &str, secrets: &Secrets) -> Vec<Evidence> {
    let mut found = Found::default();
    for (from, part) in parts(text) {
        secrets.find(part, from, &mut found);
    }
    found.finish()
}

/// What is looked at of a text: all of it, or its beginning and its end.
fn parts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let (head, tail) = if text.len() <= LOOKED {
        (text.len(), text.len())
    } else {
        (floor(text, LOOKED - END), floor(text, text.len() - END))
    };
    [(0, &text[..head]), (tail, &text[tail..])].into_iter().filter(|(_, part)| !part.is_empty())
}

/// The last place at or before this one that lies between two characters.
fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// As much of a text as is quoted.
fn quoted(text: &str) -> String {
    text[..floor(text, MAX_QUOTE)].to_owned()
}

/// What was found so far: of each name the heaviest few.
#[derive(Debug, Default)]
struct Found(Vec<Evidence>);

impl Found {
    fn push(&mut self, evidence: Evidence) {
        let same = |one: &Evidence| one.name == evidence.name;
        if self.0.iter().filter(|one| same(one)).count() < OF_ONE {
            return self.0.push(evidence);
        }
        let lightest = self.0.iter_mut().filter(|one| same(one)).min_by_key(|one| one.weight);
        if let Some(lightest) = lightest.filter(|one| one.weight < evidence.weight) {
            *lightest = evidence;
        }
    }

    fn finish(mut self) -> Vec<Evidence> {
        self.0.sort_by(|one, other| other.weight.cmp(&one.weight).then(one.span.start.cmp(&other.span.start)));
        self.0.truncate(MANY);
        self.0
    }
}

#[cfg(test)]
mod tests;
