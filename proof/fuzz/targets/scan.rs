//! What leaves, looked into: any bytes are scanned within bounds, a secret is found between them, and what smaller bounds do
//! not find they say that they may have missed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sense::{Bounds, Corpus, Label, MAX_QUOTE, Scan, Window, is_key_file, secrets_of_env, secrets_of_key};

const TEXT: &str = "The figure of four hundred and ten million is known to nine people in this room, and to nobody outside of it";
/// Letters and digits in the shortest run of a text that is told of: where it spans 60 bytes with what stands around it.
const FEW: usize = 24;
const SECRET: &str = "sk-Vt93kQzr7LmXw2pB8";

static CORPUS: LazyLock<Corpus> = LazyLock::new(|| {
    let mut corpus = Corpus::new();
    corpus.add(Label(0), TEXT.as_bytes()).expect("there is room");
    corpus.add_secret(Label(1), SECRET.as_bytes()).expect("there is room");
    corpus.make_public(b"is known to nine people in this room, and to nobody").expect("there is room");
    corpus
});

fn sound(scan: &Scan) {
    for found in &scan.found {
        assert!(found.quoted.len() <= MAX_QUOTE && TEXT.contains(&found.quoted), "{found:?}");
        assert!(found.label == Label(1) || found.length >= FEW, "{found:?}");
    }
    if let Some(opaque) = &scan.opaque {
        assert!(opaque.size > 0, "{opaque:?}");
    }
}

fn labels(scan: &Scan) -> Vec<Label> {
    let mut labels: Vec<Label> = scan.found.iter().map(|found| found.label).collect();
    labels.sort_unstable();
    labels
}

fuzz_target!(|bytes: &[u8]| {
    let usual = CORPUS.scan(bytes, &Bounds::USUAL);
    sound(&usual);
    let (first, second) = bytes.split_at(bytes.len() / 3);
    let within = CORPUS.scan(&[first, SECRET.as_bytes(), second].concat(), &Bounds { raw_deflate: true, ..Bounds::USUAL });
    assert!(labels(&within).contains(&Label(1)), "a secret is not found between bytes");

    let (depth, decodings) = (bytes.len() % 4, bytes.len() % 50);
    for bounds in [Bounds { depth, ..Bounds::USUAL }, Bounds { decodings, ..Bounds::USUAL }, Bounds { bytes: 4000, ..Bounds::USUAL }] {
        let small = CORPUS.scan(bytes, &bounds);
        sound(&small);
        assert!(small.beyond.is_some() || labels(&small) == labels(&usual), "lost without a word: {bounds:?} {usual:?}");
    }

    let mut window = Window::new(4096);
    for parts in [[first, second], [second, first], [first, first]] {
        let (scan, fresh) = window.scan(&CORPUS, &parts, &Bounds::USUAL);
        sound(&scan);
        window.keep(fresh);
    }

    let text = String::from_utf8_lossy(bytes);
    assert!(secrets_of_env(&text).iter().all(|(_, value)| value.len() >= sense::MIN_SECRET));
    assert!(is_key_file(&text) || secrets_of_key(&text).is_empty());
});
