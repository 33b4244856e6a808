//! A request's target: segments and a query, in which each word has one spelling. What could be read in two ways is none.

use std::fmt::Write;
use std::path::PathBuf;

use super::{Unread, VERSION};

/// Bytes of the longest word.
pub(super) const MOST: usize = 4096;
/// In the place of a session: the newest of the directory that the query names. No name is spelled so.
pub(super) const NEWEST: &str = "~";

/// One segment behind the version.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Segment<'t> {
    /// As it stands there.
    pub(super) spelled: &'t str,
    /// What it says; none where it is [`NEWEST`].
    pub(super) word: Option<String>,
}

/// The segments behind the version, each in its one spelling.
pub(super) fn segments(path: &str) -> Option<Vec<Segment<'_>>> {
    let mut segments = path.strip_prefix('/')?.split('/');
    (segments.next()? == VERSION).then_some(())?;
    segments
        .map(|spelled| {
            let word = if spelled == NEWEST { None } else { Some(read(spelled, spell)?) };
            Some(Segment { spelled, word })
        })
        .collect()
}

/// What a query says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// Also what is to come.
    pub(super) follow: bool,
    /// As much as there is room for.
    pub(super) all: bool,
    /// In which the newest session is meant.
    pub(super) directory: Option<PathBuf>,
    /// How many of those that ended.
    pub(super) ended: Option<u32>,
}

impl Query {
    /// Reads one.
    pub(super) fn read(query: Option<&str>) -> Result<Query, Unread> {
        let mut read = Query::default();
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            let unread = || Unread::Query(pair.chars().take(200).collect());
            let (key, value) = pair.split_once('=').ok_or_else(unread)?;
            let value = self::read(value, spell_value).ok_or_else(unread)?;
            let twice = match key {
                "follow" if value == "true" => std::mem::replace(&mut read.follow, true),
                "all" if value == "true" => std::mem::replace(&mut read.all, true),
                "directory" if value.starts_with('/') => read.directory.replace(value.into()).is_some(),
                "ended" => read.ended.replace(value.parse().map_err(|_| unread())?).is_some(),
                _ => return Err(unread()),
            };
            if twice {
                return Err(unread());
            }
        }
        Ok(read)
    }
}

impl std::fmt::Display for Query {
    /// With a question mark in front, where it says anything.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut mark = '?';
        let mut say = |key: &str, value: &str| {
            let mark = std::mem::replace(&mut mark, '&');
            write!(formatter, "{mark}{key}={value}")
        };
        if self.follow {
            say("follow", "true")?;
        }
        if self.all {
            say("all", "true")?;
        }
        if let Some(directory) = &self.directory {
            say("directory", &spell_value(&directory.to_string_lossy()))?;
        }
        self.ended.map_or(Ok(()), |ended| say("ended", &ended.to_string()))
    }
}

/// The one spelling of a word in a path.
pub(super) fn spell(word: &str) -> String {
    // A segment that begins with a dot may mean another place to who joins paths.
    match word.strip_prefix('.') {
        Some(rest) => format!("%2E{}", escaped(rest, false)),
        None => escaped(word, false),
    }
}

/// The one spelling of a value of a query.
fn spell_value(value: &str) -> String {
    escaped(value, true)
}

fn escaped(word: &str, slash: bool) -> String {
    let mut spelled = String::with_capacity(word.len());
    for byte in word.bytes() {
        if is_plain_byte(byte) || slash && byte == b'/' {
            spelled.push(char::from(byte));
        } else {
            let _ = write!(spelled, "%{byte:02X}");
        }
    }
    spelled
}

/// What was spelled so and not otherwise.
fn read(spelled: &str, spell: impl Fn(&str) -> String) -> Option<String> {
    let mut bytes = Vec::with_capacity(spelled.len());
    let mut rest = spelled.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    let word = String::from_utf8(bytes).ok()?;
    ((1..=MOST).contains(&word.len()) && spell(&word) == spelled).then_some(word)
}

const fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Whether a session may be called so.
pub(super) fn is_plain(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.bytes().all(is_plain_byte) && !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_one_spelling() {
        for (word, spelled) in [
            ("s1", "s1"),
            (".", "%2E"),
            ("..", "%2E."),
            (".a.b", "%2Ea.b"),
            ("a/b", "a%2Fb"),
            ("~", "%7E"),
            ("é ", "%C3%A9%20"),
            ("%", "%25"),
        ] {
            assert_eq!(spell(word), spelled);
            assert_eq!(read(spelled, spell).as_deref(), Some(word));
        }
        for other in
            ["", "%2e", "a%2fb", "%61", ".", "..", "a%2Eb", "%", "%2", "%zz", "%+1", "%FF", "a b", "é", "a\u{0}"]
        {
            assert_eq!(read(other, spell), None, "{other}");
        }
    }

    #[test]
    fn a_query_says_each_thing_once_and_no_other() {
        let query = Query { follow: true, all: true, directory: Some("/w/é?&=".into()), ended: Some(7) };
        assert_eq!(query.to_string(), "?follow=true&all=true&directory=/w/%C3%A9%3F%26%3D&ended=7");
        assert_eq!(Query::read(Some(&query.to_string()[1..])), Ok(query));
        assert_eq!(Query::default().to_string(), "");
        for bad in ["", "follow", "follow=yes", "follow=true&follow=true", "directory=w", "ended=-1", "ended=1&", "x=1"]
        {
            assert!(Query::read(Some(bad)).is_err(), "{bad}");
        }
    }
}
