//! What was said in public hides what lies within it, and nothing else: no more of the text, no other form of it, no secret.

use proptest::prelude::*;
use sense::{Bounds, Corpus, Drips, Drops, Label, Said, Speaker, Window};

use crate::wrap::{MEMO, SECRET, packed, written};

const DOCUMENT: Label = Label(1);
const KEY: Label = Label(2);
const PROGRAM: &str = include_str!("../src/drips.rs");

fn corpus() -> Corpus {
    let mut corpus = Corpus::new();
    corpus.add(DOCUMENT, MEMO.as_bytes()).expect("there is room");
    corpus.add(DOCUMENT, PROGRAM.as_bytes()).expect("there is room");
    corpus.add_secret(KEY, SECRET.as_bytes()).expect("there is room");
    corpus
}

fn said(corpus: &Corpus, answer: &[u8]) -> Said {
    corpus.said(answer, 1, &Bounds::USUAL).expect("within bounds")
}

/// The corpus where somebody answered this.
fn after(answer: &[u8]) -> Corpus {
    let mut corpus = corpus();
    said(&corpus, answer).pieces.iter().for_each(|piece| corpus.publish(piece).expect("there is room"));
    corpus
}

fn found(corpus: &Corpus, text: &[u8]) -> bool {
    !corpus.scan(text, &Bounds::USUAL).found.is_empty()
}

/// Bytes of a text, between letters.
fn part(text: &str, from: usize, length: usize) -> std::ops::Range<usize> {
    let begin = text.ceil_char_boundary(from % (text.len() - length));
    begin..text.ceil_char_boundary(begin + length)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any part of two texts is said in public, in some form, and then any part is said again.
    #[test]
    fn what_was_said_hides_what_lies_within_it_and_nothing_else(
        program: bool, from in 0..4000usize, length in 64..900usize, again in 0..4000usize, more in 64..400usize, form in 0..5usize,
    ) {
        let text = if program { PROGRAM } else { MEMO };
        let (there, here) = (part(text, from, length), part(text, again, more));
        let (public, said) = (&text[there.clone()], &text[here.clone()]);
        let answer = match form {
            0 => public.as_bytes().to_vec(),
            1 => format!("## 0 ##\n{public}\n## 0 ##").into_bytes(),
            2 => packed::gzip(public.as_bytes()),
            3 => written::json(public.as_bytes()),
            _ => written::entities(public.as_bytes()),
        };
        let (before, after) = (found(&corpus(), said.as_bytes()), found(&after(&answer), said.as_bytes()));
        // What was not found before is not found now.
        prop_assert!(before || !after);
        let letters = |text: &str| text.chars().filter(|one| one.is_alphanumeric()).collect::<String>().to_lowercase();
        let (public_letters, said_letters) = (letters(public), letters(said));
        let shares = said_letters.as_bytes().windows(24)
            .any(|run| public_letters.contains(std::str::from_utf8(run).unwrap_or("\n")));
        if there.start <= here.start && here.end <= there.end {
            prop_assert!(!after, "{said:?} lies within {public:?}");
        } else if !shares {
            prop_assert_eq!(after, before, "{:?} is not in {:?}", said, public);
        }
        // More than was said, by as much as would be told of by itself.
        if here.start < there.start && there.start < here.end || here.start < there.end && there.end < here.end {
            let beyond = there.start.saturating_sub(here.start).max(here.end.saturating_sub(there.end));
            prop_assert!(after || beyond < 64 || !before, "{beyond} bytes of {said:?} are not in {public:?}");
        }
    }

    /// Whoever knows all of a text but a few words of it, and says so in public, has not made those public.
    #[test]
    fn guesses_make_public_what_was_guessed_alone(every in 70..300usize, gap in 8..23usize) {
        let pieces: Vec<&str> = (0..MEMO.len() - every - gap).step_by(every + gap)
            .map(|at| MEMO.get(at..at + every).unwrap_or_default()).collect();
        let corpus = after(pieces.join(" 0 ").as_bytes());
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            prop_assert!(!found(&corpus, piece.as_bytes()), "{piece}");
        }
        // All of it, and any two guesses with what stands between them.
        prop_assert!(found(&corpus, MEMO.as_bytes()));
        for at in (0..MEMO.len() - 2 * every - gap).step_by(every + gap) {
            let both = MEMO.get(at..at + 2 * every + gap).unwrap_or(MEMO);
            prop_assert!(found(&corpus, both.as_bytes()), "{both}");
        }
    }
}

#[test]
fn a_secret_is_never_public() {
    let answer = format!("{MEMO} {SECRET} {MEMO}");
    assert_eq!(said(&corpus(), answer.as_bytes()).secrets.len(), 1);
    let mut corpus = after(answer.as_bytes());
    assert!(!found(&corpus, MEMO.as_bytes()) && found(&corpus, SECRET.as_bytes()) && found(&corpus, answer.as_bytes()));
    // Nor is one that stands in a labelled text which somebody said, whenever it was registered.
    let other = "bidder must not know how far apart";
    assert!(!found(&corpus, other.as_bytes()));
    corpus.add_secret(KEY, other.as_bytes()).expect("there is room");
    assert!(found(&corpus, other.as_bytes()) && found(&corpus, MEMO.as_bytes()));
    let mut corpus = self::corpus();
    corpus.add_secret(KEY, other.as_bytes()).expect("there is room");
    said(&corpus, MEMO.as_bytes()).pieces.iter().for_each(|piece| corpus.publish(piece).expect("there is room"));
    assert!(found(&corpus, other.as_bytes()) && !found(&corpus, &MEMO.as_bytes()[..400]));
}

