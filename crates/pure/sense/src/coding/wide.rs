//! UTF-16, which has a zero beside every ASCII letter.

use super::{Coding, Take};

/// Bytes that are looked at.
const SAMPLE: usize = 128;

/// Undoes UTF-16 with its mark or with zeros in every other byte.
pub(super) fn undo(bytes: &[u8], take: &mut dyn Take) -> bool {
    let Some(big) = order(bytes) else { return false };
    let unit = |pair: &[u8; 2]| if big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
    let units = bytes.as_chunks().0.iter().map(unit);
    let text: String = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    take.layer(&[Coding::Utf16], text.as_bytes());
    true
}

/// Whether the first byte of each pair is the upper one; none when it is not UTF-16.
fn order(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [0xff, 0xfe, ..] => return Some(false),
        [0xfe, 0xff, ..] => return Some(true),
        _ => {}
    }
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let zeros = |odd: usize| sample.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let most = |many: usize, few: usize| many * 8 > sample.len() * 3 && few * 8 < many;
    if sample.len() < 16 {
        None
    } else if most(odd, even) {
        Some(false)
    } else {
        most(even, odd).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_bytes_is_seen() {
        let little: Vec<u8> = "plain text of some length".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "plain text of some length".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!((order(&little), order(&big), order(&[0; 64])), (Some(false), Some(true), None));
        assert_eq!(order(b"plain text of some length"), None);
    }
}
