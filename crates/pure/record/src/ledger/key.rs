//! The key of a log, in the form that others read: `NAME+ID+BASE64`, a "verifier key" of C2SP signed notes.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The longest name. Ours have 27 characters.
const MAX_NAME: usize = 256;

/// What is signed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureKind {
    /// Ed25519 over the text.
    Plain = 1,
    /// Ed25519 over the text and a time before it: C2SP `tlog-cosignature`.
    Timed = 4,
}

/// A public key and the name of who has the other half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    key: [u8; 32],
}

/// The text is no key of a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// It has another form.
    #[error("not `NAME+ID+KEY`, as `bastide log key` prints it")]
    Form,
    /// A name with a space or a `+`, or too long a one.
    #[error("its name is none")]
    Name,
    /// Its id does not follow from the rest.
    #[error("its id is another's: it was not copied whole")]
    Id,
    /// It signs in another way.
    #[error("not a key of Ed25519")]
    Kind,
}

impl PublicKey {
    /// A key under a name.
    ///
    /// # Errors
    /// When the name cannot stand in a note.
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self, BadKey> {
        if is_name(name) { Ok(Self { name: name.to_owned(), key }) } else { Err(BadKey::Name) }
    }

    /// Whose it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its 32 bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// What tells it apart in a note, for signatures of that kind.
    #[must_use]
    pub fn id(&self, kind: SignatureKind) -> u32 {
        id(&self.name, kind as u8, &self.key)
    }
}

/// The id of any key: the first four bytes of a hash.
fn id(name: &str, kind: u8, key: &[u8]) -> u32 {
    let hash = Sha256::new().chain_update(name).chain_update([b'\n', kind]).chain_update(key).finalize();
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

/// Whether it may name a key: not empty, no space of Unicode, no `+`, and no control character.
pub(super) fn is_name(name: &str) -> bool {
    let odd = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '+';
    (1..=MAX_NAME).contains(&name.len()) && !name.contains(odd)
}

impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = SignatureKind::Plain;
        let encoded = STANDARD.encode([&[kind as u8], &self.key[..]].concat());
        write!(out, "{}+{:08x}+{encoded}", self.name, self.id(kind))
    }
}

impl FromStr for PublicKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let Encoded { name, id: said, kind, bytes } = Encoded::read(text)?;
        let key: [u8; 32] = bytes.try_into().map_err(|_| BadKey::Kind)?;
        if id(name, kind, &key) != said {
            return Err(BadKey::Id);
        }
        if kind != SignatureKind::Plain as u8 {
            return Err(BadKey::Kind);
        }
        Self::new(name, key)
    }
}

/// The three parts of a key's text, which public and secret ones have alike.
pub struct Encoded<'t> {
    /// Whose.
    pub name: &'t str,
    /// As it is said: nothing compares it here.
    pub id: u32,
    /// The kind of its signatures, as a number.
    pub kind: u8,
    /// The key.
    pub bytes: Vec<u8>,
}

impl<'t> Encoded<'t> {
    /// Takes `NAME+ID+BASE64` apart.
    ///
    /// # Errors
    /// When it has another form.
    pub fn read(text: &'t str) -> Result<Self, BadKey> {
        // Base64 may hold a `+`, too.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadKey::Form);
        };
        let digits = id.len() == 8 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let id = u32::from_str_radix(id, 16).ok().filter(|_| digits).ok_or(BadKey::Form)?;
        if !is_name(name) {
            return Err(BadKey::Name);
        }
        let mut bytes = STANDARD.decode(key).map_err(|_| BadKey::Form)?;
        if bytes.is_empty() {
            return Err(BadKey::Form);
        }
        let kind = bytes.remove(0);
        Ok(Self { name, id, kind, bytes })
    }
}
