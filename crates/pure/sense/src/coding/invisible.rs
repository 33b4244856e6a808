//! Characters that no screen shows and that stand for bytes: tags for ASCII, variation selectors for any byte.
//!
//! Where they stand only between the letters of a text, comparing drops them.

use super::signs::find;
use super::{Coding, Take};

/// Undoes what is written in them.
pub(super) fn undo(bytes: &[u8], take: &mut dyn Take) {
    for hidden in [tags(bytes), selectors(bytes)] {
        take.layer(&[Coding::Invisible], &hidden);
    }
}

/// The ASCII that U+E0020 to U+E007E stand for.
fn tags(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(lead) = find(&bytes[at..], 0xf3) {
        at += lead;
        if let [0xf3, 0xa0, high @ (0x80 | 0x81), low @ 0x80..=0xbf, ..] = bytes[at..] {
            out.extend(Some((high & 1) << 6 | low & 63).filter(|byte| (0x20..0x7f).contains(byte)));
        }
        at += 1;
    }
    out
}

/// The bytes that U+FE00 to U+FE0F and U+E0100 to U+E01EF stand for.
fn selectors(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    if find(bytes, 0xef).or(find(bytes, 0xf3)).is_none() {
        return out;
    }
    while let Some(lead) = bytes[at..].iter().position(|&byte| matches!(byte, 0xef | 0xf3)) {
        at += lead;
        match bytes[at..] {
            [0xef, 0xb8, low @ 0x80..=0x8f, ..] => out.push(low & 15),
            // The last of them stands for 255.
            [0xf3, 0xa0, high @ 0x84..=0x87, low @ 0x80..=0xbf, ..] => {
                out.extend(16u8.checked_add((high & 3) << 6 | low & 63))
            }
            _ => {}
        }
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_bytes_are_read() {
        let tagged: String =
            "a Key!".chars().filter_map(|letter| char::from_u32(0xe0000 + u32::from(letter))).collect();
        assert_eq!(tags(format!("x\u{1f3f4}{tagged}y").as_bytes()), b"a Key!");
        let selected: String = [0u8, 15, 16, 65, 255].iter().filter_map(|&byte| selector(byte)).collect();
        assert_eq!(selectors(format!("\u{263a}{selected}").as_bytes()), [0, 15, 16, 65, 255]);
        assert_eq!(tags("\u{e01ef}\u{fe0f}".as_bytes()), b"");
        assert_eq!(selectors("\u{e01f0}\u{e01ff}".as_bytes()), b"");
    }

    fn selector(byte: u8) -> Option<char> {
        char::from_u32(if byte < 16 { 0xfe00 } else { 0xe0100 - 16 } + u32::from(byte))
    }
}
