//! What the operator delegates in his own words: "pay the bill in bill.txt", "do what the issue says", "follow the instructions in
//! X", "reply to the mail from Bob". Such words endorse that source, for the effects that they name, as it was read first.
//!
//! A table of forms, and nothing is understood. Others' words never delegate: only what the operator said is looked at here.
//! Where several sources could be meant none is, so that more that was read never adds one.

use std::collections::BTreeSet;

use policy::mcp::TextPattern;
use policy::{Effect, Endorsed, Endorsement, Origin, Source};

use super::endorse::{Came, Hashing};
use super::ground::Scene;
use super::shape::{Shape, shape, shapes};
use super::task::{BEFORE, NOT};
use super::things::Thing;
use super::words::{Word, parts, phrase, words};

/// Verbs that carry out whatever is said somewhere.
const DOES: &[&str] =
    &["do", "follow", "perform", "complete", "implement", "apply", "carry", "execute", "address", "handle", "process"];
/// What is carried out.
const ORDERS: &[&str] = &[
    "instructions",
    "instruction",
    "steps",
    "tasks",
    "task",
    "todos",
    "todo",
    "items",
    "actions",
    "checklist",
    "requests",
    "directions",
];
/// The same as all that a source says.
const WHATEVER: &[&str] = &["what", "whatever", "everything", "all", "anything", "as"];
/// What a source does there.
const SAYS: &[&str] = &[
    "says",
    "say",
    "asks",
    "ask",
    "tells",
    "tell",
    "wants",
    "want",
    "describes",
    "describe",
    "lists",
    "list",
    "requires",
    "require",
    "instructs",
    "suggests",
];
/// Verbs of one effect, and what they are about where that stands in a source.
const ABOUT: &[(Effect, &[&str], &[&str])] = &[
    (
        Effect::Spend,
        &["pay", "settle", "order", "buy", "purchase", "transfer", "refund"],
        &[
            "bill", "bills", "invoice", "invoices", "payment", "payments", "fee", "fees", "fine", "rent", "order",
            "items", "amount", "refund",
        ],
    ),
    (
        Effect::Send,
        &["send", "forward", "email", "mail", "post"],
        &["message", "messages", "letter", "letters", "invitation", "invitations", "announcement", "emails", "mails"],
    ),
];
/// What leads from a thing to its source.
const FROM: &[&str] = &["in", "from", "of", "on", "at", "per", "inside"];
const ARTICLES: &[&str] = &["the", "this", "that", "my", "our", "a", "attached"];
/// What sources are called, and how tools call the same.
const NOUNS: &[(&str, &[&str])] = &[
    ("issue", &["issue"]),
    ("ticket", &["ticket", "issue"]),
    ("bug", &["bug", "issue"]),
    ("mail", &["mail", "email"]),
    ("email", &["mail", "email"]),
    ("message", &["message"]),
    ("page", &["page", "webpage"]),
    ("webpage", &["page", "webpage"]),
    ("document", &["document", "doc"]),
    ("file", &["file"]),
    ("bill", &["bill"]),
    ("invoice", &["invoice"]),
    ("todo", &["todo", "task"]),
    ("note", &["note"]),
    ("comment", &["comment"]),
    ("review", &["review"]),
    ("event", &["event"]),
];
/// Words that are looked at behind a verb.
const NEAR: usize = 10;

/// What one form says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Delegation {
    effects: BTreeSet<Effect>,
    /// It carries out whatever is said.
    any: bool,
    to: Refers,
}

/// Whom it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refers {
    /// What a tool was asked for: a path or an address.
    Place(String),
    /// What a tool is called that gave it, and a number of it.
    Noun(&'static [&'static str], Option<String>),
    /// The one thing that a tool told of which somebody wrote; answers go to him.
    Author(&'static [&'static str], Vec<Word>),
}

/// One text, taken apart.
struct Text<'t> {
    text: &'t str,
    words: Vec<Word>,
}

