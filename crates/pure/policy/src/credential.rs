//! Which secret of the vault a rule lends to the requests it allows, and the one place of a request where it goes. The
//! value is never here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::print;

/// What stands in the place of a secret inside, where a program wants one: this and the secret's name.
pub const PLACEHOLDER: &str = "bastide-credential-";
/// Longest name of a secret.
const MAX_NAME: usize = 64;

/// A secret of the vault, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Credential {
    /// Its name in the vault.
    pub name: String,
    /// The one position.
    pub position: Position,
}

/// A position in a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Position {
    /// A header, by its name in lower case, after this text.
    Header {
        /// The name.
        name: String,
        /// What stands before the secret.
        prefix: String,
    },
    /// The password of this user, by basic authentication.
    Basic {
        /// The user.
        user: String,
    },
    /// A field at the top of a body that is a form or a JSON object.
    Field {
        /// Its name.
        name: String,
    },
    /// The first segment of the path, after this text. What a program writes behind it gives way.
    Segment {
        /// What stands before the secret, such as `bot`.
        prefix: String,
    },
}

impl Position {
    /// Where most servers want a token: `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer() -> Position {
        Position::Header { name: "authorization".into(), prefix: "Bearer ".into() }
    }
}

/// Whether a text can be a secret's name: 1 to 64 of `a` to `z`, `0` to `9`, `.`, `_` and `-`, a letter or digit first.
#[must_use]
pub fn is_credential_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let first = text.bytes().next().is_some_and(plain);
    first && text.len() <= MAX_NAME && text.bytes().all(|byte| plain(byte) || b"._-".contains(&byte))
}

impl fmt::Display for Credential {
    /// As it stands in a rule.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.position {
            position if *position == Position::bearer() => write!(formatter, "{}", print::quoted(name)),
            Position::Header { name: header, prefix } => {
                write!(formatter, "{{name: {}, header: {}", print::quoted(name), print::quoted(header))?;
                if !prefix.is_empty() {
                    write!(formatter, ", prefix: {}", print::quoted(prefix))?;
                }
                formatter.write_str("}")
            }
            Position::Basic { user } => {
                write!(formatter, "{{name: {}, basic: {}}}", print::quoted(name), print::quoted(user))
            }
            Position::Field { name: field } => {
                write!(formatter, "{{name: {}, field: {}}}", print::quoted(name), print::quoted(field))
            }
            Position::Segment { prefix } => {
                write!(formatter, "{{name: {}, segment: {}}}", print::quoted(name), print::quoted(prefix))
            }
        }
    }
}
