//! What leaves, recognised: text that carries a label and secrets, whatever they were wrapped in.
//!
//! A [`Corpus`] holds what is labelled; [`Corpus::scan`] says which of it stands in some bytes, and how it got there
//! (base64, gzip, split over the strings of a document). A scan has bounds, and what exceeds them is told as
//! [`Beyond`]: the caller holds such a request, since nobody knows what is in it. This crate has no I/O and no clock,
//! knows no rule and decides nothing. It compares letters, never meaning: a paraphrase passes.
// Lists of ranges are meant, some of one.
#![allow(clippy::single_range_in_vec_init)]

mod apart;
mod coding;
mod corpus;
pub mod detect;
mod drips;
mod entropy;
mod env;
mod evidence;
mod fold;
mod fours;
mod grams;
mod matcher;
pub mod meaning;
mod needles;
mod plain;
pub mod risk;
mod said;
mod scan;
mod sparse;
mod torn;
mod window;

pub use apart::without;
pub use coding::Coding;
pub use corpus::{Corpus, Full, Label, SourceId};
pub use drips::{Drips, Drops, Place, Speaker, TextId};
pub use entropy::Seal;
pub use env::{is_key_file, secrets_of_env, secrets_of_key};
pub use evidence::{Beyond, Found, MAX_QUOTE, Opaque, Scan};
pub use matcher::LEAST;
pub use needles::MIN_SECRET;
pub use said::{Piece, Said};
pub use scan::Bounds;
pub use window::{Fresh, Window};
