//! What is known of results, so that each is read once: a request repeats all that was said before. Remembered for one wording of the
//! operator's and one policy; another of either begins anew.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use policy::{Effect, ToolRule};
use serde_json::Value;

use super::call::{Call, changes};
use super::choice::{Rating, links, plain};
use super::effect::{Tool, effects};
use super::ground::{Given, is_id};
use super::place::{self, places};
use super::results::{Record, budget, records, single};
use super::text::{find, fold, numbers};
use super::words::{Word, parts};

/// Most bytes of results that are remembered; beyond it all are forgotten.
const MOST: usize = 16 << 20;

/// Most results of one key: who makes many that are alike has them read each time.
const ALIKE: usize = 8;

/// Results that were read before.
#[derive(Debug, Default)]
pub struct Memory {
    said: Vec<String>,
    rules: Vec<ToolRule>,
    bytes: usize,
    known: HashMap<u64, Vec<Known>>,
}

#[derive(Debug)]
struct Known {
    tool: String,
    text: String,
    asked: String,
    parsed: Rc<Parsed>,
}

/// A result that was read.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) records: Vec<(Record, Rc<Rating>)>,
    /// Addresses in its records, by their number.
    pub(super) links: Vec<(usize, Rc<BTreeSet<String>>)>,
    /// All of a field which a machine fills, or all of it.
    pub(super) fields: HashSet<String>,
    pub(super) single: Option<String>,
    /// Ids that a call which changed something gave back, and files that it wrote.
    pub(super) made: HashSet<String>,
    pub(super) files: BTreeSet<String>,
    pub(super) numbers: HashSet<String>,
    /// The same text without case, word by word parted by one space.
    pub(super) folded: String,
    /// Its runs of letters and digits, as numbers in order: what has another one does not stand in it.
    runs: Vec<u32>,
}

/// What the operator's words choose by.
#[derive(Debug)]
pub(super) struct Wording<'w> {
    pub(super) said: &'w [Vec<Word>],
    pub(super) telling: &'w BTreeSet<String>,
    pub(super) numbers: &'w BTreeSet<String>,
}

impl Memory {
    /// Begins anew where the operator said something else, or the policy does.
    pub(super) fn begin(&mut self, said: &[&str], rules: &[ToolRule]) {
        if self.bytes > MOST || self.said != said || self.rules != rules {
            *self = Memory {
                said: said.iter().map(|text| (*text).to_owned()).collect(),
                rules: rules.to_vec(),
                ..Memory::default()
            };
        }
    }

    /// A result, read now where it was not before.
    pub(super) fn parsed(&mut self, one: &Given<'_>, wording: &Wording<'_>) -> Rc<Parsed> {
        let same = |known: &&Known| known.tool == one.tool && known.text == one.text && known.asked == one.asked;
        let key = key(one);
        if let Some(known) = self.known.get(&key).into_iter().flatten().find(same) {
            return Rc::clone(&known.parsed);
        }
        let parsed = Rc::new(Parsed::of(one, &self.rules, wording));
        self.bytes += one.text.len();
        let (tool, text, asked) = (one.tool.to_owned(), one.text.to_owned(), one.asked.to_owned());
        let alike = self.known.entry(key).or_default();
        if alike.len() < ALIKE {
            alike.push(Known { tool, text, asked, parsed: Rc::clone(&parsed) });
        }
        parsed
    }
}

impl Parsed {
    fn of(one: &Given<'_>, rules: &[ToolRule], wording: &Wording<'_>) -> Parsed {
        let found = records(0, one.tool, one.text, rules, &mut budget());
        let mut parsed = Parsed {
            single: single(one.tool, one.text).map(|value| plain(&value)),
            numbers: numbers(one.text).map(plain).collect(),
            folded: fold(one.text),
            ..Parsed::default()
        };
        parsed.runs = runs(&parsed.folded).collect();
        parsed.runs.sort_unstable();
        parsed.runs.dedup();
        let machine = || found.iter().flat_map(|record| record.fields.iter()).filter(|field| !field.prose);
        parsed.fields = machine().map(|field| field.plain.clone()).collect();
        let does = effects(&Tool { name: one.tool, description: "", schema: &Value::Null }, rules).effects;
        if changes(&does) && !does.contains(&Effect::Delete) && !one.tool.is_empty() {
            parsed.made = machine().filter(|field| is_id(&field.name)).map(|field| field.plain.clone()).collect();
            parsed.files = wrote(one);
        }
        for (at, record) in found.into_iter().enumerate() {
            let addresses = links(&record);
            if !addresses.is_empty() {
                parsed.links.push((at, Rc::new(addresses)));
            }
            let rating = Rating::of(&record, wording);
            parsed.records.push((record, Rc::new(rating)));
        }
        parsed
    }
}

impl Parsed {
    /// Where a value stands in it, both without case: as a whole, not within a longer word.
    pub(super) fn find(&self, value: &str) -> Option<usize> {
        if runs(value).any(|run| self.runs.binary_search(&run).is_err()) {
            return None;
        }
        find(&self.folded, value)
    }
}

/// What a result is looked for by. Quick rather than safe: all of it is compared then.
fn key(one: &Given<'_>) -> u64 {
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let parts = [one.tool, one.asked, one.text];
    parts.iter().fold(0, |hash, part| {
        let mut words = part.as_bytes().chunks_exact(8);
        let hash = words.by_ref().fold(mix(hash, part.len() as u64), |hash, word| {
            mix(hash, u64::from_le_bytes(word.try_into().unwrap_or_default()))
        });
        words.remainder().iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
    })
}

/// The runs of letters and digits of a text, each as a number (FNV-1a).
fn runs(text: &str) -> impl Iterator<Item = u32> {
    let runs = text.split(|letter: char| !letter.is_alphanumeric()).filter(|run| !run.is_empty());
    runs.map(|run| run.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)))
}

/// The files that a call wrote, by the last part of their names: what it named, and what it said that it fetched.
fn wrote(one: &Given<'_>) -> BTreeSet<String> {
    let call = Call {
        tool: one.tool,
        effects: &BTreeSet::from([Effect::Write]),
        told: false,
        amounts: Vec::new(),
        secret: false,
        concerns: false,
    };
    let verbs = parts(one.tool);
    let writes = verbs.iter().any(|part| matches!(part.as_str(), "create" | "write" | "save" | "download"));
    let mut found = BTreeSet::new();
    if one.asked.is_empty() || !writes {
        return found;
    }
    found.extend(places(one.asked).iter().map(|place| place::last(place).to_owned()));
    if call.fetches() {
        let named = one.text.split_whitespace().map(|word| word.trim_matches(['\'', '"', ',', '.']));
        found.extend(named.filter_map(place::place).map(|place| place::last(&place).to_owned()));
    }
    found
}
