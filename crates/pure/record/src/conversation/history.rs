//! Which blocks of a session are known. A request repeats all that was said before; this tells what is new in it, and
//! which words the agent puts into the model's mouth.
//!
//! Knows hashes alone, and a bounded number: a session that is longer forgets what it used longest ago. A forgotten block
//! is new again, and an assistant's is then unmatched: nothing is trusted for having been forgotten.

use std::collections::{BTreeMap, BTreeSet};

use super::Conversation;
use super::block::{Block, Content, Speaker};
use crate::segment::Hash;

/// The most hashes that a history knows; beyond it the least recently used quarter is forgotten. One request always
/// fits, see [`super::MAX_BLOCKS`].
pub const MAX_KNOWN: usize = 65_536;

/// Where a block of a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Never seen in this session.
    New,
    /// In an earlier request, and nobody delivered it. Of an assistant's block: it was [`Standing::Unmatched`] then.
    Known,
    /// An assistant's block that was delivered, in an earlier request or not.
    Delivered,
    /// An assistant's block that nobody delivered, and that no earlier request had: the agent may lie.
    Unmatched,
}

impl Standing {
    /// Whether the record does not hold the block yet.
    #[must_use]
    pub fn is_new(self) -> bool {
        matches!(self, Self::New | Self::Unmatched)
    }
}

/// The blocks of a session, by hash.
///
/// A block that stands in a request more often than it was delivered, or than it stood in any one request before, is new
/// for the times that it is more. So the same call twice needs two deliveries.
#[derive(Debug, Clone, Default)]
pub struct History {
    known: BTreeMap<Hash, Entry>,
    /// Counts deliveries and requests: what is used longest ago has the lowest.
    turn: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// How often it was delivered.
    delivered: u32,
    /// How often it stood in the one request that had it most often.
    seen: u32,
    used: u64,
}

/// The blocks of one request, by their hashes, and how often each stands there.
#[derive(Debug)]
pub struct Seen(BTreeMap<Hash, u32>);

impl History {
    /// Knows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Remembers what was delivered to the agent, an answer that broke off too. The texts of one answer are also known
    /// joined, with and without a line end between them: agents join texts when they leave out what stood between.
    pub fn delivered(&mut self, blocks: &[Block]) {
        self.turn += 1;
        let single: Vec<Hash> = blocks.iter().map(Block::digest).collect();
        let runs = said_together(blocks);
        let mut together: BTreeSet<Hash> = runs.iter().flat_map(|run| [joined(run, ""), joined(run, "\n")]).collect();
        // Joined with white space alone, a text is none but itself.
        for hash in &single {
            together.remove(hash);
        }
        for hash in single.into_iter().chain(together) {
            let entry = self.known.entry(hash).or_default();
            entry.delivered = entry.delivered.saturating_add(1);
            entry.used = self.turn;
        }
        self.forget();
    }

    /// Whether a block is one that was delivered, however often it stands there.
    #[must_use]
    pub fn was_delivered(&self, block: &Block) -> bool {
        self.known.get(&block.digest()).is_some_and(|entry| entry.delivered > 0)
    }

    /// Sorts the blocks of a request, in their order, and remembers them.
    ///
    /// Assistant's texts that follow each other directly and together are one that was delivered are delivered: agents
    /// split texts, too.
    pub fn sort<'a>(&mut self, conversation: &'a Conversation) -> Vec<(&'a Block, Standing)> {
        let (sorted, seen) = self.standings(conversation);
        self.remember(seen);
        sorted
    }

    /// The same, and what is to be remembered: not before all of it is recorded, where that takes a while.
    pub fn standings<'a>(&mut self, conversation: &'a Conversation) -> (Vec<(&'a Block, Standing)>, Seen) {
        self.turn += 1;
        let blocks = &conversation.blocks;
        let split = self.split(blocks);
        let mut here: BTreeMap<Hash, u32> = BTreeMap::new();
        let mut sorted = Vec::with_capacity(blocks.len());
        for (block, split) in blocks.iter().zip(split) {
            let hash = block.digest();
            let times = here.entry(hash).or_default();
            *times += 1;
            let standing = if split { Standing::Delivered } else { self.standing(block, hash, *times) };
            sorted.push((block, standing));
        }
        (sorted, Seen(here))
    }

    /// Remembers the blocks of a request.
    pub fn remember(&mut self, Seen(here): Seen) {
        for (hash, times) in here {
            let entry = self.known.entry(hash).or_default();
            entry.seen = entry.seen.max(times);
            entry.used = self.turn;
        }
        self.forget();
    }

    fn standing(&self, block: &Block, hash: Hash, times: u32) -> Standing {
        let entry = self.known.get(&hash).copied().unwrap_or_default();
        match block.speaker {
            Speaker::Assistant if times <= entry.delivered => Standing::Delivered,
            _ if times <= entry.seen => Standing::Known,
            Speaker::Assistant => Standing::Unmatched,
            _ => Standing::New,
        }
    }

    /// Which blocks are pieces of a text that was delivered as one.
    fn split(&mut self, blocks: &[Block]) -> Vec<bool> {
        let mut split = vec![false; blocks.len()];
        let mut here: BTreeMap<Hash, u32> = BTreeMap::new();
        let mut start = 0;
        for run in blocks.chunk_by(|one, next| assistants_text(one).is_some() && assistants_text(next).is_some()) {
            let texts: Vec<&str> = run.iter().filter_map(assistants_text).collect();
            if texts.len() > 1 {
                let hash = joined(&texts, "");
                let times = here.entry(hash).or_default();
                *times += 1;
                if let Some(entry) = self.known.get_mut(&hash).filter(|entry| *times <= entry.delivered) {
                    entry.used = self.turn;
                    split[start..start + run.len()].fill(true);
                }
            }
            start += run.len();
        }
        split
    }

    /// Forgets the least recently used quarter once there are too many.
    fn forget(&mut self) {
        if self.known.len() <= MAX_KNOWN {
            return;
        }
        let mut turns: Vec<u64> = self.known.values().map(|entry| entry.used).collect();
        let (_, &mut oldest, _) = turns.select_nth_unstable(self.known.len() - MAX_KNOWN / 4 * 3);
        let mut excess = self.known.len() - MAX_KNOWN / 4 * 3;
        self.known.retain(|_, entry| {
            let goes = excess > 0 && entry.used <= oldest;
            excess -= usize::from(goes);
            !goes
        });
    }
}

fn assistants_text(block: &Block) -> Option<&str> {
    match (&block.speaker, &block.content) {
        (Speaker::Assistant, Content::Text(text)) => Some(text),
        _ => None,
    }
}

/// Texts of one answer between which nothing stands but what agents leave out: thoughts and what is sealed.
fn said_together(blocks: &[Block]) -> Vec<Vec<&str>> {
    let mut runs = vec![Vec::new()];
    for block in blocks {
        match (&block.content, runs.last_mut()) {
            (Content::Text(text), Some(run)) => run.push(text.as_str()),
            (Content::Thinking(_) | Content::Attachment { .. }, _) => {}
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| run.len() > 1);
    runs
}

fn joined(texts: &[&str], between: &str) -> Hash {
    Block { speaker: Speaker::Assistant, content: Content::Text(texts.join(between)) }.digest()
}

#[cfg(test)]
mod tests;
