//! The things that results tell of, as they are chosen among. Each result keeps its own and what is looked up in them, found once
//! when it was read: a call asks for some, and walks through none.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::choice::{Rating, Score};
use super::memory::Parsed;
use super::results::{Field, Record, Records};
use super::shape::{Shape, host, shape};
use super::words::parts;

/// One thing in a conversation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thing<'p> {
    /// Which result told of it.
    pub(super) given: usize,
    pub(super) fields: Record<'p>,
    pub(super) rating: &'p Rating,
    wrote: &'p Wrote,
    sites: &'p [String],
}

/// All things of a conversation, result by result.
#[derive(Debug, Default)]
pub(super) struct Things(Vec<Told>);

/// Those of one result.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) given: usize,
    parsed: Rc<Parsed>,
    /// How many of them count; the others are more than are read of all results.
    taken: usize,
    /// By the names of their fields, where that is not all of them.
    part: OnceCell<HashMap<String, Best>>,
}

/// What is looked up among the things of one result.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Where what a machine filled in stands, in the order of a hash of it: that, the number of the thing, and of its field.
    values: Vec<(u32, u32, u32)>,
    /// The things that have a field, by its name.
    names: HashMap<String, Best>,
    /// Who wrote each thing, and the sites that they write from.
    wrote: Vec<Wrote>,
    sites: Vec<String>,
}

/// Who wrote a thing, by the number of a field that a machine fills; and where from, by the number of the site.
#[derive(Debug, Clone, Copy, Default)]
struct Wrote {
    field: Option<usize>,
    site: Option<usize>,
}

impl<'p> Thing<'p> {
    /// Who wrote it, by a field that a machine fills.
    pub(super) fn author(&self) -> Option<&'p str> {
        Some(self.fields.get(self.wrote.field?).value)
    }

    /// The host of the address that he writes from.
    pub(super) fn site(&self) -> Option<&'p str> {
        Some(self.sites[self.wrote.site?].as_str())
    }
}

/// Those among some things of which the operator's words say most.
#[derive(Debug, Default, PartialEq, Eq)]
struct Best {
    score: Score,
    /// Their numbers; none where his words say nothing of any.
    things: Vec<u32>,
}

impl Things {
    /// Takes what one result tells of, as long as there is room for its fields.
    pub(super) fn take(&mut self, given: usize, parsed: &Rc<Parsed>, room: &mut usize) {
        let mut taken = parsed.records.len();
        match room.checked_sub(parsed.records.fields()) {
            Some(left) => *room = left,
            None => {
                let fits = |record: &Record<'_>| {
                    let left = room.checked_sub(record.len());
                    *room = left.unwrap_or(*room);
                    left.is_some()
                };
                taken = parsed.records.iter().take_while(fits).count();
            }
        }
        if taken > 0 {
            self.0.push(Told { given, parsed: Rc::clone(parsed), taken, part: OnceCell::new() });
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Thing<'_>> {
        self.0.iter().flat_map(Told::things)
    }

    /// By the result.
    pub(super) fn told(&self) -> impl Iterator<Item = &Told> {
        self.0.iter()
    }

    /// Those that name addresses, with these.
    pub(super) fn linking(&self) -> impl Iterator<Item = (Thing<'_>, &BTreeSet<String>)> {
        self.0.iter().flat_map(|told| {
            let links = told.parsed.links.iter().take_while(|(at, _)| *at < told.taken);
            links.map(|(at, found)| (told.thing(*at), found))
        })
    }
}

impl Told {
    pub(super) fn count(&self) -> usize {
        self.taken
    }

    pub(super) fn things(&self) -> impl Iterator<Item = Thing<'_>> {
        (0..self.taken).map(|at| self.thing(at))
    }

    /// Those in which a machine filled in this value, and in which of their fields.
    pub(super) fn holding<'t>(&'t self, value: &'t str) -> impl Iterator<Item = (Thing<'t>, Field<'t>)> {
        let there = self.parsed.index.places(value).iter().map(|(_, at, field)| (*at as usize, *field as usize));
        let there = there.take_while(|(at, _)| *at < self.taken).map(|(at, field)| {
            let thing = self.thing(at);
            (thing, thing.fields.get(field))
        });
        // Others may have the same hash.
        there.filter(move |(_, field)| field.plain == value)
    }

    /// How much the operator's words say of those with this field of which they say most; none where nothing has it.
    pub(super) fn best(&self, name: &str) -> Option<Score> {
        self.with_best(name, |best| best.score)
    }

    /// Those of which they say as much as that, which is something.
    pub(super) fn at_best(&self, name: &str) -> Vec<Thing<'_>> {
        let things = self.with_best(name, |best| best.things.clone()).unwrap_or_default();
        things.into_iter().map(|at| self.thing(at as usize)).collect()
    }

    fn with_best<T>(&self, name: &str, tell: impl Fn(&Best) -> T) -> Option<T> {
        let Parsed { records, ratings, index, .. } = &*self.parsed;
        let names = match self.taken == records.len() {
            true => &index.names,
            false => self.part.get_or_init(|| names(records, &ratings[..self.taken])),
        };
        names.get(name).map(tell)
    }

    fn thing(&self, at: usize) -> Thing<'_> {
        let Parsed { records, ratings, index, .. } = &*self.parsed;
        let (rating, wrote) = (&ratings[at], &index.wrote[at]);
        Thing { given: self.given, fields: records.get(at), rating, wrote, sites: &index.sites }
    }
}

