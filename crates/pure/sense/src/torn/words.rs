//! What tells a secret of random characters from one that is made of words and numbers: how its characters follow each other.

/// One in so many bytes of a secret has to go on as no word does: of random ones most do, of a word or number with another hardly any.
pub(super) const ODD: usize = 4;

/// Bytes of a piece that is longer than words are.
pub(super) const LONG: usize = 16;

/// Which letters often follow each, in 94 of 100 pairs of English prose; of all pairs they are a third.
const FOLLOW: [&str; 26] = [
    "bcdgiklmnprstuvy",
    "aeilorsuy",
    "acehiklortu",
    "aeiosu",
    "abcdefgilmnpqrstvx",
    "efiortu",
    "acehinopr",
    "aeiort",
    "abcdefglmnoprstv",
    "",
    "aeis",
    "adeilostuy",
    "aeimops",
    "acdefgilostuy",
    "cdfgilmnoprstuvw",
    "aeiloprstuy",
    "u",
    "acdegikmnoprstuvy",
    "acehikopstuy",
    "acehioprstuwy",
    "bcdegilmnprst",
    "aei",
    "aehinos",
    "pt",
    "ors",
    "",
];

/// What stands between words.
const BETWEEN: &[u8] = b"-_./:@, ";

/// Of each byte whether it goes on as words and numbers do not.
pub(super) fn odd(value: &[u8]) -> Vec<bool> {
    let follows = value.array_windows().map(|&[one, other]| goes_on_oddly(one, other));
    [false].into_iter().chain(follows).collect()
}

fn goes_on_oddly(one: u8, other: u8) -> bool {
    if BETWEEN.contains(&one) || BETWEEN.contains(&other) {
        return false;
    }
    match (one.to_ascii_lowercase(), other.to_ascii_lowercase()) {
        (b'0'..=b'9', b'0'..=b'9') => false,
        (one @ b'a'..=b'z', other @ b'a'..=b'z') => !FOLLOW[usize::from(one - b'a')].as_bytes().contains(&other),
        _ => true,
    }
}
