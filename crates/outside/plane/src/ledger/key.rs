//! The key that signs checkpoints: Ed25519, in the form of C2SP's `PRIVATE+KEY+NAME+ID+BASE64`. It never leaves the plane
//! of its operator: no cell, gate or client has it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use record::ledger::{Checkpoint, Encoded, PublicKey, SignatureKind, signature_line, to_be_signed};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::LedgerError;
use crate::store::replace_durably;

const MARK: &str = "PRIVATE+KEY+";
/// The longest file of a key; ours have 94 bytes.
const MOST: u64 = 1024;

/// Signs.
#[derive(Debug)]
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// The key in that file, if there is one.
    ///
    /// # Errors
    /// When it is none, or others may read it.
    pub(super) fn open(path: &Path) -> Result<Option<SigningKey>, LedgerError> {
        let meta = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(LedgerError::host("read", path))?,
        };
        let mine = meta.uid() == rustix::process::geteuid().as_raw() && meta.permissions().mode() & 0o077 == 0;
        if !mine || !meta.is_file() || meta.len() > MOST {
            return Err(LedgerError::Key(format!("`{}` is not a file of its operator alone", path.display())));
        }
        let text = fs::read_to_string(path).map(Zeroizing::new).map_err(LedgerError::host("read", path))?;
        // No message holds a part of it.
        let key = SigningKey::read(text.trim_end()).ok_or_else(|| LedgerError::Key("is damaged".into()))?;
        Ok(Some(key))
    }

    /// Makes one, on disk when it returns.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn make(path: &Path) -> Result<SigningKey, LedgerError> {
        let mut seed = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *seed).map_err(|_| LedgerError::Key("could not be made".into()))?;
        let pair = pair(&*seed).ok_or_else(|| LedgerError::Key("could not be made".into()))?;
        let name = name(pair.public_key().as_ref());
        let key = SigningKey::of(pair, &name).ok_or_else(|| LedgerError::Key("could not be made".into()))?;
        let kind = SignatureKind::Plain;
        let bytes = Zeroizing::new([&[kind as u8], &seed[..]].concat());
        let encoded = Zeroizing::new(STANDARD.encode(&*bytes));
        let text = Zeroizing::new(format!("{MARK}{name}+{:08x}+{}\n", key.public.id(kind), *encoded));
        replace_durably(path, text.as_bytes()).map_err(LedgerError::host("write", path))?;
        Ok(key)
    }

    /// The key that such a text is.
    #[must_use]
    pub fn read(text: &str) -> Option<SigningKey> {
        let Encoded { name, id, kind, bytes } = Encoded::read(text.strip_prefix(MARK)?).ok()?;
        let seed = Zeroizing::new(bytes);
        let key = SigningKey::of(pair(&seed)?, name)?;
        (kind == SignatureKind::Plain as u8 && key.public.id(SignatureKind::Plain) == id).then_some(key)
    }

    fn of(pair: Ed25519KeyPair, name: &str) -> Option<SigningKey> {
        let bytes = pair.public_key().as_ref().try_into().ok()?;
        Some(SigningKey { public: PublicKey::new(name, bytes).ok()?, pair })
    }

    /// The half that everybody may know.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The line of a signature over a text, and over a time, in seconds since the Unix epoch, where one is given.
    #[must_use]
    pub fn sign(&self, text: &str, time: Option<u64>) -> String {
        let signature = self.pair.sign(&to_be_signed(text, time));
        signature_line(&self.public, time, signature.as_ref())
    }

    /// A signed checkpoint: once as every reader of such notes knows it, once with the time.
    #[must_use]
    pub fn note(&self, checkpoint: &Checkpoint, time: u64) -> String {
        let text = checkpoint.to_string();
        format!("{text}\n{}{}", self.sign(&text, None), self.sign(&text, Some(time)))
    }
}

fn pair(seed: &[u8]) -> Option<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(seed).ok()
}

/// Whether a signature of these bytes is the key's.
#[must_use]
pub fn is_signature(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
}

/// What a log is called: by its key, so that no two have one name.
fn name(public: &[u8]) -> String {
    let hash = Sha256::digest(public);
    format!("bastide/log/{}", hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>())
}
