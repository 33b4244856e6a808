//! What becomes of what a model repeats from others' words to the person who reads it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What becomes of one kind of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repeated {
    /// It is told as the model says it.
    #[default]
    Pass,
    /// Behind it stands whose it is.
    Mark,
    /// It is left out.
    Cut,
}

/// The `foreign` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Foreign {
    /// Links to hosts that others' words brought up, and the operator's did not.
    pub links: Repeated,
    /// Images from there: many programs fetch one as soon as it is shown.
    pub images: Repeated,
    /// Sentences of others' that read like an order.
    pub instructions: Repeated,
}

impl Repeated {
    /// Every one, in the order of the language.
    pub const ALL: [Repeated; 3] = [Repeated::Pass, Repeated::Mark, Repeated::Cut];

    /// The name as written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Repeated::Pass => "pass",
            Repeated::Mark => "mark",
            Repeated::Cut => "cut",
        }
    }
}

impl Foreign {
    /// Whether there is anything to look for.
    #[must_use]
    pub fn looks(self) -> bool {
        self != Foreign::default()
    }

    /// The stricter of both, for each kind.
    #[must_use]
    pub fn and(self, other: Foreign) -> Foreign {
        Foreign {
            links: self.links.max(other.links),
            images: self.images.max(other.images),
            instructions: self.instructions.max(other.instructions),
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Foreign { links, images, instructions } = self;
        let (links, images, instructions) = (links.name(), images.name(), instructions.name());
        write!(formatter, "{{links: {links}, images: {images}, instructions: {instructions}}}")
    }
}
