//! The operator's ledger: every session's segments in one order that can be proved.
//!
//! Its log is a text of one [`Leaf`] a line. A [`Cut`] says how far both segments of a session had come, and by which
//! hashes; all that a segment holds up to there hangs on these. The lines are the leaves of a Merkle tree (RFC 6962,
//! [`tree`]), whose root a [`Checkpoint`] names and a key signs ([`note`]). What was under a checkpoint that is kept
//! elsewhere cannot be changed, moved or taken away unseen, a whole session neither: [`Book`] tells.
//!
//! Nothing here signs: the caller brings keys, and a function that checks a signature.

mod book;
mod key;
mod leaf;
pub mod note;
pub mod tree;

pub use book::{BadLine, Book, Following, Known, Strayed};
pub use key::{BadKey, Encoded, PublicKey, SignatureKind};
pub use leaf::{Cut, Leaf, MAX_LEAF, Part, Pruned};
pub use note::{BadCheckpoint, BadNote, Checkpoint, MAX_NOTE, NotOpened, Note, Opened, signature_line, to_be_signed};
pub use tree::{BadTree, Tree};

#[cfg(test)]
mod tests;
