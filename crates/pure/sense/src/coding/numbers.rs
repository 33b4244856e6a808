//! Bytes that were written as a list of decimal numbers: `[72, 101, 108]`.

use std::ops::Range;

use super::signs::{all, count};

/// Numbers in the shortest list.
const FEW: usize = 8;

/// The bytes of every list of numbers below 256 in those places, joined. A larger number ends a list.
pub(super) fn bytes(text: &[u8], places: &[Range<usize>]) -> Vec<u8> {
    let mut out = Vec::new();
    // One number by itself is none of a list, however long, and neither are few.
    let listed = |place: &&Range<usize>| {
        let text = &text[(*place).clone()];
        !all(text, |byte| byte.is_ascii_hexdigit())
            && count(text, |byte| byte.is_ascii_digit()) >= FEW
            && count(text, is_between) + 1 >= FEW
    };
    places.iter().filter(listed).for_each(|place| lists(&text[place.clone()], &mut out));
    out
}

fn lists(text: &[u8], out: &mut Vec<u8>) {
    let (mut list, mut number) = (Vec::new(), None::<u32>);
    for &byte in text.iter().chain(b".") {
        if byte.is_ascii_digit() {
            number = Some(number.unwrap_or_default().saturating_mul(10).saturating_add(u32::from(byte - b'0')));
            continue;
        }
        let small = number.take().map(u8::try_from);
        let ends = !is_between(byte) || small.is_some_and(|small| small.is_err());
        list.extend(small.and_then(Result::ok));
        if ends {
            flush(&mut list, out);
        }
    }
}

fn is_between(byte: u8) -> bool {
    matches!(byte, b',' | b' ' | b'\n' | b'\r' | b'\t' | b';' | b'-' | b':')
}

fn flush(list: &mut Vec<u8>, out: &mut Vec<u8>) {
    if list.len() >= FEW {
        out.extend_from_slice(list);
    }
    list.clear();
}

#[cfg(test)]
mod tests {
    fn bytes(text: &[u8]) -> Vec<u8> {
        super::bytes(text, &[0..text.len()])
    }

    #[test]
    fn lists_of_bytes_are_read() {
        assert_eq!(bytes(b"[72, 101, 108, 108, 111, 32, 121, 111, 117]"), b"Hello you");
        assert_eq!(bytes(b"[72, 101]"), b"");
        assert_eq!(bytes(b"999 72 101 108 108 111 32 121 111 117 1000 1"), b"Hello you");
        assert_eq!(bytes(b"1 2 3 4 500 6 7 8 9 1000"), b"");
        assert_eq!(bytes(&[b'9'; 64]), b"");
    }
}
