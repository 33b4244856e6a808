//! Numbers in control sequences, made no larger than they can count: what reads them does a thing as often as it is told to.
//!
//! It follows a stream only as far as it must to find the numbers of a sequence (`ESC [ … letter`). It holds back no byte but
//! the digits of one number, and changes nothing else.

/// Where in a stream of bytes it stands.
#[derive(Clone, Copy, Debug, Default)]
enum At {
    /// Text, or a sequence in which no number counts.
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// Among the numbers of a sequence, with the one whose digits came so far.
    Numbers(Option<u16>),
}

/// Bounds the numbers of a stream that comes in pieces.
#[derive(Debug)]
pub(super) struct Bounds {
    most: u16,
    at: At,
}

impl Bounds {
    /// Lets no number be larger than `most`.
    pub(super) const fn new(most: u16) -> Bounds {
        Bounds { most, at: At::Text }
    }

    /// The bytes, with numbers in bounds. A number that may go on in the next piece comes with that.
    pub(super) fn within(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bounded = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            self.at = self.after(byte, &mut bounded);
        }
        bounded
    }

    fn after(&self, byte: u8, bounded: &mut Vec<u8>) -> At {
        if let (At::Numbers(number), b'0'..=b'9') = (self.at, byte) {
            return At::Numbers(Some(number.unwrap_or(0).saturating_mul(10).saturating_add(u16::from(byte - b'0'))));
        }
        // What a terminal does at once, or passes over, and reads on.
        let within = !matches!(byte, 0x18 | 0x1a | 0x1b | 0x20..=0x7e);
        if let (At::Numbers(Some(number)), 0x20..=0x7e) = (self.at, byte) {
            bounded.extend_from_slice(number.min(self.most).to_string().as_bytes());
        }
        bounded.push(byte);
        match (self.at, byte) {
            (_, 0x1b) => At::Escape,
            (at, _) if within => at,
            (At::Escape, b'[') => At::Numbers(None),
            (At::Numbers(_), b';' | b':') => At::Numbers(None),
            _ => At::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bounds;
    use std::num::NonZero;
    use vt100::{Callbacks, Parser, Screen};

    fn within(pieces: &[&[u8]]) -> Vec<u8> {
        let mut bounds = Bounds::new(500);
        pieces.iter().flat_map(|piece| bounds.within(piece)).collect()
    }

    #[test]
    fn numbers_are_bounded_and_all_else_stays() {
        assert_eq!(within(&[b"99999 \x1b[99999b\x1b[1;99999H"]), b"99999 \x1b[500b\x1b[1;500H");
        assert_eq!(within(&[b"\x1b[", b"65", b"535", b"b"]), b"\x1b[500b");
        assert_eq!(within(&[b"\x1b[65\x07535\xffb"]), b"\x1b[\x07\xff500b");
        let stays: &[u8] = b"\x1b[?1049h\x1b[>4;2m\x1b[38;2;255;128;0m\x1b]0;99999\x07\x1b[m\x1b[;5H\x1b[2 q";
        assert_eq!(within(&[stays]), stays);
    }

    /// The largest number that a terminal was told.
    #[derive(Default)]
    struct Told(u16);

    impl Callbacks for Told {
        fn unhandled_csi(&mut self, _: &mut Screen, first: Option<u8>, _: Option<u8>, numbers: &[&[u16]], _: char) {
            if first.is_none() {
                self.0 = numbers.iter().flat_map(|part| part.iter()).fold(self.0, |most, one| most.max(*one));
            }
        }
    }

    /// Streams of what matters here, in any order: where they say nothing too large they are left as they were, and a terminal
    /// is told nothing too large in any.
    #[test]
    fn a_terminal_reads_the_same_and_nothing_too_large() {
        let words: [&[u8]; 16] = [
            b"\x1b", b"[", b"\x1b[", b"9", b"99", b"0", b";", b":", b"?", b"b", b"y", b"\x07", b"\x18", b"\xff", b"]",
            b" ",
        ];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).expect("fits") % below
        };
        let size = NonZero::new(20).expect("a size");
        for _ in 0..20_000 {
            let stream: Vec<&[u8]> = (0..12).map(|_| words[next(words.len())]).collect();
            let mut bounded = Bounds::new(20);
            let mut told = Parser::new_with_callbacks(size, size, 0, Told::default());
            let mut large = Parser::new_with_callbacks(size, size, 0, Told::default());
            for piece in &stream {
                large.process(piece);
                told.process(&bounded.within(piece));
            }
            // What is held back ends here.
            told.process(&bounded.within(b"y"));
            large.process(b"y");
            assert!(told.callbacks().0 <= 20, "{stream:?}");
            if large.callbacks().0 <= 20 && !stream.contains(&b"b".as_slice()) {
                assert_eq!(told.screen().contents(), large.screen().contents(), "{stream:?}");
            }
        }
    }
}
