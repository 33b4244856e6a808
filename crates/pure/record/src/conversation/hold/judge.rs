//! What judges an answer of a model, and what it may say. Pure: it knows what it was given, and nothing else.

use std::ops::Range;

use super::Withheld;
use crate::conversation::Block;

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It goes on as it came.
    Pass,
    /// It does not, and its model is told this: as its result where the wire's calls have ids (see [`super::restore`]), else
    /// as a text in its place.
    Instead(String),
    /// The answer ends here, with this error.
    Refuse(String),
}

/// What of an answer a judge is asked about. All else goes on as soon as its event is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    /// Calls of tools, each once it is whole.
    pub calls: bool,
    /// Words and thoughts, as they come.
    pub words: bool,
}

impl Wants {
    /// Calls alone: words stream on as if nobody judged.
    pub const CALLS: Wants = Wants { calls: true, words: false };
    /// Words alone.
    pub const WORDS: Wants = Wants { calls: false, words: true };
}

/// Words of one block, or thoughts, as far as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'t> {
    /// What was said: the end of what went on already, and behind it all that did not.
    pub text: &'t str,
    /// Where that begins which did not go on.
    pub passed: usize,
    /// Nothing more comes of this block.
    pub ended: bool,
}

/// A part of a text that does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of [`Said::text`]; what of them went on already is gone.
    pub place: Range<usize>,
    /// What stands in its place.
    pub instead: String,
}

/// What becomes of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They go on without these parts, but for so many bytes at their end, which wait for what comes next. Where the block
    /// ended, none waits.
    Go {
        /// What is taken out, in any order.
        cuts: Vec<Cut>,
        /// Bytes that wait; all of them until the block is whole, where a judge wants that.
        waits: usize,
    },
    /// The answer ends here, with this error.
    Refuse(String),
}

impl Verdict {
    /// All of it goes on.
    pub const PASS: Verdict = Verdict::Go { cuts: Vec::new(), waits: 0 };
}

/// A thought of which something was taken out, though its provider signed it as it was: changed, it would not take it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The signature, which goes on as it came.
    pub signature: String,
    /// The thought as it was signed.
    pub said: String,
    /// As it went on.
    pub went: String,
}

/// Judges what a model says before anybody hears it.
pub trait Judge {
    /// What it is asked about.
    fn wants(&self) -> Wants {
        Wants::CALLS
    }

    /// What becomes of a whole call, before anybody can carry it out.
    fn judge(&mut self, call: &Block) -> Ruling;

    /// What becomes of words. It is asked again as more come, and once more when their block ended.
    fn words(&mut self, _said: &Said<'_>) -> Verdict {
        Verdict::PASS
    }

    /// A call of [`super::WITHHELD`] went on in the place of this one: who puts it back when the program says it again has its
    /// model know what it was told.
    fn withheld(&mut self, _call: Withheld) {}

    /// It changed a thought that is signed: who puts the one in the other's place when a program says it again keeps it valid.
    fn signed(&mut self, _thought: Signed) {}
}
