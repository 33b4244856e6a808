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
    while let Some(ampersand) = find(&bytes[at..], b'&') {
        let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>');
        let begin = bytes[at..at + ampersand].iter().rposition(ends).map_or(at, |before| at + before + 1);
        let end = bytes[at + ampersand..].iter().position(ends).map_or(bytes.len(), |end| at + ampersand + end);
        if is_form(&bytes[begin..end]) {
            each_value(&bytes[begin..end], &mut out, &mut Vec::new());
        }
        at = end;
    }
    out
}

/// The values, joined and percent-decoded.
fn values(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    each_value(bytes, &mut out, &mut Vec::new());
    out
}

/// Appends each value, percent-decoded, and where it ends. Pairs end at `&` or `;`, the first may follow a `?`. What has no
/// name belongs to the value before it: not everybody takes a `;` for an end.
pub(crate) fn each_value(bytes: &[u8], out: &mut Vec<u8>, ends: &mut Vec<usize>) {
    let first = ends.len();
    for pair in split(bytes) {
        let equals = find(pair, b'=');
        if equals.is_some() {
            ends.push(out.len());
        }
        if let Some(end) = ends[first..].last_mut() {
            percent(&pair[equals.map_or(0, |equals| equals + 1)..], true, out);
            *end = out.len();
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
