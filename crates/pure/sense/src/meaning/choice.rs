//! The choice among candidates: which of the things that tools told of the operator's words mean. Fields that a machine fills
//! count; what people write into theirs selects only where it stands in his words whole, and a tie is no choice.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use super::effect;
use super::ground::Given;
use super::memory::Wording;
use super::results::{Field, Record};
use super::shape::{Shape, address, shapes};
use super::things::{Thing, Things, Told};
use super::words::{Word, is_form_of, parts, phrase, tells, words};

/// What is compared of a thing, in this order: a field that stands in the operator's words whole; how many of his words stand in
/// fields of a machine; whether any stands in what people wrote.
pub(super) type Score = (bool, usize, bool);

/// A thing, and what stands in the field that is asked about.
type Candidate<'r> = (Thing<'r>, Vec<&'r str>);

/// What the operator's words choose by.
pub(super) struct Chooser<'s> {
    pub(super) said: &'s [Vec<Word>],
    /// The same by the sentence.
    pub(super) sentences: &'s [Vec<Word>],
    pub(super) given: &'s [Given<'s>],
    pub(super) telling: &'s BTreeSet<String>,
    pub(super) things: &'s Things,
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
    pub(super) fn of(record: Record<'_>, wording: &Wording<'_>) -> Rating {
        let Wording { said, telling, numbers } = wording;
        let mut rating = Rating { whole: false, own: 0, others: false, numbered: Vec::new() };
        let mut own: BTreeSet<&str> = BTreeSet::new();
        let mut lower = String::new();
        for field in record.iter() {
            // Most words are none of his: none is kept by itself.
            lower.clear();
            match field.value.is_ascii() {
                true => lower.push_str(field.value),
                false => lower.extend(words(field.value).into_iter().map(|word| word.text + " ")),
            }
            lower.make_ascii_lowercase();
            let words = || lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
            rating.whole |= said.iter().any(|said| stands_in(words(), said)) && words().any(tells);
            let found = words().filter_map(|word| telling.get(word));
            if field.prose {
                rating.others |= found.count() > 0;
                continue;
            }
            own.extend(found.map(String::as_str));
            if numbers.contains(field.plain) {
                rating.numbered.push(field.name.to_owned());
            }
        }
        rating.own = own.len();
        rating
    }

    /// The same for a choice of what stands in this field, which does not choose itself by its number.
    pub(super) fn score(&self, field: &str) -> Score {
        (self.whole, self.own + self.numbered.iter().filter(|name| *name != field).count(), self.others)
    }
}

/// Whether words stand in a text one after the other.
fn stands_in<'w>(words: impl Iterator<Item = &'w str> + Clone, text: &[Word]) -> bool {
    let Some(first) = words.clone().next() else { return false };
    (0..text.len()).filter(|at| text[*at].text == first).any(|at| {
        let mut rest = text[at..].iter();
        words.clone().all(|word| rest.next().is_some_and(|own| own.text == word))
    })
}

