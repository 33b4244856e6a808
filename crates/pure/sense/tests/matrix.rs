//! A labelled document, a sentence of it and a secret are found in every wrapping and in wrappings of wrappings.

use sense::{Bounds, Coding, Corpus, Found, LEAST, Label, Scan};

use crate::wrap::{self, BINARY, MEMO, SECRET, SENTENCE, WRAPS, wrapped};

const DOCUMENT: Label = Label(1);
const KEY: Label = Label(2);

/// Wrappings of wrappings, the outermost first.
const NESTED: &[&[&str]] = &[
    &["base64", "gzip"],
    &["base64 after a digit", "gzip"],
    &["base64 after one", "zip"],
    &["base64 in lines", "zlib"],
    &["base64", "utf-16"],
    &["base64", "reversed"],
    &["base64", "tar"],
    &["hex", "gzip"],
    &["hex with 0x", "zlib"],
    &["hex dump", "gzip"],
    &["binary digits", "base64"],
    &["base32", "zip"],
    &["percent", "base64"],
    &["percent of all", "hex"],
    &["entities", "base64 url-safe"],
    &["json", "look-alikes"],
    &["json", "base64 in lines"],
    &["json \\u", "in tags"],
    &["json", "decimal list"],
    &["json of many strings", "base64"],
    &["form", "base64"],
    &["multipart", "gzip"],
    &["markup", "rot13"],
    &["gzip", "zip"],
    &["tar", "gzip"],
    &["zip", "tar"],
    &["git pack", "json"],
    &["utf-16", "json"],
    &["gzip", "utf-16 big"],
    &["json", "base64", "gzip"],
    &["percent", "base64", "hex"],
    &["percent", "percent", "json"],
    &["form", "json", "base64"],
    &["multipart", "gzip", "json"],
    &["base64", "base64", "base64"],
    &["gzip", "base64", "gzip"],
    &["json", "json", "json"],
    &["zip", "markup", "entities"],
    &["base64", "tar", "gzip"],
    &["utf-16", "base64", "reversed"],
    &["json", "percent", "base64", "gzip"],
    &["base64", "gzip", "base64", "gzip"],
    &["json", "json", "base64 url-safe", "zlib"],
    &["form", "base64", "zip", "rot13"],
    &["multipart", "zip", "json \\u", "hex"],
    &["percent of all", "hex", "base32", "gzip"],
    &["json", "base64", "gzip", "json", "base64"],
];

/// A text, what it is called and what label it has.
struct Text(&'static str, &'static str, Label);

const TEXTS: [Text; 3] =
    [Text("the document", MEMO, DOCUMENT), Text("a sentence", SENTENCE, DOCUMENT), Text("the secret", SECRET, KEY)];

fn corpus() -> Corpus {
    let mut corpus = Corpus::new();
    corpus.add(DOCUMENT, MEMO.as_bytes()).expect("there is room");
    corpus.add_secret(KEY, SECRET.as_bytes()).expect("there is room");
    corpus
}

fn scan(corpus: &Corpus, bytes: &[u8]) -> Scan {
    corpus.scan(bytes, &Bounds::USUAL)
}

fn of(scan: &Scan, label: Label) -> Option<&Found> {
    scan.found.iter().find(|found| found.label == label)
}

/// What is missed of some texts in one wrapping.
fn missed(corpus: &Corpus, texts: &[Text], wrap: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<&'static str> {
    let misses = |text: &&Text| {
        let scan = scan(corpus, &wrap(text.1.as_bytes()));
        let enough = |found: &&Found| found.label == KEY || found.length >= LEAST && found.quoted.len() >= LEAST;
        scan.found.len() != 1 || of(&scan, text.2).filter(enough).is_none() || scan.beyond.is_some()
    };
    texts.iter().filter(misses).map(|text| text.0).collect()
}

