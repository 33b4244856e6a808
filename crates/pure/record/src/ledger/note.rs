//! Checkpoints as others read them: C2SP `tlog-checkpoint`, which is a C2SP `signed-note`.
//!
//! ```text
//! bastide/log/0123456789abcdef                      the origin: which log
//! 20852163                                          its size: how many leaves
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=      its root: the hash of all of them
//!
//! — bastide/log/0123456789abcdef Az3grlgtzPICa5OS…  who signed, and the signature
//! ```
//!
//! Strict: a note that could be read in two ways is none.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::key::{PublicKey, SignatureKind, is_name};
use crate::segment::Hash;

/// The longest note.
pub const MAX_NOTE: usize = 64 * 1024;
/// Signatures of one note. The format asks for 16 at least.
const MAX_SIGNATURES: usize = 64;
/// The last time that a signature may tell.
const LAST: u64 = i64::MAX as u64;

/// The bytes are no signed note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    /// Longer than [`MAX_NOTE`].
    #[error("longer than {MAX_NOTE} bytes")]
    TooLong,
    /// Not UTF-8, or with a control character.
    #[error("not plain text")]
    Text,
    /// No blank line and signatures after it.
    #[error("no blank line with signatures after it")]
    Unsigned,
    /// A line after the blank one is no signature.
    #[error("line {0} after the blank one is no signature")]
    Signature(usize),
    /// More than a reader takes.
    #[error("more than {MAX_SIGNATURES} signatures")]
    TooMany,
}

/// A text and who signed it. Nothing of it is to be believed before it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'n> {
    text: &'n str,
    signatures: Vec<Signature<'n>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature<'n> {
    name: &'n str,
    id: u32,
    bytes: Vec<u8>,
}

impl<'n> Note<'n> {
    /// Takes a note apart.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(bytes: &'n [u8]) -> Result<Self, BadNote> {
        if bytes.len() > MAX_NOTE {
            return Err(BadNote::TooLong);
        }
        let note = std::str::from_utf8(bytes).map_err(|_| BadNote::Text)?;
        if note.contains(|letter: char| letter < ' ' && letter != '\n') {
            return Err(BadNote::Text);
        }
        let at = note.rfind("\n\n").ok_or(BadNote::Unsigned)?;
        let (text, lines) = (&note[..=at], &note[at + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(BadNote::Unsigned)?;
        let mut signatures = Vec::new();
        for (number, line) in (1..).zip(lines.split('\n')) {
            if number > MAX_SIGNATURES {
                return Err(BadNote::TooMany);
            }
            signatures.push(Signature::read(line).ok_or(BadNote::Signature(number))?);
        }
        Ok(Self { text, signatures })
    }

    /// What is signed, with its last line's end.
    #[must_use]
    pub const fn text(&self) -> &'n str {
        self.text
    }

    /// Who says to have signed it: names with the ids of their keys.
    pub fn signers(&self) -> impl Iterator<Item = (&'n str, u32)> {
        self.signatures.iter().map(|signature| (signature.name, signature.id))
    }

    /// The checkpoint that it holds, if the key signed it. `check` says whether a signature of these bytes is the key's:
    /// key, message, signature.
    ///
    /// # Errors
    /// When the key did not sign it, a signature under its name and id is not its own, or what it signed is no checkpoint.
    pub fn open(&self, key: &PublicKey, check: impl Fn(&[u8; 32], &[u8], &[u8]) -> bool) -> Result<Opened, NotOpened> {
        let (mut known, mut time) = (false, None);
        for signature in self.signatures.iter().filter(|signature| signature.name == key.name()) {
            let timed = signature.id == key.id(SignatureKind::Timed);
            if !timed && signature.id != key.id(SignatureKind::Plain) {
                continue;
            }
            let (at, bytes) =
                if timed { signature.timed().ok_or(NotOpened::Forged)? } else { (None, &signature.bytes[..]) };
            if !check(key.bytes(), &to_be_signed(self.text, at), bytes) {
                return Err(NotOpened::Forged);
            }
            (known, time) = (true, time.or(at));
        }
        if !known {
            return Err(NotOpened::Unknown);
        }
        Ok(Opened { checkpoint: Checkpoint::read(self.text)?, time })
    }
}

