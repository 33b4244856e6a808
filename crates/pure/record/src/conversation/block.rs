//! One thing that was said, and the hash by which it is known again.
//!
//! The hash is over what was meant, not over how it was sent. Never a secret's hiding place: attachments are known by
//! the hash of their bytes alone.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::canonical;
use crate::segment::Hash;

/// Who says it, by the request's own claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Speaker {
    /// The operator's or the harness's instructions: system, developer.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// A tool that was run.
    Tool,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Words.
    Text(String),
    /// The model's thoughts, as far as the provider tells them.
    Thinking(String),
    /// The model asks for a tool.
    ToolCall {
        /// What the result is to name; empty where the wire has none.
        id: String,
        /// The tool's name.
        name: String,
        /// JSON as the model wrote it, or as the agent wrote it again; free text for tools that take that.
        arguments: String,
    },
    /// What a tool gave.
    ToolResult {
        /// The call's id; where the wire has none, the tool's name.
        id: String,
        /// All its text.
        text: String,
        /// Whether it is said to have failed.
        failed: bool,
    },
    /// An image, a file, sound, and what is sealed: signatures, encrypted thoughts, token lists.
    Attachment {
        /// The wire's own type, or the media type where it is told.
        kind: String,
        /// SHA-256 of the data as sent (base64 is not undone), or of the URL or id.
        digest: Hash,
        /// Where the provider is to fetch it, when it is not in the body.
        url: Option<String>,
    },
    /// What this version does not know.
    Unknown {
        /// The wire's own type.
        kind: String,
        /// All of it, as JSON.
        json: String,
    },
}

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Who says it.
    pub speaker: Speaker,
    /// What is said.
    pub content: Content,
}

/// Whose words a block of a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'b> {
    /// The operator's.
    Operators(&'b str),
    /// Somebody else's, or nobody knows whose: what tools gave, what stands as the user's and nobody vouches for.
    Others(&'b str),
    /// The model's own, its instructions, or none.
    Neither,
}

impl Block {
    /// Whose words it carries; `own` says that what stands as the user's here is the operator's.
    #[must_use]
    pub fn whose(&self, own: bool) -> Whose<'_> {
        match (self.speaker, &self.content) {
            (Speaker::System | Speaker::Assistant, _) => Whose::Neither,
            (Speaker::User, Content::Text(text)) if own => Whose::Operators(text),
            (_, Content::Text(text) | Content::Unknown { json: text, .. } | Content::ToolResult { text, .. }) => {
                Whose::Others(text)
            }
            (_, Content::Attachment { url, .. }) => Whose::Others(url.as_deref().unwrap_or_default()),
            (_, Content::Thinking(_) | Content::ToolCall { .. }) => Whose::Neither,
        }
    }

    /// SHA-256 of what is meant. The same for a block that was delivered and for that block in a later request:
    ///
    /// - texts and thoughts without the whitespace at their end
    /// - a tool call by its name and its arguments as canonical JSON, whatever its id: agents rewrite ids
    /// - a tool's result by id, text without the whitespace at its end, and failure
    /// - what is unknown as canonical JSON without `id`, `status` and `cache_control`
    ///
    /// Texts that were split or joined are for [`super::History`] to match.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let flag = |failed: bool| if failed { "1" } else { "0" };
        match &self.content {
            Content::Text(text) => self.hashed(b't', &[text.trim_end()]),
            Content::Thinking(text) => self.hashed(b'h', &[text.trim_end()]),
            Content::ToolCall { name, arguments, .. } => self.hashed(b'c', &[name, &canonical::arguments(arguments)]),
            Content::ToolResult { id, text, failed } => self.hashed(b'r', &[id, text.trim_end(), flag(*failed)]),
            Content::Attachment { kind, digest, url } => {
                let url = url.as_deref().unwrap_or_default();
                self.hashed_bytes(b'a', &[kind.as_bytes(), digest, url.as_bytes()])
            }
            Content::Unknown { kind, json } => self.hashed(b'u', &[kind, &canonical::unknown(json)]),
        }
    }

    fn hashed(&self, tag: u8, parts: &[&str]) -> Hash {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        self.hashed_bytes(tag, &parts)
    }

    /// Each part after its length: no two lists of parts are one text.
    fn hashed_bytes(&self, tag: u8, parts: &[&[u8]]) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update([self.speaker.letter(), tag]);
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }
}

impl Speaker {
    fn letter(self) -> u8 {
        match self {
            Self::System => b's',
            Self::User => b'u',
            Self::Assistant => b'a',
            Self::Tool => b't',
        }
    }
}

/// The text that a matcher is to look at: words as they are; of JSON every key and value, one a line and nothing escaped,
/// a tool's name before its arguments; of an attachment its URL, if it has one.
#[must_use]
pub fn plain(block: &Block) -> Cow<'_, str> {
    match &block.content {
        Content::Text(text) | Content::Thinking(text) | Content::ToolResult { text, .. } => Cow::Borrowed(text),
        Content::ToolCall { name, arguments, .. } => Cow::Owned(format!("{name}\n{}", canonical::leaves(arguments))),
        Content::Attachment { url, .. } => Cow::Borrowed(url.as_deref().unwrap_or_default()),
        Content::Unknown { json, .. } => Cow::Owned(canonical::leaves(json)),
    }
}
