//! The choice among candidates: which of the things that tools told of the operator's words mean. Fields that a machine fills
//! count; what people write into theirs selects only where it stands in his words whole, and a tie is no choice.

use std::collections::BTreeSet;

use super::results::{Field, Record};
use super::shape::{Shape, address, shapes};
use super::words::{Word, is_form_of, parts, phrase, tells, words};

/// What is compared of a thing, in this order: a field that stands in the operator's words whole; how many of his words stand in
/// fields of a machine; whether any stands in what people wrote.
type Score = (bool, usize, bool);

/// What the operator's words choose by.
pub(super) struct Chooser<'s> {
    pub(super) said: &'s [Vec<Word>],
    pub(super) telling: &'s BTreeSet<String>,
    pub(super) records: &'s [Record],
}

/// Words that mean one end of an order, whether that is the upper one, and fields that are ordered; none are those of time.
const ENDS: &[(&str, bool, &[&str])] = &[
    ("largest", true, &["size", "amount", "count", "total"]),
    ("biggest", true, &["size", "amount", "count", "total"]),
    ("smallest", false, &["size", "amount", "count", "total"]),
    ("highest", true, &["rating", "price", "amount", "score"]),
    ("best", true, &["rating", "score"]),
    ("lowest", false, &["price", "amount", "rating", "score"]),
    ("cheapest", false, &["price", "amount", "cost"]),
    ("latest", true, &[]),
    ("newest", true, &[]),
    ("recent", true, &[]),
    ("last", true, &[]),
    ("oldest", false, &[]),
    ("earliest", false, &[]),
    ("next", false, &[]),
];
const TIMES: &[&str] = &["date", "time", "timestamp", "modified", "created", "updated", "sent", "received", "start"];
const EACH: &[&str] = &["all", "every", "each", "both", "any"];

