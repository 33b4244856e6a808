//! What is known of results, so that each is read once: a request repeats all that was said before. Remembered for one wording of the
//! operator's and one policy; another of either begins anew.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use policy::{Effect, ToolRule};
use serde_json::Value;

use super::account;
use super::call::{Call, changes};
use super::choice::{Rating, links, plain};
use super::effect::{Tool, effects};
use super::ground::{Given, is_id};
use super::place::{self, places};
use super::results::{Record, Records, budget, records, single};
use super::text::{find, fold, numbers};
use super::things::Index;
use super::words::{Word, parts};

/// Bytes of results that came of late; as many of those that came before them are remembered, too.
const MOST: usize = 8 << 20;
/// What one takes beside its texts.
const EACH: usize = 512;

/// Results that are forgotten with each that comes: they are gone before the next ones are to be.
const FEW: usize = 4;

/// Most results of one key: who makes many that are alike has them read each time.
const ALIKE: usize = 8;

/// Results of the last conversation that this one may leave out.
const AHEAD: usize = 64;

/// Results that were read before.
#[derive(Debug, Default)]
pub struct Memory {
    said: Vec<String>,
    rules: Vec<ToolRule>,
    /// Bytes of those that came of late.
    bytes: usize,
    /// Those, and the ones before them. What comes again is among the latest again.
    known: [HashMap<u64, Vec<Rc<Known>>>; 2],
    /// What is forgotten, a few with each that comes: all at once would take a call as long as reading it did.
    forgotten: Vec<Rc<Known>>,
    /// Those of the conversation that was read last, in its order, and those of this one so far.
    last: Vec<Rc<Known>>,
    order: Vec<Rc<Known>>,
    /// Where in the last one this one goes on: it mostly says the same, so that each is looked for there first.
    next: usize,
}

#[derive(Debug)]
struct Known {
    key: u64,
    tool: String,
    text: String,
    asked: String,
    parsed: Rc<Parsed>,
}

impl Known {
    fn is(&self, one: &Given<'_>) -> bool {
        self.tool == one.tool && self.text == one.text && self.asked == one.asked
    }
}

/// A result that was read.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) records: Records,
    /// What of each of them stands in the operator's words.
    pub(super) ratings: Vec<Rating>,
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
    /// Its numbers in groups without what parts them, found when one is asked for.
    grouped: OnceCell<String>,
    /// The same text without case, word by word parted by one space.
    pub(super) folded: String,
    runs: Runs,
}

/// The runs of letters and digits of a text, as bits by their hash: what has another one does not stand in it.
#[derive(Debug, Default)]
struct Runs(Vec<u64>);

/// What the operator's words choose by.
#[derive(Debug)]
pub(super) struct Wording<'w> {
    pub(super) said: &'w [Vec<Word>],
    pub(super) telling: &'w BTreeSet<String>,
    pub(super) numbers: &'w BTreeSet<String>,
}

impl Memory {
    /// Begins a conversation; anew where the operator said something else, or the policy does.
    pub(super) fn begin(&mut self, said: &[&str], rules: &[ToolRule]) {
        if self.said != said || self.rules != rules {
            *self = Memory {
                said: said.iter().map(|text| (*text).to_owned()).collect(),
                rules: rules.to_vec(),
                ..Memory::default()
            };
        }
        self.last = std::mem::take(&mut self.order);
        self.next = 0;
    }

    /// The next result of a conversation, read now where it was not before.
    pub(super) fn parsed(&mut self, one: &Given<'_>, wording: &Wording<'_>) -> Rc<Parsed> {
        let known = match self.last.get(self.next).filter(|known| known.is(one)) {
            Some(known) => Rc::clone(known),
            None => self.looked_up(one, wording),
        };
        let rest = self.last.iter().skip(self.next).take(AHEAD);
        self.next += rest.map(|last| Rc::ptr_eq(last, &known)).position(|is| is).map_or(0, |at| at + 1);
        self.keep(&known);
        let parsed = Rc::clone(&known.parsed);
        self.order.push(known);
        parsed
    }

    /// One that is known, wherever it stood; else it is read.
    fn looked_up(&self, one: &Given<'_>, wording: &Wording<'_>) -> Rc<Known> {
        let key = key(one);
        let mut alike = self.known.iter().filter_map(|known| known.get(&key)).flatten();
        alike.find(|known| known.is(one)).cloned().unwrap_or_else(|| {
            let (tool, text, asked) = (one.tool.to_owned(), one.text.to_owned(), one.asked.to_owned());
            let parsed = Rc::new(Parsed::of(one, &self.rules, wording));
            Rc::new(Known { key, tool, text, asked, parsed })
        })
    }

