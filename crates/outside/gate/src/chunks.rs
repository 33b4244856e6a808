//! Where a chunked body ends. It is passed on as it came, so that no byte behind it goes along.

use std::ops::Range;

/// What may follow next in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Digits of a size; so many were read.
    #[default]
    Start,
    Size(u8),
    SizeEnd,
    Data,
    DataReturn,
    DataEnd,
    LastReturn,
    LastEnd,
    Done,
    /// Behind a size, up to the end of its line.
    Extension,
    /// Lines behind the last chunk.
    Trailer,
    TrailerEnd,
}

/// Most bytes of extensions and trailers.
const MAX_BESIDE: u16 = 16 * 1024;

/// Follows a chunked body byte by byte. Extensions and trailers are refused, since nobody needs them and readers differ, but
/// in answers that nobody looks at.
#[derive(Debug, Default)]
pub struct Chunks {
    state: State,
    size: u64,
    /// Bytes that extensions and trailers may still have.
    beside: u16,
}

/// The body is not chunked as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body's chunks cannot be told apart")]
pub struct Torn;

impl Chunks {
    /// Of an answer that is passed on as it is: servers add to it what they like.
    pub(crate) fn of_an_answer() -> Chunks {
        Chunks { beside: MAX_BESIDE, ..Chunks::default() }
    }

    /// How many of these bytes belong to the body.
    ///
    /// # Errors
    /// [`Torn`] at the first byte that may not stand where it stands.
    pub fn take(&mut self, bytes: &[u8]) -> Result<usize, Torn> {
        self.take_with(bytes, &mut |_| {})
    }

    /// The same, and tells where what is carried stands.
    ///
    /// # Errors
    /// As [`Chunks::take`].
    pub fn take_with(&mut self, bytes: &[u8], carried: &mut dyn FnMut(Range<usize>)) -> Result<usize, Torn> {
        let mut at = 0;
        while at < bytes.len() && !self.is_done() {
            if self.state == State::Data {
                let most = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len() - at);
                carried(at..at + most);
                at += most;
                self.size -= most as u64;
                if self.size == 0 {
                    self.state = State::DataReturn;
                }
                continue;
            }
            self.state = self.next(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    /// Whether the last chunk was read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn next(&mut self, byte: u8) -> Result<State, Torn> {
        let digit = char::from(byte).to_digit(16);
        Ok(match (self.state, byte, digit) {
            (State::Start, _, Some(digit)) => {
                self.size = digit.into();
                State::Size(1)
            }
            (State::Size(read), _, Some(digit)) if read < 15 => {
                self.size = self.size << 4 | u64::from(digit);
                State::Size(read + 1)
            }
            (State::Size(_), b'\r', _) => State::SizeEnd,
            (State::SizeEnd, b'\n', _) if self.size == 0 => State::LastReturn,
            (State::SizeEnd, b'\n', _) => State::Data,
            (State::DataReturn, b'\r', _) => State::DataEnd,
            (State::DataEnd, b'\n', _) => State::Start,
            (State::LastReturn, b'\r', _) => State::LastEnd,
            (State::LastEnd, b'\n', _) => State::Done,
            (State::Extension, b'\r', _) => State::SizeEnd,
            (State::Trailer, b'\r', _) => State::TrailerEnd,
            (State::TrailerEnd, b'\n', _) => State::LastReturn,
            (State::TrailerEnd, ..) | (_, b'\n', _) => return Err(Torn),
            (State::Size(_), b';' | b' ' | b'\t', _) | (State::Extension, ..) => self.beside(State::Extension)?,
            (State::LastReturn | State::Trailer, ..) => self.beside(State::Trailer)?,
            _ => return Err(Torn),
        })
    }

    /// One more byte of what stands beside the body.
    fn beside(&mut self, state: State) -> Result<State, Torn> {
        self.beside = self.beside.checked_sub(1).ok_or(Torn)?;
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &[u8]) -> Result<usize, Torn> {
        Chunks::default().take(text)
    }

    #[test]
    fn a_body_ends_where_its_last_chunk_does() {
        let text = b"4\r\nab\r\n\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\nGET / HTTP/1.1";
        assert_eq!(whole(text), Ok(text.len() - 14));
        let mut chunks = Chunks::default();
        let taken: usize = text.iter().map(|byte| chunks.take(&[*byte]).unwrap_or_default()).sum();
        assert_eq!((taken, chunks.is_done()), (text.len() - 14, true));
    }

    #[test]
    fn what_readers_differ_on_is_refused() {
        for text in [
            &b"\r\n0\r\n\r\n"[..],
            b"4;x=y\r\nabcd\r\n",
            b"4 \r\nabcd\r\n",
            b"0x4\r\nabcd\r\n",
            b"+4\r\nabcd\r\n",
            b"4\nabcd\r\n",
            b"4\r\nabcde\r\n",
            b"0\r\nTrailer: x\r\n\r\n",
            b"1000000000000000\r\n",
        ] {
            assert_eq!(whole(text), Err(Torn), "{}", text.escape_ascii());
        }
    }
}
