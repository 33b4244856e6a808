//! What an answer to an allowed request may be: how long, and of which types. Judged by its head, and by its bytes as they
//! come. What a server says of its answer is taken at its word: what the bytes really are, nobody looks at.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bounds of a rule on the answers to what it allows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Answers {
    /// Bytes of one answer's body, uncompressed. Of a WebSocket, those of one message of the server.
    pub size: Option<u64>,
    /// What its `Content-Type` may say; none is anything, an empty list no answer with a body.
    pub types: Option<Vec<MediaPattern>>,
}

/// Which media types are meant: `application/json`, `application/*+json`, `text/*`, or `*/*` for any that is said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediaPattern(String);

/// A text is no pattern of media types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a type is `TYPE/SUBTYPE` in small letters, with `*`, or `*+SUFFIX`, for any subtype, and without parameters")]
pub struct MediaError;

/// What the head of an answer says of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerHead {
    /// Whether a body may follow: none does after 1xx, 204, 304 and HEAD, nor where its length is 0.
    pub has_body: bool,
    /// The value of `Content-Type`, of all lines of that name joined by commas.
    pub kind: Option<String>,
    /// The body's length, where the head tells it.
    pub length: Option<u64>,
    /// Whether the body is compressed.
    pub coded: bool,
}

/// Why an answer is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is too long.
    #[error("it is longer than the {0} bytes that its rule allows an answer")]
    Long(u64),
    /// How long it is cannot be told.
    #[error("it is compressed, though it was asked for plainly, and its rule bounds how long it may be")]
    Coded,
    /// Its type is not one of those.
    #[error("it is said to be `{said}`, and its rule lets in {wanted}")]
    Kind {
        /// What was said, bounded and visible.
        said: String,
        /// The types of the rule.
        wanted: String,
    },
    /// It has no type.
    #[error("it does not say of which type it is, and its rule lets in {0}")]
    Kindless(String),
}

/// Letters of a type that are told.
const SHOWN: usize = 80;
/// Longest type, and longest half of one.
const MAX_TYPE: usize = 128;

impl MediaPattern {
    /// A pattern such as `application/json` or `text/*`.
    ///
    /// # Errors
    /// [`MediaError`].
    pub fn parse(text: &str) -> Result<MediaPattern, MediaError> {
        let small = |half: &str| !half.bytes().any(|byte| byte.is_ascii_uppercase());
        let word = |half: &str| is_token(half) && small(half) && !half.contains('*');
        let fits = |(kind, sub): (&str, &str)| match (kind, sub) {
            ("*", "*") => true,
            (kind, "*") => word(kind),
            (kind, sub) => word(kind) && word(sub.strip_prefix("*+").unwrap_or(sub)),
        };
        let good = text.len() <= MAX_TYPE && text.split_once('/').is_some_and(fits);
        if good { Ok(MediaPattern(text.into())) } else { Err(MediaError) }
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn halves(&self) -> (&str, &str) {
        self.0.split_once('/').unwrap_or((&self.0, ""))
    }

    /// Whether it means a type, which is `TYPE/SUBTYPE` in small letters.
    fn takes(&self, (kind, sub): (&str, &str)) -> bool {
        match self.halves() {
            ("*", _) => true,
            (own, "*") => own == kind,
            (own, pattern) => match pattern.strip_prefix('*') {
                // Something stands before a suffix.
                Some(suffix) => own == kind && sub.len() > suffix.len() && sub.ends_with(suffix),
                None => (own, pattern) == (kind, sub),
            },
        }
    }

    /// Whether it means whatever the other one does. Two of them mean nothing in common, or one means all of the other.
    fn covers(&self, other: &MediaPattern) -> bool {
        let (kind, sub) = other.halves();
        match (self.halves(), kind == "*" || sub == "*") {
            // `*+json` stands for longer types with that end alone, so its own text is one of what a wider one means.
            (own, true) => own == (kind, sub) || own.0 == "*" || own == (kind, "*"),
            (_, false) => self == other || self.takes((kind, sub)),
        }
    }
}

/// Whether a text is a token of HTTP.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The two halves of a type that is said, in small letters; none where it is no type, or more than one.
fn said(kind: &str) -> Option<(String, String)> {
    let essence = kind.split(';').next().unwrap_or_default().trim_matches([' ', '\t']);
    // Readers differ in which of two counts.
    let one = essence.len() <= MAX_TYPE && !kind.contains(',');
    let (kind, sub) = essence.split_once('/').filter(|_| one)?;
    (is_token(kind) && is_token(sub)).then(|| (kind.to_ascii_lowercase(), sub.to_ascii_lowercase()))
}

impl Answers {
    /// Whether there are any bounds.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        self.size.is_some() || self.types.is_some()
    }