impl Chooser<'_> {
    /// Why a value is the one that is meant; nothing where it is not, or others are as much.
    pub(super) fn chosen(&self, value: &str, argument: &str) -> Option<String> {
        let fits = |field: &&Field| !field.prose && same(&field.value, value);
        let names: BTreeSet<&str> =
            self.records.iter().flat_map(|record| record.fields.iter().filter(fits).map(|field| field.name.as_str())).collect();
        names.into_iter().find_map(|name| self.among(value, name, argument))
    }

    /// The same among the things that have this field.
    fn among(&self, value: &str, name: &str, argument: &str) -> Option<String> {
        let values = |record: &Record| -> BTreeSet<String> {
            let own = record.fields.iter().filter(|field| !field.prose && field.name == name);
            own.map(|field| plain(&field.value)).collect()
        };
        let candidates: Vec<(&Record, BTreeSet<String>, Score)> = self
            .records
            .iter()
            .map(|record| (record, values(record), self.score(record)))
            .filter(|(_, values, _)| !values.is_empty())
            .collect();
        let wanted = plain(value);
        let best = candidates.iter().map(|(.., score)| *score).max()?;
        let tops: Vec<_> = candidates.iter().filter(|(.., score)| *score == best).collect();
        let means = best > (false, 0, false);
        if means && let Some((record, values, _)) = tops.iter().find(|(_, values, _)| values.contains(&wanted)) {
            let one = tops.iter().all(|(_, others, _)| others == values);
            // Of a thing that names several, all of them belong to it; of several things, only one may be meant.
            if one || self.means_each(argument, name) {
                return Some(self.why(record));
            }
        }
        self.end(&wanted, if means { tops } else { candidates.iter().collect() })
    }

    /// The one that stands at the end of an order which the operator named.
    fn end(&self, wanted: &str, among: Vec<&(&Record, BTreeSet<String>, Score)>) -> Option<String> {
        for (word, upper, axes) in ENDS.iter().filter(|(word, ..)| self.says(word)) {
            let axis = |field: &&Field| {
                let last = parts(&field.name).pop().unwrap_or_default();
                !field.prose && if axes.is_empty() { TIMES.contains(&last.as_str()) } else { axes.contains(&last.as_str()) }
            };
            let value = |record: &Record| record.fields.iter().find(axis).map(|field| field.value.clone());
            let ordered: Vec<_> = among.iter().filter_map(|one| Some((one, value(one.0)?))).collect();
            let more = |one: &str, other: &str| match (one.parse::<f64>(), other.parse::<f64>()) {
                (Ok(one), Ok(other)) => one.total_cmp(&other),
                _ => one.cmp(other),
            };
            let mut end: Vec<&_> = Vec::new();
            for one in &ordered {
                let order = end.first().map(|first: &&(_, String)| more(&one.1, &first.1));
                match (order, upper) {
                    (None, _) => end.push(one),
                    (Some(std::cmp::Ordering::Equal), _) => end.push(one),
                    (Some(std::cmp::Ordering::Greater), true) | (Some(std::cmp::Ordering::Less), false) => end = vec![one],
                    _ => {}
                }
            }
            if let [(one, _)] = end.as_slice()
                && ordered.len() > 1
                && one.1.len() == 1
                && one.1.contains(wanted)
            {
                return Some(format!("it is the one that `{word}` means"));
            }
        }
        None
    }

    /// Why an address that stands in a text of theirs is the one that is meant: the operator named who wrote it, or where.
    pub(super) fn linked(&self, url: &str) -> Option<String> {
        let addresses = |record: &Record| -> BTreeSet<String> {
            let texts = record.fields.iter().map(|field| field.value.as_str());
            let found = texts.flat_map(|text| shapes(text).into_iter().map(move |(range, shape)| (&text[range], shape)));
            found.filter(|(_, shape)| *shape == Shape::Url).map(|(text, _)| address(text)).collect()
        };
        let wanted = address(url);
        let linking: Vec<_> =
            self.records.iter().map(|record| (record, addresses(record))).filter(|(_, found)| !found.is_empty()).collect();
        let best = linking.iter().map(|(record, _)| self.score(record)).max().filter(|score| score.1 > 0)?;
        let tops: Vec<_> = linking.iter().filter(|(record, _)| self.score(record) == best).collect();
        let (record, _) = tops.iter().find(|(_, found)| found.contains(&wanted))?;
        let one = tops.iter().all(|(_, found)| found.len() == 1 && found.contains(&wanted));
        (one || self.means_each("link", "website")).then(|| self.why(record))
    }

    fn score(&self, record: &Record) -> Score {
        let whole = record.fields.iter().any(|field| self.names(&field.value));
        let mut own = BTreeSet::new();
        let mut others = false;
        for field in &record.fields {
            let found = words(&field.value).into_iter().map(|word| word.text).filter(|word| self.telling.contains(word));
            if field.prose {
                others |= found.count() > 0;
            } else {
                own.extend(found);
            }
        }
        (whole, own.len(), others)
    }

    /// Whether a value stands in the operator's words whole.
    fn names(&self, value: &str) -> bool {
        let value = words(value);
        value.iter().any(|word| tells(&word.text)) && self.said.iter().any(|said| phrase(said, &value).is_some())
    }

    fn says(&self, word: &str) -> bool {
        self.said.iter().flatten().any(|said| said.text == word)
    }

    /// Whether the operator means each of what an argument is, or a field: `all users`, `each of the participants`.
    fn means_each(&self, argument: &str, field: &str) -> bool {
        let nouns: Vec<String> = [argument, field].iter().filter_map(|name| parts(name).pop()).collect();
        let each = |said: &Vec<Word>| {
            said.iter().enumerate().filter(|(_, word)| EACH.contains(&word.text.as_str())).any(|(at, _)| {
                let near = &said[at + 1..said.len().min(at + 6)];
                near.iter().any(|word| {
                    nouns.iter().any(|noun| {
                        let noun = noun.strip_suffix('s').unwrap_or(noun);
                        is_form_of(&word.text, noun)
                    })
                })
            })
        };
        self.said.iter().any(each)
    }

    /// By what a thing is the one that is meant.
    fn why(&self, record: &Record) -> String {
        let told = record.fields.iter().find_map(|field| {
            let named = self.names(&field.value);
            let word = words(&field.value).into_iter().find(|word| named || self.telling.contains(&word.text))?;
            Some(if field.name.is_empty() { word.text } else { format!("{} `{}`", field.name, word.text) })
        });
        format!("it belongs to what the operator named by its {}", told.unwrap_or_default())
    }
}

/// Whether two values are one: of addresses and numbers, however they are written.
pub(super) fn same(one: &str, other: &str) -> bool {
    plain(one) == plain(other)
}

/// The one spelling of a value.
pub(super) fn plain(value: &str) -> String {
    let value = value.trim();
    match value.parse::<f64>() {
        // What begins with a zero is no amount.
        Ok(number) if number.is_finite() && !value.starts_with('0') => number.to_string(),
        _ if super::shape::shape(value) == Some(Shape::Url) => address(value),
        _ => value.to_lowercase(),
    }
}
