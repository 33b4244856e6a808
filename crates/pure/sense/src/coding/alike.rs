//! How a text differs from one that is nearly the same: a document in a document is read again in each way to read the other.
//!
//! Wherever the two are said to be the same, they were compared. Where what is the same again is looked for in vain, nothing is said.

use memchr::memmem;

use super::edits::Edits;

/// Bytes that are the same again behind a change.
const SAME: usize = 16;

/// Bytes of the other text in which they are looked for: the longest tag, and what stands behind it.
const TAKEN: usize = 1024 + 64;

/// How many bytes may have been made instead, one after the other.
const MADE: [usize; 8] = [0, 1, 2, 3, 4, 8, 16, 32];

/// One change in so many bytes, or the text is another one.
const APART: usize = 256;

/// Where the text differs from the other, unless it does in too many places.
pub(crate) fn edits(other: &[u8], text: &[u8]) -> Option<Edits> {
    let (mut edits, mut there, mut here) = (Edits::default(), 0, 0);
    for _ in 0..=text.len() / APART {
        let same = common(&other[there..], &text[here..]);
        (there, here) = (there + same, here + same);
        if there == other.len() && here == text.len() {
            return Some(edits);
        }
        let (taken, made) = change(&other[there..], &text[here..])?;
        edits.replace(there..there + taken, here..here + made);
        (there, here) = (there + taken, here + made);
    }
    None
}

/// How many bytes are the same at the start.
fn common(one: &[u8], other: &[u8]) -> usize {
    const BLOCK: usize = 256;
    let blocks = one.chunks_exact(BLOCK).zip(other.chunks_exact(BLOCK));
    let at = blocks.take_while(|(one, other)| one == other).count() * BLOCK;
    at + one[at..].iter().zip(&other[at..]).take_while(|(one, other)| one == other).count()
}

/// How many bytes of the other text are gone, and how many stand there instead, until both go on alike.
fn change(other: &[u8], text: &[u8]) -> Option<(usize, usize)> {
    let near = &other[..other.len().min(TAKEN)];
    if near.len() == other.len() && text.len() < SAME {
        return Some((other.len(), text.len()));
    }
    MADE.into_iter().find_map(|made| {
        let again = text.get(made..made + SAME)?;
        Some((memmem::find(near, again)?, made))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::edits::tests::agrees;
    use super::super::signs::Signs;
    use super::*;

    /// The text again, of the other one and of what was made, of which every byte lies between two places.
    fn again(other: &[u8], text: &[u8], edits: &Edits) -> Vec<u8> {
        let (mut out, mut from) = (Vec::new(), 0);
        for (taken, made) in edits.changes() {
            out.extend_from_slice(&other[from..taken.start]);
            assert_eq!(out.len(), made.start);
            assert!([made.start, made.end].iter().all(|place| edits.at.contains(place)) && made.len() <= 1);
            out.extend_from_slice(&text[made.clone()]);
            from = taken.end;
        }
        out.extend_from_slice(&other[from..]);
        out
    }

    #[test]
    fn a_few_changes_are_found() {
        let other = "the first line <b>of all</b> and then some more of it, with nothing else\n".repeat(20);
        let text = other.replacen("<b>", "", 3).replacen("nothing else", "a%b", 1);
        let found = edits(other.as_bytes(), text.as_bytes()).expect("alike");
        assert_eq!(again(other.as_bytes(), text.as_bytes(), &found), text.as_bytes());
        assert_eq!(edits(other.as_bytes(), other.as_bytes()).expect("the same").at, [0; 0]);
        assert!(edits(other.as_bytes(), &[b'x'; 1400]).is_none());
    }

    #[test]
    fn a_run_of_digits_in_what_was_made_is_new() {
        let other = "nothing of any length stands in it. ".repeat(20);
        for digits in ["VGhpcyBpcyBiYXNl", "VGhpcyBpcyBiYXNlNjQgZm9yIHlvdQ"] {
            let made = format!(" {digits:.<31}");
            let text = format!("{}{made}{}", &other[..102], &other[102..]);
            let found = edits(other.as_bytes(), text.as_bytes()).expect("alike");
            assert_eq!(found.carry(&Signs::of(other.as_bytes()), true, text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_told_makes_the_text_of_the_other(
            pieces in proptest::collection::vec(("[a-c \n]{0,400}", "[a-c<>%]{0,9}", "[a-c<>%]{0,40}"), 0..8),
        ) {
            let other: String = pieces.iter().map(|(same, one, _)| format!("{same}{one}")).collect();
            let text: String = pieces.iter().map(|(same, _, one)| format!("{same}{one}")).collect();
            if let Some(found) = edits(other.as_bytes(), text.as_bytes()) {
                prop_assert_eq!(again(other.as_bytes(), text.as_bytes(), &found), text.into_bytes());
            }
        }

        #[test]
        fn runs_in_what_was_made_are_runs(
            pieces in proptest::collection::vec(
                ("[A-Za-z !.]{20,300}|[a-f0-9, ]{9,90}|[a-z]{9,30}", "[A-Za-z ]{0,20}", "[ .]{0,3}[A-Za-z0-9 ]{0,31}|[a-f0-9 ]{0,40}"), 1..5,
            ),
        ) {
            let other: String = pieces.iter().map(|(same, one, _)| format!("{same}{one}")).collect();
            let text: String = pieces.iter().map(|(same, _, one)| format!("{same}{one}")).collect();
            if let Some(found) = edits(other.as_bytes(), text.as_bytes()) {
                agrees(found.carry(&Signs::of(other.as_bytes()), true, text.as_bytes()), text.as_bytes())?;
            }
        }
    }
}
