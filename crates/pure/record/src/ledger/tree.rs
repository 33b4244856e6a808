//! The Merkle tree of RFC 6962, section 2.1, grown leaf by leaf. Only the roots of its whole subtrees are kept: at most
//! 64 hashes, whatever its size.

use sha2::{Digest, Sha256};

use crate::segment::Hash;

/// The hash of a leaf.
#[must_use]
pub fn leaf(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Such hashes are those of no tree of that size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a tree of {size} leaves has {} whole subtrees, not {given}", .size.count_ones())]
pub struct BadTree {
    /// How many leaves were said.
    pub size: u64,
    /// How many hashes came.
    pub given: usize,
}

/// A tree that grows at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// Roots of the whole subtrees, the largest first: one for each bit of the size.
    subtrees: Vec<Hash>,
}

impl Tree {
    /// One without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree that has these subtrees, as [`Tree::subtrees`] gave them. Its root tells whether they are the right ones.
    ///
    /// # Errors
    /// When it cannot have so many.
    pub fn of(size: u64, subtrees: Vec<Hash>) -> Result<Self, BadTree> {
        if subtrees.len() != size.count_ones() as usize {
            return Err(BadTree { size, given: subtrees.len() });
        }
        Ok(Self { size, subtrees })
    }

    /// Adds a leaf.
    pub fn push(&mut self, data: &[u8]) {
        let mut hash = leaf(data);
        // Each bit that carries joins two subtrees of one size.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = node(&left, &hash);
            }
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// How many leaves it has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its whole subtrees, the largest first.
    #[must_use]
    pub fn subtrees(&self) -> &[Hash] {
        &self.subtrees
    }

    /// Its root; of one without leaves, the hash of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let joined = self.subtrees.iter().rev().copied().reduce(|right, left| node(&left, &right));
        joined.unwrap_or_else(|| Sha256::digest([]).into())
    }
}
