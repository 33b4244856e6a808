//! What is known of results, so that each is read once: a request repeats all that was said before. Remembered for one wording of the
//! operator's and one policy; another of either begins anew.

use std::cell::OnceCell;
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
use super::things::Index;
use super::words::{Word, parts};

/// Bytes of results that came of late; as many of those that came before them are remembered, too.
const MOST: usize = 8 << 20;

/// Results that are forgotten with each that comes: they are gone before the next ones are to be.
const FEW: usize = 4;

/// Most results of one key: who makes many that are alike has them read each time.
const ALIKE: usize = 8;

/// Results that were read before.
#[derive(Debug, Default)]
pub struct Memory {
    said: Vec<String>,
    rules: Vec<ToolRule>,
    /// Bytes of those that came of late.
    bytes: usize,
    /// Those, and the ones before them. What comes again is among the latest again.
    known: [HashMap<u64, Vec<Known>>; 2],
    /// What is forgotten, a few with each that comes: all at once would take a call as long as reading it did.
    forgotten: Vec<Known>,
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
    pub(super) records: Vec<(Record, Rating)>,
    /// What is looked up in them.
    pub(super) index: Index,
    /// Addresses in its records, by their number.
    pub(super) links: Vec<(usize, BTreeSet<String>)>,
    /// All of it, where it is one short value.
    pub(super) single: Option<String>,
    /// Ids that a call which changed something gave back, and files that it wrote.
    pub(super) made: HashSet<String>,
    pub(super) files: BTreeSet<String>,
    /// Its numbers, found when one is asked for.
    numbers: OnceCell<HashSet<String>>,
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
        if self.said != said || self.rules != rules {
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
        if let Some(known) = self.known[0].get(&key).into_iter().flatten().find(same) {
            return Rc::clone(&known.parsed);
        }
        let before = self.known[1].get_mut(&key);
        let before = before.and_then(|alike| Some(alike.swap_remove(alike.iter().position(|known| same(&known))?)));
        let known = before.unwrap_or_else(|| {
            let (tool, text, asked) = (one.tool.to_owned(), one.text.to_owned(), one.asked.to_owned());
            Known { tool, text, asked, parsed: Rc::new(Parsed::of(one, &self.rules, wording)) }
        });
        let parsed = Rc::clone(&known.parsed);
        self.keep(key, known);
        parsed
    }

    /// Keeps one among the latest.
    fn keep(&mut self, key: u64, known: Known) {
        if self.bytes > MOST {
            let latest = std::mem::take(&mut self.known[0]);
            let before = std::mem::replace(&mut self.known[1], latest);
            self.forgotten.extend(before.into_values().flatten());
            self.bytes = 0;
        }
        self.forgotten.truncate(self.forgotten.len().saturating_sub(FEW));
        self.bytes += known.text.len();
        let alike = self.known[0].entry(key).or_default();
        if alike.len() < ALIKE {
            alike.push(known);
        }
    }
}

impl Parsed {
    fn of(one: &Given<'_>, rules: &[ToolRule], wording: &Wording<'_>) -> Parsed {
        let found = records(one.tool, one.text, rules, &mut budget());
        let mut parsed = Parsed {
            single: single(one.tool, one.text).map(|value| plain(&value)),
            folded: fold(one.text),
            ..Parsed::default()
        };
        parsed.runs = runs(&parsed.folded).collect();
        parsed.runs.sort_unstable();
        parsed.runs.dedup();
        let machine = || found.iter().flat_map(|record| record.fields.iter()).filter(|field| !field.prose);
        let does = effects(&Tool { name: one.tool, description: "", schema: &Value::Null }, rules).effects;
        if changes(&does) && !does.contains(&Effect::Delete) && !one.tool.is_empty() {
            parsed.made = machine().filter(|field| is_id(&field.name)).map(|field| field.plain.clone()).collect();
            parsed.files = wrote(one);
        }
        for (at, record) in found.into_iter().enumerate() {
            let addresses = links(&record);
            if !addresses.is_empty() {
                parsed.links.push((at, addresses));
            }
            let rating = Rating::of(&record, wording);
            parsed.records.push((record, rating));
        }
        parsed.index = Index::of(&parsed.records);
        parsed
    }
}

impl Parsed {
    /// Whether a machine filled in this value somewhere.
    pub(super) fn holds(&self, value: &str) -> bool {
        let there =
            |(_, at, field): &(u32, u32, u32)| self.records[*at as usize].0.fields[*field as usize].plain == value;
        self.index.places(value).iter().any(there)
    }

    /// Whether a number stands in it, in its one spelling.
    pub(super) fn tells_number(&self, wanted: &str) -> bool {
        self.numbers.get_or_init(|| numbers(&self.folded).map(plain).collect()).contains(wanted)
    }

    /// Where a value stands in it, both without case: as a whole, not within a longer word.
    pub(super) fn find(&self, value: &str) -> Option<usize> {
        if runs(value).any(|run| self.runs.binary_search(&run).is_err()) {
            return None;
        }
        find(&self.folded, value)
    }
}

/// What a result is looked for by. Quick rather than safe: all of it is compared then. Four words at a time, none of which waits
/// for another: all results of a conversation are looked for with each call.
fn key(one: &Given<'_>) -> u64 {
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let mut lanes = [0u64, 1, 2, 3];
    for part in [one.tool, one.asked, one.text] {
        let (blocks, rest) = part.as_bytes().as_chunks::<32>();
        for block in blocks {
            for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
                *lane = mix(*lane, u64::from_le_bytes(*word));
            }
        }
        lanes[0] = rest.iter().fold(mix(lanes[0], part.len() as u64), |hash, byte| mix(hash, u64::from(*byte)));
    }
    lanes.into_iter().fold(0, mix)
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
