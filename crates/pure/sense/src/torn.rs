//! Secrets that are said in pieces: half of one in each of two fields, a third in each line, in any order, with anything between,
//! each encoded, backwards or in ROT13 by itself, in one request or in several.
//!
//! A piece is so long that it stands nowhere by chance: longer in what is long, and of a secret that has few kinds of characters.
//! All of the secret has to be there; of one of sixteen bytes and more an eighth may be missing before and behind, since what is left
//! to guess is little. Words and numbers stand in any text, however long they are: of a secret that is made of them pieces say nothing.

mod words;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::fours::{FOUR, Fours};
use crate::needles::{MIN_SECRET, rot13};

/// The longest that is looked for in pieces: half of a longer one is a text by itself.
const LONGEST: usize = 1024;

/// From so many bytes on some may be missing, and a piece may be a sixth; of a shorter one it is nearly half.
const LONG: usize = 16;

/// How much rarer than once in all that is looked at a piece is by chance.
const RARE: u64 = 256;

/// The shortest piece of what was undone, backwards, or in ROT13: with each way to say something more of it is said by chance.
pub(crate) const CODED: usize = 6;

/// The shortest piece of a secret of fewer than sixteen bytes, of which requests say two: two of four are no more than a chance
/// among the requests of a day.
const APART: usize = 5;

/// Bytes that are looked up before what was hit is looked at.
const STRETCH: usize = 1 << 14;

/// Secrets by each four bytes of them, of each form.
#[derive(Default, Clone)]
pub(crate) struct Torn {
    all: Vec<Secret>,
    forms: Vec<Written>,
    fours: Fours,
}

#[derive(Clone)]
struct Secret {
    source: u32,
    length: usize,
    /// Kinds of characters.
    kinds: u64,
    /// Between which two bytes it goes on as no word does, by the second; none of what is digits.
    odd: Option<Vec<bool>>,
}

/// One form of a secret.
#[derive(Clone)]
struct Written {
    text: Vec<u8>,
    secret: u32,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Reversed,
    Rot13,
}

/// Which runs of which secrets were said, each by the number of the secret. Of a secret no run lies within another.
#[derive(Debug, Default, Clone)]
pub(crate) struct Runs(BTreeMap<u32, Vec<Range<usize>>>);

