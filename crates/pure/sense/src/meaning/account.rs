//! Numbers of accounts, phones and cards however they are parted: `DE89 3704 0044`, `DE89-3704-0044` and `DE8937040044` are one. And
//! names of wallets, in which capitals and small letters stand.

use std::collections::HashSet;
use std::ops::Range;

/// Letters and digits of a number, and digits among them.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=40;
const DIGITS: usize = 6;
/// Groups of one number.
const GROUPS: usize = 12;
/// What may part two groups, and how many of those.
const MARKS: &str = " -./()+\u{a0}\u{2007}\u{2009}\u{2010}\u{2011}\u{2012}\u{2013}\u{202f}";
const APART: usize = 3;
/// Numbers of one text that are looked at, and places in another that may be one of them.
const MOST: usize = 1 << 16;
/// Letters and digits of a wallet's name.
const WALLET: std::ops::RangeInclusive<usize> = 25..=64;

/// The numbers of a text that are written in groups: where each stands, and without what parts it, in capitals. Whatever of a row of
/// groups could be one is. None where they are too many.
pub(super) fn grouped(text: &str) -> Option<Vec<(Range<usize>, String)>> {
    let mut found = Vec::new();
    for row in rows(text) {
        for first in 0..row.len() {
            let mut number = String::new();
            for (at, group) in row[first..].iter().take(GROUPS).enumerate() {
                number.push_str(&text[group.clone()]);
                if at > 0 && is_number(&number) {
                    found.push((row[first].start..group.end, number.to_ascii_uppercase()));
                }
            }
            if found.len() > MOST {
                return None;
            }
        }
    }
    Some(found)
}

/// Which of these numbers stand in a [`joined`] text, in one pass over it. None where too much of it begins like one.
pub(super) fn stand<'n>(numbers: &HashSet<&'n str>, joined: &str) -> Option<HashSet<&'n str>> {
    let begins: HashSet<&[u8]> = numbers.iter().filter_map(|number| number.as_bytes().get(..*LENGTH.start())).collect();
    let (mut found, mut left) = (HashSet::new(), MOST);
    for (at, begin) in joined.as_bytes().windows(*LENGTH.start()).enumerate() {
        if begins.contains(begin) {
            left = left.checked_sub(1)?;
            let ends = LENGTH.map(|length| at + length);
            found.extend(ends.filter_map(|end| numbers.get(joined.get(at..end)?)).copied());
        }
    }
    Some(found)
}

/// All rows of groups of a text, each without what parts it, in capitals: a number stands in a line.
pub(super) fn joined(text: &str) -> String {
    let mut out = String::new();
    for row in rows(text) {
        let begin = out.len();
        row.into_iter().for_each(|group| out.push_str(&text[group]));
        if out.len() - begin < *LENGTH.start() {
            out.truncate(begin);
            continue;
        }
        out[begin..].make_ascii_uppercase();
        out.push('\n');
    }
    out
}

/// A number without what parts it, in capitals.
pub(super) fn plain(number: &str) -> String {
    number.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
}

/// Names of wallets.
pub(super) fn wallets(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| WALLET.contains(&word.len()));
    words.filter(|word| {
        let any = |is: fn(&u8) -> bool| word.bytes().any(|byte| is(&byte));
        any(u8::is_ascii_digit) && any(u8::is_ascii_uppercase) && any(u8::is_ascii_lowercase)
    })
}

fn is_number(number: &str) -> bool {
    LENGTH.contains(&number.len()) && number.bytes().filter(u8::is_ascii_digit).count() >= DIGITS
}

/// Rows of groups: letters and digits, of which one is a digit, parted by a few marks. A date ends a row.
fn rows(text: &str) -> Vec<Vec<Range<usize>>> {
    let (mut rows, mut row): (Vec<Vec<Range<usize>>>, Vec<Range<usize>>) = Default::default();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(begin) = bytes[at..].iter().position(u8::is_ascii_alphanumeric).map(|from| at + from) {
        let length = bytes[begin..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let group = begin..begin + length;
        at = group.end;
        let digits = bytes[group.clone()].iter().any(u8::is_ascii_digit);
        let follows = row.last().is_some_and(|last| {
            let between = &text[last.end..begin];
            between.chars().count() <= APART && between.chars().all(|letter| MARKS.contains(letter))
        });
        if !(digits && follows) {
            rows.push(std::mem::take(&mut row));
        }
        if digits {
            row.push(group);
            if let Some(before) = row.len().checked_sub(3).filter(|before| is_date(text, &row[*before..])) {
                row.truncate(before);
                rows.push(std::mem::take(&mut row));
            }
        }
    }
    rows.push(row);
    rows.retain(|row| !row.is_empty());
    rows
}

/// `2026-03-01`, `1.3.2026`.
fn is_date(text: &str, groups: &[Range<usize>]) -> bool {
    let [first, second, third] = groups else { return false };
    let all = [first, second, third].map(|group| text[group.clone()].bytes().all(|byte| byte.is_ascii_digit()));
    let marks = |from: &Range<usize>, to: &Range<usize>| matches!(&text[from.end..to.start], "-" | "." | "/");
    let short = |group: &Range<usize>| group.len() <= 2;
    all == [true; 3]
        && marks(first, second)
        && marks(second, third)
        && short(second)
        && (first.len() == 4 && short(third) || short(first) && third.len() == 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_one_however_it_is_parted() {
        for text in [
            "to DE89 3704 0044 0532 0130 00, please",
            "to de89-3704-0044-0532-0130-00.",
            "to DE89\u{a0}3704\u{a0}0044\u{a0}0532\u{a0}0130\u{a0}00",
        ] {
            let found = grouped(text).expect("few");
            assert!(found.iter().any(|(_, number)| number == "DE89370400440532013000"), "{text}");
            assert_eq!(joined(text), "DE89370400440532013000\n", "{text}");
        }
        let call = grouped("room 7, call +49 (151) 123 456 78 at 17:00").expect("few");
        assert!(call.iter().any(|(_, number)| number == "4915112345678"), "{call:?}");
    }

    #[test]
    fn dates_and_words_are_none() {
        for text in ["on 2026-03-01 at 17:00, or 1.3.2026", "chapter 12 of 345 pages", "one 1 two 22 three 333", ""] {
            assert_eq!(grouped(text), Some(vec![]), "{text}");
        }
    }

    #[test]
    fn numbers_are_looked_for_in_one_pass_and_what_is_too_much_is_told() {
        let numbers = HashSet::from(["12345678", "1234567890", "99999999"]);
        assert_eq!(stand(&numbers, "0012345678901\n"), Some(HashSet::from(["12345678", "1234567890"])));
        assert_eq!(stand(&numbers, &"9".repeat(MOST + 100)), None);
        assert_eq!(grouped(&"1234 5678 ".repeat(MOST)), None);
    }

    #[test]
    fn wallets_are_told_from_hashes() {
        let text = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa 6b6bcb1e82bc19b081fd6470b04066 Internationalisation";
        assert_eq!(wallets(text).collect::<Vec<_>>(), ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"]);
    }
}
