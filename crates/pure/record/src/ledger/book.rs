//! A whole log, read from its beginning: its tree, and how far each session is known to have come.

use std::collections::BTreeMap;

use super::leaf::{Cut, Leaf, MAX_LEAF, Pruned};
use super::tree::Tree;
use crate::event::Segment;
use crate::segment::{Hash, Head};

/// A line of the log cannot be what a plane wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {entry}: {why}")]
pub struct BadLine {
    /// From 1.
    pub entry: u64,
    /// What is wrong.
    pub why: &'static str,
}

/// What is known of one session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// How far it had come, each with the number of its entry, from 1.
    pub cuts: Vec<(u64, Cut)>,
    /// That its segments were removed.
    pub pruned: Option<(u64, Pruned)>,
}

impl Known {
    /// The ends that a segment must have passed, in order, each with its entry.
    #[must_use]
    pub fn following(&self, segment: Segment) -> Following {
        let head = |cut: &Cut| match segment {
            Segment::Plane => cut.plane.0,
            Segment::Gate => cut.gate.0,
        };
        let mut ends: Vec<(u64, Head)> = self.cuts.iter().map(|(entry, cut)| (*entry, head(cut))).collect();
        ends.dedup_by(|next, last| next.1 == last.1);
        Following { segment, ends, next: 0, sound: 0 }
    }
}

/// The log.
#[derive(Debug, Clone, Default)]
pub struct Book {
    tree: Tree,
    watched: BTreeMap<u64, Option<Hash>>,
    sessions: BTreeMap<String, Known>,
    newest: u64,
}

impl Book {
    /// An empty one that will tell its root at these sizes, as far as it comes.
    #[must_use]
    pub fn watching(sizes: impl IntoIterator<Item = u64>) -> Self {
        let mut book = Self { watched: sizes.into_iter().map(|size| (size, None)).collect(), ..Self::default() };
        book.watch();
        book
    }

    /// Takes the next line, with its end.
    ///
    /// # Errors
    /// When no plane wrote it. It counts as a leaf all the same: what follows can be judged.
    pub fn line(&mut self, line: &[u8]) -> Result<(), BadLine> {
        let data = line.strip_suffix(b"\n").unwrap_or(line);
        self.tree.push(data);
        self.watch();
        let entry = self.tree.size();
        let bad = |why| BadLine { entry, why };
        if line.len() > MAX_LEAF || data.len() == line.len() {
            return Err(bad("longer than any, or without an end"));
        }
        let leaf: Leaf = serde_json::from_slice(data).map_err(|_| bad("no entry of a ledger"))?;
        self.take(leaf, entry).map_err(bad)
    }

    fn take(&mut self, leaf: Leaf, entry: u64) -> Result<(), &'static str> {
        match leaf {
            Leaf::Cut(cut) => {
                self.newest = self.newest.max(cut.at);
                let known = self.sessions.entry(cut.session.clone()).or_default();
                if known.pruned.is_some() {
                    return Err("a session goes on after it was pruned");
                }
                if known.cuts.last().is_some_and(|(_, last)| goes_back(last, &cut)) {
                    return Err("a session goes back behind what was known of it");
                }
                known.cuts.push((entry, cut));
            }
            Leaf::Pruned(pruned) => {
                self.newest = self.newest.max(pruned.at);
                let known = self.sessions.entry(pruned.session.clone()).or_default();
                if known.cuts.is_empty() || known.pruned.is_some() {
                    return Err("a session is pruned that is not there");
                }
                known.pruned = Some((entry, *pruned));
            }
            Leaf::Unknown => {}
        }
        Ok(())
    }

    fn watch(&mut self) {
        if let Some(root) = self.watched.get_mut(&self.tree.size()) {
            *root = Some(self.tree.root());
        }
    }

    /// Its tree.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The root that it had at a size that was watched; none where it is smaller.
    #[must_use]
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        self.watched.get(&size).copied().flatten()
    }

    /// Every session of which it knows, by id.
    #[must_use]
    pub const fn sessions(&self) -> &BTreeMap<String, Known> {
        &self.sessions
    }

    /// The latest time that an entry tells, in microseconds since the Unix epoch.
    #[must_use]
    pub const fn newest(&self) -> u64 {
        self.newest
    }
}

fn goes_back(last: &Cut, next: &Cut) -> bool {
    let pairs = [(last.plane.0, next.plane.0), (last.gate.0, next.gate.0)];
    pairs.iter().any(|(last, next)| next.events < last.events || next.events == last.events && next.hash != last.hash)
}

/// Holds a segment, as it is read, to what the log says of it.
#[derive(Debug, Clone)]
pub struct Following {
    segment: Segment,
    ends: Vec<(u64, Head)>,
    next: usize,
    /// Events that led to an end that is the right one.
    sound: u64,
}

/// A segment is not the one of which the log tells.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Strayed {
    /// It leads elsewhere.
    #[error(
        "rewritten: entry {entry} of the ledger holds another hash of {letter}{events}; changed between {letter}{} and \
         {letter}{events}", .sound + 1
    )]
    Changed {
        /// The segment's letter.
        letter: char,
        /// The entry that says so.
        entry: u64,
        /// At which event that shows.
        events: u64,
        /// Up to which event all is well.
        sound: u64,
    },
    /// Its end is missing.
    #[error("truncated: entry {entry} of the ledger holds {events} events, {there} are there: from {letter}{} on", .there + 1)]
    Short {
        /// The segment's letter.
        letter: char,
        /// The entry that says so.
        entry: u64,
        /// How many there were.
        events: u64,
        /// How many there are.
        there: u64,
    },
}

impl Following {
    /// Takes the chain's end after each event, and before the first.
    ///
    /// # Errors
    /// When it should be another.
    pub fn at(&mut self, head: Head) -> Result<(), Strayed> {
        while let Some((entry, end)) = self.ends.get(self.next).copied().filter(|(_, end)| end.events <= head.events) {
            if end != head {
                let letter = self.segment.letter();
                return Err(Strayed::Changed { letter, entry, events: end.events, sound: self.sound });
            }
            (self.next, self.sound) = (self.next + 1, end.events);
        }
        Ok(())
    }

    /// Takes the chain's end where nothing follows it.
    ///
    /// # Errors
    /// When more is known of.
    pub fn end(&self, there: u64) -> Result<(), Strayed> {
        match self.ends.get(self.next).copied() {
            None => Ok(()),
            Some((entry, Head { events, .. })) => {
                Err(Strayed::Short { letter: self.segment.letter(), entry, events, there })
            }
        }
    }

    /// Events that are under an entry of the log up to that one.
    #[must_use]
    pub fn under(&self, entries: u64) -> u64 {
        self.ends.iter().rfind(|(entry, _)| *entry <= entries).map_or(0, |(_, end)| end.events)
    }
}
