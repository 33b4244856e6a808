//! Paths, in every way in which a server may read them, and patterns of rules.

use serde::{Deserialize, Serialize};

use super::value::{Piece, wild};
use super::{RequestError, hex};

/// Longest path, in bytes.
pub(super) const MAX_PATH: usize = 8 * 1024;
/// Most segments: each is kept apart.
pub(super) const MAX_SEGMENTS: usize = 256;

/// The segments of a path, decoded; the last one is empty where the path ends in a slash.
pub(super) type Reading = Vec<Vec<u8>>;

/// Which paths a rule means: segments of text with `*` for any text within one, `**` for any number of segments.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Part {
    /// `**`
    Any,
    One(Vec<Piece>),
}

impl PathPattern {
    /// A pattern, such as `/repos/acme/**`. Percent-encoding means the byte, so `%2A` is a star and no pattern.
    ///
    /// # Errors
    /// [`RequestError`], as for a path that is no path.
    pub fn parse(text: &str) -> Result<PathPattern, RequestError> {
        let segments = segments(text)?;
        let count = segments.len();
        let part = |(at, segment): (usize, &str)| -> Result<Part, RequestError> {
            if segment == "**" {
                return Ok(Part::Any);
            }
            if segment.contains("**") {
                return Err(RequestError::Stars);
            }
            let mut pieces = Vec::new();
            for (index, plain) in segment.split('*').enumerate() {
                if index > 0 {
                    pieces.push(Piece::Any);
                }
                pieces.extend(decode(plain)?.into_iter().map(Piece::Byte));
            }
            let bytes: Option<Vec<u8>> = pieces.iter().map(|piece| piece.byte()).collect();
            bytes.map_or(Ok(()), |bytes| plain(&bytes, at + 1 == count))?;
            Ok(Part::One(pieces))
        };
        let parts = segments.into_iter().enumerate().map(part).collect::<Result<_, _>>()?;
        Ok(PathPattern { text: text.into(), parts })
    }

