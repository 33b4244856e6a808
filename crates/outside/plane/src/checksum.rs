//! Files of the state that are read whole end with the hash of what they say. A byte that the disk changed is then damage, and
//! never another answer: another workspace to merge into, another policy to go back to.
//!
//! ```text
//! {"id":"…"}      the JSON
//! 4b22…           SHA-256 of it in hexadecimal, on a line of its own
//! ```
//!
//! One without that line is of an older build, and is read as it is. It is no protection against who may write the file.

use record::segment::{hex, unhex};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// Bytes of the hash and both line ends.
const TAIL: usize = 66;

/// Why a file does not say anything.
#[derive(Debug, thiserror::Error)]
pub enum Damaged {
    /// It is not what was written.
    #[error("it is not what was written: its hash is another")]
    Hash,
    /// It was never of that kind, or is of an older build and was cut.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// What is to be written.
///
/// # Errors
/// When it cannot be said in JSON.
pub fn file_of(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value)?;
    let hash = hex(&Sha256::digest(&bytes).into());
    bytes.push(b'\n');
    bytes.extend(hash.as_bytes());
    bytes.push(b'\n');
    Ok(bytes)
}

/// What such a file says.
///
/// # Errors
/// [`Damaged`]
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Damaged> {
    let Some((said, hash)) = split(bytes) else { return Ok(serde_json::from_slice(bytes)?) };
    if Sha256::digest(said)[..] == hash { Ok(serde_json::from_slice(said)?) } else { Err(Damaged::Hash) }
}

fn split(bytes: &[u8]) -> Option<(&[u8], [u8; 32])> {
    let (said, tail) = bytes.split_at_checked(bytes.len().checked_sub(TAIL)?)?;
    let hash = tail.strip_prefix(b"\n")?.strip_suffix(b"\n")?;
    Some((said, unhex(std::str::from_utf8(hash).ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Said = std::collections::BTreeMap<String, u64>;

    fn said() -> Said {
        [("a".to_owned(), 1), ("name of it".to_owned(), 1_234_567)].into()
    }

    #[test]
    fn no_bit_of_it_changes_unseen() {
        let bytes = file_of(&said()).expect("JSON");
        assert_eq!(read::<Said>(&bytes).expect("whole"), said());
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                assert!(read::<Said>(&other).is_err(), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn what_is_left_of_it_says_the_same_or_nothing() {
        let bytes = file_of(&said()).expect("JSON");
        for length in 0..bytes.len() {
            assert!(read::<Said>(&bytes[..length]).map_or(true, |read| read == said()), "{length}");
        }
        let json = &bytes[..bytes.len() - TAIL];
        assert_eq!(read::<Said>(json).expect("of an older build"), said());
        assert!(read::<Said>(&[json, &bytes].concat()).is_err());
    }
}
