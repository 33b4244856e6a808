//! `bastide vault …`: what is asked about secrets at rest. A value goes to the plane and never comes back.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

/// `bastide vault …`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "vault", deny_unknown_fields)]
pub enum VaultRequest {
    /// Keep a secret, in the place of one of the same name; answered by [`Reply::Text`](super::Reply::Text).
    Set {
        /// What it is called.
        name: String,
        /// The one destination that it is for, `HOST[:PORT]`.
        to: String,
        /// Patterns of the paths that it is for, such as `/repos/acme/**`; empty means every path.
        paths: Vec<String>,
        /// The secret, as it was read: a line's end may follow it.
        value: SecretText,
        /// How tokens are derived from it, where it is no token itself.
        #[serde(default)]
        derives: Option<Derives>,
    },
    /// What is kept, without the values; answered by [`Reply::Vault`](super::Reply::Vault).
    List,
    /// Forget one; answered by [`Reply::Text`](super::Reply::Text).
    Remove {
        /// Which.
        name: String,
    },
}

/// How tokens are derived from a secret at an endpoint of OAuth 2 (RFC 6749). Only they go to a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derives {
    /// The endpoint, `https://HOST[:PORT]/PATH`.
    pub url: String,
    /// What the secret is.
    pub grant: Grant,
    /// The client's id.
    pub client: String,
    /// The scope that is asked for.
    pub scope: Option<String>,
    /// Asked with a JSON object instead of a form.
    pub json: bool,
}

/// What a secret is that tokens are derived from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// A refresh token; an endpoint may give another one in its place each time.
    Refresh,
    /// A client's own secret.
    Client,
}

/// Text that is shown nowhere, and wiped when it is dropped. Whoever makes or reads the frame that carries it
/// wipes that.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Longest value of a secret, in bytes.
    pub const MOST: usize = 64 * 1024;

    /// The text, for whoever must have it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> SecretText {
        SecretText(Zeroizing::new(text))
    }
}

impl Serialize for SecretText {
    /// From where it lies: a copy would not be wiped.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Debug for SecretText {
    /// Without the text, and without its length.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretText")
    }
}

/// One secret in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultEntry {
    /// What it is called.
    pub name: String,
    /// The destination that it is for; absent where the file is damaged.
    pub to: Option<String>,
    /// Patterns of the paths that it is for; empty means every path.
    pub paths: Vec<String>,
    /// The endpoint at which tokens are derived from it, where they are.
    pub derived_at: Option<String>,
    /// Seconds since the Unix epoch at which it was set; absent where the file is damaged.
    pub since: Option<u64>,
    /// Why it cannot be used, where it cannot.
    pub damaged: Option<String>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::command::Request;

    #[test]
    fn a_secret_arrives_and_is_shown_nowhere() {
        let value = SecretText::from("hunter2-hunter2".to_owned());
        let set = VaultRequest::Set {
            name: "github".into(),
            to: "api.github.com".into(),
            paths: vec![],
            value,
            derives: None,
        };
        let request = Request::Vault(set);
        assert!(!format!("{request:?}{request:#?}").contains("hunter"));
        let read: Request = crate::decode(&crate::encode(&request).unwrap()).unwrap();
        let Request::Vault(VaultRequest::Set { value, .. }) = read else { panic!("{read:?}") };
        assert_eq!(value.expose(), "hunter2-hunter2");
    }
}
