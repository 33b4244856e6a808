//! The parts of a request as the text that they carry: what was cut into pieces is whole again when they are joined.

use crate::coding::{each_value, looks_structured, percent, strings};

/// Bytes of one part that are joined, at its beginning and at its end: a run that spans parts touches both.
const EDGE: usize = 2048;

/// The text of the parts, joined in their order. Of a long part only both ends are.
pub(crate) fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        let text = pieces(part).concat();
        out.extend_from_slice(&text[..text.len().min(EDGE)]);
        out.extend_from_slice(&text[text.len().saturating_sub(EDGE).max(EDGE.min(text.len()))..]);
    }
    out
}

/// The text of one part: the strings of a document, the values of pairs, the names in a path, or the part itself.
pub(crate) fn pieces(part: &[u8]) -> Vec<Vec<u8>> {
    if part.contains(&b'"') && looks_structured(part) {
        let found = strings(part);
        let begins = [0].into_iter().chain(found.ends.iter().copied());
        return begins.zip(&found.ends).map(|(begin, &end)| found.values[begin..end].to_vec()).collect();
    }
    let values = if part.contains(&b'=') { each_value(part) } else { Vec::new() };
    if values.iter().map(Vec::len).sum::<usize>() * 2 > part.len() {
        return values;
    }
    let text = percent(part, false);
    if text.starts_with(b"/") { text.split(|&byte| byte == b'/').map(<[u8]>::to_vec).collect() } else { vec![text] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_as_the_text_that_they_carry() {
        let parts: [&[u8]; 4] = [b"/a%20b/c", b"q=one%20long+value&r=two", br#"{"x":"three","y":["3"]}"#, b"four/4"];
        assert_eq!(joined(&parts), b"a bcone long valuetwothree3four/4");
    }

    #[test]
    fn long_parts_are_joined_at_their_ends() {
        for (length, kept) in [(EDGE - 1, EDGE - 1), (EDGE + 1, EDGE + 1), (2 * EDGE, 2 * EDGE), (5 * EDGE, 2 * EDGE)] {
            assert_eq!(joined(&[&vec![b'a'; length], b"b"]).len(), kept + 1);
        }
    }
}
