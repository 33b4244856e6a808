//! What a scan costs: `cargo bench -p bastide-sense`. The corpus is 200 KiB of text and ten secrets. Real bodies follow, with
//! two peers that read the same bytes: inflating them, and looking for one string in them. Processor time of the thread: what else
//! runs on the machine costs caches, and is no other part of it.

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
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
    let begin = now();
    for part in 0..20 {
        corpus.add(Label(part % 3), prose(10 << 10, u64::from(part) + 100).as_bytes()).expect("it fits");
    }
    println!("adding {} KiB: {:.1} ms", corpus.held() >> 10, (now() - begin).as_secs_f64() * 1e3);
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
    println!("{:<8} {:>9} {:>9} {:>9} {:>9}", "bodies", "bytes", "MB/s", "inflate", "one word");
    let bodies = bodies();
    for (kind, texts) in bodies.iter().chain([&("all", bodies.iter().flat_map(|(_, texts)| texts.clone()).collect())]) {
        if only.as_deref().is_none_or(|only| only == *kind) {
            beside_peers(&corpus, kind, texts);
        }
    }
    if only.as_deref().is_none_or(|only| only == "hits") {
        with_hits(&corpus);
    }
}

/// Requests of agents to models, as they were recorded.
const MODELS: [&str; 6] = [
    include_str!("../../record/tests/fixtures/claude/request-1.json"),
    include_str!("../../record/tests/fixtures/claude/request-2.json"),
    include_str!("../../record/tests/fixtures/codex/request-1.json"),
    include_str!("../../record/tests/fixtures/codex/request-2.json"),
    include_str!("../../record/tests/fixtures/pi/request-1.json"),
    include_str!("../../record/tests/fixtures/pi/request-2.json"),
];

/// What real clients say: requests to models, lock files, programs and prose as they are and in JSON, forms.
fn bodies() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let plain = [
        include_str!("../src/coding/signs.rs"),
        include_str!("../src/grams.rs"),
        include_str!("../src/meaning/ground.rs"),
        include_str!("../src/window.rs"),
    ];
    let prose = [include_str!("../../../../SECURITY-MODEL.md"), include_str!("../../../../ARCHITECTURE.md")];
    let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
    let asked = |text: &str| serde_json::json!({"model": "m-1", "messages": [{"role": "user", "content": text}]});
    let documents = plain.iter().chain(&prose).map(|text| asked(text).to_string().into_bytes());
    let form = |n: usize| format!("name=item-{n}&page={}&sort=-created&note=see+you+at+8%3A30&next=%2Fa%2Fb", n * 7);
    vec![
        ("models", bytes(&MODELS)),
        ("lock", bytes(&[include_str!("../../../../Cargo.lock")])),
        ("programs", bytes(&plain)),
        ("prose", bytes(&prose)),
        ("json", documents.collect()),
        ("forms", (0..200).map(|n| form(n).into_bytes()).collect()),
    ]
}

fn beside_peers(corpus: &Corpus, kind: &str, bodies: &[Vec<u8>]) {
    let size: usize = bodies.iter().map(Vec::len).sum();
    let packed: Vec<Vec<u8>> = bodies.iter().map(|body| miniz_oxide::deflate::compress_to_vec(body, 6)).collect();
    let finder = memchr::memmem::Finder::new(b"Zt41pQx49Lm");
    let rate = |pass: &dyn Fn()| size as f64 / (0..40).map(|_| sample(1, &pass)).fold(f64::MAX, f64::min) * 1e3;
    let scan = rate(&|| {
        for body in bodies {
            let seen = corpus.scan(black_box(body), &Bounds::USUAL);
            assert!(seen.found.is_empty() && seen.beyond.is_none(), "{kind}: {seen:?}");
        }
    });
    let inflate = rate(&|| {
        packed.iter().for_each(|body| drop(black_box(miniz_oxide::inflate::decompress_to_vec(black_box(body)))));
    });
    let word = rate(&|| bodies.iter().for_each(|body| assert!(black_box(finder.find(black_box(body))).is_none())));
    println!("{kind:<8} {size:>9} {scan:>9.0} {inflate:>9.0} {word:>9.0}");
}

/// What is labelled, in each line of a text or once at its end.
fn with_hits(corpus: &Corpus) {
    let labelled = prose(10 << 10, 100);
    let other = prose(64 << 10, 7);
    let line = |at: usize| format!("{}\n{}\n", &labelled[at * 90..at * 90 + 80], &other[at * 200..at * 200 + 120]);
    let often: String = (0..100).map(line).collect();
    let once = format!("{other}{}", &labelled[..80]);
    for (kind, text) in [("once", once), ("often", often), ("all", labelled)] {
        assert!(!corpus.scan(text.as_bytes(), &Bounds::USUAL).found.is_empty(), "{kind}");
        let best = (0..40).map(|_| sample(1, &|| corpus.scan(black_box(text.as_bytes()), &Bounds::USUAL)));
        let best = best.fold(f64::MAX, f64::min);
        println!("hits {kind:<6} {:>7} {:>9.0} MB/s", text.len(), text.len() as f64 / best * 1e3);
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
    let begin = now();
    (0..rounds).for_each(|_| drop(scan()));
    (now() - begin).as_secs_f64() * 1e9 / rounds as f64
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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
