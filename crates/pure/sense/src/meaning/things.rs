//! The things that results tell of, as they are chosen among. Each result keeps its own and what is looked up in them, found once
//! when it was read: a call asks for some, and walks through none.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::choice::{Rating, Score};
use super::memory::Parsed;
use super::results::{Field, Record};

/// One thing in a conversation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thing<'p> {
    /// Which result told of it.
    pub(super) given: usize,
    pub(super) fields: &'p [Field],
    pub(super) rating: &'p Rating,
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
}

/// What is looked up among the things of one result.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Where what a machine filled in stands, in the order of a hash of it: that, the number of the thing, and of its field.
    values: Vec<(u32, u32, u32)>,
    /// The things that have a field, by its name.
    names: HashMap<String, Best>,
    /// Fields of all things.
    fields: usize,
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
        match room.checked_sub(parsed.index.fields) {
            Some(left) => *room = left,
            None => {
                let fits = |(record, _): &&(Record, Rating)| {
                    let left = room.checked_sub(record.fields.len());
                    *room = left.unwrap_or(*room);
                    left.is_some()
                };
                taken = parsed.records.iter().take_while(fits).count();
            }
        }
        if taken > 0 {
            self.0.push(Told { given, parsed: Rc::clone(parsed), taken });
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
    pub(super) fn holding<'t>(&'t self, value: &'t str) -> impl Iterator<Item = (Thing<'t>, &'t Field)> {
        let there = self.parsed.index.places(value).iter().map(|(_, at, field)| (*at as usize, *field as usize));
        let there = there.take_while(|(at, _)| *at < self.taken).map(|(at, field)| {
            let thing = self.thing(at);
            (thing, &thing.fields[field])
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
        if self.taken == self.parsed.records.len() {
            return self.parsed.index.names.get(name).map(tell);
        }
        Index::of(&self.parsed.records[..self.taken]).names.get(name).map(tell)
    }

    fn thing(&self, at: usize) -> Thing<'_> {
        let (record, rating) = &self.parsed.records[at];
        Thing { given: self.given, fields: &record.fields, rating }
    }
}

impl Index {
    pub(super) fn of(records: &[(Record, Rating)]) -> Index {
        let mut index = Index::default();
        for (number, (record, rating)) in (0..).zip(records) {
            index.fields += record.fields.len();
            for (at, field) in (0..).zip(record.fields.iter()).filter(|(_, field)| !field.prose) {
                index.values.push((hash(&field.plain), number, at));
                match index.names.get_mut(&field.name) {
                    Some(best) => best.take(number, rating.score(&field.name)),
                    None => {
                        let mut best = Best::default();
                        best.take(number, rating.score(&field.name));
                        index.names.insert(field.name.clone(), best);
                    }
                }
            }
        }
        index.values.sort_unstable();
        index
    }

    /// Where this value stands, or another of the same hash.
    pub(super) fn places(&self, value: &str) -> &[(u32, u32, u32)] {
        let hash = hash(value);
        let first = self.values.partition_point(|(other, ..)| *other < hash);
        let count = self.values[first..].iter().take_while(|(other, ..)| *other == hash).count();
        &self.values[first..first + count]
    }
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