#[test]
fn what_is_said_in_another_form_is_not_as_it_is_written() {
    let answers = [written::reversed(MEMO.as_bytes()), written::rot13(MEMO.as_bytes())];
    for answer in answers {
        assert!(said(&corpus(), &answer).pieces.is_empty());
    }
    // And what is public as it is written is not so backwards, where nobody but the session makes it so.
    let corpus = after(MEMO.as_bytes());
    assert!(found(&corpus, &written::reversed(MEMO.as_bytes())) && found(&corpus, &written::rot13(MEMO.as_bytes())));
}

#[test]
fn short_runs_are_an_echo_and_what_is_beyond_bounds_says_nothing() {
    let letters = |piece: &sense::Piece| piece.letters();
    let most = said(&corpus(), MEMO.as_bytes()).pieces.iter().map(letters).max().expect("it is there");
    let least = |least| corpus().said(MEMO.as_bytes(), least, &Bounds::USUAL).expect("within bounds").pieces.len();
    assert_eq!((least(most), least(most + 1)), (1, 0));
    let bounds = Bounds { bytes: MEMO.len() - 1, ..Bounds::USUAL };
    assert_eq!(corpus().said(MEMO.as_bytes(), 1, &bounds), None);
}

#[test]
fn a_copy_under_another_label_is_as_public() {
    let mut corpus = after(MEMO.as_bytes());
    corpus.add(Label(3), format!("A copy. {MEMO}").as_bytes()).expect("there is room");
    assert!(!found(&corpus, MEMO.as_bytes()) && found(&corpus, format!("A copy. {MEMO}").as_bytes()));
    assert!(said(&corpus, MEMO.as_bytes()).pieces.iter().all(|piece| piece.label != DOCUMENT));
}

/// Line by line, each of which is shorter than what is told.
#[test]
fn public_lines_are_no_drops() {
    let told = |corpus: &Corpus| {
        let (mut window, mut drips) = (Window::new(4096), Drips::default());
        MEMO.as_bytes().chunks(40).any(|line| {
            let (mut scan, fresh) = window.scan(corpus, &[line], &Bounds::USUAL);
            let drops = Drops::of(corpus, &fresh, &Bounds::USUAL, |_| true);
            drops.evidence(corpus, &drips, Speaker(0), &mut scan);
            drips.take(&drops.places().collect::<Vec<_>>(), Speaker(0));
            window.keep(fresh);
            !scan.found.is_empty()
        })
    };
    assert!(told(&corpus()) && !told(&after(MEMO.as_bytes())));
    assert!(told(&after(&MEMO.as_bytes()[..MEMO.len() / 2])));
}

#[test]
fn no_more_becomes_public_than_there_is_room_for() {
    let text: String = (0..90_000).map(|at| format!("{} ", at * 7_919 % 1_000_003)).collect();
    assert!(text.len() > 600_000);
    let (mut corpus, mut other) = (Corpus::new(), Corpus::new());
    corpus.add(DOCUMENT, text.as_bytes()).expect("there is room");
    for half in [&text[..text.len() / 2], &text[text.len() / 2..]] {
        said(&corpus, half.as_bytes()).pieces.iter().for_each(|piece| corpus.publish(piece).expect("there is room"));
        assert!(!found(&corpus, half.as_bytes()));
    }
    let long = [text.as_str(), &text].concat();
    other.add(DOCUMENT, long.as_bytes()).expect("there is room");
    let pieces = said(&other, long.as_bytes()).pieces;
    assert!(!pieces.is_empty() && pieces.iter().any(|piece| other.publish(piece).is_err()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever somebody answers: nothing breaks, what is made public is of the texts, and secrets stay.
    #[test]
    fn any_answer_is_heard(
        parts in prop::collection::vec((0..4u8, 0..4000usize, 0..300usize), 0..12), noise in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut answer = noise;
        for (kind, from, length) in parts {
            match kind {
                0 => answer.extend_from_slice(&MEMO.as_bytes()[part(MEMO, from, length)]),
                1 => answer.extend_from_slice(SECRET.as_bytes()),
                2 => answer.extend(packed::gzip(&PROGRAM.as_bytes()[part(PROGRAM, from, length)])),
                _ => answer.extend_from_slice(b"<p>\", \"&#"),
            }
        }
        let corpus = after(&answer);
        prop_assert!(found(&corpus, SECRET.as_bytes()));
        for piece in said(&self::corpus(), &answer).pieces {
            prop_assert!(piece.label == DOCUMENT && piece.letters() >= 24);
        }
    }
}
