//! One scan: layer after layer undone and compared, until nothing is wrapped or a bound is met.
//!
//! Bounds are on the whole scan, so that no document can be built whose parts are each within them.

use crate::coding::{Coding, Signs, Take, readable, undo};
use crate::corpus::{Corpus, Kind};
use crate::evidence::{Beyond, Found, Scan};
use crate::fold::fold;
use crate::matcher::{self, LEAST};
use crate::needles::MIN_SECRET;
use crate::{Seal, SourceId};

/// How far a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Layers that are undone, one within the other.
    pub depth: usize,
    /// Bytes that are made by undoing, for each byte that is looked at, with one MiB more for small requests.
    pub times: usize,
    /// Bytes that are looked at, and bytes that are made.
    pub bytes: usize,
    /// Pieces that are undone.
    pub decodings: usize,
    /// Whether the bytes may be deflated without a header: only `Content-Encoding: deflate` says so.
    pub raw_deflate: bool,
}

impl Bounds {
    /// Five layers, sixteen times the bytes and one MiB, at most 64 MiB, 4,096 pieces.
    pub const USUAL: Self = Self { depth: 5, times: 16, bytes: 64 << 20, decodings: 4096, raw_deflate: false };
}

impl Default for Bounds {
    fn default() -> Self {
        Self::USUAL
    }
}

/// What undoing may make in any case.
const SOME: usize = 1 << 20;

/// A scan under way.
pub(crate) struct Walk<'c> {
    corpus: &'c Corpus,
    bounds: Bounds,
    /// Bytes that may still be made.
    room: usize,
    pieces: usize,
    /// What was undone to come to the layer that is looked at.
    how: Vec<Coding>,
    depth: usize,
    folded: Vec<u8>,
    scan: Scan,
}

impl<'c> Walk<'c> {
    pub(crate) fn new(corpus: &'c Corpus, bounds: &Bounds, length: usize) -> Self {
        let room = length.saturating_mul(bounds.times).saturating_add(SOME).min(bounds.bytes);
        let (how, folded, mut scan) = (Vec::new(), Vec::new(), Scan::default());
        if length > bounds.bytes {
            scan.exceed(Beyond::Size);
        }
        Self { corpus, bounds: *bounds, room, pieces: 0, how, depth: 0, folded, scan }
    }

    /// Looks at bytes as they came.
    pub(crate) fn start(&mut self, bytes: &[u8]) {
        if self.scan.beyond.is_none() {
            self.look(bytes);
        }
    }

    /// Looks at parts that were joined.
    pub(crate) fn joined(&mut self, bytes: &[u8]) {
        self.within(&[Coding::Parts], bytes);
    }

    /// Looks at what was joined in a way of its own.
    pub(crate) fn within(&mut self, how: &[Coding], bytes: &[u8]) {
        self.how.extend_from_slice(how);
        self.start(bytes);
        self.how.truncate(self.how.len() - how.len());
    }

    pub(crate) fn finish(self) -> Scan {
        self.scan
    }

    fn look(&mut self, bytes: &[u8]) {
        if bytes.len() < MIN_SECRET {
            return;
        }
        self.compare(bytes);
        let signs = Signs::of(bytes);
        if !signs.plain() {
            undo(bytes, &signs, &self.bounds.clone(), self);
        }
    }

    fn compare(&mut self, bytes: &[u8]) {
        let mut secrets = Vec::new();
        self.corpus.exact.each(bytes, |source, coding, length| secrets.push((source, coding, length)));
        let mut folded = std::mem::take(&mut self.folded);
        folded.clear();
        fold(bytes, &mut folded);
        self.corpus.folded.each(&folded, |source, coding, length| secrets.push((source, coding, length)));
        match matcher::runs(self.corpus, &folded) {
            Some(runs) => runs.iter().for_each(|run| self.tell_run(run)),
            None => self.scan.exceed(Beyond::Work),
        }
        self.folded = folded;
        secrets.into_iter().for_each(|(source, coding, length)| self.tell_secret(source, coding, length));
    }

    fn tell_run(&mut self, run: &matcher::Run) {
        let source = &self.corpus.sources[run.source as usize];
        let Some(label) = source.label else { return };
        let form = match run.form {
            crate::grams::Form::Plain => None,
            crate::grams::Form::Reversed => Some(Coding::Reversed),
            crate::grams::Form::Rot13 => Some(Coding::Rot13),
        };
        let how = self.how.iter().copied().chain(form).collect();
        let (source, quoted, length) = (SourceId(run.source), run.quoted(source), run.span.len());
        self.scan.tell(Found { label, source, how, quoted, length });
    }

    fn tell_secret(&mut self, index: u32, coding: Option<Coding>, length: usize) {
        let source = &self.corpus.sources[index as usize];
        debug_assert_eq!(source.kind, Kind::Secret);
        let Some(label) = source.label.filter(|_| !source.public) else { return };
        let how = self.how.iter().copied().chain(coding).collect();
        self.scan.tell(Found { label, source: SourceId(index), how, quoted: String::new(), length });
    }
}

impl Take for Walk<'_> {
    fn layer(&mut self, how: &[Coding], bytes: &[u8]) {
        if bytes.len() < MIN_SECRET || self.scan.beyond.is_some_and(|beyond| beyond != Beyond::Depth) {
            return;
        }
        self.pieces += 1;
        if self.pieces > self.bounds.decodings {
            return self.scan.exceed(Beyond::Decodings);
        }
        let Some(room) = self.room.checked_sub(bytes.len()) else { return self.scan.exceed(Beyond::Size) };
        self.room = room;
        if self.depth >= self.bounds.depth {
            // Noise that digits decode to is no layer; text, or what is compressed, is one.
            if bytes.len() >= LEAST && (readable(bytes) || crate::entropy::is_container(bytes)) {
                self.scan.exceed(Beyond::Depth);
            }
            return;
        }
        self.how.extend_from_slice(how);
        self.depth += 1;
        self.look(bytes);
        self.depth -= 1;
        self.how.truncate(self.how.len() - how.len());
    }

    fn sealed(&mut self, seal: Seal, size: usize) {
        // Strings that were joined are noise when they are many names; what is opaque in one was seen where it stood.
        if !self.how.iter().any(|coding| matches!(coding, Coding::Json | Coding::JsonNames | Coding::Form)) {
            self.scan.seal(seal, size, &self.how);
        }
    }

    fn beyond(&mut self, beyond: Beyond) {
        self.scan.exceed(beyond);
    }

    fn room(&self) -> usize {
        self.room
    }
}