impl Scene<'_> {
    /// What the operator's own words endorse of what was read.
    #[must_use]
    pub fn delegated(&self, came: &[Came], hash: Hashing<'_>) -> Vec<Endorsement> {
        let told = self.texts.iter().flat_map(|text| delegations(text));
        told.filter_map(|one| {
            let (source, targets) = self.referred(&one.to, came, hash)?;
            let mut effects = one.effects;
            if one.any {
                // What cannot be taken back needs a verb of its own.
                effects.extend(self.task().effects().map(|(effect, _)| effect));
            }
            effects.insert(Effect::Read);
            let of = Endorsed::Source { source: Origin::exactly(&source), targets };
            Some(Endorsement { of, effects, until: None })
        })
        .collect()
    }

    /// The one source that is meant, as it was read first.
    fn referred(&self, to: &Refers, came: &[Came], hash: Hashing<'_>) -> Option<(Source, Option<Vec<TextPattern>>)> {
        if let Refers::Author(tools, name) = to {
            return self.written_by(tools, name, came, hash);
        }
        let mut found: Option<usize> = None;
        for (at, one) in self.given.iter().enumerate() {
            let places: &[String] = came.get(at).map_or(&[], |came| &came.places);
            let meant = match to {
                Refers::Place(place) => places.iter().any(|other| is_place(other, place)),
                Refers::Noun(tools, number) => {
                    let named = parts(one.tool).iter().any(|part| tools.contains(&part.as_str()));
                    named && number.as_ref().is_none_or(|number| places.contains(number))
                }
                Refers::Author(..) => false,
            };
            if !meant {
                continue;
            }
            match found {
                None => found = Some(at),
                // The same place again, whatever it says by now: what it said first is meant.
                Some(first) if self.given[first].tool == one.tool && came.get(first) == came.get(at) => {}
                Some(_) => return None,
            }
        }
        found.map(|at| (self.result(at, came, hash), self.only_targets(at)))
    }

    /// Whom a source leads to: of addresses and accounts the only one of its kind. Who adds another to it leaves no choice.
    fn only_targets(&self, at: usize) -> Option<Vec<TextPattern>> {
        let text = self.given[at].text;
        let found = shapes(text);
        let kinds = [Shape::Url, Shape::Mail, Shape::Number].map(|kind| {
            let own: BTreeSet<&str> =
                found.iter().filter(|(_, other)| *other == kind).map(|(range, _)| &text[range.clone()]).collect();
            own
        });
        let only = kinds.iter().filter(|own| own.len() == 1).flatten().filter_map(|one| TextPattern::literal(one));
        (!found.is_empty()).then(|| only.collect())
    }

    fn written_by(
        &self,
        tools: &[&str],
        name: &[Word],
        came: &[Came],
        hash: Hashing<'_>,
    ) -> Option<(Source, Option<Vec<TextPattern>>)> {
        let is = |thing: &Thing<'_>| {
            let tool = parts(self.given[thing.given].tool);
            let by = thing.author().is_some_and(|author| phrase(&words(author), name).is_some());
            by && tool.iter().any(|part| tools.contains(&part.trim_end_matches('s')))
        };
        let mut found: Option<Source> = None;
        for thing in self.things.iter().filter(is) {
            let source = self.thing(thing, came, hash);
            match &found {
                Some(known) if *known != source => return None,
                _ => found = Some(source),
            }
        }
        let source = found?;
        let to = source.author.as_deref().and_then(TextPattern::literal)?;
        Some((source, Some(vec![to])))
    }
}

/// Whether what a tool was asked for is what the operator named. Programs put the workspace's path in front.
fn is_place(place: &str, named: &str) -> bool {
    let (place, named) = (place.trim_start_matches("./"), named.trim_start_matches("./"));
    let below = place.strip_suffix(named).is_some_and(|above| above.starts_with('/') && above.ends_with('/'));
    let plain = !place.split('/').any(|part| part == "..");
    place == named || place.trim_end_matches('/') == named.trim_end_matches('/') || below && plain
}

/// All that a text delegates.
fn delegations(text: &str) -> Vec<Delegation> {
    let text = Text { text, words: words(text) };
    (0..text.words.len()).filter_map(|at| text.form(at)).collect()
}

