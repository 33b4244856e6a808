//! What is opaque among the parts of a request, and what only looks so where they are joined.

use sense::{Bounds, Corpus, Label, Scan, Seal};

use crate::wrap;

fn scan(parts: &[&[u8]]) -> Scan {
    let mut corpus = Corpus::new();
    corpus.add(Label(1), wrap::MEMO.as_bytes()).expect("there is room");
    corpus.scan_parts(parts, &Bounds::USUAL)
}

/// Of a long part only both ends are joined with the others: the rest of what was compressed in it is no ciphertext.
#[test]
fn compressed_text_among_other_parts_is_not_opaque() {
    for lines in [500, 1000, 2000, 4000] {
        let text: String = (0..lines).map(|line| format!("line {line} says {}\n", line * 7919 % 10_007)).collect();
        for ways in
            [&["gzip"][..], &["json", "base64", "gzip"], &["zip"], &["zlib"], &["git pack"], &["base64", "git pack"]]
        {
            let body = wrap::wrapped(ways, text.as_bytes());
            let scan = scan(&[b"api.example.com", b"POST", b"/v1/logs", b"application/octet-stream", &body]);
            assert_eq!((&scan.found[..], scan.beyond, scan.opaque), (&[][..], None, None), "{lines} in {ways:?}");
        }
    }
}

/// Each piece is too short to say anything.
#[test]
fn ciphertext_in_pieces_is_opaque_once_they_are_joined() {
    let mut word = 88_172_645_463_325_252_u64;
    let mut step = || {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        (word >> 24) as u8
    };
    let noise: Vec<u8> = (0..3000).map(|_| step()).collect();
    let encoded = wrap::wrapped(&["base64"], &noise);
    let pieces: Vec<&[u8]> = encoded.chunks(240).collect();
    let list = [b"[\"", &pieces.join(&b"\",\""[..])[..], b"\"]"].concat();
    assert_eq!(scan(&[&list]).opaque, None);
    for parts in [pieces, vec![b"/v1/logs", &list]] {
        assert_eq!(scan(&parts).opaque.map(|opaque| opaque.seal), Some(Seal::Noise));
    }
}
