//! The parts of a request as the text that they carry, joined: what was cut into pieces is whole again.

use crate::coding::{looks_structured, pair_values, percent, strings};

/// Bytes of one part that are joined, at its beginning and at its end: a run that spans parts touches both.
const EDGE: usize = 2048;

/// The text of the parts, joined in their order. Of a long part only both ends are.
pub(crate) fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        let text = text(part);
        if text.len() <= 2 * EDGE {
            out.extend_from_slice(&text);
        } else {
            out.extend_from_slice(&text[..EDGE]);
            out.extend_from_slice(&text[text.len() - EDGE..]);
        }
    }
    out
}

/// The text of one part: the strings of a document, the values of pairs, or the part itself.
pub(crate) fn text(part: &[u8]) -> Vec<u8> {
    if part.contains(&b'"') && looks_structured(part) {
        return strings(part).values;
    }
    let values = if part.contains(&b'=') { pair_values(part) } else { Vec::new() };
    if values.len() * 2 > part.len() { values } else { percent(part, false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_as_the_text_that_they_carry() {
        let parts: [&[u8]; 4] = [b"/a%20b", b"q=one%20long+value&r=two", br#"{"x":"three"}"#, b"four"];
        assert_eq!(joined(&parts), b"/a bone long valuetwothreefour");
    }

    #[test]
    fn long_parts_are_joined_at_their_ends() {
        let long = [b'a'; 10_000];
        assert_eq!(joined(&[&long, b"b"]).len(), 2 * EDGE + 1);
    }
}
