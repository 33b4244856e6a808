//! Bytes that were written as a list of decimal numbers: `[72, 101, 108]`.

/// Characters in the shortest list that is read: eight bytes and what stands between them.
pub(super) const LEAST: usize = 24;

/// Numbers in the shortest list.
const FEW: usize = 8;

/// The bytes of every list of numbers below 256, joined.
pub(super) fn bytes(text: &[u8]) -> Vec<u8> {
    let (mut out, mut list, mut number) = (Vec::new(), Vec::new(), None::<u32>);
    for &byte in text.iter().chain(b".") {
        match byte {
            b'0'..=b'9' => {
                number = Some(number.unwrap_or_default().saturating_mul(10).saturating_add(u32::from(byte - b'0')))
            }
            b',' | b' ' | b'\n' | b'\r' | b'\t' | b';' | b'+' => list.extend(number.take()),
            _ => {
                list.extend(number.take());
                flush(&mut list, &mut out);
            }
        }
    }
    out
}

fn flush(list: &mut Vec<u32>, out: &mut Vec<u8>) {
    if list.len() >= FEW && list.iter().all(|number| *number < 256) {
        out.extend(list.iter().map(|number| *number as u8));
    }
    list.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_bytes_are_read() {
        assert_eq!(bytes(b"[72, 101, 108, 108, 111, 32, 121, 111, 117]"), b"Hello you");
        assert_eq!(bytes(b"[72, 101]"), b"");
        assert_eq!(bytes(b"1 2 3 4 5 6 7 8 9 1000"), b"");
        assert_eq!(bytes(&[b'9'; 64]), b"");
    }
}
