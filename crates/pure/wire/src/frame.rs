//! Frames: a little-endian `u32` length, then that many bytes of JSON.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// Longest body, in bytes.
pub const MAX_FRAME: usize = 8 * 1024 * 1024;

const PREFIX: usize = 4;

/// Why a frame cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The body is longer than [`MAX_FRAME`], or than is taken there.
    #[error("the frame's body has {0} bytes, more than are taken")]
    TooLong(usize),
    /// The bytes end before the frame does.
    #[error("the frame is cut short")]
    Short,
    /// Bytes follow the frame.
    #[error("{0} bytes follow the frame")]
    Trailing(usize),
    /// The body is not such a message.
    #[error("the frame's body is no such message: {0}")]
    Body(#[from] serde_json::Error),
}

/// Writes one message as a frame.
///
/// # Errors
/// [`FrameError::TooLong`], or [`FrameError::Body`] when the message has no JSON form.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; PREFIX];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - PREFIX;
    let prefix = u32::try_from(length).ok().filter(|_| length <= MAX_FRAME).ok_or(FrameError::TooLong(length))?;
    frame[..PREFIX].copy_from_slice(&prefix.to_le_bytes());
    Ok(frame)
}

/// Reads exactly one frame.
///
/// # Errors
/// A [`FrameError`] when the bytes are not exactly one frame that holds such a message.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    let end = end_of(bytes)?.ok_or(FrameError::Short)?;
    match bytes.len() - end {
        0 => Ok(serde_json::from_slice(&bytes[PREFIX..end])?),
        more => Err(FrameError::Trailing(more)),
    }
}

/// Where the first frame ends, or nothing when it is not whole yet.
fn end_of(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    end_within(bytes, MAX_FRAME)
}

fn end_within(bytes: &[u8], most: usize) -> Result<Option<usize>, FrameError> {
    let Some(prefix) = bytes.first_chunk::<PREFIX>() else { return Ok(None) };
    let length = usize::try_from(u32::from_le_bytes(*prefix)).unwrap_or(usize::MAX);
    if length > most {
        return Err(FrameError::TooLong(length));
    }
    Ok(Some(PREFIX + length).filter(|&end| end <= bytes.len()))
}

/// Takes bytes as they come and gives messages. After an error the stream has no known boundary: drop it.
#[derive(Debug)]
pub struct Decoder<T> {
    pending: Vec<u8>,
    message: PhantomData<fn() -> T>,
}

impl<T> Default for Decoder<T> {
    fn default() -> Self {
        Decoder { pending: Vec::new(), message: PhantomData }
    }
}

impl<T: DeserializeOwned> Decoder<T> {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes and returns the messages that they complete.
    ///
    /// # Errors
    /// A [`FrameError`] at the first frame that is too long or not such a message.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<T>, FrameError> {
        self.pending.extend_from_slice(bytes);
        let (mut messages, mut start) = (Vec::new(), 0);
        while let Some(end) = end_of(&self.pending[start..])? {
            messages.push(serde_json::from_slice(&self.pending[start + PREFIX..start + end])?);
            start += end;
        }
        self.pending.drain(..start);
        Ok(messages)
    }

    /// Whether the stream may end here: no frame is half read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

/// Takes bytes as they come and gives the bodies of whole frames, unread. What it held is wiped.
#[derive(Default)]
pub(crate) struct Bodies {
    pending: Zeroizing<Vec<u8>>,
}

impl Bodies {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next body, of at most that length; none when no whole one is there.
    pub(crate) fn next_body(&mut self, most: usize) -> Result<Option<Zeroizing<Vec<u8>>>, FrameError> {
        let Some(end) = end_within(&self.pending, most)? else { return Ok(None) };
        let rest = Zeroizing::new(self.pending[end..].to_vec());
        let mut body = std::mem::replace(&mut self.pending, rest);
        body.truncate(end);
        body.drain(..PREFIX);
        Ok(Some(body))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

impl std::fmt::Debug for Bodies {
    /// Without the bytes.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Bodies").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_round() {
        let frame = encode(&("name", 7)).unwrap();
        assert_eq!(decode::<(String, u32)>(&frame).unwrap(), ("name".into(), 7));
    }

    #[test]
    fn bytes_one_by_one_give_every_message() {
        let stream = [encode(&1_u32).unwrap(), encode(&22_u32).unwrap()].concat();
        let mut decoder = Decoder::<u32>::new();
        let read: Vec<u32> = stream.iter().flat_map(|&byte| decoder.push(&[byte]).unwrap()).collect();
        assert_eq!(read, [1, 22]);
        assert!(decoder.is_empty());
        assert_eq!(decoder.push(&stream).unwrap(), [1, 22]);
    }

    #[test]
    fn a_length_beyond_the_maximum_is_refused_before_its_body() {
        let length = u32::try_from(MAX_FRAME).unwrap() + 1;
        assert!(matches!(Decoder::<u32>::new().push(&length.to_le_bytes()), Err(FrameError::TooLong(_))));
        assert!(matches!(encode(&"x".repeat(MAX_FRAME)), Err(FrameError::TooLong(_))));
    }

    #[test]
    fn decode_takes_exactly_one_frame() {
        let mut frame = encode(&1_u32).unwrap();
        assert!(matches!(decode::<u32>(&frame[..3]), Err(FrameError::Short)));
        assert!(matches!(decode::<u32>(&frame[..4]), Err(FrameError::Short)));
        frame.push(0);
        assert!(matches!(decode::<u32>(&frame), Err(FrameError::Trailing(1))));
    }

    #[test]
    fn a_body_of_another_kind_is_refused() {
        assert!(matches!(decode::<u32>(&encode(&"text").unwrap()), Err(FrameError::Body(_))));
    }
}
