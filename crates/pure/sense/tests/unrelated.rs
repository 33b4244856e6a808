//! What has nothing to do with what is labelled is not taken for it, and ordinary content is never beyond bounds: it would
//! be held back.

use sense::{Bounds, Corpus, Label, Scan, Seal};

const MEMO: &str = include_str!("wrap/memo.txt");
const LOCK: &str = include_str!("../../../../Cargo.lock");
const REQUEST: &str = include_str!("../../record/tests/fixtures/claude/request-1.json");
/// Programs, full of escapes and of what looks like another form of text.
const PROGRAMS: &[&str] = &[
    include_str!("../src/coding/escapes.rs"),
    include_str!("../src/coding/digits.rs"),
    include_str!("../src/coding/strings.rs"),
    include_str!("../src/fold/lookalike.rs"),
    include_str!("../src/env.rs"),
    include_str!("wrap/written.rs"),
    include_str!("wrap/packed.rs"),
];

fn corpus() -> Corpus {
    let mut corpus = Corpus::new();
    corpus.add(Label(1), MEMO.as_bytes()).expect("there is room");
    for secret in ["sk-Vt93kQzr7LmXw2pB8", "hunter2!", "correct-horse-battery", "4f2a9c1e8b7d6053"] {
        corpus.add_secret(Label(2), secret.as_bytes()).expect("there is room");
    }
    corpus
}

/// Words for numbers of a generator.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let step = |word: &mut u64| {
        *word ^= *word << 13;
        *word ^= *word >> 7;
        *word ^= *word << 17;
        *word
    };
    std::iter::repeat(()).scan(seed | 1, move |word, ()| Some(step(word)))
}

fn lines(count: usize, line: impl Fn(u64) -> String) -> String {
    numbers(99).take(count).map(line).collect::<Vec<_>>().join("\n")
}

fn base64(length: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    numbers(5).take(length).map(|number| char::from(DIGITS[(number >> 20) as usize & 63])).collect()
}

/// A document that holds the text, as a request to a model does.
fn document(text: &str) -> String {
    format!("{{\"model\":\"m-1\",\"messages\":[{{\"role\":\"user\",\"content\":{text:?}}}],\"stream\":true}}")
}

fn scan(text: &str) -> Scan {
    corpus().scan(text.as_bytes(), &Bounds::USUAL)
}

#[test]
fn ordinary_content_is_neither_found_nor_held() {
    let ordinary: &[(&str, String)] = &[
        ("prose", include_str!("../src/fold.rs").lines().filter_map(|line| line.strip_prefix("//!")).collect()),
        ("a lock file", LOCK.into()),
        ("a request to a model", REQUEST.into()),
        ("digests", lines(200, |n| format!("{n:016x}{:016x}{n:016x}{:016x}  src/file-{}.rs", n ^ 77, n ^ 99, n % 997))),
        (
            "identifiers",
            lines(200, |n| {
                format!(
                    "{{\"id\":\"{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}\"}},",
                    n as u32,
                    n >> 48,
                    n & 4095,
                    n >> 9 & 4095,
                    n >> 16
                )
            }),
        ),
        ("checks of packages", lines(40, |n| format!("\"integrity\": \"sha512-{}==\", \"n\": {n},", base64(86)))),
        ("a table", lines(300, |n| format!("{},{},{}.{:02},ok", n % 100_000, n % 255, n % 977, n % 100))),
        (
            "a log",
            lines(200, |n| {
                format!(
                    "2026-11-25T01:39:{:02}Z INFO gate: req={n:x} GET /v1/items?page={}&per=50&sort=-at 200 {}ms",
                    n % 60,
                    n % 9,
                    n % 400
                )
            }),
        ),
        (
            "styles",
            lines(100, |n| {
                format!(".a{}>b{{color:#{:06x};margin:{}px 0 0 {}px}}", n % 90, n as u32 & 0xff_ffff, n % 40, n % 9)
            }),
        ),
        (
            "a drawing",
            format!(
                "<svg><path d=\"{}\"/></svg>",
                lines(300, |n| format!("M{}.{} {}L{},{}", n % 512, n % 10, n % 511, n % 97, n % 31))
            ),
        ),
        ("settings", lines(60, |n| format!("section.{}.value-{} = \"{}\" # was {}", n % 7, n % 13, n % 1000, n % 77))),
        (
            "a form",
            lines(1, |_| "name=Ada+L&mail=ada%40example.com&note=see+you+at+8%3A30&next=%2Fa%3Fb%3D1%26c%3D2".into()),
        ),
    ];
    for (kind, text) in ordinary {
        for text in [text.clone(), document(text), document(&document(text))] {
            let scan = scan(&text);
            assert_eq!((&scan.found[..], scan.beyond, &scan.opaque), (&[][..], None, &None), "{kind}");
        }
    }
}

/// Some checksum begins like something compressed, whatever packages there are.
#[test]
fn no_lock_file_is_held() {
    for seed in 1..60 {
        let mut numbers = numbers(seed * 7919);
        let mut checksum =
            || (0..4).map(|_| format!("{:016x}", numbers.next().unwrap_or_default())).collect::<String>();
        let package = |n: usize| {
            format!("[[package]]\nname = \"package-{n}\"\nversion = \"1.{n}.0\"\nchecksum = \"{}\"\n", checksum())
        };
        let lock = (0..400).map(package).collect::<Vec<_>>().join("\n");
        for text in [document(&lock), lock] {
            let scan = scan(&text);
            assert_eq!((&scan.found[..], scan.beyond, &scan.opaque), (&[][..], None, &None), "seed {seed}");
        }
    }
}

#[test]
fn programs_within_documents_within_documents_are_looked_into() {
    for program in PROGRAMS {
        let mut text = (*program).to_owned();
        for depth in 0..4 {
            let scan = scan(&text);
            assert_eq!((&scan.found[..], scan.beyond), (&[][..], None), "{depth} documents around {}", &program[..60]);
            text = document(&text);
        }
    }
}

/// Nothing says what is in a picture; it is opaque, and matches nothing.
#[test]
fn pictures_in_base64_match_nothing() {
    let picture = format!("{{\"image\":\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA{}\"}}", base64(60_000));
    let scan = scan(&picture);
    assert_eq!((&scan.found[..], scan.beyond), (&[][..], None));
    assert_eq!(scan.opaque.map(|opaque| opaque.seal), Some(Seal::Media));
}

/// Words of the document in another order, and runs of it that are too short to say anything.
#[test]
fn the_same_words_are_not_the_same_text() {
    let words: Vec<&str> = MEMO.split_whitespace().collect();
    let sorted = {
        let mut words = words.clone();
        words.sort_unstable();
        words.join(" ")
    };
    let skipped = words.iter().step_by(2).copied().collect::<Vec<_>>().join(" ");
    let short = words.chunks(6).map(|words| words.join(" ")).collect::<Vec<_>>().join(" and then they said that ");
    for text in [sorted, skipped, short] {
        assert_eq!(scan(&text).found, [], "{text}");
    }
}