impl Runs {
    /// Adds a run of a secret.
    pub(crate) fn add(&mut self, secret: u32, run: Range<usize>) {
        let runs = self.0.entry(secret).or_default();
        if !holds(runs, &run) {
            runs.retain(|known| !(run.start <= known.start && known.end <= run.end));
            runs.push(run);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something of a secret was said.
    pub(crate) fn has(&self, secret: u32) -> bool {
        self.0.contains_key(&secret)
    }

    /// Each run with its secret.
    pub(crate) fn each(&self) -> impl Iterator<Item = (u32, &Range<usize>)> {
        self.0.iter().flat_map(|(secret, runs)| runs.iter().map(|run| (*secret, run)))
    }

    fn of(&self, secret: u32) -> &[Range<usize>] {
        self.0.get(&secret).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Whether one of the runs has all of another.
fn holds(runs: &[Range<usize>], run: &Range<usize>) -> bool {
    runs.iter().any(|known| known.start <= run.start && run.end <= known.end)
}

impl Torn {
    /// Adds a secret.
    pub(crate) fn add(&mut self, value: &[u8], source: u32) {
        if !(MIN_SECRET..=LONGEST).contains(&value.len()) {
            return;
        }
        let (number, kinds) = (self.all.len() as u32, kinds(value));
        let odd = (kinds == ALL).then(|| words::odd(value));
        self.all.push(Secret { source, length: value.len(), kinds, odd });
        let reversed: Vec<u8> = value.iter().rev().copied().collect();
        let rotated: Vec<u8> = value.iter().map(|&byte| rot13(byte)).collect();
        for (text, form) in [(value.to_vec(), Form::Plain), (reversed, Form::Reversed), (rotated, Form::Rot13)] {
            if form == Form::Plain || text != value {
                let at = self.forms.len() as u32;
                text.windows(FOUR).enumerate().for_each(|(place, four)| self.fours.insert(four, (at, place)));
                self.forms.push(Written { text, secret: number, form });
            }
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds the runs of secrets that a text says, `least` bytes long and more, where so many bytes are looked at in all; from `work`
    /// it takes the comparisons. None when those were more than there were.
    pub(crate) fn runs(
        &self,
        text: &[u8],
        (length, least): (usize, usize),
        work: &mut usize,
        runs: &mut Runs,
    ) -> Option<()> {
        if self.fours.is_empty() {
            return Some(());
        }
        // Of any piece one of the fours that are looked up is whole.
        let apart = shortest(ALL, length).max(least) - FOUR + 1;
        for from in (0..text.len()).step_by(STRETCH * apart) {
            let stretch = &text[from..text.len().min(from + STRETCH * apart + FOUR - 1)];
            for (at, key) in self.fours.hits(stretch, apart) {
                for &(form, place) in self.fours.by(key) {
                    let written = &self.forms[form as usize];
                    let known = runs.of(written.secret);
                    *work = work.checked_sub(1 + known.len())?;
                    if holds(known, &written.of_secret(place..place + FOUR)) {
                        continue;
                    }
                    let run = common(&written.text, place, text, from + at);
                    *work = work.checked_sub(run.len())?;
                    let least = if written.form == Form::Plain { least } else { least.max(CODED) };
                    if run.len() >= self.all[written.secret as usize].piece(length).max(least) {
                        runs.add(written.secret, written.of_secret(run));
                    }
                }
            }
        }
        Some(())
    }

    /// Whether a run of a secret counts with those of other requests, where so many bytes were said since.
    pub(crate) fn counts(&self, secret: u32, run: &Range<usize>, since: usize) -> bool {
        self.all.get(secret as usize).is_some_and(|secret| {
            let least = if secret.length < LONG { APART } else { FOUR };
            run.end <= secret.length && run.len() >= secret.piece(since).max(least)
        })
    }

    /// Calls `see` with the source and length of each secret that is all there in the runs.
    pub(crate) fn whole(&self, runs: &Runs, mut see: impl FnMut(u32, usize)) {
        for (number, runs) in &runs.0 {
            let secret = &self.all[*number as usize];
            if secret.is_all(runs) {
                see(secret.source, secret.length);
            }
        }
    }
}

impl Written {
    /// What of the secret a run of the form is.
    fn of_secret(&self, run: Range<usize>) -> Range<usize> {
        match self.form {
            Form::Reversed => self.text.len() - run.end..self.text.len() - run.start,
            Form::Plain | Form::Rot13 => run,
        }
    }
}

impl Secret {
    /// The shortest piece that counts in so many bytes.
    fn piece(&self, length: usize) -> usize {
        let whole = self.length;
        let share = if whole < LONG { (whole / 2).saturating_sub(1) } else { whole / 6 };
        share.max(shortest(self.kinds, length))
    }

    /// Whether all was said, but for what may be missing at the ends, and not in words and numbers alone.
    fn is_all(&self, runs: &[Range<usize>]) -> bool {
        let (mut said, mut joined) = (vec![false; self.length], vec![false; self.length]);
        for run in runs {
            said[run.clone()].fill(true);
            joined[run.start + 1..run.end].fill(true);
        }
        let missing = |mut bytes: &mut dyn Iterator<Item = &bool>| (&mut bytes).take_while(|said| !**said).count();
        let ends = missing(&mut said.iter()) + missing(&mut said.iter().rev());
        let most = if self.length < LONG { 0 } else { self.length / 8 };
        ends <= most && said.iter().filter(|said| !**said).count() == ends && self.is_odd(runs, &joined)
    }

    /// Whether what was said goes on often enough as no word does, or for so long that no word is.
    fn is_odd(&self, runs: &[Range<usize>], joined: &[bool]) -> bool {
        let Some(odd) = &self.odd else { return true };
        let count = odd.iter().zip(joined).filter(|(odd, joined)| **odd && **joined).count();
        count * words::ODD >= self.length || runs.iter().any(|run| run.len() >= words::LONG)
    }
}

/// Kinds of characters in anything: letters in any case, and digits.
const ALL: u64 = 36;

fn kinds(value: &[u8]) -> u64 {
    let all = |within: fn(&u8) -> bool| value.iter().all(|byte| within(byte) || b"-. :".contains(byte));
    if all(u8::is_ascii_digit) {
        10
    } else if all(u8::is_ascii_hexdigit) {
        16
    } else {
        ALL
    }
}

/// How long something of so many kinds of characters has to be, to be rare in so many bytes.
fn shortest(kinds: u64, length: usize) -> usize {
    let wanted = RARE.saturating_mul(length as u64);
    let mut ways = kinds.pow(FOUR as u32);
    let mut shortest = FOUR;
    while ways < wanted {
        ways = ways.saturating_mul(kinds);
        shortest += 1;
    }
    shortest
}

/// What of a secret stands around four of its bytes in a text.
fn common(secret: &[u8], place: usize, text: &[u8], at: usize) -> Range<usize> {
    let same = |(one, other): &(&u8, &u8)| one.eq_ignore_ascii_case(other);
    let before = secret[..place].iter().rev().zip(text[..at].iter().rev()).take_while(same).count();
    let behind = secret[place..].iter().zip(&text[at..]).take_while(same).count();
    place - before..place + behind
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "zq9Xk3LmW8vTr2Np7Yb4Hd6Q";

    fn found(secret: &str, texts: &[&str]) -> bool {
        let (mut torn, mut seen, mut runs) = (Torn::default(), Vec::new(), Runs::default());
        torn.add(secret.as_bytes(), 7);
        let length = texts.iter().map(|text| text.len()).sum();
        for text in texts {
            torn.runs(text.as_bytes(), (length, FOUR), &mut 1_000_000, &mut runs).expect("work is left");
        }
        torn.whole(&runs, |source, length| seen.push((source, length)));
        assert!(seen.is_empty() || seen == [(7, secret.len())]);
        !seen.is_empty()
    }

    #[test]
    fn a_secret_is_found_in_pieces_wherever_they_stand_and_in_any_order() {
        for texts in [
            &["/zq9Xk3LmW8vT", "a", "r2Np7Yb4Hd6Q"][..],
            &["r2np7yb4hd6q and before that zq9xk3lmw8vt"],
            &["zq9Xk3Lm", "X-Other", "W8vTr2Np", "words", "7Yb4Hd6Q"],
            &["one zq9X two k3Lm three W8vT four r2Np five 7Yb4 six Hd6Q"],
            &["zq9Xk3LmW8vTr2Np7Yb4", "Hd6Q"],
            // What is left to guess is little.
            &["/9Xk3LmW8vTr2Np7Yb4Hd6"],
        ] {
            assert!(found(SECRET, texts), "{texts:?}");
        }
        assert!(found("Tr0ub4dor&3", &["Tr0ub", "4dor&3"]));
        let far = "nothing of interest, ".repeat(50_000);
        assert!(found(SECRET, &[&format!("zq9Xk3LmW8vT{far}r2Np7Yb4Hd6Q")]));
    }

    #[test]
    fn what_is_not_nearly_all_of_it_is_not_told() {
        for texts in [
            &["zq9Xk3LmW8vT"][..],
            &["zq9Xk3LmW8vT", "r2Np7Yb4"],
            // What is in the middle is what counts where the ends are known: a password in an address.
            &["zq9Xk3LmW8***p7Yb4Hd6Q"],
            &["zq9", "Xk3", "LmW", "8vT", "r2N", "p7Y", "b4H", "d6Q"],
        ] {
            assert!(!found(SECRET, texts), "{texts:?}");
        }
        assert!(!found("hunter2!", &["hunter"]), "of a short one nothing may be missing");
        assert!(!found("Password1", &["pass, and keyword1".repeat(400).as_str()]));
    }

    #[test]
    fn pieces_backwards_and_in_rot13_are_pieces() {
        for texts in [
            &["Tv8WmL3kX9qz", "r2Np7Yb4Hd6Q"][..],
            &["Q6dH4bY7pN2r and Tv8WmL3kX9qz"],
            &["md9Kx3YzJ8iGe2", "Ac7Lo4Uq6D"],
            &["Tv8WmL3kX9qz", "e2Ac7Lo4Uq6D"],
        ] {
            assert!(found(SECRET, texts), "{texts:?}");
        }
        assert!(!found(SECRET, &["X9qz", "WmL3k", "rTv8", "pN2r", "4bY7", "Q6dH"]), "shorter ones may be by chance");
    }

    #[test]
    fn words_and_numbers_are_no_pieces() {
        for (secret, texts) in [
            ("Summer2024", &["summer", "2024"][..]),
            ("correct-horse-battery", &["correct-h", "horse-battery"]),
            ("correcthorsebattery", &["a horse", "is correct", "battery"]),
            ("password1234", &["password", "number 1234"]),
            ("WelcomeAcmeProduction", &["welcome to", "acme", "production"]),
        ] {
            assert!(!found(secret, texts), "{secret}");
        }
        // What is longer than a word is none.
        assert!(found("correct-horse-battery", &["correct-horse-ba", "battery"]));
    }

    #[test]
    fn digits_are_found_in_longer_pieces_alone() {
        let number = "4024007198964305";
        assert!(found(number, &["40240071", "98964305"]));
        // Every number of six digits.
        let all: String = (0..100_000).map(|one| format!("{:06} ", one * 10 + one % 10)).collect();
        assert!(!found(number, &[&all]));
    }

    #[test]
    fn what_takes_too_long_is_told() {
        let mut torn = Torn::default();
        for source in 0..100 {
            torn.add(format!("sk-proj-{source:032}").as_bytes(), source);
        }
        let text = "sk-proj-".repeat(1000);
        let mut runs = Runs::default();
        assert_eq!(torn.runs(text.as_bytes(), (text.len(), FOUR), &mut 10_000, &mut runs), None);
    }

    #[test]
    fn pieces_are_found_at_any_place() {
        for before in 0..70 {
            let filler = "y".repeat(STRETCH - 60 + before);
            assert!(found(SECRET, &[&format!("{filler}{}", &SECRET[..12]), &SECRET[12..]]), "{before}");
        }
        for cut in 4..=SECRET.len() - 4 {
            assert!(found(SECRET, &[&SECRET[..cut], &SECRET[cut..]]), "{cut}");
        }
    }
}
