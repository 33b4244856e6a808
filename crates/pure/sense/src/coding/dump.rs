//! Hexadecimal dumps, as `xxd` and `hexdump -C` print them: beside each line of digits stand its offset and its letters.

use std::ops::Range;

use super::signs::find;

/// Bytes in one line.
const LINE: usize = 16;

/// The bytes of all lines that begin with an offset and have something of those places, joined.
pub(super) fn bytes(text: &[u8], places: &[Range<usize>]) -> Vec<u8> {
    let (mut out, mut done) = (Vec::new(), 0);
    let digits = |place: &Range<usize>| text[place.clone()].iter().any(u8::is_ascii_hexdigit);
    for place in places.iter().filter(|place| digits(place)) {
        // Several places may stand on one line.
        if place.end > done {
            let before = &text[done..place.start.max(done)];
            let begin = memchr::memrchr(b'\n', before).map_or(done, |end| done + end + 1);
            done = find(&text[place.end..], b'\n').map_or(text.len(), |end| place.end + end);
            let mut rest = &text[begin..done];
            while let Some(end) = find(rest, b'\n') {
                line(&rest[..end], &mut out);
                rest = &rest[end + 1..];
            }
            line(rest, &mut out);
        }
    }
    out
}

fn line(line: &[u8], out: &mut Vec<u8>) {
    let begin = line.trim_ascii_start();
    if !begin.first_chunk::<4>().is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
        return;
    }
    let mut words = begin.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let offset = words.next().map(|word| word.strip_suffix(b":").unwrap_or(word)).unwrap_or_default();
    if !(4..=16).contains(&offset.len()) || !offset.iter().all(u8::is_ascii_hexdigit) {
        return;
    }
    let most = out.len() + LINE;
    // What follows the digits is the same again in letters.
    for word in words.take_while(|word| word.len().is_multiple_of(2) && word.iter().all(u8::is_ascii_hexdigit)) {
        let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default() as u8;
        out.extend(word.as_chunks().0.iter().map(|[high, low]| value(*high) << 4 | value(*low)));
        if out.len() >= most {
            return out.truncate(most);
        }
    }
}

#[cfg(test)]
mod tests {
    fn bytes(text: &[u8]) -> Vec<u8> {
        super::bytes(text, &[text.len() / 2..text.len()])
    }

    #[test]
    fn lines_are_read_without_offsets_and_letters() {
        let xxd = b"00000000: 5468 6520 7175 6963 6b20 6272 6f77 6e20  The quick brown \n00000010: 666f 78                                  fox\n";
        assert_eq!(bytes(xxd), b"The quick brown fox");
        let hexdump = b"00000000  54 68 65 20 71 75 69 63  6b 20 62 72 6f 77 6e 20  |The quick brown |\n00000010\n";
        assert_eq!(bytes(hexdump), b"The quick brown ");
        assert_eq!(bytes(b"The 1234 file\nabcd, 1234"), b"");
    }
}
