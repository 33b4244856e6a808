//! The bytes of a small file. Who lays out a root that was made ahead reads the same files again: those that are the same then
//! share their bytes, and are the same at one look.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a file holds. A clone shares its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content(Arc<[u8]>);

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Content {
        Content(bytes.into())
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

// As one piece: a list is written byte by byte, and a start waits for that.
impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_bytes(Bytes)
    }
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Content;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Content, E> {
        Ok(Content::from(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Frame;

    #[test]
    fn it_is_said_as_a_list_of_bytes_is() {
        for bytes in [vec![], vec![0, 255], vec![7; 20_000]] {
            let frame = Frame::encode(&Content::from(&bytes[..])).expect("encodes");
            assert_eq!(frame, Frame::encode(&bytes).expect("encodes"));
            let read: Content = Frame::decode(&frame[4..]).expect("decodes");
            assert_eq!(&*read, &bytes[..]);
        }
    }
}
