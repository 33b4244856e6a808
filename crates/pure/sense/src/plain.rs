//! The parts of a request as the text that they carry: what was cut into pieces is whole again when they are joined.

use std::borrow::Cow;

use crate::coding::{Marks, each_value, looks_structured, percent, strings};

/// Bytes of one part that are joined, at its beginning and at its end: a run that spans parts touches both.
const EDGE: usize = 2048;

/// The text of some parts, in their order.
#[derive(Default)]
pub(crate) struct Plain {
    text: Vec<u8>,
    /// Where each piece of it ends: a string of a document, the value of a pair, a name in a path, or the part itself.
    pieces: Vec<usize>,
    /// Where the text of each part ends.
    parts: Vec<usize>,
}

impl Plain {
    /// Reads the parts.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut plain = Self::default();
        for part in parts {
            plain.read(part);
            plain.parts.push(plain.text.len());
        }
        plain
    }

    /// All of it.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Each piece.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        cut(&self.text, &self.pieces)
    }

    /// All parts joined. Of a long one only both ends are.
    pub(crate) fn joined(&self) -> Cow<'_, [u8]> {
        if cut(&self.text, &self.parts).all(|part| part.len() <= 2 * EDGE) {
            return Cow::Borrowed(&self.text);
        }
        let mut out = Vec::new();
        for part in cut(&self.text, &self.parts) {
            out.extend_from_slice(&part[..part.len().min(EDGE)]);
            out.extend_from_slice(&part[part.len().saturating_sub(EDGE).max(EDGE.min(part.len()))..]);
        }
        Cow::Owned(out)
    }

    fn read(&mut self, part: &[u8]) {
        let (begin, first) = (self.text.len(), self.pieces.len());
        if part.contains(&b'"') && looks_structured(part) {
            let found = strings(part, Marks::NONE);
            self.text.extend_from_slice(&found.values);
            return self.pieces.extend(found.ends.iter().map(|end| begin + end));
        }
        if part.contains(&b'=') {
            each_value(part, &mut self.text, Some(&mut self.pieces));
            if (self.text.len() - begin) * 2 > part.len() {
                return;
            }
            // Little of it is values.
            self.text.truncate(begin);
            self.pieces.truncate(first);
        }
        percent(part, false, &mut self.text);
        if self.text[begin..].starts_with(b"/") {
            let path = self.text.split_off(begin);
            for name in path.split(|&byte| byte == b'/') {
                self.text.extend_from_slice(name);
                self.pieces.push(self.text.len());
            }
        } else {
            self.pieces.push(self.text.len());
        }
    }
}

/// The stretches of the text between one end and the next.
fn cut<'t>(text: &'t [u8], ends: &'t [usize]) -> impl Iterator<Item = &'t [u8]> {
    [0].into_iter().chain(ends.iter().copied()).zip(ends).map(|(begin, &end)| &text[begin..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_as_the_text_that_they_carry() {
        let parts: [&[u8]; 5] =
            [b"/a%20b/c", b"q=one%20long+value&r=two", br#"{"x":"three","y":["3"]}"#, b"four/4", b"mostly=5"];
        let plain = Plain::of(&parts);
        assert_eq!(&plain.joined()[..], b"a bcone long valuetwothree3four/4mostly=5");
        let pieces: Vec<&[u8]> = plain.pieces().collect();
        let expected = ["", "a b", "c", "one long value", "two", "three", "3", "four/4", "mostly=5"];
        assert_eq!(pieces, expected.map(str::as_bytes));
    }

    #[test]
    fn long_parts_are_joined_at_their_ends() {
        for (length, kept) in [(EDGE - 1, EDGE - 1), (EDGE + 1, EDGE + 1), (2 * EDGE, 2 * EDGE), (5 * EDGE, 2 * EDGE)] {
            assert_eq!(Plain::of(&[&vec![b'a'; length], b"b"]).joined().len(), kept + 1);
        }
    }
}
