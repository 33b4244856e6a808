//! The choice among candidates: which of the things that tools told of the operator's words mean. Fields that a machine fills
//! count; what people write into theirs selects only where it stands in his words whole, and a tie is no choice.

use std::cell::OnceCell;
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
    pub(super) ratings: &'s [Rating],
    /// Addresses in what tools told, by the number of the record; found when one is asked for.
    pub(super) links: &'s OnceCell<Vec<(usize, BTreeSet<String>)>>,
}

/// How much of a thing stands in the operator's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rating {
    whole: bool,
    own: usize,
    others: bool,
    /// Fields whose number he said.
    numbered: Vec<String>,
}

impl Rating {
    pub(super) fn of(
        record: &Record,
        said: &[Vec<Word>],
        telling: &BTreeSet<String>,
        numbers: &BTreeSet<String>,
    ) -> Rating {
        let mut rating = Rating { whole: false, own: 0, others: false, numbered: Vec::new() };
        let mut own = BTreeSet::new();
        for field in &record.fields {
            let words = words(&field.value);
            rating.whole |= is_named(&words, said);
            let found = words.into_iter().map(|word| word.text).filter(|word| telling.contains(word));
            if field.prose {
                rating.others |= found.count() > 0;
                continue;
            }
            own.extend(found);
            if numbers.contains(&field.plain) {
                rating.numbered.push(field.name.clone());
            }
        }
        rating.own = own.len();
        rating
    }

    /// The same for a choice of what stands in this field, which does not choose itself by its number.
    fn score(&self, field: &str) -> Score {
        (self.whole, self.own + self.numbered.iter().filter(|name| *name != field).count(), self.others)
    }
}

/// Whether a value stands in the operator's words whole.
fn is_named(value: &[Word], said: &[Vec<Word>]) -> bool {
    value.iter().any(|word| tells(&word.text)) && said.iter().any(|said| phrase(said, value).is_some())
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
    ("oldest", false, &[]),
    ("earliest", false, &[]),
];
const TIMES: &[&str] = &["date", "time", "timestamp", "modified", "created", "updated", "sent", "received", "start"];
/// Arguments that name people, and words for people.
const WHOM: &[&str] = &["recipient", "user", "sender", "member", "participant", "attendee"];
const PEOPLE: &[&str] = &["user", "person", "people", "member", "participant", "colleague", "employee", "friend"];
const EACH: &[&str] = &["all", "every", "each", "both", "any"];

impl Chooser<'_> {
    /// Why a value is the one that is meant; nothing where it is not, or others are as much.
    pub(super) fn chosen(&self, value: &str, argument: &str) -> Option<String> {
        let wanted = plain(value);
        let fields = self.records.iter().flat_map(|record| &record.fields);
        let names: BTreeSet<&str> =
            fields.filter(|field| !field.prose && field.plain == wanted).map(|field| field.name.as_str()).collect();
        names.into_iter().find_map(|name| self.among(&wanted, name, argument))
    }

    /// The same among the things that have this field.
    fn among(&self, wanted: &str, name: &str, argument: &str) -> Option<String> {
        let values = |record: &'_ Record| -> BTreeSet<String> {
            let own = record.fields.iter().filter(|field| !field.prose && field.name == name);
            own.map(|field| field.plain.clone()).collect()
        };
        let rated = self.records.iter().zip(self.ratings);
        let candidates: Vec<(&Record, BTreeSet<String>, Score)> = rated
            .map(|(record, rating)| (record, values(record), rating.score(name)))
            .filter(|(_, values, _)| !values.is_empty())
            .collect();
        if self.means_each(argument, name) && candidates.iter().any(|(_, values, _)| values.contains(wanted)) {
            return Some("the operator means each of them".into());
        }
        let best = candidates.iter().map(|(.., score)| *score).max()?;
        let tops: Vec<_> = candidates.iter().filter(|(.., score)| *score == best).collect();
        if best > (false, 0, false)
            && let Some((record, values, _)) = tops.iter().find(|(_, values, _)| values.contains(wanted))
            // Of a thing that names several, all of them belong to it; of several things, only one may be meant.
            && tops.iter().all(|(_, others, _)| others == values)
        {
            return Some(self.why(record));
        }
        // What people wrote narrows no order down.
        let named = best.0 || best.1 > 0;
        self.end(wanted, &if named { tops } else { candidates.iter().collect() })
    }

    /// The one that stands at the end of an order which the operator named.
    fn end(&self, wanted: &str, among: &[&(&Record, BTreeSet<String>, Score)]) -> Option<String> {
        for (word, upper, axes) in ENDS.iter().filter(|(word, ..)| self.says(word)) {
            let axis = |field: &&Field| {
                let last = parts(&field.name).pop().unwrap_or_default();
                !field.prose
                    && if axes.is_empty() { TIMES.contains(&last.as_str()) } else { axes.contains(&last.as_str()) }
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
                    (Some(std::cmp::Ordering::Greater), true) | (Some(std::cmp::Ordering::Less), false) => {
                        end = vec![one]
                    }
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
        let wanted = address(url);
        let linking = self.links.get_or_init(|| {
            let links = self.records.iter().map(links).enumerate();
            links.filter(|(_, found)| !found.is_empty()).collect()
        });
        let score = |at: usize| self.ratings[at].score("");
        let each = self.means_each("link", "website");
        let any = linking.iter().find(|(at, found)| each && score(*at).1 > 0 && found.contains(&wanted));
        if let Some((at, _)) = any {
            return Some(self.why(&self.records[*at]));
        }
        let best = linking.iter().map(|(at, _)| score(*at)).max().filter(|score| score.1 > 0)?;
        let tops: Vec<_> = linking.iter().filter(|(at, _)| score(*at) == best).collect();
        let (at, _) = tops.iter().find(|(_, found)| found.contains(&wanted))?;
        let one = tops.iter().all(|(_, found)| found.len() == 1 && found.contains(&wanted));
        one.then(|| self.why(&self.records[*at]))
    }

    fn says(&self, word: &str) -> bool {
        self.said.iter().flatten().any(|said| said.text == word)
    }

    /// Whether the operator means each of what an argument is, or a field: `all users`, `each of the participants`.
    fn means_each(&self, argument: &str, field: &str) -> bool {
        let mut nouns: Vec<String> = [argument, field].iter().filter_map(|name| parts(name).pop()).collect();
        if nouns.iter().any(|noun| WHOM.contains(&noun.as_str())) {
            nouns.extend(PEOPLE.iter().map(|noun| (*noun).to_owned()));
        }
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
            let words = words(&field.value);
            let named = is_named(&words, self.said);
            let word = words.into_iter().find(|word| named || self.telling.contains(&word.text))?;
            Some(if field.name.is_empty() { word.text } else { format!("{} `{}`", field.name, word.text) })
        });
        match told {
            Some(told) => format!("it belongs to what the operator named by its {told}"),
            None => "it belongs to what the operator named by a number".into(),
        }
    }
}

/// The addresses that stand in a record.
fn links(record: &Record) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for field in &record.fields {
        let urls = shapes(&field.value).into_iter().filter(|(_, shape)| *shape == Shape::Url);
        found.extend(urls.map(|(range, _)| address(&field.value[range])));
    }
    found
}

/// Whether a word means one end of an order.
pub(super) fn is_end(word: &str) -> bool {
    ENDS.iter().any(|(end, ..)| *end == word)
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