    /// Whether the answers that the other ones let in are let in by these.
    pub(crate) fn covers(&self, other: &Answers) -> bool {
        let size = self.size.is_none_or(|own| other.size.is_some_and(|other| own >= other));
        let each = |own: &Vec<MediaPattern>, other: &MediaPattern| own.iter().any(|own| own.covers(other));
        let types = self
            .types
            .as_ref()
            .is_none_or(|own| other.types.as_ref().is_some_and(|other| other.iter().all(|pattern| each(own, pattern))));
        size && types
    }

    /// What both let in: the smaller size, and the types that both mean.
    #[must_use]
    pub fn and(&self, other: &Answers) -> Answers {
        let size = self.size.into_iter().chain(other.size).min();
        let types = match (&self.types, &other.types) {
            (Some(own), Some(others)) => {
                let narrower = |(own, other): (&MediaPattern, &MediaPattern)| {
                    let narrow =
                        if own.covers(other) { Some(other) } else { Some(own).filter(|own| other.covers(own)) };
                    narrow.cloned()
                };
                let pairs = own.iter().flat_map(|own| others.iter().map(move |other| (own, other)));
                let mut both: Vec<MediaPattern> = pairs.filter_map(narrower).collect();
                both.sort();
                both.dedup();
                Some(both)
            }
            (own, other) => own.clone().or_else(|| other.clone()),
        };
        Answers { size, types }
    }

    /// Judges an answer by its head.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn admits(&self, head: &AnswerHead) -> Result<(), Unfit> {
        if !head.has_body {
            return Ok(());
        }
        if let Some(types) = &self.types {
            let wanted = || match &types[..] {
                [] => "none that has a body".to_owned(),
                types => types.iter().map(|one| format!("`{}`", one.0)).collect::<Vec<_>>().join(", "),
            };
            let Some(kind) = head.kind.as_deref().filter(|kind| !kind.trim().is_empty()) else {
                return Err(Unfit::Kindless(wanted()));
            };
            let taken = said(kind).is_some_and(|(kind, sub)| types.iter().any(|own| own.takes((&kind, &sub))));
            if !taken {
                let visible = |letter: char| letter.is_ascii_graphic() && letter != '`' || letter == ' ';
                let said = kind.chars().filter(|letter| visible(*letter)).take(SHOWN).collect();
                return Err(Unfit::Kind { said, wanted: wanted() });
            }
        }
        match self.size {
            Some(_) if head.coded => Err(Unfit::Coded),
            _ => self.holds(head.length.unwrap_or(0)),
        }
    }

    /// Judges how many bytes of its body came so far.
    ///
    /// # Errors
    /// [`Unfit::Long`].
    pub fn holds(&self, bytes: u64) -> Result<(), Unfit> {
        match self.size {
            Some(most) if bytes > most => Err(Unfit::Long(most)),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Answers {
    /// As it stands in a rule.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.size.map(|size| format!("size: {}", crate::print::quantity(crate::Limit::Memory, size)));
        let types = self.types.as_ref().map(|types| {
            let quoted: Vec<String> = types.iter().map(|one| crate::print::quoted(&one.0)).collect();
            format!("types: [{}]", quoted.join(", "))
        });
        let said: Vec<String> = size.into_iter().chain(types).collect();
        write!(formatter, "{{{}}}", said.join(", "))
    }
}

impl TryFrom<String> for MediaPattern {
    type Error = MediaError;

    fn try_from(text: String) -> Result<Self, MediaError> {
        Self::parse(&text)
    }
}

impl From<MediaPattern> for String {
    fn from(value: MediaPattern) -> String {
        value.0
    }
}
