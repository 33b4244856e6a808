//! What secrets look like beside the forms that are known anyway: rules of a file that a policy names, made ready when it
//! was read. They find and decide nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::print;

/// Rules of one policy, and expressions of what they are not, together.
pub const MOST_RULES: usize = 1024;

/// The rules of one file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRules {
    /// Where it lies; of one that adds to another both, the other first.
    pub files: Vec<String>,
    /// Rules of it that the policy leaves out, by their names.
    pub except: Vec<String>,
    /// They.
    pub rules: Vec<SecretRule>,
    /// What none of them means.
    pub allows: Vec<Allow>,
    /// What of the file is not applied, a line for each.
    pub left: Vec<String>,
}

/// What a secret looks like.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRule {
    /// What it is called.
    pub id: String,
    /// Its expression, for the crate `regex`.
    pub regex: String,
    /// The group that is the secret; 0 for the first that says something, and where there is none for the whole match.
    pub group: usize,
    /// More than so much entropy, in millionths of a bit a character.
    pub entropy: Option<u32>,
    /// Words of which one stands in every text that it may match, in lower case; none means in any.
    pub keywords: Vec<String>,
    /// What the file is called that it is found in, as an expression: what leaves has to name one.
    pub path: Option<String>,
    /// What it is not.
    pub allows: Vec<Allow>,
}

/// What is no secret after all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// What the expressions are about.
    pub of: Part,
    /// Any of them.
    pub regexes: Vec<String>,
    /// Words, in lower case, of which the secret contains any.
    pub stopwords: Vec<String>,
    /// An expression and a word, where both are given; else either is enough.
    pub both: bool,
    /// The rules that it is about; none means all that it stands with.
    pub rules: Vec<String>,
}

/// What an [`Allow`] looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The secret.
    #[default]
    Secret,
    /// The whole match.
    Match,
    /// Its lines.
    Line,
}

impl fmt::Display for SecretRules {
    /// As it stands in a policy.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |names: &[String]| names.iter().map(|name| print::quoted(name)).collect::<Vec<_>>().join(", ");
        match &self.files[..] {
            [one] => write!(formatter, "{{rules: {}", print::quoted(one))?,
            more => write!(formatter, "{{rules: [{}]", quoted(more))?,
        }
        if !self.except.is_empty() {
            write!(formatter, ", except: [{}]", quoted(&self.except))?;
        }
        formatter.write_str("}")
    }
}
