//! A secret in pieces, each encoded by itself: of any length, with whatever a program may put between them.

use sense::{Bounds, Corpus, Label};

use crate::exfil::Dice;
use crate::wrap::{self, digits};

/// What a program may put between two pieces, by their number.
const BETWEEN: [fn(usize) -> String; 12] = [
    |_| " and: ".into(),
    |_| ", ".into(),
    |_| "\n".into(),
    |_| "\", \"".into(),
    |_| " file also then disk is ".into(),
    |at| format!("\n{}. ", at + 2),
    |at| format!("\r\n2026-11-30T20:06:{:02}Z INFO worker[12]: part {at} of 9 was: ", at + 20),
    |at| format!("&part{at}="),
    |_| "</td><td class=\"b64\" width=\"20\">".into(),
    |at| format!("\"}},{{\"index\":{at},\"data\":\""),
    |at| format!(" 1{at}: "),
    |_| " -> ".into(),
];

type Encode = fn(&[u8]) -> Vec<u8>;

impl Dice {
    fn secret(&mut self) -> String {
        const WORD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-+/!#";
        (0..16 + self.below(30)).map(|_| char::from(WORD[self.below(WORD.len())])).collect()
    }
}

/// The pieces of a text among other words, from the first byte or a later one.
fn pieces(text: &str, length: usize, encode: Encode, between: &dyn Fn(usize) -> String, dice: &mut Dice) -> Vec<u8> {
    let begin = "it is said to be so: "[dice.below(20)..].to_owned();
    let text = format!("{begin}{text}{}", " and no more"[dice.below(12)..].to_owned());
    let mut out = b"What came: \"".to_vec();
    for (at, piece) in text.as_bytes().chunks(length).enumerate() {
        if at > 0 {
            out.extend_from_slice(between(at).as_bytes());
        }
        out.extend_from_slice(&encode(piece));
    }
    out
}

fn holds(secret: &str, bytes: &[u8]) -> bool {
    let mut corpus = Corpus::new();
    for other in ["sk-Vt93kQzr7LmXw2pB8", "correct-horse-battery"] {
        corpus.add_secret(Label(1), other.as_bytes()).expect("there is room");
    }
    corpus.add_secret(Label(2), secret.as_bytes()).expect("there is room");
    let scan = corpus.scan(bytes, &Bounds::USUAL);
    assert!(scan.found.iter().all(|found| found.label == Label(2)) && scan.beyond.is_none());
    !scan.found.is_empty()
}

/// Of each coding at least so many bytes are seen to be encoded; what is left at the end may be of any length.
#[test]
fn long_pieces_and_whatever_is_left_at_the_end() {
    let codings: [(&str, Encode, usize); 7] = [
        ("base64", digits::base64, 12),
        ("base64 url-safe", digits::base64_url, 12),
        ("base32", digits::base32, 15),
        ("base32 small", digits::base32_small, 15),
        ("hex", digits::hex, 8),
        ("hex upper", digits::hex_upper, 8),
        ("binary digits", |bytes| digits::bits(bytes).into_iter().filter(|byte| *byte != b' ').collect(), 8),
    ];
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for (name, encode, least) in codings {
        for (length, between) in (least..least + 14).flat_map(|length| BETWEEN.map(|between| (length, between))) {
            let secret = dice.secret();
            let text = pieces(&secret, length, encode, &between, &mut dice);
            assert!(holds(&secret, &text), "{name} of {length}: {secret} in {}", String::from_utf8_lossy(&text));
        }
    }
}

/// What is padded is seen to be encoded, however short.
#[test]
fn short_pieces_that_are_padded() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for (name, encode, group) in [
        ("base64", digits::base64 as Encode, 3),
        ("base32", digits::base32, 5),
        ("base32 small", digits::base32_small, 5),
    ] {
        for (length, between) in
            (1..16).filter(|length| length % group > 0).flat_map(|length| BETWEEN.map(|between| (length, between)))
        {
            let secret = dice.secret();
            let text = pieces(&secret, length, encode, &between, &mut dice);
            assert!(holds(&secret, &text), "{name} of {length}: {secret} in {}", String::from_utf8_lossy(&text));
            // Encoded once more, or in a document.
            for outer in ["json", "gzip", "base64", "percent", "hex"] {
                let text = wrap::wrapped(&[outer], &text);
                assert!(holds(&secret, &text), "{outer} of {name} of {length}: {secret}");
            }
        }
    }
}

/// Marks that are digits of one of its alphabets, and nothing but marks.
#[test]
fn base64_between_marks() {
    let mut dice = Dice(0x1234_5678_9abc_def1);
    for _ in 0..200 {
        let secret = dice.secret();
        for mark in ["/", "+"] {
            let text = pieces(&secret, 12 + dice.below(9), digits::base64_url, &|_| mark.into(), &mut dice);
            assert!(holds(&secret, &text), "{secret} in {}", String::from_utf8_lossy(&text));
        }
        let unpadded: Encode = |bytes| digits::base64(bytes).into_iter().filter(|byte| *byte != b'=').collect();
        for mark in ["-", "_"] {
            let text = pieces(&secret, 12 + dice.below(9), unpadded, &|_| mark.into(), &mut dice);
            assert!(holds(&secret, &text), "{secret} in {}", String::from_utf8_lossy(&text));
        }
        for (length, mark) in [(3, ", "), (6, "\", \""), (9, "; "), (3, ".")] {
            let text = pieces(&secret, length, digits::base64, &|_| mark.into(), &mut dice);
            assert!(holds(&secret, &text), "{secret} in {}", String::from_utf8_lossy(&text));
        }
    }
}

/// Pieces of something else, and those of a secret in another order, are none of it.
#[test]
fn pieces_of_something_else_are_none() {
    let mut dice = Dice(0x0dd0_5eed_0dd0_5eed);
    for _ in 0..300 {
        let (secret, other) = (dice.secret(), dice.secret());
        let (length, between) = (1 + dice.below(24), BETWEEN[dice.below(BETWEEN.len())]);
        for encode in [digits::base64 as Encode, digits::base32, digits::hex] {
            assert!(!holds(&secret, &pieces(&other, length, encode, &between, &mut dice)));
            let cut = &secret[..secret.len() - 4];
            let text = pieces(&format!("{cut}~|~|"), length, encode, &between, &mut dice);
            assert!(!holds(&secret, &text), "{secret} of {length} in {}", String::from_utf8_lossy(&text));
        }
    }
}
