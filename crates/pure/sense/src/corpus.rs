//! What is labelled: texts, short secrets, and what is public all the same.
//!
//! It grows only: what a session has read stays read. It never says what a label means.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

use crate::drips::TextId;
use crate::evidence::Scan;
use crate::fold::{Places, fold};
use crate::grams::{GRAM, Grams};
use crate::needles::{MIN_SECRET, Needles};
use crate::plain::Plain;
use crate::scan::Walk;
use crate::sparse::Sparse;
use crate::torn::{Runs, Torn};
use crate::{Bounds, Coding};

/// A label: an index into a list of the caller's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(pub u16);

/// A text or secret, in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u32);

/// There is no room for this text: it cannot be recognised, so the caller treats everything as beyond bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("labelled texts of {held} bytes leave no room for {wanted} more within {limit}")]
pub struct Full {
    /// Bytes that are held.
    pub held: usize,
    /// Bytes that were to be added.
    pub wanted: usize,
    /// Bytes that may be held.
    pub limit: usize,
}

/// Labelled texts and secrets, in the order they came.
///
/// It costs about five times the bytes of its texts in memory: the text, its folded form and the index. A clone is another one from then on:
/// who scans for long has what was known when the scan began.
#[derive(Clone)]
pub struct Corpus {
    pub(crate) sources: Vec<Source>,
    pub(crate) grams: Grams,
    /// Of texts what has few letters.
    pub(crate) sparse: Sparse,
    /// Secrets as they are.
    pub(crate) exact: Needles,
    /// Long secrets in folded form: they are found with anything between their letters.
    pub(crate) folded: Needles,
    /// Secrets in pieces.
    pub(crate) torn: Torn,
    /// Sources by a hash of their folded form.
    known: HashMap<u64, Vec<SourceId>>,
    held: usize,
    limit: usize,
}

/// What a source is looked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Secret,
    /// A run of a labelled text that anybody may have: it hides what lies within it, and nothing is cut out for it. By its
    /// letters, or with its `marks`.
    Said {
        marks: bool,
    },
}

/// Whose runs hide each other: the label, none for what is public, and whether it was said.
pub(crate) type Kin = (Option<Label>, bool);

/// One text or secret.
#[derive(Clone)]
pub(crate) struct Source {
    /// None for what is public.
    pub(crate) label: Option<Label>,
    pub(crate) kind: Kind,
    /// As it came; empty for what is public, which is never quoted.
    pub(crate) text: Vec<u8>,
    pub(crate) folded: Vec<u8>,
    /// Where what was folded stands in the text; of no use for what is never quoted.
    pub(crate) places: Places,
    /// A secret that stands in public text is none.
    pub(crate) public: bool,
    /// What it is known by elsewhere, once that was asked for.
    id: OnceLock<TextId>,
}

/// The shortest folded secret that is looked for with anything between its letters.
const LONG: usize = 16;

/// Bytes that are held unless the caller says otherwise.
const LIMIT: usize = 64 << 20;

impl Default for Corpus {
    fn default() -> Self {
        Self::new()
    }
}

