//! What is made so that looking into it takes long is told as beyond bounds, and looked into no further.

use sense::{Beyond, Bounds, Corpus, Label, Scan};

use crate::hostile;
use crate::wrap::{MEMO, SECRET, SENTENCE, WRAPS, packed, wrapped};

fn corpus() -> Corpus {
    let mut corpus = Corpus::new();
    corpus.add(Label(1), MEMO.as_bytes()).expect("there is room");
    corpus.add_secret(Label(2), SECRET.as_bytes()).expect("there is room");
    corpus
}

fn scan(bytes: &[u8]) -> Scan {
    corpus().scan(bytes, &Bounds::USUAL)
}

/// Wrapped so many times in the same way.
fn many(name: &str, times: usize, text: &str) -> Vec<u8> {
    wrapped(&vec![name; times], text.as_bytes())
}

#[test]
fn more_layers_than_are_looked_into() {
    for name in ["gzip", "zip", "base64", "hex", "base32", "decimal list"] {
        let times = if name == "decimal list" { 6 } else { 8 };
        for text in [SENTENCE, SECRET] {
            assert_eq!(scan(&many(name, times, text)).beyond, Some(Beyond::Depth), "{name}");
            let scan = scan(&many(name, 5, text));
            assert_eq!((scan.found.len(), scan.beyond), (1, None), "{name}");
        }
    }
}

#[test]
fn more_escapes_than_are_undone() {
    for name in ["percent of all", "json \\u", "entities"] {
        assert_eq!(scan(&many(name, 6, SECRET)).beyond, Some(Beyond::Depth), "{name}");
        assert_eq!(scan(&many(name, 5, SECRET)).found.len(), 1, "{name}");
    }
    // Quotes alone hide no letter, however many are escaped.
    assert_eq!(scan(&many("json", 9, SENTENCE)).found.len(), 1);
}

#[test]
fn more_bytes_than_may_be_made() {
    let zeros = vec![0; 16 << 20];
    for bytes in [packed::gzip(&zeros), packed::zip(&zeros), packed::zlib(&zeros), packed::git_pack(&zeros)] {
        assert_eq!(scan(&bytes).beyond, Some(Beyond::Size));
        assert_eq!(scan(&wrapped(&["json", "base64"], &bytes)).beyond, Some(Beyond::Size));
    }
    let small = Bounds { bytes: 1000, ..Bounds::USUAL };
    assert_eq!(corpus().scan(MEMO.as_bytes(), &small).beyond, Some(Beyond::Size));
}

#[test]
fn more_pieces_than_may_be_undone() {
    let bytes = packed::gzip(b"one of many").repeat(5000);
    assert_eq!(scan(&bytes).beyond, Some(Beyond::Decodings));
}

#[test]
fn more_marks_than_are_tried() {
    assert_eq!(scan(&b"x\x9c".repeat(40_000)).beyond, Some(Beyond::Work));
}

/// The text that is looked for, cut so that each piece is compared and none is long enough.
#[test]
fn more_comparing_than_is_done() {
    let letters: Vec<u8> = MEMO.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let mut corpus = corpus();
    for label in 2..200 {
        corpus.add(Label(label), MEMO.as_bytes()).expect("there is room");
    }
    let bytes: Vec<u8> = letters.windows(44).flat_map(|piece| [piece, b"0"].concat()).collect();
    let scan = corpus.scan(&bytes, &Bounds::USUAL);
    assert!(scan.found.is_empty() && scan.beyond == Some(Beyond::Work), "{scan:?}");
}

/// Whatever usual bounds find, smaller ones find, too, or they say that there may be more.
#[test]
fn nothing_is_lost_without_a_word() {
    let corpus = corpus();
    for (depth, times, bytes, decodings) in
        [(0, 16, 1 << 20, 4096), (1, 16, 1 << 20, 4096), (5, 0, 1 << 12, 4096), (5, 16, 1 << 20, 2)]
    {
        let bounds = Bounds { depth, times, bytes, decodings, ..Bounds::USUAL };
        let inner = ["plain", "base64", "gzip", "json", "zlib within", "multipart"];
        for (outer, inner) in WRAPS.iter().flat_map(|outer| inner.map(|inner| (outer, inner))) {
            let bytes = outer.1(&wrapped(&[inner], SECRET.as_bytes()));
            let (usual, small) = (corpus.scan(&bytes, &Bounds::USUAL), corpus.scan(&bytes, &bounds));
            let lost = usual.found.len() > small.found.len() && small.beyond.is_none();
            assert!(!lost, "{} of {inner} with {bounds:?}", outer.0);
        }
    }
}

#[test]
fn hostile_bytes_of_every_kind_are_looked_at() {
    let corpus = corpus();
    for (_, bytes) in hostile::kinds(MEMO) {
        let _ = corpus.scan(&bytes[..16 << 10], &Bounds::USUAL);
    }
}
