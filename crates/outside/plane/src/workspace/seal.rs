//! How bytes that JSON does not have are written: paths, and hashes in hexadecimal.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// UTF-8 stays readable; anything else becomes hexadecimal behind a slash, which no relative path begins with.
pub(super) fn seal(path: &Path) -> String {
    path.to_str().map_or_else(|| format!("/{}", hex(path.as_os_str().as_bytes())), str::to_owned)
}

/// The inverse of `seal`.
pub(super) fn unseal(text: &str) -> PathBuf {
    match text.strip_prefix('/') {
        None => PathBuf::from(text),
        Some(hex) => PathBuf::from(OsString::from_vec(unhex(hex).unwrap_or_default())),
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

/// The bytes that hexadecimal names; `None` if it is none.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pair = |pair: &[u8]| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?);
    text.as_bytes().chunks(2).map(pair).collect()
}

/// Paths as a serde field.
pub(super) fn paths<S: serde::Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| seal(path)))
}

/// Paths with reasons as a serde field.
pub(super) fn reasons<S: serde::Serializer>(
    left: &[(PathBuf, super::Reason)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(left.iter().map(|(path, reason)| (seal(path), reason)))
}

/// A path as a serde field.
pub(super) mod path {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::path::{Path, PathBuf};

    pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::seal(path))
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<PathBuf, D::Error> {
        Ok(super::unseal(&String::deserialize(deserializer)?))
    }
}

/// A hash as a serde field.
pub(super) mod hash {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(hash: &Option<[u8; 32]>, serializer: S) -> Result<S::Ok, S::Error> {
        match hash {
            Some(hash) => serializer.serialize_str(&super::hex(hash)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Option<[u8; 32]>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let bytes = super::unhex(&text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Some).ok_or_else(|| D::Error::custom("no SHA-256"))
    }
}
