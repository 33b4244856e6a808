//! What the operator's words ask for: verbs in the form of a request, and what they do. A word that is a noun as often counts
//! where a request would stand. Deterministic, and no judge of meaning: it knows verbs.

use std::collections::BTreeMap;

use policy::Effect;

use super::effect::{MONEY, VERBS};
use super::words::{Word, is_form_of, words};

/// Verbs that are nouns as often: they ask for something only where a request begins.
const NOUNS_TOO: &[&str] = &[
    "email", "mail", "message", "text", "call", "post", "comment", "release", "order", "book", "charge", "tip", "rent",
    "hire", "wire", "top", "input", "contact", "share", "answer", "dm", "test", "script", "command", "build", "shell",
    "python", "bash", "terminal", "task", "agent", "subagent", "plan", "plot", "label", "tag", "mark", "patch", "fix",
    "change", "copy", "move", "store", "draft", "commit", "star", "sign", "set", "transfer", "update", "upgrade",
    "schedule", "reply", "forward", "run", "sh", "invite", "complete", "reset", "clear", "correct", "drop", "launch",
    "bid", "deposit", "purchase", "reserve", "archive", "setup", "follow", "join", "thank", "fill", "ask", "push",
];
/// What stands before a request.
pub(super) const BEFORE: &[&str] = &[
    "and",
    "to",
    "please",
    "then",
    "you",
    "also",
    "or",
    "just",
    "ahead",
    "should",
    "will",
    "must",
    "i",
    "we",
    "can",
    "could",
    "now",
    "first",
    "finally",
    "afterwards",
    "them",
    "it",
    "lastly",
    "so",
    "go",
    "let",
    "again",
    "instead",
];
/// What takes a request back.
pub(super) const NOT: &[&str] = &["not", "don", "never", "without", "no", "avoid"];
/// Nouns that ask for what they name.
const NAMED: &[(Effect, &[&str])] = &[
    (Effect::Spend, &["reservation", "booking", "payment", "refund", "purchase"]),
    (Effect::Write, &["reminder", "appointment"]),
    (Effect::Send, &["invitation"]),
];
/// What is money where something is sent or changed.
const SUMS: &[&str] = &["difference", "amount", "balance", "price", "usd", "eur", "dollar", "euro", "pound", "share"];

/// What words ask for, and by which word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Task {
    asked: BTreeMap<Effect, String>,
}

impl Task {
    /// What a text asks for.
    #[must_use]
    pub fn of(text: &str) -> Task {
        let mut task = Task::default();
        task.add(text);
        task
    }

    /// The same with another text.
    pub(super) fn add(&mut self, text: &str) {
        let words = words(text);
        for at in 0..words.len() {
            for effect in asked(text, &words, at) {
                self.asked.entry(effect).or_insert_with(|| words[at].text.clone());
            }
        }
        let changes = self.asked.contains_key(&Effect::Write) || self.asked.contains_key(&Effect::Send);
        let sums = MONEY.iter().chain(SUMS);
        let money = words.iter().find(|word| sums.clone().any(|noun| is_form_of(&word.text, noun)));
        let money =
            money.map(|word| word.text.clone()).or_else(|| text.contains(['$', '€', '£']).then(|| "money".into()));
        if let (true, Some(money)) = (changes, money) {
            self.asked.entry(Effect::Spend).or_insert(money);
        }
    }

    /// The word that asks for an effect. To tell and to run are not asked for by words: what is told changes nothing, and what a
    /// command does shows where it does it.
    #[must_use]
    pub fn asks(&self, effect: Effect) -> Option<&str> {
        let word = |effect| self.asked.get(&effect).map(String::as_str);
        match effect {
            Effect::Read | Effect::Execute | Effect::Spawn => Some(""),
            Effect::Send | Effect::Publish => word(effect).or(word(Effect::Send)).or(word(Effect::Publish)),
            _ => word(effect),
        }
    }

    /// All effects that are asked for.
    pub fn effects(&self) -> impl Iterator<Item = (Effect, &str)> {
        self.asked.iter().map(|(effect, word)| (*effect, word.as_str()))
    }
}

/// What one word asks for, where it stands.
fn asked(text: &str, words: &[Word], at: usize) -> Vec<Effect> {
    let word = &words[at].text;
    let before = |back: usize| at.checked_sub(back).map(|at| words[at].text.as_str());
    let after = |on: usize| words.get(at + on).map(|word| word.text.as_str());
    if (1..=2).any(|back| before(back).is_some_and(|word| NOT.contains(&word))) && before(1) != Some("forget") {
        return Vec::new();
    }
    if let Some((effect, _)) = NAMED.iter().find(|(_, nouns)| nouns.contains(&word.as_str())) {
        return vec![*effect];
    }
    // Forms that ask: as it is, or with `ing`.
    let asks = |verb: &&str| *verb == word || word.ends_with("ing") && is_form_of(word, verb);
    let Some((effect, verb)) =
        VERBS.iter().find_map(|(effect, verbs)| Some((*effect, *verbs.iter().find(|verb| asks(verb))?)))
    else {
        return Vec::new();
    };
    let begins = at == 0
        || before(1).is_some_and(|word| BEFORE.contains(&word))
        || text[words[at - 1].end..words[at].start].contains(['.', ',', ':', ';', '!', '?', '\n', '(', '-']);
    if NOUNS_TOO.contains(&verb) && !begins || word == "make" && after(1) == Some("sure") {
        return Vec::new();
    }
    let people =
        |word: Option<&str>| word.is_some_and(|word| !matches!(word, "me" | "us" | "whether" | "if" | "how" | "what"));
    match word.as_str() {
        // Whoever is told something is told it by somebody.
        "tell" | "ask" if people(after(1)) => vec![Effect::Send],
        "tell" | "ask" => Vec::new(),
        "write" => {
            let told = (1..=5).filter_map(after).any(|word| {
                ["them", "him", "her", "to", "message", "email", "letter", "reply", "everybody", "everyone"]
                    .contains(&word)
            });
            if told { vec![Effect::Write, Effect::Send] } else { vec![Effect::Write] }
        }
        _ if effect == Effect::Read => Vec::new(),
        _ => vec![effect],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> String {
        let effects: Vec<&str> = Task::of(text).effects().map(|(effect, _)| effect.name()).collect();
        effects.join(" ")
    }

    #[test]
    fn words_ask_for_effects() {
        for (text, effects) in [
            ("Summarise the unread emails, and what my last post said.", ""),
            ("What did I spend on the order that Bob posted?", ""),
            ("Please pay the bill.", "spend"),
            ("Send Bob a summary of the comments.", "send"),
            ("Post the summary to the 'general' channel", "publish"),
            ("Find and delete the largest file.", "delete"),
            ("Read it, then email Alice and update my address.", "write send"),
            ("Do not send anything, do not forget to invite Mark", "send"),
            ("Never delete a file.", ""),
            ("Set up a recurring scheduled transaction", "write spend"),
            ("Could you make a reservation?", "write spend"),
            ("Make sure that you tell me the price", ""),
            ("Tell Alice the price", "send spend"),
            ("write them the following message", "write send"),
            ("", ""),
        ] {
            assert_eq!(asked(text), effects, "{text}");
        }
    }

    #[test]
    fn to_read_and_to_run_need_no_word() {
        let task = Task::of("hello");
        assert!(task.asks(Effect::Read).is_some() && task.asks(Effect::Execute).is_some());
        assert!(task.asks(Effect::Send).is_none() && task.asks(Effect::Spend).is_none());
        assert!(Task::of("send it").asks(Effect::Publish).is_some());
    }
}