impl<'n> Signature<'n> {
    fn read(line: &'n str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let bytes = STANDARD.decode(encoded).ok()?;
        let (id, bytes) = bytes.split_first_chunk()?;
        if !is_name(name) || bytes.is_empty() {
            return None;
        }
        Some(Self { name, id: u32::from_be_bytes(*id), bytes: bytes.to_vec() })
    }

    /// The time and the signature, of one that has both.
    fn timed(&self) -> Option<(Option<u64>, &[u8])> {
        let (time, bytes) = self.bytes.split_first_chunk()?;
        let time = u64::from_be_bytes(*time);
        (time <= LAST).then_some((Some(time), bytes))
    }
}

/// The bytes that a signature is over: the text, or the text with seconds since the Unix epoch before it.
#[must_use]
pub fn to_be_signed(text: &str, time: Option<u64>) -> Vec<u8> {
    match time {
        None => text.as_bytes().to_vec(),
        Some(time) => format!("cosignature/v1\ntime {time}\n{text}").into_bytes(),
    }
}

/// A signature's line, with its end.
#[must_use]
pub fn signature_line(key: &PublicKey, time: Option<u64>, signature: &[u8]) -> String {
    let kind = if time.is_some() { SignatureKind::Timed } else { SignatureKind::Plain };
    let mut bytes = key.id(kind).to_be_bytes().to_vec();
    bytes.extend(time.map(u64::to_be_bytes).into_iter().flatten());
    bytes.extend(signature);
    format!("\u{2014} {} {}\n", key.name(), STANDARD.encode(bytes))
}

/// A note that the key signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// Seconds since the Unix epoch at which it was signed, where a signature tells.
    pub time: Option<u64>,
}

/// Why a note says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// Nobody of that name and id signed it.
    #[error("it is signed by another key")]
    Unknown,
    /// A signature under the key's name is not the key's.
    #[error("its signature is not the key's: it was changed")]
    Forged,
    /// It is signed, and no checkpoint.
    #[error("what it signs is no checkpoint: {0}")]
    Checkpoint(#[from] BadCheckpoint),
}

/// The state of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
}

/// The text is no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCheckpoint {
    /// Fewer than three lines, or an empty one.
    #[error("not three lines and none of them empty")]
    Lines,
    /// No number, or one with a sign or a leading zero.
    #[error("its second line is no size")]
    Size,
    /// Not 32 bytes of base64.
    #[error("its third line is no hash")]
    Root,
}

impl Checkpoint {
    /// Reads the text of a note. Lines after the third may be there, and mean nothing here.
    ///
    /// # Errors
    /// When it is no checkpoint.
    pub fn read(text: &str) -> Result<Self, BadCheckpoint> {
        let lines: Vec<&str> = text.strip_suffix('\n').ok_or(BadCheckpoint::Lines)?.split('\n').collect();
        let [origin, size, root, ..] = lines.as_slice() else { return Err(BadCheckpoint::Lines) };
        if lines.iter().any(|line| line.is_empty()) {
            return Err(BadCheckpoint::Lines);
        }
        let plain = size.bytes().all(|byte| byte.is_ascii_digit()) && (*size == "0" || !size.starts_with('0'));
        let size = size.parse().ok().filter(|_| plain).ok_or(BadCheckpoint::Size)?;
        let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok()).ok_or(BadCheckpoint::Root)?;
        Ok(Self { origin: (*origin).to_owned(), size, root })
    }
}

impl fmt::Display for Checkpoint {
    /// The text to be signed.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }
}
