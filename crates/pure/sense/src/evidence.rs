//! What a scan tells. Values only: what follows from them is decided elsewhere.

use std::ops::Range;

use crate::corpus::Source;
use crate::matcher::Run;
use crate::{Coding, Label, Seal, SourceId, Speaker};

/// Bytes of a source that are quoted.
pub const MAX_QUOTE: usize = 200;

/// Sources that are told of; past them, a source is told of only when its label is new.
const MANY: usize = 64;

/// What was found in some bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Labelled text and secrets, one entry for each source, its longest match.
    pub found: Vec<Found>,
    /// A bound was exceeded: there may be more than was found. The caller holds such a request.
    pub beyond: Option<Beyond>,
    /// The largest piece that nothing here can undo.
    pub opaque: Option<Opaque>,
}

/// One source that stands in the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its label.
    pub label: Label,
    /// Which text or secret.
    pub source: SourceId,
    /// What had to be undone, the outermost first; none for text that stands there plainly.
    pub how: Vec<Coding>,
    /// The matched span as it stands in the source, at most [`MAX_QUOTE`] bytes, cut between characters. Empty for a
    /// secret, which nobody needs to read to know which one it was.
    pub quoted: String,
    /// Letters and digits of the match; for a secret that was found exactly, its bytes.
    pub length: usize,
    /// Other cells of a tree that said a part of it before, the first of them.
    pub by: Vec<Speaker>,
}

/// Which bound was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// More is wrapped in the innermost layer that is looked into.
    Depth,
    /// What is undone would be larger than may be.
    Size,
    /// More pieces would have to be undone than may be.
    Decodings,
    /// The bytes were made so that comparing them takes long.
    Work,
}

/// Bytes that cannot be looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opaque {
    /// What they look like.
    pub seal: Seal,
    /// How many there are.
    pub size: usize,
    /// What had to be undone to come to them.
    pub how: Vec<Coding>,
}

impl Scan {
    /// Keeps the first bound that was exceeded.
    pub(crate) fn exceed(&mut self, beyond: Beyond) {
        self.beyond.get_or_insert(beyond);
    }

    /// Keeps the largest opaque piece.
    pub(crate) fn seal(&mut self, seal: Seal, size: usize, how: &[Coding]) {
        if self.opaque.as_ref().is_none_or(|known| known.size < size) {
            self.opaque = Some(Opaque { seal, size, how: how.to_vec() });
        }
    }
}

/// The longest match of each source so far.
#[derive(Default)]
pub(crate) struct Sightings(Vec<Sighting>);

/// A match that is not quoted yet: quoting reads the source, and a longer one may follow.
pub(crate) struct Sighting {
    pub(crate) label: Label,
    pub(crate) source: u32,
    pub(crate) how: Vec<Coding>,
    pub(crate) length: usize,
    /// Where it stands in the source; none for a secret.
    pub(crate) stands: Option<Stands>,
}

/// Where a match stands in its source.
pub(crate) enum Stands {
    Letters(Run),
    Bytes(Range<usize>),
}

impl Stands {
    /// The span as it stands in the source's own text, bounded.
    pub(crate) fn quoted(self, source: &Source) -> String {
        let span = match self {
            Stands::Letters(run) => run.unfolded(source),
            Stands::Bytes(span) => span,
        };
        let quoted = String::from_utf8_lossy(&source.text[span]);
        quoted[..quoted.floor_char_boundary(MAX_QUOTE)].to_owned()
    }
}

impl Sightings {
    /// Whether a match would be told of.
    pub(crate) fn wants(&self, label: Label, source: u32, length: usize) -> bool {
        let same = self.0.iter().find(|known| known.source == source);
        let room = || self.0.len() < MANY || self.0.iter().all(|known| known.label != label);
        same.map_or_else(room, |known| length > known.length)
    }

    /// Keeps a match that is wanted.
    pub(crate) fn keep(&mut self, sighting: Sighting) {
        match self.0.iter_mut().find(|known| known.source == sighting.source) {
            Some(known) => *known = sighting,
            None => self.0.push(sighting),
        }
    }

    /// Each of them with its quote.
    pub(crate) fn quoted(self, sources: &[Source]) -> Vec<Found> {
        let found = |one: Sighting| {
            let quoted = one.stands.map(|stands| stands.quoted(&sources[one.source as usize])).unwrap_or_default();
            Found {
                label: one.label,
                source: SourceId(one.source),
                how: one.how,
                quoted,
                length: one.length,
                by: Vec::new(),
            }
        };
        self.0.into_iter().map(found).collect()
    }
}
