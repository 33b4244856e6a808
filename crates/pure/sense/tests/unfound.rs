//! What is not found, written down: a README that promised more would mislead. Where bytes could hold anything, they are
//! told as opaque; where they look like any other text, nothing is.

use sense::{Bounds, Corpus, Label, Scan, Seal};

use crate::wrap::{self, MEMO, SECRET, SENTENCE, written};

fn scan(bytes: &[u8]) -> Scan {
    let mut corpus = Corpus::new();
    corpus.add(Label(1), MEMO.as_bytes()).expect("there is room");
    corpus.add_secret(Label(2), SECRET.as_bytes()).expect("there is room");
    corpus.scan(bytes, &Bounds::USUAL)
}

/// Bytes as a cipher gives them.
fn ciphertext() -> Vec<u8> {
    let mut word = 88_172_645_463_325_252_u64;
    let mut step = || {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        (word >> 24) as u8
    };
    (0..2000).map(|_| step()).collect()
}

#[test]
fn what_could_hold_anything_is_opaque() {
    let sealed = |head: &[u8]| [head, &ciphertext()].concat();
    for (seal, bytes) in [
        (Seal::Noise, ciphertext()),
        (Seal::Noise, wrap::wrapped(&["json", "base64"], &ciphertext())),
        (Seal::Noise, wrap::wrapped(&["gzip", "hex"], &ciphertext())),
        (Seal::Encrypted, sealed(b"Salted__")),
        (Seal::Encrypted, sealed(b"age-encryption.org/v1\n")),
        (Seal::Encrypted, wrap::wrapped(&["base64"], &sealed(b"Salted__"))),
        (Seal::Compressed, sealed(b"\x28\xb5\x2f\xfd")),
        (Seal::Compressed, sealed(b"\xfd7zXZ\0")),
        (Seal::Compressed, sealed(b"BZh9")),
        (Seal::Archive, sealed(b"Rar!\x1a\x07")),
        (Seal::Archive, sealed(b"7z\xbc\xaf\x27\x1c")),
        (Seal::Media, sealed(b"\x89PNG\r\n\x1a\n")),
    ] {
        let scan = scan(&bytes);
        assert_eq!(scan.found, [], "{seal:?}");
        assert_eq!(scan.opaque.map(|opaque| opaque.seal), Some(seal));
    }
}

#[test]
fn an_encrypted_archive_is_opaque() {
    let mut archive = wrap::wrapped(&["zip"], MEMO.as_bytes());
    archive[6] |= 1;
    assert!(!scan(&archive).found.is_empty(), "it only says so");
    archive[38..].iter_mut().for_each(|byte| *byte ^= 0x5a);
    assert_eq!(scan(&archive).opaque.map(|opaque| opaque.seal), Some(Seal::Archive));
}

/// No form of these tells them from other text.
#[test]
fn what_reads_like_other_text_passes_unseen() {
    let each = |text: &str, change: &dyn Fn(u8) -> u8| text.bytes().map(change).collect::<Vec<u8>>();
    let words = |text: &str, change: &dyn Fn(&str) -> String| {
        text.split(' ').map(change).collect::<Vec<_>>().join(" ").into_bytes()
    };
    let pieces = |length: usize, encode: fn(&[u8]) -> Vec<u8>| {
        SECRET.as_bytes().chunks(length).map(encode).collect::<Vec<_>>().join(&b" and "[..])
    };
    let unseen: [(&str, Vec<u8>); 10] = [
        (
            "other words",
            b"He went through the whole lot and reckons most of the owners would settle for twelve months of rent"
                .to_vec(),
        ),
        ("a text shorter than the least run", SENTENCE.as_bytes()[..50].to_vec()),
        (
            "letters moved by another number",
            each(SENTENCE, &|byte| if byte.is_ascii_lowercase() { (byte - b'a' + 3) % 26 + b'a' } else { byte }),
        ),
        ("letters between letters", each(SENTENCE, &|byte| byte).iter().flat_map(|&byte| [byte, b'x']).collect()),
        ("words backwards", words(SENTENCE, &|word| word.chars().rev().collect())),
        ("base64 in ROT13", written::rot13(&wrap::wrapped(&["base64"], SENTENCE.as_bytes()))),
        ("digits backwards", written::reversed(&wrap::wrapped(&["hex"], SENTENCE.as_bytes()))),
        ("short pieces of a secret that need no padding", pieces(6, wrap::digits::base64)),
        ("short pieces of a secret in hexadecimal", pieces(4, wrap::digits::hex)),
        ("a short secret with marks in it", written::marked(b"hunter2!")),
    ];
    for (what, bytes) in unseen {
        let scan = scan(&bytes);
        assert_eq!((&scan.found[..], scan.beyond, scan.opaque), (&[][..], None, None), "{what}");
    }
}
