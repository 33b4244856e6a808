//! Places that calls are about, by address or path: which of them gave what, and which the operator says hold what is his own.

use std::collections::BTreeSet;

use serde_json::Value;

use super::call::gather;
use super::shape::{Shape, address, host, shape};
use super::words::words;

/// What says that something lies in a place: `my account data is in notes.txt`.
const LIES: &[&str] = &["find", "found", "is", "are", "stored", "saved", "kept", "listed", "located", "stands", "lies"];
/// What stands before a place.
const IN: &[&str] = &["in", "at", "on", "under", "from"];
/// What stands there, and how it looks.
const KINDS: &[(&[&str], &[Shape])] = &[
    (&["mail", "email"], &[Shape::Mail]),
    (&["number", "iban", "account", "phone"], &[Shape::Number]),
    (&["link", "url", "website"], &[Shape::Url]),
    (&["address", "contact"], &[Shape::Mail, Shape::Url]),
];

/// The places that the arguments of a call name, each in one spelling.
pub(super) fn places(arguments: &str) -> BTreeSet<String> {
    let read = serde_json::from_str::<Value>(arguments).unwrap_or(Value::Null);
    let mut leaves = Vec::new();
    gather("", &read, &mut leaves);
    leaves.iter().filter_map(|(_, value)| place(value)).collect()
}

/// A value as a place; nothing where it is none.
pub(super) fn place(value: &str) -> Option<String> {
    let value = value.trim();
    match shape(value) {
        Some(Shape::Url) => Some(address(value)),
        Some(_) => None,
        None => is_path(value).then(|| value.to_owned()),
    }
}

/// Whether an address is of this site, or beneath that page: `site` as [`address`] spells it.
pub(super) fn is_beneath(url: &str, site: &str) -> bool {
    // A way up leads elsewhere than it says.
    if url.contains("/..") || url.contains("/.%2") || url.to_ascii_lowercase().contains("%2e") {
        return false;
    }
    let own = address(url);
    match site.contains(['/', '?', '#']) {
        true => own.strip_prefix(site).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#'])),
        false => host(url) == site,
    }
}

/// A place, and what the operator says stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) place: String,
    /// What is his own: all of it; else the only value there of one of these shapes.
    pub(super) kinds: Option<&'static [Shape]>,
}

/// The places of which a text says what stands there: `my account data is in notes.txt`, `find her e-mail at dora.example`.
pub(super) fn told(text: &str) -> Vec<Told> {
    sentences(text).filter_map(told_of).collect()
}

pub(super) fn told_of(sentence: &str) -> Option<Told> {
    let said = words(sentence);
    if said.iter().any(|word| matches!(word.text.as_str(), "not" | "never" | "don" | "without")) {
        return None;
    }
    let at = |known: &[&str], from: usize| {
        said.iter().enumerate().skip(from).find(|(_, word)| known.contains(&word.text.as_str())).map(|(at, _)| at)
    };
    let lies = at(LIES, 0)?;
    // What lies there is said behind `find`, and before all else.
    let finds = said[lies].text == "find";
    let what = if finds { lies + 1 } else { 0 };
    let place = (what..said.len()).filter(|at| IN.contains(&said[*at].text.as_str())).find_map(|at| {
        let near = sentence[said[at].end..].split_whitespace().take(4);
        let mut near =
            near.map(|word| word.trim_matches(|letter: char| "'\"`(),;:!?*".contains(letter)).trim_end_matches('.'));
        Some((at, near.find_map(place)?))
    });
    let (at, place) = place?;
    let named = &said[what..at];
    if named.iter().any(|word| word.text == "my") {
        return Some(Told { place, kinds: None });
    }
    let kinds = named.iter().rev().find_map(|word| kind(&word.text)).filter(|_| finds)?;
    Some(Told { place, kinds: Some(kinds) })
}

/// How what a word names looks.
pub(super) fn kind(word: &str) -> Option<&'static [Shape]> {
    KINDS.iter().find(|(names, _)| names.contains(&word)).map(|(_, kinds)| *kinds)
}

/// The sentences of a text: a point within a name ends none.
pub(super) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '!', '?']).flat_map(|line| line.split(". "))
}

/// A path, or the name of a file.
fn is_path(value: &str) -> bool {
    let named = value.rsplit_once('.').is_some_and(|(stem, end)| {
        !stem.is_empty() && (1..=5).contains(&end.len()) && end.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    value.len() <= 512 && !value.contains(char::is_whitespace) && (value.contains('/') && value.len() > 1 || named)
}

/// Whether a word names a file.
pub(super) fn is_file(value: &str) -> bool {
    is_path(value) && last(value).rsplit_once('.').is_some_and(|(stem, end)| !stem.is_empty() && end.len() <= 5)
}

/// The last part of a path or an address.
pub(super) fn last(value: &str) -> &str {
    let value = value.split(['?', '#']).next().unwrap_or_default();
    value.trim_end_matches('/').rsplit(['/', '\\']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_says_what_stands_where() {
        for (text, expected) in [
            ("Order a pizza. My address is in ~/notes/me.md.", "~/notes/me.md *"),
            ("You can find my card in 'data/card.txt', thanks", "data/card.txt *"),
            ("My measures are stored at www.tailor.example/me!", "tailor.example/me *"),
            ("Invite Nora; find her e-mail on her page www.nora.example, please", "nora.example Mail"),
            ("Find the IBAN in contract.pdf and pay", "contract.pdf Number"),
            ("Look at notes/me.md. My brother is in Rome", ""),
            ("My address is not in notes/me.md", ""),
            ("You can find the bill in bill.txt", ""),
            ("The mail is in mail.txt", ""),
            ("Fix my build in src/main.rs", ""),
        ] {
            let shown = |told: Told| {
                let kinds = told.kinds.map_or("*".into(), |kinds| format!("{:?}", kinds[0]));
                format!("{} {kinds}", told.place)
            };
            let found: Vec<String> = told(text).into_iter().map(shown).collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn calls_name_places() {
        let found = places(r#"{"url": "https://A.example/x/", "path": "/tmp/x", "n": 3, "name": "Bob"}"#);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["/tmp/x", "a.example/x"]);
        assert_eq!(places("no json"), BTreeSet::new());
    }

    #[test]
    fn a_site_is_all_of_it_and_a_page_what_is_beneath() {
        for (url, site, expected) in [
            ("https://a.example/b", "a.example", true),
            ("https://a.example.evil.example/b", "a.example", false),
            ("https://a.example@evil.example/", "a.example", false),
            ("a.example/acme/x", "a.example/acme", true),
            ("a.example/acmex", "a.example/acme", false),
            ("a.example/acme/../evil", "a.example/acme", false),
            ("a.example/acme/%2e%2e/evil", "a.example/acme", false),
        ] {
            assert_eq!(is_beneath(url, site), expected, "{url} {site}");
        }
    }

    #[test]
    fn the_last_part_is_the_name() {
        assert_eq!(last("https://a.example/b/c.pdf?x=/d"), "c.pdf");
        assert_eq!(last("c.pdf"), "c.pdf");
        assert_eq!(last("/b/c/"), "c");
    }
}
