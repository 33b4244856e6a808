//! The values of `name=value` pairs: a form, the query of an address, cookies.

use super::percent;
use super::signs::find;

/// The values where that joins something: the value of a single pair stands there as it is. In a text of several lines,
/// only what holds no spaces is one: programs are full of `=`, `;` and `?`.
pub(super) fn joined(bytes: &[u8]) -> Vec<u8> {
    if find(bytes, b'\n').is_none() {
        return if is_form(bytes) { values(bytes) } else { Vec::new() };
    }
    let (mut out, mut at) = (Vec::new(), 0);
    if !holds_form(bytes) {
        return out;
    }
    while let Some(ampersand) = find(&bytes[at..], b'&') {
        let ends = |byte: &u8| ENDS[usize::from(*byte)];
        let begin = bytes[at..at + ampersand].iter().rposition(ends).map_or(at, |before| at + before + 1);
        let end = bytes[at + ampersand..].iter().position(ends).map_or(bytes.len(), |end| at + ampersand + end);
        if is_form(&bytes[begin..end]) {
            each_value(&bytes[begin..end], &mut out, None);
        }
        at = end;
    }
    out
}

/// Whether two `=` stand in one word with something between them that ends a pair.
fn holds_form(bytes: &[u8]) -> bool {
    let ends = |byte: &&u8| !ENDS[usize::from(**byte)] && **byte != b'=';
    memchr::memchr_iter(b'=', bytes).any(|equals| {
        let before = bytes[..equals].iter().rev().take_while(ends).count();
        let pair = &bytes[equals - before..equals];
        bytes[..equals - before].last() == Some(&b'=') && pair.iter().any(|byte| matches!(byte, b'&' | b';' | b'?'))
    })
}

/// What no form holds.
const ENDS: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], 0);
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_whitespace() || matches!(byte as u8, b'"' | b'\'' | b'<' | b'>');
        byte += 1;
    }
    table
};

/// The values, joined and percent-decoded.
fn values(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    each_value(bytes, &mut out, None);
    out
}

/// Appends each value, percent-decoded, and to `ends` where it ends. Pairs end at `&` or `;`, the first may follow a `?`. What has no
/// name belongs to the value before it: not everybody takes a `;` for an end.
pub(crate) fn each_value(bytes: &[u8], out: &mut Vec<u8>, mut ends: Option<&mut Vec<usize>>) {
    let mut named = false;
    for pair in split(bytes) {
        let equals = find(pair, b'=');
        named |= equals.is_some();
        if !named {
            continue;
        }
        percent(&pair[equals.map_or(0, |equals| equals + 1)..], true, out);
        match &mut ends {
            Some(ends) if equals.is_some() => ends.push(out.len()),
            Some(ends) => ends.last_mut().into_iter().for_each(|end| *end = out.len()),
            None => {}
        }
    }
}

fn is_form(bytes: &[u8]) -> bool {
    split(bytes).filter(|pair| pair.contains(&b'=')).nth(1).is_some()
}

fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| matches!(byte, b'&' | b';' | b'?'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_forms_queries_and_cookies_are_joined() {
        assert_eq!(values(b"a=one+&b=two%20&and&d=three=3"), b"one two andthree=3");
        assert_eq!(values(b"/path?q=x&r=y"), b"xy");
        assert_eq!(values(b"a=1; b=2"), b"12");
        assert_eq!(values(b"nothing"), b"");
        assert_eq!(joined(b"see\n/path?q=x&r=y if a == b && c == d"), b"xy");
        assert_eq!(joined(b"a=1"), b"");
    }
}
