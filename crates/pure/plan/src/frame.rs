//! One message as bytes: a little-endian `u32` length, then that many bytes of postcard.

use serde::{Serialize, de::DeserializeOwned};

/// Longest body of a frame, in bytes: an argument list and an environment of the kernel's own limit fit.
pub const MAX_FRAME: usize = 8 * 1024 * 1024;

/// Encoding and decoding of one message.
pub struct Frame;

/// Bytes that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The length exceeds [`MAX_FRAME`].
    TooLong,
    /// The body is not a message of the expected kind.
    Malformed,
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            FrameError::TooLong => "message longer than 8 MiB",
            FrameError::Malformed => "malformed message",
        })
    }
}

impl std::error::Error for FrameError {}

impl Frame {
    /// The message with its length in front. It may hold secrets: what is returned is the only copy, so that whoever
    /// overwrites that has overwritten all.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] when the body exceeds [`MAX_FRAME`].
    pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
        // Counted first: a buffer that grew would leave its beginning behind.
        let counted = postcard::serialize_with_flavor(message, postcard::ser_flavors::Size::default());
        let length = counted.map_err(|_| FrameError::Malformed)?;
        if length > MAX_FRAME {
            return Err(FrameError::TooLong);
        }
        let mut bytes = vec![0; 4 + length];
        bytes[..4].copy_from_slice(&u32::try_from(length).map_err(|_| FrameError::TooLong)?.to_le_bytes());
        postcard::to_slice(message, &mut bytes[4..]).map_err(|_| FrameError::Malformed)?;
        Ok(bytes)
    }

    /// The body's length, from the first four bytes.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] when it exceeds [`MAX_FRAME`].
    pub fn length(prefix: [u8; 4]) -> Result<usize, FrameError> {
        let length = u32::from_le_bytes(prefix) as usize;
        if length > MAX_FRAME { Err(FrameError::TooLong) } else { Ok(length) }
    }

    /// The message in a body.
    ///
    /// # Errors
    /// [`FrameError::Malformed`] when the bytes are not such a message, or more than one.
    pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
        match postcard::take_from_bytes(body) {
            Ok((message, [])) => Ok(message),
            _ => Err(FrameError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Order;

    #[test]
    fn a_message_survives_the_frame() {
        let bytes = Frame::encode(&Order::Signal(15)).expect("encodes");
        let length = Frame::length(bytes[..4].try_into().expect("four bytes")).expect("fits");
        assert_eq!(length, bytes.len() - 4);
        assert_eq!(Frame::decode::<Order>(&bytes[4..]), Ok(Order::Signal(15)));
    }

    #[test]
    fn trailing_bytes_and_long_lengths_are_refused() {
        let mut bytes = Frame::encode(&Order::Kill).expect("encodes");
        bytes.push(0);
        assert_eq!(Frame::decode::<Order>(&bytes[4..]), Err(FrameError::Malformed));
        assert_eq!(Frame::length(u32::MAX.to_le_bytes()), Err(FrameError::TooLong));
        assert_eq!(Frame::encode(&vec![0_u8; MAX_FRAME]), Err(FrameError::TooLong));
    }
}
