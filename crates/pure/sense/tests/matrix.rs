//! A labelled document, a sentence of it and a secret are found in every wrapping and in wrappings of wrappings.

mod wrap;

use sense::{Bounds, Coding, Corpus, Found, LEAST, Label, Scan};
use wrap::{MEMO, SECRET, SENTENCE, WRAPS, wrapped};

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

/// Wrappings that take any bytes.
const BINARY: &[&str] = &[
    "within other text",
    "variation selectors",
    "backslash x",
    "octal",
    "percent",
    "percent of all",
    "form",
    "base64",
    "base64 after one",
    "base64 after two",
    "base64 after a digit",
    "base64 url-safe",
    "base64 in lines",
    "base32",
    "base32 small",
    "hex",
    "hex upper",
    "hex with colons",
    "hex with 0x",
    "hex dump",
    "binary digits",
    "decimal list",
    "gzip",
    "zlib",
    "zlib within",
    "zip",
    "zip stored",
    "tar",
    "git pack",
];

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