impl Text<'_> {
    fn word(&self, at: usize) -> Option<&str> {
        self.words.get(at).map(|word| word.text.as_str())
    }

    /// What stands between two words.
    fn between(&self, at: usize) -> &str {
        match at.checked_sub(1) {
            Some(before) => &self.text[self.words[before].end..self.words[at].start],
            None => &self.text[..self.words.first().map_or(0, |word| word.start)],
        }
    }

    /// Whether a request begins with this word: not one that is taken back, quoted, or only asked about.
    fn begins(&self, at: usize) -> bool {
        let before = |back: usize| at.checked_sub(back).and_then(|at| self.word(at));
        let taken_back = (1..=2).any(|back| before(back).is_some_and(|word| NOT.contains(&word)));
        let first = at == 0 || self.between(at).contains(['.', ',', ':', ';', '!', '?', '\n', '(', '-']);
        let led = before(1).is_some_and(|word| BEFORE.contains(&word));
        let quoted = self.between(at).contains(['"', '\'', '`', '“', '‘', '«']);
        let rest = &self.text[self.words[at].start..];
        let ends = rest.find(['!', '?', '\n']).and_then(|end| rest[end..].chars().next());
        let asked = ends == Some('?') && !before(1).is_some_and(|word| word == "you" || word == "please");
        !taken_back && !quoted && !asked && (first || led)
    }

    /// The words behind one, as far as its sentence goes.
    fn near(&self, at: usize) -> impl Iterator<Item = usize> {
        let ends = move |next: &usize| {
            let between = self.between(*next);
            !between.contains(['!', '?', ';', '\n']) && !between.contains(". ")
        };
        (at + 1..self.words.len().min(at + 1 + NEAR)).take_while(ends)
    }

    /// What begins with the word there.
    fn form(&self, at: usize) -> Option<Delegation> {
        let verb = self.word(at)?;
        if !self.begins(at) {
            return None;
        }
        if DOES.contains(&verb) {
            let to = self.said_by(at).or_else(|| self.listed(at, ORDERS))?;
            let effects = BTreeSet::from([Effect::Write, Effect::Send, Effect::Execute]);
            return Some(Delegation { effects, any: true, to });
        }
        if matches!(verb, "reply" | "respond" | "answer") {
            let to = self.answered(at)?;
            return Some(Delegation { effects: BTreeSet::from([Effect::Send]), any: false, to });
        }
        let (effect, _, things) = ABOUT.iter().find(|(_, verbs, _)| verbs.contains(&verb))?;
        let to = self.listed(at, things)?;
        Some(Delegation { effects: BTreeSet::from([*effect]), any: false, to })
    }

    /// `what SOURCE says`
    fn said_by(&self, at: usize) -> Option<Refers> {
        let what = self.near(at).take(3).find(|next| self.word(*next).is_some_and(|word| WHATEVER.contains(&word)))?;
        let (to, after) = self.refers(what + 1)?;
        self.word(after).filter(|word| SAYS.contains(word)).map(|_| to)
    }

    /// `THINGS in SOURCE`
    fn listed(&self, at: usize, things: &[&str]) -> Option<Refers> {
        let thing = self.near(at).find(|next| self.word(*next).is_some_and(|word| things.contains(&word)))?;
        let from = self.near(thing).take(3).find(|next| self.word(*next).is_some_and(|word| FROM.contains(&word)))?;
        self.refers(from + 1).map(|(to, _)| to)
    }

    /// `to the mail from NAME`
    fn answered(&self, at: usize) -> Option<Refers> {
        let noun = self.near(at).take(3).find(|next| self.noun(*next).is_some())?;
        let from =
            self.near(noun).next().filter(|next| self.word(*next).is_some_and(|word| matches!(word, "from" | "of")))?;
        let (mut name, mut next) = (Vec::new(), from + 1);
        // A name goes on as long as it is written as one: capitals, or an address.
        while let Some(word) = self.words.get(next) {
            let written = &self.text[word.start..word.end];
            let joined = !name.is_empty() && matches!(self.between(next), "@" | "." | "-" | "'");
            let new = name.is_empty() || self.between(next) == " ";
            if !(joined || new && written.starts_with(|letter: char| letter.is_uppercase() || name.is_empty())) {
                break;
            }
            name.push(word.clone());
            next += 1;
        }
        let tools = self.noun(noun)?;
        let telling = name.iter().any(|word| word.text.chars().count() >= 3);
        telling.then_some(Refers::Author(tools, name))
    }

    fn noun(&self, at: usize) -> Option<&'static [&'static str]> {
        let word = self.word(at)?;
        NOUNS.iter().find(|(noun, _)| *noun == word).map(|(_, tools)| *tools)
    }

    /// What a source is called by from this word on, and the word behind it.
    fn refers(&self, mut at: usize) -> Option<(Refers, usize)> {
        while self.word(at).is_some_and(|word| ARTICLES.contains(&word)) && self.place(at).is_none() {
            at += 1;
        }
        if let Some(found) = self.place(at) {
            return Some(found);
        }
        let tools = self.noun(at)?;
        if let Some(found) = self.place(at + 1) {
            return Some(found);
        }
        let next = self.word(at + 1);
        let named = next.filter(|word| matches!(*word, "number" | "nr" | "id")).map_or(at + 1, |_| at + 2);
        let number = self.word(named).filter(|word| word.bytes().any(|byte| byte.is_ascii_digit()));
        let after = if number.is_some() { named + 1 } else { at + 1 };
        Some((Refers::Noun(tools, number.map(str::to_owned)), after))
    }

    /// A path or an address that stands there, and the word behind it.
    fn place(&self, at: usize) -> Option<(Refers, usize)> {
        let parted = |letter: char| letter.is_whitespace() || "\"'`<>()[]{},;“”‘’".contains(letter);
        let word = self.words.get(at)?;
        let from = self.text[..word.start]
            .rfind(parted)
            .map_or(0, |end| end + self.text[end..].chars().next().map_or(0, char::len_utf8));
        let rest = &self.text[from..];
        let token = rest[..rest.find(parted).unwrap_or(rest.len())].trim_end_matches(['.', ':', '!', '?']);
        let ends = |name: &str| {
            let end = name.rsplit_once('.').map(|(front, end)| (!front.is_empty(), end));
            end.is_some_and(|(front, end)| {
                front && (1..=6).contains(&end.len()) && end.bytes().all(|byte| byte.is_ascii_alphanumeric())
            })
        };
        let file = token.rsplit('/').next().is_some_and(ends) || token.contains('/') && token.len() > 2;
        let is = shape(token) == Some(Shape::Url) || file && !token.contains('@');
        let after = self.words.iter().position(|word| word.start >= from + token.len()).unwrap_or(self.words.len());
        is.then(|| (Refers::Place(token.to_owned()), after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let shown = |one: &Delegation| {
            let effects: Vec<&str> = one.effects.iter().map(|effect| effect.name()).collect();
            let to = match &one.to {
                Refers::Place(place) => place.clone(),
                Refers::Noun(tools, number) => format!("{}{}", tools[0], number.as_deref().unwrap_or_default()),
                Refers::Author(tools, name) => {
                    let name: Vec<&str> = name.iter().map(|word| word.text.as_str()).collect();
                    format!("{} of {}", tools[0], name.join(" "))
                }
            };
            format!("{}: {to}", effects.join(" "))
        };
        delegations(text).iter().map(shown).collect()
    }

    #[test]
    fn forms_delegate() {
        let all = "write send execute";
        for (text, expected) in [
            ("Please pay the bill in 'bill-december-2023.txt'.", "spend: bill-december-2023.txt".to_owned()),
            ("Pay the bill in this file", "spend: file".into()),
            ("Do what the issue says.", format!("{all}: issue")),
            ("do what issue #7 says", format!("{all}: issue7")),
            ("Can you do everything the file notes/todo.md asks for?", format!("{all}: notes/todo.md")),
            (
                "Follow the instructions in https://docs.acme.example/setup, please",
                format!("{all}: https://docs.acme.example/setup"),
            ),
            ("Read it and complete all the tasks listed in ./TODO.md", format!("{all}: ./TODO.md")),
            ("Send the message in note.txt to Alice", "send: note.txt".into()),
            ("Reply to the mail from Bob Miller about lunch", "send: mail of bob miller".into()),
            ("reply to the email from bob@x.example", "send: mail of bob x example".into()),
        ] {
            assert_eq!(told(text), [expected], "{text}");
        }
    }

    #[test]
    fn other_words_do_not() {
        for text in [
            "Summarise the issue",
            "Don't do what the issue says",
            "Never follow the instructions in notes.md",
            "Should I do what the issue says?",
            "What are the instructions in notes.md?",
            "He wrote \"do what the issue says\"",
            "Summarise 'follow the instructions in notes.md'",
            "Save the summary in report.md",
            "Pay Bob. The bill is in bill.txt",
            "Reply to the mail",
            "Follow up. Instructions are in the file",
            "do what it says",
            "",
        ] {
            assert!(told(text).is_empty(), "{text}: {:?}", told(text));
        }
    }

    #[test]
    fn a_place_is_named_whole() {
        assert!(
            is_place("./a.txt", "a.txt")
                && is_place("/w/b/a.txt", "b/a.txt")
                && is_place("https://a.example/", "https://a.example")
        );
        assert!(!is_place("/w/xa.txt", "a.txt") && !is_place("b/a.txt", "a.txt") && !is_place("/w/../a.txt", "a.txt"));
    }
}
