//! Digits that say nothing, however they are aligned: names in programs, checksums. It is seen without decoding them.
//!
//! Two digits in a row decide a byte of each alignment but one, so one look in a table tells what kind of byte each of them has there, and
//! a few bits for each alignment keep how long a stretch of text there is. What may be some, or begin what is compressed, is decoded.

use super::digits::LETTERS;
use super::legible::STRETCH;
use crate::entropy;

/// Digits in the longest run that is looked at: longer ones are judged, too.
const LONGEST: usize = 128;

/// Zeros in the fewest bytes that could be UTF-16.
const ZEROS: usize = 6;

/// In which alignments digits of base64 may say something, the first one in the lowest bit.
pub(super) fn base64(digits: &[u8]) -> u8 {
    speaking::<6, 4, 3, 4096>(digits, &BASE64)
}

/// The same of hexadecimal ones.
pub(super) fn hex(digits: &[u8]) -> u8 {
    speaking::<4, 2, 1, 256>(digits, &HEX)
}

/// In all of them.
pub(super) const ANY: u8 = u8::MAX;

/// What two digits in a row say: in three bits for each byte that they decide its kind, in one more whether it may be part of a
/// mark of what is compressed, and in one whether it is a letter or a digit.
type Pairs<const COUNT: usize> = [u16; COUNT];

static BASE64: Pairs<4096> = pairs::<6, 3, 4096>();
static HEX: Pairs<256> = pairs::<4, 1, 256>();

/// Where those bits begin that are of marks.
const MARKS: usize = 9;

/// Where those bits begin that are of letters and digits.
const ALNUM: usize = 12;

const fn pairs<const BITS: usize, const BYTES: usize, const COUNT: usize>() -> Pairs<COUNT> {
    let (mut table, mut pair) = ([0; COUNT], 0);
    while pair < COUNT {
        let mut byte = 0;
        while byte < BYTES {
            let value = (pair >> (2 * BITS - 8 - byte * (8 - BITS))) as u8;
            let marks = matches!(value, 0 | 3 | 0x1f | b'x') as u16;
            let alnum = value.is_ascii_alphanumeric() as u16;
            table[pair] |= kind(value) << (3 * byte) | marks << (MARKS + byte) | alnum << (ALNUM + byte);
            byte += 1;
        }
        pair += 1;
    }
    table
}

/// What a byte is to a text: none of it, a letter, one that goes on with a letter, or the first of a letter of so many.
const BAD: u16 = 0;
const LETTER: u16 = 1;
const FURTHER: u16 = 5;

const fn kind(byte: u8) -> u16 {
    match byte {
        b'\t' | b'\n' | b'\r' | 0x20..=0x7e => LETTER,
        0x80..=0xbf => FURTHER,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => BAD,
    }
}

/// For how many bytes of text there are in a row, times four, and how many more the last letter needs: what that becomes with a byte of
/// each kind. As many as are text stay so.
static STEPS: [[u8; 8]; 32] = {
    let (mut table, mut state) = ([[0; 8]; 32], 0);
    while state < (STRETCH + 1) * 4 {
        let (run, needed) = (state / 4, state % 4);
        let mut kind = 0;
        while kind < 8 {
            let goes_on = (kind == FURTHER as usize) == (needed > 0);
            let (more, needs) = match kind as u16 {
                FURTHER if goes_on => (1, needed - 1),
                length @ LETTER..FURTHER => (1, length as usize - 1),
                _ => (0, 0),
            };
            let kept = if goes_on && more > 0 { run } else { 0 };
            let run = if run == STRETCH { STRETCH } else { kept + more };
            table[state][kind] = (run * 4 + needs) as u8;
            kind += 1;
        }
        state += 1;
    }
    table
};

