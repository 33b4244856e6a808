//! What a scan costs: `cargo bench -p bastide-sense`. The corpus is 200 KiB of text and ten secrets.

use std::hint::black_box;
use std::time::Instant;

use sense::{Bounds, Corpus, Label, Scan};

/// Words that are drawn from.
const WORDS: [&str; 32] = [
    "the", "request", "agent", "of", "a", "file", "and", "writes", "window", "policy", "to", "reads", "server", "in",
    "value", "is", "network", "between", "answer", "must", "never", "test", "rule", "when", "cell", "door", "host",
    "label", "other", "first", "stands", "without",
];

fn main() {
    // Cargo gives `--bench`; a word of the caller's is the one kind to measure.
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let mut corpus = Corpus::new();
    let begin = Instant::now();
    for part in 0..20 {
        corpus.add(Label(part % 3), prose(10 << 10, u64::from(part) + 100).as_bytes()).expect("it fits");
    }
    println!("adding {} KiB: {:.1} ms", corpus.held() >> 10, begin.elapsed().as_secs_f64() * 1e3);
    for secret in 0..10 {
        corpus.add_secret(Label(9), format!("k{secret}-Zt41pQx{secret}9Lm").as_bytes()).expect("it fits");
    }
    println!("{:<8} {:>9} {:>12} {:>9}", "kind", "bytes", "ns a scan", "MB/s");
    for size in [128, 2 << 10, 64 << 10, 1 << 20] {
        let text = prose(size, 7);
        for (kind, bytes) in
            [("text", text.clone()), ("json", json(&text)), ("base64", base64(&text)), ("noise", base64_noise(size))]
        {
            if only.as_deref().is_none_or(|only| only == kind) {
                measure(&corpus, kind, bytes.as_bytes());
            }
        }
    }
}

fn measure(corpus: &Corpus, kind: &str, bytes: &[u8]) {
    report(kind, bytes.len(), || corpus.scan(black_box(bytes), &Bounds::USUAL));
}

fn report(kind: &str, size: usize, scan: impl Fn() -> Scan) {
    let seen = scan();
    assert!(seen.found.is_empty() && seen.beyond.is_none(), "{kind} of {size} bytes: {seen:?}");
    // Many short samples and the best of them: what else runs on the machine disturbs most of the long ones.
    let rounds = (64 << 10) / size + 1;
    let best = (0..40).map(|_| sample(rounds, &|| black_box(scan()))).fold(f64::MAX, f64::min);
    println!("{kind:<8} {size:>9} {best:>12.0} {:>9.0}", size as f64 / best * 1e3);
}

/// Nanoseconds of one scan.
fn sample<T>(rounds: usize, scan: &impl Fn() -> T) -> f64 {
    let begin = Instant::now();
    (0..rounds).for_each(|_| drop(scan()));
    begin.elapsed().as_secs_f64() * 1e9 / rounds as f64
}

fn step(word: &mut u64) -> usize {
    *word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*word >> 33) as usize
}

fn prose(size: usize, seed: u64) -> String {
    let (mut text, mut word) = (String::new(), seed);
    while text.len() < size {
        text.push_str(WORDS[step(&mut word) % WORDS.len()]);
        text.push_str(if step(&mut word).is_multiple_of(12) { ".\n" } else { " " });
    }
    text.truncate(size);
    text
}

/// A request to a model, its text in messages of 200 bytes, within the size.
fn json(text: &str) -> String {
    let mut body = String::from(r#"{"model":"m-1","messages":["#);
    let size = text.len();
    for piece in text.as_bytes().chunks(200) {
        let piece = String::from_utf8_lossy(piece).replace('\n', "\\n");
        let message = format!(r#"{{"role":"user","id":"9f1c-{}","content":"{piece}"}},"#, piece.len());
        if body.len() + message.len() > size && size > 256 {
            break;
        }
        body.push_str(&message);
    }
    body.trim_end_matches(',').to_owned() + "]}"
}

fn base64(text: &str) -> String {
    encode(&text.as_bytes()[..text.len() / 4 * 3])
}

fn base64_noise(size: usize) -> String {
    let mut word = 99;
    encode(&(0..size / 4 * 3).map(|_| step(&mut word) as u8).collect::<Vec<u8>>())
}

fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let word = |chunk: &[u8]| {
        chunk.iter().fold(0usize, |word, &byte| word << 8 | usize::from(byte)) << (8 * (3 - chunk.len()))
    };
    let digits =
        |chunk: &[u8]| (0..=chunk.len()).map(|at| DIGITS[word(chunk) >> (18 - 6 * at) & 63]).collect::<Vec<u8>>();
    bytes.chunks(3).flat_map(digits).map(char::from).collect()
}
