//! Reads an answer ahead of its judge, to find calls that the operator is to be asked about. What stands before such a call goes
//! on at once; the call, and what stands behind it, waits here until it is known what becomes of it.

use std::future::Future;
use std::pin::Pin;

use record::conversation::hold::{Sieve, Wants};
use record::conversation::{Block, Malformed, Wire};

use crate::models::{Asker, Ears};

/// What reads ahead.
pub(crate) struct Ahead<'j> {
    asker: &'j Asker<'j>,
    sieve: Option<Sieve>,
    /// What was not given to the judge yet.
    bytes: Vec<u8>,
    /// Nothing follows.
    ended: bool,
    /// How many of `bytes` were read ahead; all, and the end, where that is.
    read: usize,
    over: bool,
    /// Calls in what was read ahead that are to be asked about.
    calls: Vec<Block>,
}

/// What may be given to the judge.
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    End,
}

impl<'j> Ahead<'j> {
    pub(crate) const fn new(asker: &'j Asker<'j>) -> Ahead<'j> {
        Ahead { asker, sieve: None, bytes: Vec::new(), ended: false, read: 0, over: false, calls: Vec::new() }
    }

    /// The head of the answer is whole.
    pub(crate) fn begin(&mut self, wire: Wire, streams: bool) {
        self.sieve = Some(Sieve::new(wire, streams, Wants::CALLS));
    }

    /// Takes more of it.
    pub(crate) fn take(&mut self, bytes: Vec<u8>, end: bool) {
        self.bytes.extend(bytes);
        self.ended |= end;
    }

    /// Whether something waits for the operator.
    pub(crate) fn holds(&self) -> bool {
        !self.calls.is_empty()
    }

    /// The next piece that may be judged: a line, as events end with one.
    ///
    /// # Errors
    /// Where an answer cannot be read.
    pub(crate) fn next(&mut self) -> Result<Option<Piece>, Malformed> {
        let Some(sieve) = self.sieve.as_mut().filter(|_| self.calls.is_empty()) else { return Ok(None) };
        let mut ears = Ears { asker: self.asker, heard: &mut self.calls };
        if self.read == 0 && !self.bytes.is_empty() {
            let line = self.bytes.iter().position(|byte| *byte == b'\n').map_or(self.bytes.len(), |at| at + 1);
            sieve.push(&self.bytes[..line], &mut ears)?;
            self.read = line;
        } else if self.bytes.is_empty() && self.ended && !self.over {
            sieve.finish(&mut ears)?;
            self.over = true;
        } else if self.bytes.is_empty() && !self.over {
            return Ok(None);
        }
        if !self.calls.is_empty() {
            return Ok(None);
        }
        Ok(self.passed())
    }

    /// What was read ahead, and holds nothing that waits.
    fn passed(&mut self) -> Option<Piece> {
        match std::mem::take(&mut self.read) {
            0 if self.over => {
                self.sieve = None;
                Some(Piece::End)
            }
            0 => None,
            read => Some(Piece::Bytes(self.bytes.drain(..read).collect())),
        }
    }

    /// Waits for what becomes of the calls that wait; the judge knows then.
    pub(crate) fn wait(&mut self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async {
            self.asker.ask(&self.calls).await;
            self.calls.clear();
        })
    }
}