    /// Keeps one among the latest.
    fn keep(&mut self, known: &Rc<Known>) {
        let same = |other: &Rc<Known>| Rc::ptr_eq(other, known);
        if self.known[0].get(&known.key).is_some_and(|alike| alike.iter().any(same)) {
            return;
        }
        if let Some(alike) = self.known[1].get_mut(&known.key) {
            alike.retain(|other| !same(other));
        }
        if self.bytes > MOST {
            let latest = std::mem::take(&mut self.known[0]);
            let before = std::mem::replace(&mut self.known[1], latest);
            self.forgotten.extend(before.into_values().flatten());
            self.bytes = 0;
        }
        self.forgotten.truncate(self.forgotten.len().saturating_sub(FEW));
        let alike = self.known[0].entry(known.key).or_default();
        if alike.len() < ALIKE {
            self.bytes += EACH + known.tool.len() + known.text.len() + known.asked.len();
            alike.push(Rc::clone(known));
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
        parsed.runs = Runs::of(&parsed.folded);
        let machine = || found.iter().flat_map(Record::iter).filter(|field| !field.prose);
        let does = effects(&Tool { name: one.tool, description: "", schema: &Value::Null }, rules).effects;
        if changes(&does) && !does.contains(&Effect::Delete) && !one.tool.is_empty() {
            parsed.made = machine().filter(|field| is_id(field.name)).map(|field| field.plain.to_owned()).collect();
            parsed.files = wrote(one);
        }
        let addresses = found.iter().map(links).enumerate();
        parsed.links = addresses.filter(|(_, addresses)| !addresses.is_empty()).collect();
        parsed.ratings = found.iter().map(|record| Rating::of(record, wording)).collect();
        parsed.index = Index::of(&found, &parsed.ratings);
        Parsed { records: found, ..parsed }
    }
}

impl Parsed {
    /// Whether a machine filled in this value somewhere.
    pub(super) fn holds(&self, value: &str) -> bool {
        let there =
            |(_, at, field): &(u32, u32, u32)| self.records.get(*at as usize).get(*field as usize).plain == value;
        self.index.places(value).iter().any(there)
    }

    /// Whether a number stands in it, in its one spelling.
    pub(super) fn tells_number(&self, wanted: &str) -> bool {
        self.numbers.get_or_init(|| numbers(&self.folded).map(plain).collect()).contains(wanted)
    }

    /// Its numbers in groups, each without what parts it.
    pub(super) fn grouped(&self) -> &str {
        self.grouped.get_or_init(|| account::joined(&self.folded))
    }

    /// Where a value stands in it, both without case: as a whole, not within a longer word.
    pub(super) fn find(&self, value: &str) -> Option<usize> {
        if !self.runs.may_hold(value) {
            return None;
        }
        find(&self.folded, value)
    }
}

impl Runs {
    /// Two bits for each byte: most runs have four bytes or more, and stand there more than once.
    fn of(text: &str) -> Runs {
        let mut bits = Runs(vec![0; (text.len() / 32).next_power_of_two()]);
        for run in runs(text) {
            let (word, bit) = bits.place(run);
            bits.0[word] |= bit;
        }
        bits
    }

    /// Whether all of another text's may be among them.
    fn may_hold(&self, text: &str) -> bool {
        runs(text).all(|run| {
            let (word, bit) = self.place(run);
            self.0.get(word).is_some_and(|bits| bits & bit != 0)
        })
    }

    fn place(&self, run: u32) -> (usize, u64) {
        // The upper bits of FNV are those that differ.
        let mixed = u64::from(run).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed >> 32) as usize & self.0.len().saturating_sub(1), 1 << (mixed >> 58))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Parsed {
        let wording = Wording { said: &[], telling: &BTreeSet::new(), numbers: &BTreeSet::new() };
        Parsed::of(&Given { tool: "list_mails", text, asked: "" }, &[], &wording)
    }

    #[test]
    fn a_value_is_found_as_where_all_is_looked_through() {
        let texts = ["", "a", "One, two\tTHREE 4.5 \u{c4}-b", "pay GB29-NWBK to ann@mail.example, ann"];
        let long = (0..500).map(|at| format!("word{at} of {} - ", at * 7919 % 1000)).collect::<String>();
        for text in texts.into_iter().chain([long.as_str()]) {
            let (parsed, folded) = (parsed(text), fold(text));
            let step = 1 + folded.len() / 60;
            let ends: Vec<usize> = (0..=folded.len()).filter(|at| folded.is_char_boundary(*at)).step_by(step).collect();
            let within = ends.iter().flat_map(|from| ends.iter().map(|to| folded.get(*from..*to)));
            for value in within.flatten().chain(["", "-", "word", "word7", "word77 of", "nwbk", "mail.example", "x"]) {
                assert_eq!(parsed.find(value), find(&folded, value), "{value:?} in {text:?}");
            }
        }
    }

    /// What is told of a conversation is what each of its results says, whatever was remembered before it.
    #[test]
    fn a_conversation_is_read_as_it_stands_now() {
        let texts: Vec<String> = (0..40).map(|at| format!("- id: {at}\n  note: n{}\n", at % 3)).collect();
        let wording = Wording { said: &[], telling: &BTreeSet::new(), numbers: &BTreeSet::new() };
        let mut memory = Memory::default();
        let orders: [&[usize]; 8] = [
            &[0, 1, 2, 3],
            &[0, 1, 2, 3, 4],
            &[2, 3, 4, 5],
            &[2, 2, 3, 3, 2],
            &[5, 4, 3],
            &[0, 9, 1, 2, 3, 4, 5, 6, 7, 8],
            &[3, 4, 8, 30, 31],
            &[],
        ];
        for order in orders.into_iter().cycle().take(20) {
            memory.begin(&[], &[]);
            for at in order {
                let one = Given { tool: "list_mails", text: &texts[*at], asked: "" };
                let (found, expected) = (memory.parsed(&one, &wording), parsed(&texts[*at]));
                assert_eq!(found.folded, expected.folded);
                assert_eq!(found.records.get(0).get(0).value, at.to_string());
            }
            // What was read before is not read once more.
            let kept: usize = memory.known.iter().flat_map(|known| known.values()).map(Vec::len).sum();
            assert!(kept <= texts.len());
        }
        assert_eq!(memory.known[0].values().map(Vec::len).sum::<usize>(), 12);
    }
}