impl Index {
    pub(super) fn of(records: &Records, ratings: &[Rating]) -> Index {
        let mut values = Vec::with_capacity(records.fields());
        for (number, record) in (0..).zip(records.iter()) {
            let own = (0..).zip(record.iter()).filter(|(_, field)| !field.prose);
            values.extend(own.map(|(at, field)| (hash(field.plain), number, at)));
        }
        values.sort_unstable();
        let (wrote, sites) = authors(records);
        Index { values, names: names(records, ratings), wrote, sites }
    }

    /// Where this value stands, or another of the same hash.
    pub(super) fn places(&self, value: &str) -> &[(u32, u32, u32)] {
        let hash = hash(value);
        let first = self.values.partition_point(|(other, ..)| *other < hash);
        let count = self.values[first..].iter().take_while(|(other, ..)| *other == hash).count();
        &self.values[first..first + count]
    }
}

/// Who wrote each thing, and the sites that they write from.
fn authors(records: &Records) -> (Vec<Wrote>, Vec<String>) {
    const AUTHORS: [&str; 5] = ["sender", "from", "author", "owner", "user"];
    let is = |name: &String| parts(name).last().is_some_and(|last| AUTHORS.contains(&last.as_str()));
    let names: Vec<bool> = records.names().iter().map(is).collect();
    let (mut sites, mut numbers) = (Vec::new(), HashMap::new());
    let mut wrote = |record: Record<'_>| {
        let field = record.named().position(|(name, field)| !field.prose && names[name]);
        let author = field.map(|field| record.get(field).value).filter(|author| shape(author) == Some(Shape::Mail));
        let site = author.map(|author| {
            *numbers.entry(host(author)).or_insert_with_key(|site: &String| {
                sites.push(site.clone());
                sites.len() - 1
            })
        });
        Wrote { field, site }
    };
    (records.iter().map(&mut wrote).collect(), sites)
}

/// The things that have a field, by its name: the first ones, as many as there are ratings.
fn names(records: &Records, ratings: &[Rating]) -> HashMap<String, Best> {
    let mut found: Vec<Option<Best>> = Vec::new();
    found.resize_with(records.names().len(), || None);
    for ((number, record), rating) in (0..).zip(records.iter()).zip(ratings) {
        for (name, field) in record.named().filter(|(_, field)| !field.prose) {
            found[name].get_or_insert_default().take(number, rating.score(field.name));
        }
    }
    let named = records.names().iter().cloned().zip(found);
    named.filter_map(|(name, best)| Some((name, best?))).collect()
}

/// Quick rather than safe: whoever finds something by it compares.
fn hash(value: &str) -> u32 {
    value.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Best {
    fn take(&mut self, number: u32, score: Score) {
        if score > self.score {
            (self.score, self.things) = (score, Vec::new());
        }
        if score == self.score && score > Score::default() && self.things.last() != Some(&number) {
            self.things.push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ground::Given;
    use super::super::memory::{Memory, Wording};
    use super::super::words::words;
    use super::*;

    /// What is looked up is what walking through all things finds, whether all of them count or some.
    #[test]
    fn what_is_looked_up_is_what_walking_finds() {
        let thing = |at: usize| {
            let place = ["Rome", "Oslo", "Bern"][at % 3];
            format!("- id: {}\n  place: {place}\n  price: {}\n  body: said in {place}\n", at * 7 % 5, at * 13 % 4)
        };
        let text: String = (0..30).map(thing).collect();
        let said = [words("the hotels in Rome and Oslo for 3")];
        let telling = BTreeSet::from(["rome".to_owned(), "oslo".to_owned()]);
        let numbers = BTreeSet::from(["3".to_owned()]);
        let wording = Wording { said: &said, telling: &telling, numbers: &numbers };
        let given = Given { tool: "list_hotels", text: &text, asked: "" };
        for mut room in [1000, 119, 57, 4] {
            let mut things = Things::default();
            things.take(0, &Memory::default().parsed(&given, &wording), &mut room);
            let told = &things.0[0];
            let all: Vec<Thing<'_>> = told.things().collect();
            assert!(all.len() == 30 || room < 4);
            for name in ["id", "place", "price", "body", "none"] {
                let has = |thing: &&Thing<'_>| thing.fields.iter().any(|field| !field.prose && field.name == name);
                let best = all.iter().filter(has).map(|thing| thing.rating.score(name)).max();
                assert_eq!(told.best(name), best, "{name}");
                let top = |thing: &&Thing<'_>| Some(thing.rating.score(name)) == best && best > Some(Score::default());
                let tops: Vec<_> = all.iter().filter(has).filter(top).map(|thing| thing.fields.get(0)).collect();
                assert_eq!(told.at_best(name).iter().map(|thing| thing.fields.get(0)).collect::<Vec<_>>(), tops);
            }
            for value in ["rome", "bern", "3", "0", "said in rome", "none"] {
                let fields = all.iter().flat_map(|thing| thing.fields.iter());
                let found: Vec<Field<'_>> = fields.filter(|field| !field.prose && field.plain == value).collect();
                assert_eq!(told.holding(value).map(|(_, field)| field).collect::<Vec<_>>(), found, "{value}");
            }
        }
    }
}