/// Panics with what is missed, all of it.
fn none_missed(rows: impl Iterator<Item = (String, Vec<&'static str>)>) {
    let missed: Vec<String> = rows
        .filter(|(_, missed)| !missed.is_empty())
        .map(|(name, missed)| format!("{name}: {}", missed.join(", ")))
        .collect();
    assert!(missed.is_empty(), "missed in {}\n{}", missed.len(), missed.join("\n"));
}

#[test]
fn the_sentence_is_one_of_the_document() {
    assert!(MEMO.replace('\n', " ").contains(SENTENCE) && SENTENCE.len() >= 64 && SECRET.len() == 20);
}

#[test]
fn each_is_found_in_every_wrapping() {
    let corpus = corpus();
    none_missed(WRAPS.iter().map(|row| (row.0.to_owned(), missed(&corpus, &TEXTS, &row.1))));
}

#[test]
fn a_scan_says_what_it_has_undone() {
    let corpus = corpus();
    let told = |bytes: &[u8]| of(&scan(&corpus, bytes), DOCUMENT).map(|found| found.how.clone());
    let wrong = |row: &&wrap::Row| told(&row.1(MEMO.as_bytes())).as_deref() != Some(row.2);
    let wrong: Vec<_> = WRAPS.iter().filter(wrong).map(|row| (row.0, told(&row.1(MEMO.as_bytes())))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let deep = wrapped(&["json", "base64", "gzip"], MEMO.as_bytes());
    assert_eq!(told(&deep), Some(vec![Coding::Json, Coding::Base64, Coding::Gzip]));
}

#[test]
fn each_is_found_in_wrappings_of_wrappings() {
    let corpus = corpus();
    none_missed(NESTED.iter().map(|names| (names.join(" of "), missed(&corpus, &TEXTS, &|text| wrapped(names, text)))));
}

/// Whatever takes any bytes is an outer wrapping of every other; but a dump needs lines of its own.
#[test]
fn each_is_found_in_every_pair_of_wrappings() {
    let corpus = corpus();
    let pairs = WRAPS
        .iter()
        .filter(|row| BINARY.contains(&row.0))
        .flat_map(|outer| WRAPS.iter().map(move |inner| (outer, inner)))
        .filter(|(_, inner)| inner.0 != "hex dump");
    none_missed(pairs.map(|(outer, inner)| {
        (format!("{} of {}", outer.0, inner.0), missed(&corpus, &TEXTS[1..], &|text| outer.1(&inner.1(text))))
    }));
}

/// Beginnings of what something else would go on with: a reader that took their word would look no further.
#[test]
fn nothing_that_stands_before_a_text_hides_it() {
    let before: [&[u8]; 18] = [
        b"\xff\xfe",
        b"\xfe\xff",
        b"PACK\0\0\0\x02\0\0\0\x01",
        b"PK\x03\x04",
        b"\x1f\x8b\x08\0",
        b"\x1f\x8b\x08\x08",
        b"x\x9c",
        b"H4sI",
        b"eJ",
        b"UEsDBA",
        b"{",
        b"{\"a\":\"b\"} ",
        b"--x\nContent-Type: y\n\n",
        b"<",
        b"\"",
        b"%",
        b"a=b&",
        b"0",
    ];
    let ways = [
        "plain",
        "base64",
        "base64 after one",
        "base32",
        "hex",
        "hex with colons",
        "percent of all",
        "json",
        "json \\u",
        "json of many strings",
        "json names",
        "entities",
        "backslash x",
        "form",
        "gzip",
        "zlib within",
        "zip",
        "decimal list",
        "multipart",
    ];
    let corpus = corpus();
    let pairs = before.iter().flat_map(|before| ways.map(|way| (before, way)));
    none_missed(pairs.map(|(before, way)| {
        let whole = |text: &[u8]| [before, &wrapped(&[way], text)[..]].concat();
        (format!("{way} after {}", before.escape_ascii()), missed(&corpus, &TEXTS[1..], &whole))
    }));
    none_missed(
        [(
            String::from("a document of percents"),
            missed(&corpus, &TEXTS[1..], &|text| {
                [b"{\"a\":\"b\"} ", &wrapped(&["percent of all", "json of many strings"], text)[..]].concat()
            }),
        )]
        .into_iter(),
    );
}

/// The last piece of a shorter text would be too short to be taken for digits.
#[test]
fn what_is_compressed_and_then_encoded_in_pieces_is_found() {
    for inner in ["gzip", "zip"] {
        let pieces = wrapped(&["base64 in pieces", inner], MEMO.as_bytes());
        assert!(of(&scan(&corpus(), &pieces), DOCUMENT).is_some(), "{inner}");
    }
}
