//! What holds for any bytes: nothing panics, and what is labelled is found wherever it stands.

use proptest::collection::vec;
use proptest::prelude::*;
use sense::{Bounds, Corpus, LEAST, Label, Scan, Window};

use crate::wrap::{self, MEMO, SECRET, WRAPS};

const DOCUMENT: Label = Label(1);
const KEY: Label = Label(2);

fn corpus() -> Corpus {
    let mut corpus = Corpus::new();
    corpus.add(DOCUMENT, MEMO.as_bytes()).expect("there is room");
    corpus.add_secret(KEY, SECRET.as_bytes()).expect("there is room");
    corpus
}

fn holds(scan: &Scan, label: Label) -> bool {
    scan.found.iter().any(|found| found.label == label)
}

/// Wrappings that keep any bytes, whatever stands before and after them.
const ANYWHERE: &[&str] = &[
    "plain",
    "base64",
    "base64 url-safe",
    "base32",
    "hex",
    "hex upper",
    "percent of all",
    "backslash x",
    "gzip",
    "zip",
];

/// The document from one letter or digit on, with so many of them.
fn run(from: usize, letters: usize) -> &'static str {
    let at: Vec<usize> = MEMO.char_indices().filter(|(_, letter)| letter.is_alphanumeric()).map(|(at, _)| at).collect();
    &MEMO[at[from]..=at[from + letters - 1]]
}

fn a_run(letters: std::ops::Range<usize>) -> impl Strategy<Value = &'static str> {
    (0..1200usize, letters).prop_map(|(from, letters)| run(from, letters))
}

fn noise(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..most)
}

/// Wraps by the places of the ways in the table, the outermost first.
fn wrapped(ways: &[usize], text: &[u8]) -> Vec<u8> {
    ways.iter().rev().fold(text.to_vec(), |text, way| WRAPS[way % WRAPS.len()].1(&text))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_scanned(bytes in noise(3000), raw_deflate: bool, at in 0..3000usize) {
        let (corpus, bounds) = (corpus(), Bounds { raw_deflate, ..Bounds::USUAL });
        let scan = corpus.scan(&bytes, &bounds);
        prop_assert!(scan.found.is_empty());
        let (first, second) = bytes.split_at(at.min(bytes.len()));
        let _ = corpus.scan_parts(&[first, second, b"", first], &bounds);
    }

    #[test]
    fn what_is_wrapped_and_damaged_is_scanned(
        ways in vec(0..100usize, 0..4),
        damage in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 0..12),
    ) {
        let mut bytes = wrapped(&ways, &MEMO.as_bytes()[..600]);
        for (at, byte, kind) in damage {
            let at = at.index(bytes.len().max(1));
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => bytes.insert(at.min(bytes.len()), byte),
                _ => bytes.truncate(bytes.len() - bytes.len() / 7),
            }
        }
        let _ = corpus().scan(&bytes, &Bounds::USUAL);
    }

    #[test]
    fn a_secret_is_found_within_anything(before in noise(200), after in noise(200)) {
        let corpus = corpus();
        let whole = |middle: &[u8]| [&before, middle, &after].concat();
        prop_assert!(holds(&corpus.scan(&whole(SECRET.as_bytes()), &Bounds::USUAL), KEY));
        prop_assert!(!holds(&corpus.scan(&whole(&SECRET.as_bytes()[6..]), &Bounds::USUAL), KEY));
    }

    #[test]
    fn what_is_labelled_is_found_in_what_is_wrapped(
        text in a_run(LEAST..200),
        way in prop::sample::select(ANYWHERE),
        within in (noise(100), noise(100)),
        around in ("[ -~]{0,60}", "[ -~]{0,60}"),
    ) {
        let corpus = corpus();
        for (text, label) in [(text, DOCUMENT), (SECRET, KEY)] {
            let inner = wrap::wrapped(&[way], &[&within.0, text.as_bytes(), &within.1].concat());
            let whole = [around.0.as_bytes(), &inner, around.1.as_bytes()].concat();
            let scan = corpus.scan(&whole, &Bounds::USUAL);
            prop_assert!(holds(&scan, label) || scan.beyond.is_some(), "{way}: {scan:?}");
        }
    }

    #[test]
    fn a_run_is_found_when_it_is_long_enough(short in a_run(1..32), long in a_run(LEAST..300), before in "[0-9]{0,50}", after in noise(50)) {
        let corpus = corpus();
        let whole = |run: &str| [before.as_bytes(), run.as_bytes(), b"\xff9zq9", &after].concat();
        let scan = corpus.scan(&whole(long), &Bounds::USUAL);
        prop_assert!(scan.found.len() == 1 && scan.found[0].length >= LEAST);
        prop_assert!(MEMO.contains(&scan.found[0].quoted));
        prop_assert!(corpus.scan(&whole(short), &Bounds::USUAL).found.is_empty());
    }

    #[test]
    fn parts_of_a_request_are_one_text(text in a_run(LEAST..120), cuts in vec(any::<prop::sample::Index>(), 0..5)) {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).chain([0, text.len()]).collect();
        at.sort_unstable();
        let parts: Vec<&[u8]> = at.windows(2).map(|two| &text.as_bytes()[two[0]..two[1]]).collect();
        prop_assert!(holds(&corpus().scan_parts(&parts, &Bounds::USUAL), DOCUMENT));
    }

    /// However a text is cut into requests, it is found as in one, if no piece is too short to tell from what repeats.
    #[test]
    fn a_window_finds_what_is_in_the_whole(
        text in a_run(60..300),
        secret: bool,
        lengths in vec(14..90usize, 40),
        form in 0..4usize,
    ) {
        let corpus = corpus();
        let whole = if secret { format!("{} {SECRET} {}", &text[..20], &text[20..40]) } else { text.replace('\n', " ") };
        let label = if secret { KEY } else { DOCUMENT };
        prop_assert!(holds(&corpus.scan(whole.as_bytes(), &Bounds::USUAL), label));
        let (mut window, mut rest, mut found, mut count) = (Window::new(4096), &whole[..], false, 0);
        for length in lengths {
            // The last piece must be long enough, too.
            let cut = if rest.len() < length + 14 { rest.len() } else { length };
            let piece = &rest[..cut];
            rest = &rest[cut..];
            count += 1;
            let request = match form {
                0 => piece.to_owned(),
                1 => format!("{{\"model\":\"m-1\",\"n\":\"{count}\",\"text\":{piece:?}}}"),
                2 => format!("n={count}&text={}", piece.replace(' ', "+")),
                _ => format!("/v1/{count}/{}", piece.replace(' ', "%20")),
            };
            let (scan, fresh) = window.scan(&corpus, &[request.as_bytes()], &Bounds::USUAL);
            found |= holds(&scan, label);
            window.keep(fresh);
            if rest.is_empty() {
                break;
            }
        }
        prop_assert!(found, "{whole}");
    }
}