/// Whether a value stands in the operator's words whole.
fn is_named(value: &[Word], said: &[Vec<Word>]) -> bool {
    said.iter().any(|said| phrase(said, value).is_some()) && value.iter().any(|word| tells(&word.text))
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
        let holding = self.things.told().flat_map(|told| told.holding(&wanted));
        let names: BTreeSet<&str> = holding.map(|(_, field)| field.name).collect();
        let chosen = names.into_iter().find_map(|name| self.among(&wanted, name, argument, &|_| true));
        chosen.or_else(|| self.counted(value))
    }

    /// The same for an id, among what those tools told that speak of what the call is about: `update_scheduled_payment` and
    /// `list_scheduled_payments`.
    pub(super) fn of_kin(&self, value: &str, argument: &str, tool: &str) -> Option<String> {
        let nouns = nouns(tool);
        if nouns.is_empty()
            || !parts(argument).last().is_some_and(|last| matches!(last.as_str(), "id" | "uuid" | "key"))
        {
            return None;
        }
        let wanted = plain(value);
        let is_kin = |one: &Given<'_>| {
            let own = parts(one.tool);
            nouns.iter().all(|noun| own.iter().any(|part| is_form_of(part, noun)))
        };
        let kin: Vec<bool> = self.given.iter().map(is_kin).collect();
        let kin = |told: &Told| kin[told.given];
        self.among(&wanted, "id", argument, &kin).or_else(|| self.among(&wanted, "id_", argument, &kin))
    }

    /// The same among the things that have this field.
    fn among(&self, wanted: &str, name: &str, argument: &str, is_in: &dyn Fn(&Told) -> bool) -> Option<String> {
        let told: Vec<&Told> = self.things.told().filter(|told| is_in(told)).collect();
        let holding = || told.iter().flat_map(|told| told.holding(wanted)).filter(|(_, field)| field.name == name);
        if self.means_each(argument, name) && holding().next().is_some() {
            return Some("the operator means each of them".into());
        }
        let best = told.iter().filter_map(|told| told.best(name)).max()?;
        if best > Score::default()
            && let Some((thing, _)) = holding().find(|(thing, _)| thing.rating.score(name) == best)
        {
            let own = values(&thing, name);
            // Of a thing that names several, all of them belong to it; of several things, only one may be meant.
            let mut tops = told.iter().filter(|told| told.best(name) == Some(best)).flat_map(|told| told.at_best(name));
            if tops.all(|other| values(&other, name) == own) {
                return Some(self.why(&thing));
            }
        }
        self.end(wanted, name, &told)
    }

    /// The one that stands at the end of an order which the operator named.
    fn end(&self, wanted: &str, name: &str, told: &[&Told]) -> Option<String> {
        let candidates = OnceCell::new();
        let all = || {
            let things = told.iter().flat_map(|told| told.things());
            things.map(|thing| (thing, values(&thing, name))).filter(|(_, values)| !values.is_empty()).collect()
        };
        for (word, upper, axes) in ENDS {
            let says = |said: &&Vec<Word>| said.iter().any(|own| own.text == *word);
            for sentence in self.sentences.iter().filter(says) {
                let candidates: &Vec<Candidate<'_>> = candidates.get_or_init(all);
                let among = self.narrowed(sentence, candidates);
                if is_at_end(wanted, &among, *upper, axes) {
                    return Some(format!("it is the one that `{word}` means"));
                }
            }
        }
        None
    }

    /// Those of which a sentence names most, by what a machine fills: what people wrote narrows no order down.
    fn narrowed<'c>(&self, sentence: &[Word], candidates: &'c [Candidate<'c>]) -> Vec<&'c Candidate<'c>> {
        let named = |thing: &Thing<'_>| {
            let fields = thing.fields.iter().filter(|field| !field.prose);
            let found = fields.flat_map(|field| words(field.value)).map(|word| word.text);
            let telling = |word: &String| self.telling.contains(word) && sentence.iter().any(|own| own.text == *word);
            found.filter(telling).collect::<BTreeSet<String>>().len()
        };
        let named: Vec<usize> = candidates.iter().map(|(thing, _)| named(thing)).collect();
        let best = named.iter().copied().max().unwrap_or_default();
        candidates.iter().zip(named).filter(|(_, named)| *named == best).map(|(one, _)| one).collect()
    }

    /// Why an address that stands in a text of theirs is the one that is meant: the operator named who wrote it, or where.
    pub(super) fn linked(&self, url: &str) -> Option<String> {
        let wanted = address(url);
        let score = |thing: &Thing<'_>| thing.rating.score("");
        let each = self.means_each("link", "website");
        let any = self.things.linking().find(|(thing, found)| each && score(thing).1 > 0 && found.contains(&wanted));
        if let Some((thing, _)) = any {
            return Some(self.why(&thing));
        }
        let best = self.things.linking().map(|(thing, _)| score(&thing)).max().filter(|score| score.1 > 0)?;
        let tops: Vec<_> = self.things.linking().filter(|(thing, _)| score(thing) == best).collect();
        let (thing, _) = tops.iter().find(|(_, found)| found.contains(&wanted))?;
        let one = tops.iter().all(|(_, found)| found.len() == 1 && found.contains(&wanted));
        one.then(|| self.why(thing))
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
    fn why(&self, thing: &Thing<'_>) -> String {
        let told = thing.fields.iter().find_map(|field| {
            let words = words(field.value);
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

/// What stands in a field of a thing, each once.
fn values<'r>(thing: &Thing<'r>, name: &str) -> Vec<&'r str> {
    let own = thing.fields.iter().filter(|field| !field.prose && field.name == name);
    let mut values: Vec<&str> = own.map(|field| field.plain).collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// Whether a value is the one at the end of an order.
fn is_at_end(wanted: &str, among: &[&Candidate<'_>], upper: bool, axes: &[&str]) -> bool {
    let axis = |field: &Field<'_>| {
        let last = parts(field.name).pop().unwrap_or_default();
        !field.prose && if axes.is_empty() { TIMES.contains(&last.as_str()) } else { axes.contains(&last.as_str()) }
    };
    let value = |thing: &Thing<'_>| thing.fields.iter().find(axis).map(|field| field.value.to_owned());
    let ordered: Vec<(&Vec<&str>, String)> =
        among.iter().filter_map(|(thing, values)| Some((values, value(thing)?))).collect();
    let order = |one: &str, other: &str| match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => one.total_cmp(&other),
        _ => one.cmp(other),
    };
    let ends = |one: &str| {
        ordered.iter().all(|(_, other)| match order(one, other) {
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Greater => upper,
            std::cmp::Ordering::Less => !upper,
        })
    };
    // The same thing told twice is one.
    let end: BTreeSet<&Vec<&str>> = ordered.iter().filter(|(_, one)| ends(one)).map(|(values, _)| *values).collect();
    let others = ordered.iter().any(|(values, _)| !values.contains(&wanted));
    others && end.len() == 1 && end.iter().all(|values| values.len() == 1 && values.contains(&wanted))
}

/// What a tool is about: the parts of its name but its verb, and what joins them.
pub(super) fn nouns(tool: &str) -> Vec<String> {
    let named = parts(tool);
    let verb = named.iter().position(|part| effect::of(part).is_some());
    let nouns = named.into_iter().enumerate().filter(|(at, part)| Some(*at) != verb && part.len() > 2);
    nouns.map(|(_, part)| part.strip_suffix('s').map_or(part.clone(), str::to_owned)).collect()
}

/// The addresses that stand in a record.
pub(super) fn links(record: Record<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for field in record.iter().filter(|field| field.value.contains(['.', ':'])) {
        let urls = shapes(field.value).into_iter().filter(|(_, shape)| *shape == Shape::Url);
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
    let mut out = String::new();
    spell(value, &mut out);
    out
}

/// Digits of a number that is written as it is spelled.
const EXACT: usize = 15;

/// Appends the one spelling of a value.
pub(super) fn spell(value: &str, out: &mut String) {
    let value = value.trim();
    if value.len() <= EXACT && !value.starts_with('0') && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return out.push_str(value);
    }
    let number = value.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.'));
    match number.then(|| value.parse::<f64>()) {
        // What begins with a zero is no amount.
        Some(Ok(number)) if number.is_finite() && !value.starts_with('0') => out.push_str(&number.to_string()),
        _ if super::shape::shape(value) == Some(Shape::Url) => out.push_str(&address(value)),
        _ if value.is_ascii() => {
            let begin = out.len();
            out.push_str(value);
            out[begin..].make_ascii_lowercase();
        }
        _ => out.push_str(&value.to_lowercase()),
    }
}
