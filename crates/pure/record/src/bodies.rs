//! How much of what was said stands in the record: all of it, its beginning, or its hash.
//!
//! A body is what people, programs, tools and models say to each other: blocks of a conversation, arguments of calls, a
//! provider's complaint, the words that evidence quotes. Whatever is kept of one, secrets are taken out first. Command
//! lines, paths, hosts and names are no bodies.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Most bytes of one body where all of it is kept.
pub const MAX_BODY: usize = 64 << 10;
/// Most bytes of all bodies of one segment where all is kept; of what follows the beginnings are.
pub const MAX_BODIES: usize = 64 << 20;

/// Longest name that stands as it is where bodies are hashed. Whoever is asked, a model or a tool, may be called by a text.
const MAX_NAME: usize = 128;
const MIDDLE: &str = " bytes, sha256:";
/// Digits of a hash that tell it from others at a glance.
const TELLING: usize = 12;

/// What is kept of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bodies {
    /// All of it, up to [`MAX_BODY`] and [`MAX_BODIES`].
    Full,
    /// Its beginning.
    #[default]
    Redacted,
    /// Its length and its hash.
    Hash,
}

/// What stands for a body of which no text is kept.
pub(crate) fn mark(body: &str) -> String {
    let mut out = format!("[{}{MIDDLE}", body.len());
    for byte in Sha256::digest(body) {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out + "]"
}

/// Such a mark as a reader is shown it; nothing where it is none. No text of anybody's is in one.
pub(crate) fn marked(text: &str) -> Option<String> {
    let (length, hash) = text.strip_prefix('[')?.strip_suffix(']')?.split_once(MIDDLE)?;
    let digits = length.len() <= 20 && length.bytes().all(|byte| byte.is_ascii_digit());
    let hexadecimal = hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (digits && hexadecimal).then(|| format!("{length} bytes, sha256 {}…", &hash[..TELLING]))
}

/// Whether a text can be no more than a name.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/@+".contains(&byte);
    text.len() <= MAX_NAME && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_known_again_and_nothing_else_is() {
        let known = mark("abc");
        assert_eq!(known, "[3 bytes, sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad]");
        assert_eq!(marked(&known).as_deref(), Some("3 bytes, sha256 ba7816bf8f01…"));
        for other in [
            known.replace('3', "x"),
            known.replace(']', ""),
            known.to_uppercase(),
            format!("{known} and words"),
            "[3 bytes, sha256:]".into(),
            format!("[{MIDDLE}{}]", "é".repeat(32)),
            String::new(),
        ] {
            assert_eq!(marked(&other), None, "{other}");
        }
    }

    #[test]
    fn a_name_is_short_and_has_no_words() {
        assert!(["bash", "mcp__files.read:v2", "models/gemini-2.5@001", ""].into_iter().all(is_name));
        assert!(!is_name("two words") && !is_name("a\nb") && !is_name(&"x".repeat(129)));
    }
}
