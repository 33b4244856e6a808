//! Bytes written as digits.

const STANDARD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Digits of so many bits each, padded to groups of so many.
fn encoded(bytes: &[u8], digits: &[u8], bits: usize, group: usize) -> Vec<u8> {
    let bit = |at: usize| usize::from(bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1));
    let digit = |from| digits[(from..from + bits).fold(0, |value, at| value << 1 | bit(at))];
    let mut out: Vec<u8> = (0..bytes.len() * 8).step_by(bits).map(digit).collect();
    out.resize(out.len().next_multiple_of(group), b'=');
    out
}

fn each(bytes: &[u8], write: impl Fn(&u8) -> String, between: &str) -> Vec<u8> {
    bytes.iter().map(write).collect::<Vec<_>>().join(between).into_bytes()
}

pub(crate) fn base64(bytes: &[u8]) -> Vec<u8> {
    encoded(bytes, STANDARD, 6, 4)
}

pub(crate) fn base64_after_one(bytes: &[u8]) -> Vec<u8> {
    base64(&[b"x", bytes].concat())
}

pub(crate) fn base64_after_two(bytes: &[u8]) -> Vec<u8> {
    base64(&[b"x:", bytes].concat())
}

/// What stands before it is a digit, too, so that no group of four begins where it seems to.
pub(crate) fn base64_after_a_digit(bytes: &[u8]) -> Vec<u8> {
    [b"v1/".as_slice(), b"Q", &base64(bytes)].concat()
}

pub(crate) fn base64_url(bytes: &[u8]) -> Vec<u8> {
    encoded(bytes, URL_SAFE, 6, 1)
}

pub(crate) fn base64_lines(bytes: &[u8]) -> Vec<u8> {
    base64(bytes).chunks(76).collect::<Vec<_>>().join(&b"\r\n"[..])
}

/// Each piece encoded by itself, as a log or a stream does.
pub(crate) fn base64_pieces(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(20).map(base64).collect::<Vec<_>>().join(&b" and: "[..])
}

/// Five letters and what is none, five letters and what is none: no stretch of it reads like text.
fn stretches(bytes: &[u8], between: u8) -> Vec<u8> {
    bytes.chunks(5).collect::<Vec<_>>().join(&between)
}

pub(crate) fn base64_stretches(bytes: &[u8]) -> Vec<u8> {
    base64(&stretches(bytes, 0))
}

pub(crate) fn hex_stretches(bytes: &[u8]) -> Vec<u8> {
    hex(&stretches(bytes, 1))
}

/// UTF-16 that does not stand at the start of what was encoded.
pub(crate) fn base64_wide(bytes: &[u8]) -> Vec<u8> {
    base64(&super::packed::tar(&super::written::utf16(bytes)))
}

pub(crate) fn base32(bytes: &[u8]) -> Vec<u8> {
    encoded(bytes, BASE32, 5, 8)
}

pub(crate) fn base32_small(bytes: &[u8]) -> Vec<u8> {
    base32(bytes).to_ascii_lowercase()
}

pub(crate) fn hex(bytes: &[u8]) -> Vec<u8> {
    each(bytes, |byte| format!("{byte:02x}"), "")
}

pub(crate) fn hex_upper(bytes: &[u8]) -> Vec<u8> {
    each(bytes, |byte| format!("{byte:02X}"), "")
}

pub(crate) fn hex_colons(bytes: &[u8]) -> Vec<u8> {
    each(bytes, |byte| format!("{byte:02x}"), ":")
}

pub(crate) fn hex_dots(bytes: &[u8]) -> Vec<u8> {
    each(bytes, |byte| format!("{byte:02x}"), ".")
}

pub(crate) fn hex_quoted(bytes: &[u8]) -> Vec<u8> {
    [b"[\"", &each(bytes, |byte| format!("{byte:02x}"), "\",\"")[..], b"\"]"].concat()
}

/// An array as a program holds one.
pub(crate) fn hex_array(bytes: &[u8]) -> Vec<u8> {
    let lines: Vec<Vec<u8>> = bytes.chunks(12).map(|line| each(line, |byte| format!("0x{byte:02X}"), ", ")).collect();
    [b"const X: [u8] = {\n        ", &lines.join(&b",\n        "[..])[..], b"\n};"].concat()
}

/// As `xxd` prints.
pub(crate) fn hex_dump(bytes: &[u8]) -> Vec<u8> {
    let shown = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    let line = |(at, line): (usize, &[u8])| {
        let digits: Vec<String> = line.chunks(2).map(|two| String::from_utf8(hex(two)).expect("digits")).collect();
        format!("{:08x}: {:<39}  {}\n", at * 16, digits.join(" "), line.iter().map(shown).collect::<String>())
    };
    bytes.chunks(16).enumerate().map(line).collect::<String>().into_bytes()
}

pub(crate) fn bits(bytes: &[u8]) -> Vec<u8> {
    each(bytes, |byte| format!("{byte:08b}"), " ")
}

pub(crate) fn decimal(bytes: &[u8]) -> Vec<u8> {
    [b"[", &each(bytes, u8::to_string, ", ")[..], b"]"].concat()
}

pub(crate) fn decimal_bars(bytes: &[u8]) -> Vec<u8> {
    each(bytes, u8::to_string, "|")
}

pub(crate) fn decimal_quoted(bytes: &[u8]) -> Vec<u8> {
    [b"[\"", &each(bytes, u8::to_string, "\", \"")[..], b"\"]"].concat()
}

pub(crate) fn decimal_calls(bytes: &[u8]) -> Vec<u8> {
    each(bytes, |byte| format!("chr({byte})"), "+")
}