impl Corpus {
    /// Knows nothing and holds at most 64 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(LIMIT)
    }

    /// Knows nothing and holds at most so many bytes of text, four GiB at the very most.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        let (grams, sparse, exact, folded, torn) = Default::default();
        let limit = limit.min(u32::MAX as usize);
        Self { sources: Vec::new(), grams, sparse, exact, folded, torn, known: HashMap::new(), held: 0, limit }
    }

    /// Adds a text. Any run of [`crate::LEAST`] of its letters and digits is found from now on; a text with fewer is
    /// found by nothing: add it as a secret. The same text under the same label costs nothing and is the same source.
    ///
    /// # Errors
    /// [`Full`]: the text was not added.
    pub fn add(&mut self, label: Label, text: &[u8]) -> Result<SourceId, Full> {
        self.enter(Some(label), Kind::Text, text)
    }

    /// Adds a short secret (a key, a password), which is found exactly, in any ASCII case, also inside other text.
    /// With [`crate::MIN_SECRET`] bytes or more it is found; anything shorter stands in ordinary words and is not.
    ///
    /// # Errors
    /// [`Full`]: the secret was not added.
    pub fn add_secret(&mut self, label: Label, value: &[u8]) -> Result<SourceId, Full> {
        self.enter(Some(label), Kind::Secret, value)
    }

    /// Whether a text, or a secret, was added under this label already: adding it again changes nothing.
    #[must_use]
    pub fn knows(&self, label: Label, text: &[u8], secret: bool) -> bool {
        let kind = if secret { Kind::Secret } else { Kind::Text };
        self.same(&Source::of(Some(label), kind, text)).is_some()
    }

    /// Says that a text is public: what a match shares with it is no evidence, nor is a secret that stands in it.
    /// Bytes that an attacker chose are never public: they would hide what they repeat. What somebody said is
    /// [published](Self::publish) run by run.
    ///
    /// # Errors
    /// [`Full`]: the text still counts as evidence.
    pub fn make_public(&mut self, text: &[u8]) -> Result<(), Full> {
        self.enter(None, Kind::Text, text).map(|_| ())
    }

    /// What of the corpus stands in the bytes, whatever they were wrapped in.
    #[must_use]
    pub fn scan(&self, bytes: &[u8], bounds: &Bounds) -> Scan {
        let mut walk = Walk::new(self, bounds, bytes.len());
        walk.start(bytes);
        walk.finish()
    }

    /// What of the corpus stands in the parts of one request (path, query, header values, body), in each and in all of
    /// them joined in order, so that a text cut into pieces is whole again; and secrets in pieces, wherever those stand.
    #[must_use]
    pub fn scan_parts(&self, parts: &[&[u8]], bounds: &Bounds) -> Scan {
        self.scan_plain(parts, &Plain::of(parts), bounds).0
    }

    /// The same with the text of the parts at hand, and which pieces of secrets they say.
    pub(crate) fn scan_plain(&self, parts: &[&[u8]], plain: &Plain, bounds: &Bounds) -> (Scan, Runs) {
        let mut walk = Walk::new(self, bounds, parts.iter().map(|part| part.len()).sum());
        walk.gather();
        parts.iter().for_each(|part| walk.start(part));
        if parts.iter().filter(|part| !part.is_empty()).count() > 1 {
            let joined = plain.joined();
            walk.joined(Coding::Parts, &joined, 0..joined.len());
        }
        // As they were written, too: what names a value says something itself.
        let all: Vec<&[u8]> = parts.iter().copied().chain([plain.text()]).collect();
        walk.torn(Coding::Parts, &all);
        let runs = walk.gathered();
        (walk.finish(), runs)
    }

    /// Bytes of text that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// What a text or secret is known by wherever its letters are, under whatever label.
    #[must_use]
    pub fn text_id(&self, id: SourceId) -> TextId {
        let source = &self.sources[id.0 as usize];
        *source.id.get_or_init(|| {
            let digest: [u8; 32] = Sha256::digest(&source.folded).into();
            TextId(std::array::from_fn(|at| digest[at]))
        })
    }

    /// The label of a text or secret; none of what is public.
    #[must_use]
    pub fn label_of(&self, id: SourceId) -> Option<Label> {
        self.sources[id.0 as usize].label
    }

    /// The fewest letters and digits in which anything could be found that is looked for in folded form.
    pub(crate) fn least_folded(&self) -> usize {
        if self.folded.is_empty() { GRAM } else { LONG }
    }

    pub(crate) fn enter(&mut self, label: Option<Label>, kind: Kind, text: &[u8]) -> Result<SourceId, Full> {
        let mut source = Source::of(label, kind, text);
        if let Some(same) = self.same(&source) {
            return Ok(same);
        }
        if self.held + text.len() > self.limit {
            return Err(Full { held: self.held, wanted: text.len(), limit: self.limit });
        }
        self.held += text.len();
        if kind == Kind::Text {
            source.places = Places::of(&source.text);
        }
        let id = SourceId(self.sources.len() as u32);
        self.known.entry(source.hash()).or_default().push(id);
        self.sources.push(source);
        match kind {
            Kind::Secret => self.index_secret(id, text),
            Kind::Text | Kind::Said { .. } => self.index(id, text),
        }
        Ok(id)
    }

    fn same(&self, source: &Source) -> Option<SourceId> {
        let known = self.known.get(&source.hash())?;
        known.iter().find(|id| source.is(&self.sources[id.0 as usize])).copied()
    }

    fn index(&mut self, id: SourceId, text: &[u8]) {
        let Source { kind, label, .. } = self.sources[id.0 as usize];
        if kind != (Kind::Said { marks: true }) {
            let by_letters = |source: &&Source| !matches!(source.kind, Kind::Secret | Kind::Said { marks: true });
            let texts = self.sources.iter().filter(by_letters);
            self.grams.add(texts.map(|source| source.folded.as_slice()), id.0);
        }
        if kind != (Kind::Said { marks: false }) {
            self.sparse.add(id.0, text, label.is_none());
        }
        // A secret that anybody may have is one that has to be changed, and stays one until then.
        if label.is_some() || kind != Kind::Text {
            return;
        }
        let mut known = Vec::new();
        self.exact.each(text, |secret, _, _| known.push(secret));
        known.into_iter().for_each(|secret| self.sources[secret as usize].public = true);
    }

    fn index_secret(&mut self, id: SourceId, value: &[u8]) {
        self.exact.add(value, id.0);
        self.torn.add(value, id.0);
        let folded = self.sources[id.0 as usize].folded.clone();
        let public = self.sources.iter().filter(|source| source.label.is_none() && source.kind == Kind::Text);
        let stands = folded.len() >= MIN_SECRET
            && public.into_iter().any(|source| source.folded.windows(folded.len()).any(|run| run == folded));
        self.sources[id.0 as usize].public = stands;
        // What is longer than a gram is no likelier to stand in other text by chance.
        if (LONG..2 << 10).contains(&folded.len()) {
            self.folded.add_forms(&folded, id.0);
        }
        if value.len() < 2 << 10 {
            self.folded.add_groups(value, LONG, id.0);
        }
    }
}

impl Source {
    fn of(label: Option<Label>, kind: Kind, text: &[u8]) -> Source {
        let mut folded = Vec::new();
        fold(text, &mut folded);
        folded.shrink_to_fit();
        let kept = label.map(|_| text.to_vec()).unwrap_or_default();
        Source { label, kind, text: kept, folded, places: Places::default(), public: false, id: OnceLock::new() }
    }

    /// Whose runs it hides.
    pub(crate) fn kin(&self) -> Kin {
        (self.label, matches!(self.kind, Kind::Said { .. }))
    }

    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.folded.hash(&mut hasher);
        hasher.finish()
    }

    fn is(&self, other: &Source) -> bool {
        (self.label, self.kind) == (other.label, other.kind) && self.text == other.text && self.folded == other.folded
    }
}
