//! Secrets that are said in pieces: half of one in each of two fields, a third in each line, in any order, with anything between.
//!
//! A piece is so long that it stands nowhere by chance: longer in what is long, and of a secret that has few kinds of characters.
//! All of the secret has to be there; of one of sixteen bytes and more an eighth may be missing before and behind, since what is left
//! to guess is little.

use std::collections::BTreeMap;

use crate::fours::{FOUR, Fours};
use crate::needles::MIN_SECRET;

/// The longest that is looked for in pieces: half of a longer one is a text by itself.
const LONGEST: usize = 1024;

/// From so many bytes on some may be missing, and a piece may be a sixth; of a shorter one it is nearly half.
const LONG: usize = 16;

/// How much rarer than once in all that is looked at a piece is by chance.
const RARE: u64 = 256;

/// Bytes that are looked up before what was hit is looked at.
const STRETCH: usize = 1 << 14;

/// Secrets by each four bytes of them.
#[derive(Default, Clone)]
pub(crate) struct Torn {
    all: Vec<Secret>,
    fours: Fours,
}

#[derive(Clone)]
struct Secret {
    text: Vec<u8>,
    source: u32,
    /// Kinds of characters.
    kinds: u64,
}

impl Torn {
    /// Adds a secret.
    pub(crate) fn add(&mut self, value: &[u8], source: u32) {
        if !(MIN_SECRET..=LONGEST).contains(&value.len()) {
            return;
        }
        let number = self.all.len() as u32;
        value.windows(FOUR).enumerate().for_each(|(at, four)| self.fours.insert(four, (number, at)));
        self.all.push(Secret { text: value.to_vec(), source, kinds: kinds(value) });
    }

    /// Calls `see` with the source and length of each secret that the texts say in pieces; from `work` it takes the comparisons.
    /// None when those were more than there were.
    pub(crate) fn each(&self, texts: &[&[u8]], work: &mut usize, mut see: impl FnMut(u32, usize)) -> Option<()> {
        if self.fours.is_empty() {
            return Some(());
        }
        let length = texts.iter().map(|text| text.len()).sum();
        // Of any piece one of the fours that are looked up is whole.
        let apart = shortest(ALL, length) - FOUR + 1;
        // Which bytes of each were said.
        let mut said: BTreeMap<u32, Vec<bool>> = BTreeMap::new();
        for text in texts {
            for from in (0..text.len()).step_by(STRETCH * apart) {
                let stretch = &text[from..text.len().min(from + STRETCH * apart + FOUR - 1)];
                for (at, key) in self.fours.hits(stretch, apart) {
                    for &(number, place) in self.fours.by(key) {
                        *work = work.checked_sub(1)?;
                        let known = said.get(&number);
                        if known.is_some_and(|said| said[place..place + FOUR].iter().all(|said| *said)) {
                            continue;
                        }
                        let secret = &self.all[number as usize];
                        let (begin, end) = common(&secret.text, place, text, from + at);
                        *work = work.checked_sub(end - begin)?;
                        if end - begin >= secret.piece(length) {
                            let said = said.entry(number).or_insert_with(|| vec![false; secret.text.len()]);
                            said[begin..end].fill(true);
                        }
                    }
                }
            }
        }
        for (number, said) in said {
            let secret = &self.all[number as usize];
            if is_all(&said) {
                see(secret.source, secret.text.len());
            }
        }
        Some(())
    }
}

impl Secret {
    /// The shortest piece that counts in so many bytes.
    fn piece(&self, length: usize) -> usize {
        let whole = self.text.len();
        let share = if whole < LONG { (whole / 2).saturating_sub(1) } else { whole / 6 };
        share.max(shortest(self.kinds, length))
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
fn common(secret: &[u8], place: usize, text: &[u8], at: usize) -> (usize, usize) {
    let same = |(one, other): &(&u8, &u8)| one.eq_ignore_ascii_case(other);
    let before = secret[..place].iter().rev().zip(text[..at].iter().rev()).take_while(same).count();
    let behind = secret[place..].iter().zip(&text[at..]).take_while(same).count();
    (place - before, place + behind)
}

/// Whether all was said, but for what may be missing at the ends.
fn is_all(said: &[bool]) -> bool {
    let missing = |mut bytes: &mut dyn Iterator<Item = &bool>| (&mut bytes).take_while(|said| !**said).count();
    let ends = missing(&mut said.iter()) + missing(&mut said.iter().rev());
    let most = if said.len() < LONG { 0 } else { said.len() / 8 };
    ends <= most && said.iter().filter(|said| !**said).count() == ends
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "zq9Xk3LmW8vTr2Np7Yb4Hd6Q";

    fn found(secret: &str, texts: &[&str]) -> bool {
        let (mut torn, mut seen) = (Torn::default(), Vec::new());
        torn.add(secret.as_bytes(), 7);
        let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        torn.each(&texts, &mut 1_000_000, |source, length| seen.push((source, length))).expect("work is left");
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
        assert_eq!(torn.each(&[text.as_bytes()], &mut 10_000, |_, _| ()), None);
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
