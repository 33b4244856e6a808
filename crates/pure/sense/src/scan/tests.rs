//! What is found where only what is new in a reading is compared, beside what is found where all of it is.

use proptest::prelude::*;

use super::*;
use crate::Label;

const MEMO: &str = include_str!("../../tests/wrap/memo.txt");
const PROGRAM: &str = include_str!("../fold.rs");
const SECRET: &str = "sk-Vt93kQzr7LmXw2pB8";

fn corpus() -> Corpus {
    let mut corpus = Corpus::new();
    corpus.add(Label(1), MEMO.as_bytes()).expect("there is room");
    corpus.add(Label(2), PROGRAM.as_bytes()).expect("there is room");
    corpus.add_secret(Label(3), SECRET.as_bytes()).expect("there is room");
    // Whether fewer than 64 bytes of few letters are found is a matter of where they begin.
    corpus.sparse = crate::sparse::Sparse::default();
    corpus
}

/// The sources that are found.
fn found(corpus: &Corpus, bytes: &[u8], whole: bool) -> Vec<u32> {
    let mut walk = Walk::new(corpus, &Bounds::USUAL, bytes.len());
    walk.whole = whole;
    walk.start(bytes);
    let mut found: Vec<u32> = walk.finish().found.iter().map(|found| found.source.0).collect();
    found.sort_unstable();
    found
}

/// A text with something written out, or put between its letters, at one of so many of them.
fn broken(text: &str, every: usize, kind: usize) -> String {
    let one = |(at, letter): (usize, char)| match at % every {
        0 => match kind {
            0 => format!("%{:02X}", u32::from(letter) & 255),
            1 => format!("\\u{:04x}", u32::from(letter)),
            2 => format!("&#{};", u32::from(letter)),
            3 => format!("<b>{letter}</b>"),
            _ => format!("\",\"{letter}"),
        },
        _ => letter.to_string(),
    };
    text.chars().enumerate().map(one).collect()
}

/// Words that carry nothing, so many bytes of them.
fn words(seed: usize, length: usize) -> String {
    const WORDS: [&str; 8] =
        ["blue ", "sum {of} ", "ninety\n", "chairs; ", "went <up> ", "Tuesday=7 ", "under ", "lamp, "];
    let mut text: String = (0..length / 5).map(|at| WORDS[(at * at * 7 + seed * 13 + at) % WORDS.len()]).collect();
    text.truncate(length);
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Places near each other and far, in each kind of reading, within a document or not.
    #[test]
    fn nothing_is_missed_beside_what_is_new(
        (program, from, length) in (any::<bool>(), 0usize..2000, 20usize..160),
        (every, kind, far) in (1usize..90, 0usize..5, 0usize..3000),
        (seed, quoted) in (0usize..100, any::<bool>()),
    ) {
        let text = if program { PROGRAM } else { MEMO };
        let piece: String = text.chars().skip(from % text.len().saturating_sub(length).max(1)).take(length).collect();
        let piece = if seed % 7 == 0 { SECRET.to_owned() } else { piece };
        let body = format!("{}{}{}", words(seed, far), broken(&piece, every, kind), words(seed + 1, 3000 - far));
        let body = if quoted || kind == 4 { format!("{{\"a\":[\"{}\"]}}", body.replace('\n', "\\n")) } else { body };
        let corpus = corpus();
        prop_assert_eq!(found(&corpus, body.as_bytes(), false), found(&corpus, body.as_bytes(), true), "{}", body);
    }
}
