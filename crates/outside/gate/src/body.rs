//! How much of a body is still to come.

use std::io;
use std::ops::Range;

use crate::chunks::Chunks;
use crate::head::Body;

/// What of a body is still to come.
#[derive(Debug)]
pub(crate) enum Left {
    Length(u64),
    Chunks(Chunks),
}

impl Left {
    pub(crate) fn new(body: Body) -> Left {
        match body {
            Body::Length(length) => Left::Length(length),
            Body::Chunked => Left::Chunks(Chunks::default()),
        }
    }

    /// How many of these bytes belong to the body.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take_with(bytes, &mut |_| {})
    }

    /// The same, and tells where what is carried stands.
    pub(crate) fn take_with(&mut self, bytes: &[u8], carried: &mut dyn FnMut(Range<usize>)) -> io::Result<usize> {
        match self {
            Left::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                if taken > 0 {
                    carried(0..taken);
                }
                Ok(taken)
            }
            Left::Chunks(chunks) => chunks.take_with(bytes, carried).map_err(io::Error::other),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        match self {
            Left::Length(left) => *left == 0,
            Left::Chunks(chunks) => chunks.is_done(),
        }
    }
}
