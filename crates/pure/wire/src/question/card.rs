//! A question as the operator is shown it: who, does what, with which credential, what led to it, what speaks for care, what
//! may be answered, and last what the agent says to it.

use policy::{Endorsement, Rule};
use serde::{Deserialize, Serialize};

use super::queue::Question;
use super::{Calling, Endorses, Offer, Risk, Say, Wanted};

/// One question, shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// What it is called. It changes with all that is asked, and with the policy: an answer names it.
    pub id: String,
    /// The session.
    pub session: String,
    /// The name that the operator gave that.
    pub name: Option<String>,
    /// The session that it is a sub-agent of, or a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// What the session was begun with.
    pub task: Vec<String>,
    /// The policy's revision that it was asked under.
    pub revision: u32,
    /// The program and its ancestors, nearest first; empty when unknown.
    pub program: Vec<String>,
    /// The process, as numbered inside.
    pub pid: Option<u32>,
    /// The destination, in its one spelling.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The request, where it is one.
    pub does: Option<String>,
    /// The secret that would go with it.
    pub credential: Option<String>,
    /// Events that led to it, as `bastide why` takes them.
    pub causes: Vec<String>,
    /// How much care it wants.
    pub risk: Risk,
    /// Why.
    pub reasons: Vec<String>,
    /// What may be answered.
    pub choices: Vec<Choice>,
    /// How many wait as it.
    pub waiting: usize,
    /// The number of the one that began to wait last; none where none waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<u64>,
    /// How often it was asked.
    pub times: u32,
    /// Seconds since it was asked first.
    pub age: u64,
    /// Seconds until it counts as denied.
    pub left: u64,
    /// The call of a tool, where it is one, with what speaks against it: values and words of others, never more than data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Box<Calling>>,
    /// What the agent says to it: data, never more.
    pub words: String,
}

/// One answer, and what it would mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The answer.
    pub answer: Say,
    /// The rule that would hold, or what would be endorsed; none where nothing would.
    pub rule: Option<String>,
    /// How many questions that wait it would answer, itself among them; 0 where that is not known.
    #[serde(default)]
    pub covers: usize,
}

impl Card {
    /// The card of a question in its session.
    #[must_use]
    pub fn of(question: &Question, offer: &Offer, revision: u32, now: u64) -> Card {
        let wanted = &question.wanted;
        Card {
            id: question.id.clone(),
            session: String::new(),
            name: None,
            parent: None,
            task: Vec::new(),
            revision,
            program: wanted.program.clone(),
            pid: wanted.pid,
            host: wanted.host.to_string(),
            port: wanted.port,
            does: wanted.does(),
            credential: offer.credential.clone(),
            causes: wanted.causes.clone(),
            risk: offer.risk,
            reasons: offer.reasons.clone(),
            choices: choices(wanted, offer),
            waiting: question.waiting(),
            newest: question.newest(),
            times: question.times,
            age: now.saturating_sub(question.since) / 1000,
            left: question.until.saturating_sub(now) / 1000,
            call: wanted.call.clone(),
            words: wanted.words.clone(),
        }
    }

    /// The part of the id that is shown and typed.
    #[must_use]
    pub fn short(&self) -> &str {
        super::queue::short(&self.id)
    }

    /// The question as it is shown here, for an answer: what begins to wait later is not meant. `3fa9….17`
    #[must_use]
    pub fn reference(&self) -> String {
        refer(&self.id, self.newest)
    }

    /// The part of that which is shown and typed.
    #[must_use]
    pub fn short_reference(&self) -> String {
        refer(self.short(), self.newest)
    }

    /// Whether it is meant by a reference, or a beginning of its id.
    #[must_use]
    pub fn is(&self, reference: &str) -> bool {
        referred(reference).is_some_and(|(id, _)| self.id.starts_with(id))
    }

    /// Whether it may be answered so; a time does not matter to that.
    #[must_use]
    pub fn offers(&self, say: Say) -> bool {
        let same = |choice: &Choice| match (choice.answer, say) {
            (Say::Session { wide, .. }, Say::Session { wide: other, .. }) => wide == other,
            (one, other) => one == other,
        };
        self.choices.iter().any(same)
    }
}

fn refer(id: &str, newest: Option<u64>) -> String {
    newest.map_or_else(|| id.to_owned(), |newest| format!("{id}.{newest}"))
}

/// The id, or its beginning, and the number of a reference; nothing where it is none.
#[must_use]
pub fn referred(reference: &str) -> Option<(&str, Option<u64>)> {
    let Some((id, newest)) = reference.split_once('.') else { return Some((reference, None)) };
    let plain = !newest.is_empty() && newest.bytes().all(|byte| byte.is_ascii_digit());
    Some((id, Some(newest.parse().ok().filter(|_| plain)?)))
}

fn choices(wanted: &Wanted, offer: &Offer) -> Vec<Choice> {
    let rule = &wanted.rule;
    let choice = |answer, rule: Option<&Rule>| Choice { answer, rule: rule.map(ToString::to_string), covers: 0 };
    let session = |wide| Say::Session { seconds: None, wide };
    if let Some(endorses) = &offer.endorses {
        return endorsing(endorses);
    }
    let mut choices = vec![choice(Say::Once, Some(rule))];
    if offer.session {
        choices.push(choice(session(false), Some(rule)));
    }
    if let Some(wide) = &offer.wide {
        choices.push(choice(session(true), Some(wide)));
    }
    if offer.always {
        choices.push(choice(Say::Always, Some(rule)));
    }
    choices.push(choice(Say::Deny, None));
    choices
}

fn endorsing(endorses: &Endorses) -> Vec<Choice> {
    let choice = |answer, all: &[Endorsement]| {
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        Choice { answer, rule: (!all.is_empty()).then(|| all.join(", ")), covers: 0 }
    };
    let session = |wide| Say::Session { seconds: None, wide };
    let mut choices = vec![choice(Say::Once, &[])];
    if !endorses.values.is_empty() {
        choices.push(choice(session(false), &endorses.values));
    }
    choices.extend(endorses.source.as_ref().map(|source| choice(session(true), std::slice::from_ref(source))));
    choices.extend(endorses.standing.as_ref().map(|one| choice(Say::Always, std::slice::from_ref(one))));
    choices.push(choice(Say::Deny, &[]));
    choices
}
