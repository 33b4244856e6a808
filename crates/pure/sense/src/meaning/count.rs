//! The choice by counting: the operator names the one with the most of something, or the fewest. Counted is what each call of a kind gave
//! that was made for every candidate, or the things that name each of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::call::gather;
use super::choice::{Chooser, plain};
use super::things::Told;
use super::words::{Word, is_form_of, parts};

/// What names an end of a count, and whether that is the upper one.
const ENDS: &[(&str, bool)] = &[("most", true), ("fewest", false), ("least", false)];
/// The same before `number of`.
const NUMBER: &[(&str, bool)] =
    &[("largest", true), ("biggest", true), ("highest", true), ("smallest", false), ("lowest", false)];
/// Words between that and what is counted.
const NEAR: usize = 4;

impl Chooser<'_> {
    /// Why a value is the one that has the most of what the operator counts, or the fewest.
    pub(super) fn counted(&self, wanted: &str) -> Option<String> {
        let wanted = plain(wanted);
        self.said.iter().flat_map(|said| ends(said)).find_map(|(word, upper, nouns)| {
            let is_end = |counts: &BTreeMap<String, usize>| {
                let own = counts.get(&wanted)?;
                let beats = |other: &usize| if upper { own > other } else { own < other };
                (counts.len() > 1 && counts.iter().all(|(value, count)| *value == wanted || beats(count))).then_some(())
            };
            let asked = self.by_call(&nouns).iter().find_map(is_end);
            let found = asked.or_else(|| self.by_field(&wanted, &nouns).iter().find_map(is_end));
            found.map(|()| format!("it is the one that has the {word} {}", nouns[0]))
        })
    }

    /// What each call gave that names one thing, by the tool.
    fn by_call(&self, nouns: &[String]) -> Vec<BTreeMap<String, usize>> {
        let mut tools: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
        for (at, one) in self.given.iter().enumerate().filter(|(_, one)| is_about(one.tool, nouns)) {
            let asked = serde_json::from_str::<Value>(one.asked).unwrap_or(Value::Null);
            let mut leaves = Vec::new();
            gather("", &asked, &mut leaves);
            let [(_, value)] = leaves.as_slice() else { continue };
            let count = self.things.told().filter(|told| told.given == at).map(Told::count).sum::<usize>();
            // A list that cannot be read is none that is empty.
            if count > 0 || matches!(one.text.trim(), "" | "[]" | "{}") {
                tools.entry(one.tool).or_default().insert(plain(value), count);
            }
        }
        tools.into_values().collect()
    }

    /// How many things name each value of the field in which this one stands.
    fn by_field(&self, wanted: &str, nouns: &[String]) -> Vec<BTreeMap<String, usize>> {
        let told: Vec<&Told> = self.things.told().filter(|told| is_about(self.given[told.given].tool, nouns)).collect();
        let names: BTreeSet<&str> =
            told.iter().flat_map(|told| told.holding(wanted)).map(|(_, field)| field.name).collect();
        let count = |name: &str| {
            let mut counts = BTreeMap::new();
            let fields = told.iter().flat_map(|told| told.things()).flat_map(|thing| thing.fields.iter());
            for field in fields.filter(|field| !field.prose && field.name == name) {
                *counts.entry(field.plain.to_owned()).or_default() += 1;
            }
            counts
        };
        names.into_iter().filter(|name| !name.is_empty()).map(count).collect()
    }
}

/// The ends that a text names: the word, whether it is the upper one, and what may be counted.
fn ends(said: &[Word]) -> Vec<(&'static str, bool, Vec<String>)> {
    let is = |at: usize, text: &str| said.get(at).is_some_and(|word| word.text == text);
    let mut found = Vec::new();
    for (at, word) in said.iter().enumerate() {
        let plain = ENDS.iter().find(|(end, _)| *end == word.text).map(|end| (end, at + 1));
        let number = || {
            let end = NUMBER.iter().find(|(end, _)| *end == word.text)?;
            (is(at + 1, "number") && is(at + 2, "of")).then_some((end, at + 3))
        };
        if let Some(((word, upper), from)) = plain.or_else(number) {
            let nouns = said[from..].iter().take(NEAR).map(|word| word.text.clone()).filter(|word| word.len() > 2);
            let nouns: Vec<String> = nouns.collect();
            if !nouns.is_empty() {
                found.push((*word, *upper, nouns));
            }
        }
    }
    found
}

/// Whether a tool tells of what is counted: `get_users_in_channel` of users.
fn is_about(tool: &str, nouns: &[String]) -> bool {
    let named = parts(tool);
    let single = |word: &str| word.strip_suffix('s').unwrap_or(word).to_owned();
    named.iter().skip(1).any(|part| nouns.iter().any(|noun| is_form_of(noun, &single(part))))
}
