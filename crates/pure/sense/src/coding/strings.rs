//! The strings of a document, joined in their order: a text that was cut into the elements of a list is whole again.
//!
//! It reads quoted strings and nothing else, so half a document, many in a row and a stream of events read alike.

use std::collections::VecDeque;

use super::edits::Edits;
use super::escapes::backslash;
use super::signs::{Marks, find};

/// The strings of a document.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Strings {
    /// Values and elements, joined.
    pub(crate) values: Vec<u8>,
    /// Where each of them ends.
    pub(crate) ends: Vec<usize>,
    /// Names of fields, joined: text can be hidden in them, too. One that came lately is left out: items are alike.
    pub(crate) names: Vec<u8>,
    /// Where in the values something stands together that did not: strings that were joined, escapes that were undone.
    pub(crate) edits: Edits,
    /// Which of the marks stand outside of the strings.
    pub(crate) outside: Marks,
}

/// Whether the bytes look like JSON, or hold some.
pub(crate) fn looks_structured(bytes: &[u8]) -> bool {
    let begins = bytes.trim_ascii_start().first().is_some_and(|first| matches!(first, b'{' | b'[' | b'"'));
    let mut quotes = memchr::memchr_iter(b'"', bytes);
    let before = |at: usize| matches!(bytes[..at].last(), Some(b'{' | b'[' | b','));
    begins || quotes.any(|at| before(at) || matches!(bytes.get(at + 1), Some(b':' | b',')))
}

/// The strings of the bytes, among which those marks stand. A string that does not end goes on to the end.
pub(crate) fn strings(bytes: &[u8], marks: Marks) -> Strings {
    let mut found = Strings { values: Vec::with_capacity(bytes.len()), ..Strings::default() };
    let mut lately = VecDeque::new();
    // Where what is not among the values goes on.
    let (mut at, mut from) = (0, 0);
    while let Some(open) = find(&bytes[at..], b'"') {
        found.outside = found.outside.with(marks.without(found.outside).within(&bytes[at..at + open]));
        let (begin, known) = (found.values.len(), found.edits.known());
        found.edits.take(from..at + open + 1, begin);
        at = string(bytes, at + open + 1, &mut found.values, &mut found.edits);
        if bytes[at..].trim_ascii_start().first() == Some(&b':') {
            name_came(&found.values[begin..], &mut found.names, &mut lately);
            found.values.truncate(begin);
            found.edits.forget(known);
        } else {
            found.ends.push(found.values.len());
            from = at - usize::from(bytes[at - 1] == b'"');
        }
    }
    found.outside = found.outside.with(marks.without(found.outside).within(&bytes[at..]));
    found.edits.change(from..bytes.len(), found.values.len()..found.values.len());
    found
}

/// Names that are compared with the next.
const LATELY: usize = 16;

fn name_came(name: &[u8], names: &mut Vec<u8>, lately: &mut VecDeque<Vec<u8>>) {
    if lately.iter().any(|known| known == name) {
        return;
    }
    names.extend_from_slice(name);
    if lately.len() >= LATELY {
        lately.pop_front();
    }
    lately.push_back(name.to_vec());
}

/// Reads a string from after its quote; where it ended.
fn string(bytes: &[u8], mut at: usize, out: &mut Vec<u8>, edits: &mut Edits) -> usize {
    while at < bytes.len() {
        // What needs no undoing is copied in one piece.
        let run = memchr::memchr2(b'"', b'\\', &bytes[at..]).unwrap_or(bytes.len() - at);
        out.extend_from_slice(&bytes[at..at + run]);
        at += run;
        match bytes.get(at) {
            Some(b'"') => return at + 1,
            Some(_) => at += backslash(bytes, at, out, edits),
            None => {}
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, String) {
        let found = strings(text.as_bytes(), Marks::NONE);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&found.values), text(&found.names))
    }

    #[test]
    fn values_are_joined_in_their_order_and_names_apart() {
        assert_eq!(
            read(r#"{"a": ["one ", "two\n"], "b" : {"c": "\"three\u0021"}}"#),
            ("one two\n\"three!".into(), "abc".into())
        );
    }

    #[test]
    fn half_a_document_is_read_as_far_as_it_goes() {
        assert_eq!(read(r#"{"a":"one"#), ("one".into(), "a".into()));
        assert_eq!(read(r#"{"a":"one\"#), ("one\\".into(), "a".into()));
        assert_eq!(read("data: {\"t\":\"x\"}\n\ndata: {\"t\":\"y\"}"), ("xy".into(), "t".into()));
    }

    #[test]
    fn prose_does_not_look_structured() {
        assert!(!looks_structured(br#"He said "no" and left."#));
        assert!(looks_structured(br#"x {"a":1}"#));
    }
}
