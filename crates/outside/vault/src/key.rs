//! The key, and what lies under it: one document of JSON for each secret, encrypted by age.
//!
//! Errors of age are never shown: which of its steps failed is nothing that an operator can act on.

use std::io::{Read, Write};
use std::str::FromStr;

use age::x25519::Identity;
use age::{Decryptor, Encryptor};
use serde::{Deserialize, Serialize};
use wire::command::{Derives, SecretText};
use zeroize::Zeroizing;

use crate::entry::{Entry, Name, Value};
use crate::error::Damage;

/// The form of what is encrypted.
const VERSION: u32 = 1;
/// More than every document that is written: each byte of a value takes two at most.
const ROOM: usize = 2 * SecretText::MOST + 64 * 1024;

/// The one key of a vault.
pub(crate) struct Key(Identity);

/// A secret as it was set.
pub(crate) struct Opened {
    pub(crate) entry: Entry,
    /// Seconds since the Unix epoch.
    pub(crate) since: u64,
}

/// What is written. Strings are borrowed, so that no copy of a value is left behind.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    name: &'a str,
    to: &'a str,
    paths: &'a [String],
    since: u64,
    value: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    derives: Option<&'a Derives>,
}

/// What is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    name: String,
    to: String,
    paths: Vec<String>,
    since: u64,
    value: SecretText,
    #[serde(default)]
    derives: Option<Derives>,
}

impl Key {
    /// A fresh one, of the kernel's randomness.
    pub(crate) fn make() -> Key {
        Key(Identity::generate())
    }

    /// The key that a text holds, in the form of age's own tools.
    pub(crate) fn read(text: &[u8]) -> Option<Key> {
        let line = std::str::from_utf8(text).ok()?.trim_end_matches('\n');
        Identity::from_str(line).ok().map(Key)
    }

    /// The text of it.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        use age::secrecy::ExposeSecret;
        let text = self.0.to_string();
        let mut line = Zeroizing::new(String::with_capacity(text.expose_secret().len() + 1));
        line.push_str(text.expose_secret());
        line.push('\n');
        line
    }

    /// Encrypts a secret.
    pub(crate) fn seal(&self, entry: &Entry, since: u64) -> std::io::Result<Vec<u8>> {
        let document = Document {
            version: VERSION,
            name: entry.name().as_str(),
            to: entry.to(),
            paths: entry.paths(),
            since,
            value: entry.value().expose(),
            derives: entry.derives(),
        };
        // With room from the first byte: what grows leaves copies behind.
        let mut plain = Zeroizing::new(Vec::with_capacity(ROOM));
        serde_json::to_writer(&mut *plain, &document)?;
        let recipient = self.0.to_public();
        let encryptor = Encryptor::with_recipients(std::iter::once(&recipient as _)).map_err(|_| cannot())?;
        let mut sealed = Vec::new();
        let mut writer = encryptor.wrap_output(&mut sealed)?;
        writer.write_all(&plain)?;
        writer.finish()?;
        Ok(sealed)
    }

    /// Decrypts the secret that is called so.
    pub(crate) fn open(&self, name: &Name, sealed: &[u8]) -> Result<Opened, Damage> {
        let plain = self.plain(sealed).ok_or(Damage::Sealed)?;
        let read: Content = serde_json::from_slice(&plain).map_err(|_| Damage::Content)?;
        // A file that was given another name would be bound to what that name is for.
        if read.version != VERSION || read.name != name.as_str() {
            return Err(Damage::Content);
        }
        let value = Value::parse(&read.value).map_err(|_| Damage::Content)?;
        let mut entry = Entry::new(name.clone(), value, read.to, read.paths).map_err(|_| Damage::Content)?;
        if let Some(derives) = read.derives {
            entry = entry.deriving(derives).map_err(|_| Damage::Content)?;
        }
        Ok(Opened { entry, since: read.since })
    }

    fn plain(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let decryptor = Decryptor::new_buffered(sealed).ok()?;
        let mut reader = decryptor.decrypt(std::iter::once(&self.0 as _)).ok()?;
        let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
        reader.read_to_end(&mut plain).ok()?;
        Some(plain)
    }
}

fn cannot() -> std::io::Error {
    std::io::Error::other("it cannot be encrypted")
}
