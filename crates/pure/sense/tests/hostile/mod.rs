//! Bytes that were made to take long, or much memory: one MiB of each kind.

use miniz_oxide::deflate::compress_to_vec;

/// The size of each.
pub(crate) const SIZE: usize = 1 << 20;

/// Pieces that are repeated, by what they are.
const REPEATED: &[(&str, &[u8])] = &[
    ("one digit", b"A"),
    ("one hex digit", b"0"),
    ("zeros", b"\0"),
    ("spaces", b" "),
    ("line ends", b"\n"),
    ("quotes", b"\""),
    ("quotes in documents", b"{\""),
    ("escaped quotes", b"\\\""),
    ("names", b"\"ab\":"),
    ("backslashes", b"\\"),
    ("percents of percents", b"%25"),
    ("surrogates", b"\\ud83d\\ude00"),
    ("entities of entities", b"&amp;"),
    ("openings", b"<a"),
    ("tags", b"<a>"),
    ("pairs", b"a=b&"),
    ("equals", b"="),
    ("boundaries", b"--x\nContent-A: b\n\n"),
    ("boundaries that begin alike", b"\n--\nContent-"),
    ("numbers", b"72, "),
    ("a dump", b"00000000: 4142 4344 4546 4748 4142 4344 4546 4748  ABCDEFGHABCDEFGH\n"),
    ("a dump on one line", b"abcdef01 02 "),
    ("broken lines of digits", b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=\n      \t"),
    ("marks of gzip", b"\x1f\x8b\x08\0"),
    ("marks of gzip with a name", b"\x1f\x8b\x08\x08"),
    ("marks of zlib", b"x\x9c"),
    ("stored blocks", b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\x10\0\xef\xff"),
    ("empty blocks", b"x\x9c\0\0\0\xff\xff\0\0\0\xff\xff\0\0\0\xff\xff"),
    ("marks of zip", b"PK\x03\x04\x14\0\0\0\x08\0aaaaaaaaaaaaaaaa\0\0\0\0\0\0\0\0\0\0\0\0"),
    ("marks of packs", b"PACK\0\0\0\x02\0\0\0\x01"),
    ("marks of other archives", b"Rar!\x1a\x07"),
    ("wide letters", b"a\0"),
    ("tags that nobody sees", "\u{e0041}".as_bytes()),
    ("selectors", "\u{fe0f}\u{e0155}".as_bytes()),
    ("look-alikes", "\u{430}\u{1d41a}\u{ff41}".as_bytes()),
    ("halves of letters", b"\xe2\x82\xf0\x9f"),
    ("a secret's letters", b"k"),
    ("a text that repeats itself", b"abcdefghijklmnopq"),
];

/// Each kind, made of the text that is labelled.
pub(crate) fn kinds(labelled: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut kinds: Vec<(&str, Vec<u8>)> = REPEATED.iter().map(|(name, piece)| (*name, filled(piece))).collect();
    let text: Vec<u8> = (0x20..0x7f).collect();
    kinds.extend([
        ("noise", noise(0).take(SIZE).collect()),
        ("noise in base64", written(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")),
        ("noise in base32", written(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
        ("noise in hex", written(b"0123456789abcdef")),
        ("noise in bits", written(b"01")),
        ("noise in text", written(&text)),
        ("noise of marks", written(b"\"\\%&=<>;?{}[]:,0aAxu#\n ")),
        ("a bomb", bomb()),
        ("bombs in base64", base64(&bomb())),
        ("a text within itself ten times", nested(labelled.as_bytes())),
        ("a document in documents", documents(labelled)),
        ("short runs", pieces(labelled, 40)),
        ("long runs", pieces(labelled, 60)),
        ("the labelled text", filled(labelled.as_bytes())),
        ("the labelled text in base64", base64(&filled(labelled.as_bytes()))),
    ]);
    kinds
}

fn filled(piece: &[u8]) -> Vec<u8> {
    piece.repeat(SIZE / piece.len() + 1)[..SIZE].to_vec()
}

fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let step = |word: &mut u64| {
        *word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some((*word >> 40) as u8)
    };
    std::iter::repeat(()).scan(seed + 1, move |word, ()| step(word))
}

fn written(letters: &[u8]) -> Vec<u8> {
    noise(7).take(SIZE).map(|byte| letters[usize::from(byte) % letters.len()]).collect()
}

/// What 64 MiB of zeros are compressed to, as often as there is room.
fn bomb() -> Vec<u8> {
    let one = [b"\x1f\x8b\x08\0\0\0\0\0\0\0".as_slice(), &compress_to_vec(&vec![0; 64 << 20], 9)].concat();
    filled(&one)
}

/// Compressed again and again, and filled up with noise.
fn nested(text: &[u8]) -> Vec<u8> {
    let gzip = |text: Vec<u8>| [b"\x1f\x8b\x08\0\0\0\0\0\0\0".as_slice(), &compress_to_vec(&text, 6)].concat();
    let mut whole = (0..10).fold(text.to_vec(), |text, _| gzip(text));
    whole.extend(noise(3).take(SIZE - whole.len()));
    whole
}

/// Strings in strings, until they are as long.
fn documents(text: &str) -> Vec<u8> {
    let mut whole = text[..text.floor_char_boundary(4096)].to_owned();
    while whole.len() < SIZE / 2 {
        whole = format!("{{\"text\":{whole:?}}}");
    }
    whole.into_bytes()
}

/// Runs of the text with something between them, from everywhere in it.
fn pieces(text: &str, length: usize) -> Vec<u8> {
    let letters: Vec<u8> = text.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let from = (0..).map(|count| count * 7919 % (letters.len() - length));
    let mut whole: Vec<u8> =
        from.take(SIZE / length).flat_map(|from| [&letters[from..from + length], b"zq"].concat()).collect();
    whole.truncate(SIZE);
    whole
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let word = |three: &[u8; 3]| usize::from(three[0]) << 16 | usize::from(three[1]) << 8 | usize::from(three[2]);
    let digits = |three: &[u8; 3]| [18, 12, 6, 0].map(|shift| DIGITS[word(three) >> shift & 63]);
    bytes[..SIZE / 4 * 3].as_chunks().0.iter().flat_map(digits).collect()
}