    pub(super) fn literal(reading: &Reading) -> PathPattern {
        let mut text = String::new();
        for segment in reading {
            text.push('/');
            for &byte in segment {
                // A star would mean any text.
                if is_plain(byte) && byte != b'*' {
                    text.push(char::from(byte));
                } else {
                    text += &format!("%{byte:02X}");
                }
            }
        }
        let part = |segment: &Vec<u8>| Part::One(segment.iter().copied().map(Piece::Byte).collect());
        PathPattern { parts: reading.iter().map(part).collect(), text }
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The segments that every path it means begins with, in some case of letters.
    pub(crate) fn beginning(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.parts.iter().map_while(Part::literal).take_while(|segment| !segment.is_empty())
    }

    /// Loosely, as some servers do: in any case of letters, and with a slash at the end as without.
    pub(super) fn takes(&self, reading: &[Vec<u8>], loosely: bool) -> bool {
        let same = |piece: &Piece, byte: &u8| {
            piece.byte().is_some_and(|own| own == *byte || loosely && own.eq_ignore_ascii_case(byte))
        };
        let one = |part: &Part, segment: &Vec<u8>| match part {
            Part::Any => true,
            Part::One(pieces) => wild(pieces, segment, |piece| *piece == Piece::Any, same),
        };
        // A trailing `/**` means what is above it as well.
        let takes = |parts: &[Part], reading: &[Vec<u8>]| wild(parts, reading, |part| *part == Part::Any, one);
        let parts = match self.parts.split_last() {
            Some((Part::One(last), above)) if last.is_empty() && !above.is_empty() => above,
            _ => &self.parts,
        };
        let short = match reading.split_last() {
            Some((last, above)) if last.is_empty() && !above.is_empty() => above,
            _ => reading,
        };
        takes(&self.parts, reading) || loosely && (takes(parts, short) || takes(parts, reading))
    }

    /// Whether every path that the other means is meant by this; not seen where it takes more than a look.
    pub(crate) fn covers(&self, other: &PathPattern) -> bool {
        let all = |pattern: &PathPattern| pattern.parts.iter().all(|part| *part == Part::Any);
        let literal: Option<Reading> = other.parts.iter().map(Part::literal).collect();
        self == other || all(self) || literal.is_some_and(|reading| self.takes(&reading, false))
    }
}

impl Part {
    fn literal(&self) -> Option<Vec<u8>> {
        match self {
            Part::Any => None,
            Part::One(pieces) => pieces.iter().map(|piece| piece.byte()).collect(),
        }
    }
}

/// Every way in which a server may read a path: with an encoded slash or backslash as one byte or as a slash, and with
/// what follows a semicolon in a segment or without it.
pub(super) fn readings(path: &str) -> Result<Vec<Reading>, RequestError> {
    let whole = segments(path)?.into_iter().map(decode).collect::<Result<Reading, _>>()?;
    let mut readings = vec![whole];
    // Only what is encoded, and a semicolon, is read in several ways.
    let several = path.contains(['%', ';']);
    let parts = |segment: &Vec<u8>| segment.split(|byte| is_slash(*byte)).map(<[u8]>::to_vec).collect::<Reading>();
    let name = |segment: &Vec<u8>| segment.split(|byte| *byte == b';').next().unwrap_or_default().to_vec();
    if several {
        add(&mut readings, |reading| reading.iter().flat_map(parts).collect());
        add(&mut readings, |reading| reading.iter().map(name).collect());
    }
    for reading in &readings {
        let last = reading.len() - 1;
        reading.iter().enumerate().try_for_each(|(at, segment)| plain(segment, at == last))?;
    }
    Ok(readings)
}

/// Adds what another reader makes of each reading, where that differs.
fn add(readings: &mut Vec<Reading>, other: impl Fn(&Reading) -> Reading) {
    for at in 0..readings.len() {
        let reading = other(&readings[at]);
        if !readings.contains(&reading) {
            readings.push(reading);
        }
    }
}

fn segments(path: &str) -> Result<Vec<&str>, RequestError> {
    let rest = path.strip_prefix('/').filter(|_| path.len() <= MAX_PATH).ok_or(RequestError::Path)?;
    let segments: Vec<&str> = rest.split('/').collect();
    if segments.len() <= MAX_SEGMENTS { Ok(segments) } else { Err(RequestError::Path) }
}

/// Refuses a segment that servers take away; the last one may be empty.
fn plain(segment: &[u8], last: bool) -> Result<(), RequestError> {
    match segment {
        b"." | b".." => Err(RequestError::Dots),
        b"" if !last => Err(RequestError::Empty),
        _ => Ok(()),
    }
}

fn decode(segment: &str) -> Result<Vec<u8>, RequestError> {
    let bytes = segment.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'%' {
            if !is_plain(byte) {
                return Err(RequestError::Character);
            }
            decoded.push(byte);
            at += 1;
            continue;
        }
        match hex(bytes, at + 1).ok_or(RequestError::Percent)? {
            0..=31 | 127 => return Err(RequestError::Control),
            byte => decoded.push(byte),
        }
        at += 3;
    }
    // However it was spelled: what is decoded once more would be another path.
    let twice = (0..decoded.len()).any(|at| decoded[at] == b'%' && hex(&decoded, at + 1).is_some());
    if twice {
        return Err(RequestError::Double);
    }
    let overlong = |two: &[u8]| matches!(two, [0xc0 | 0xc1 | 0xf5.., _] | [0xe0, 0x80..=0x9f] | [0xf0, 0x80..=0x8f]);
    if decoded.windows(2).any(overlong) { Err(RequestError::Overlong) } else { Ok(decoded) }
}

const fn is_slash(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// What stands in a path as it is (RFC 3986), and the few that browsers send so as well.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@[]|".contains(&byte)
}

impl TryFrom<String> for PathPattern {
    type Error = RequestError;
    fn try_from(text: String) -> Result<Self, RequestError> {
        PathPattern::parse(&text)
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> String {
        pattern.text
    }
}