/// For digits of so many bits, so many of which begin with a byte again, and two of which decide so many bytes.
fn speaking<const BITS: usize, const GROUP: usize, const BYTES: usize, const COUNT: usize>(
    digits: &[u8],
    pairs: &Pairs<COUNT>,
) -> u8 {
    let byte = |bit: usize| {
        let word = |at: usize| digits.get(at).map_or(0, |&digit| u32::from(digit));
        let three = word(bit / BITS) << (2 * BITS) | word(bit / BITS + 1) << BITS | word(bit / BITS + 2);
        (three >> (3 * BITS - 8 - bit % BITS)) as u8
    };
    if digits.len() > LONGEST || entropy::may_begin(byte(0)) {
        return ANY;
    }
    let mut all = [0; LONGEST];
    let mut marks = 0;
    for (kinds, pair) in all.iter_mut().zip(digits.array_windows::<2>()) {
        *kinds = pairs[(usize::from(pair[0]) << BITS | usize::from(pair[1])) % COUNT];
        marks |= *kinds >> MARKS & 7;
    }
    let all = &all[..digits.len().saturating_sub(1)];
    let two = |at: usize, number: usize| [0, 8].map(|more| byte(at * BITS + number * (8 - BITS) + more));
    if marks != 0 && may_be_packed(all, two) {
        return ANY;
    }
    let step =
        |state: u8, kinds: u16, number: usize| STEPS[usize::from(state % 32)][usize::from(kinds >> (3 * number) & 7)];
    let speaks = |alignment: usize| {
        let (groups, rest) = all[alignment..].as_chunks::<GROUP>();
        let group =
            |state, group: &[u16; GROUP]| (0..BYTES).fold(state, |state, number| step(state, group[number], number));
        let state = groups.iter().fold(0, group);
        let state =
            rest.iter().take(BYTES).enumerate().fold(state, |state, (number, kinds)| step(state, *kinds, number));
        let letter = |group: &[u16]| (0..BYTES.min(group.len())).map(|at| group[at] >> (ALNUM + at) & 1).sum::<u16>();
        let letters = || groups.iter().map(|group| letter(group)).sum::<u16>() + letter(rest);
        let many = digits.len() * BITS >= LETTERS * 8 && usize::from(letters()) >= LETTERS;
        u8::from(usize::from(state) >= STRETCH * 4 || many) << alignment
    };
    (0..GROUP.min(all.len())).map(speaks).sum()
}

/// Whether there is a mark of what is compressed, by its first two bytes that are rare, or as many zeros as UTF-16 has.
fn may_be_packed(all: &[u16], two: impl Fn(usize, usize) -> [u8; 2]) -> bool {
    let mut zeros = 0;
    for (at, kinds) in all.iter().enumerate().filter(|(_, kinds)| **kinds >> MARKS & 7 != 0) {
        for number in (0..3).filter(|number| kinds >> (MARKS + number) & 1 == 1) {
            match two(at, number) {
                [b'x', 0x01 | 0x5e | 0x9c | 0xda] | [0x1f, 0x8b] | [3, 4] | [0, 0] => return true,
                [first, _] => zeros += usize::from(first == 0),
            }
        }
    }
    zeros >= ZEROS
}

#[cfg(test)]
mod tests {
    use super::super::legible::legible;
    use super::super::squeezed;
    use super::*;

    /// What is told to say nothing is decoded to nothing, and most of what has no meaning is told so.
    #[test]
    fn what_says_nothing_is_decoded_to_nothing() {
        let mut word = 88_172_645_463_325_252_u64;
        let mut step = || {
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            (word >> 24) as usize
        };
        let pack = |digits: &[u8], bits: usize| {
            let bit = |at: usize| digits[at / bits] >> (bits - 1 - at % bits) & 1;
            let byte = |from: usize| (from..from + 8).fold(0, |byte, at| byte << 1 | bit(at));
            (0..digits.len() * bits / 8).map(|at| byte(at * 8)).collect::<Vec<u8>>()
        };
        let mut told = [0; 2];
        for count in 0..20_000 {
            let (bits, most) = if count % 2 == 0 { (6, 64) } else { (4, 16) };
            let mut digits: Vec<u8> = (0..16 + step() % 60).map(|_| (step() % most) as u8).collect();
            // A text somewhere in it, or what is compressed.
            let inner: &[u8] = [
                &b"some text"[..],
                b"\x1f\x8b\x08",
                b"PK\x03\x04",
                b"x\x9c",
                b"PACK\0\0\0",
                "\u{434}\u{43e}\u{43c}".as_bytes(),
            ][step() % 6];
            if step() % 3 == 0 {
                let bit = |at: usize| inner[at / 8] >> (7 - at % 8) & 1;
                let value = |from: usize| {
                    (from..from + bits).fold(0, |digit, at| digit << 1 | if at < inner.len() * 8 { bit(at) } else { 0 })
                };
                let at = step() % digits.len();
                let written: Vec<u8> = (0..inner.len() * 8).step_by(bits).map(value).collect();
                digits.splice(at..at, written);
            }
            let speaking = if count % 2 == 0 { base64(&digits) } else { hex(&digits) };
            for skipped in 0..if count % 2 == 0 { 4 } else { 2 } {
                if speaking >> skipped & 1 == 0 {
                    told[count % 2] += 1;
                    let whole = pack(&digits[skipped..], bits);
                    let mut text = Vec::new();
                    legible(&whole, &mut text);
                    let container = skipped == 0 && (entropy::is_container(&whole) || squeezed::begins(&whole));
                    let few = whole.iter().filter(|byte| byte.is_ascii_alphanumeric()).count() < LETTERS;
                    assert!(text.is_empty() && few && !container && !squeezed::holds_mark(&whole), "{digits:?}");
                }
            }
        }
        assert!(told.iter().all(|told| *told > 10_000), "{told:?}");
    }
}
