//! A call taken apart: what it does, and each value that it names.

use std::collections::BTreeSet;

use policy::Effect;
use serde_json::Value;

use super::words::parts;

/// Most arguments of a call, each member of a list by itself.
pub(super) const MOST_ARGUMENTS: usize = 128;

/// A call as far as its arguments are judged.
pub(super) struct Call<'c> {
    pub(super) tool: &'c str,
    pub(super) effects: &'c BTreeSet<Effect>,
    /// Somebody hears of it.
    pub(super) told: bool,
    /// How much, each time that it says so.
    pub(super) amounts: Vec<String>,
    /// It gives what is secret by its name: a password, a card.
    pub(super) secret: bool,
    /// It says something of what the operator speaks of.
    pub(super) concerns: bool,
}

impl Call<'_> {
    pub(super) fn acts(&self) -> bool {
        changes(self.effects)
    }

    /// Whether it fills in a form, or presses what stands in one.
    pub(super) fn fills(&self) -> bool {
        let verbs = ["input", "fill", "submit", "type", "click", "press", "select"];
        self.only(&[Effect::Send, Effect::Write])
            && parts(self.tool).first().is_some_and(|part| verbs.contains(&part.as_str()))
    }

    /// Whether it takes something from an address, and changes nothing there.
    pub(super) fn fetches(&self) -> bool {
        let verbs = ["download", "clone", "pull"];
        self.only(&[Effect::Write]) && parts(self.tool).iter().any(|part| verbs.contains(&part.as_str()))
    }

    /// Whether it does nothing beside these.
    pub(super) fn only(&self, effects: &[Effect]) -> bool {
        self.effects.iter().all(|effect| *effect == Effect::Read || effects.contains(effect))
    }

    /// Whether it writes a file, and tells nobody.
    pub(super) fn stays_here(&self) -> bool {
        self.only(&[Effect::Write])
            && !self.told
            && parts(self.tool).iter().any(|part| matches!(part.as_str(), "file" | "write" | "edit" | "patch"))
    }
}

/// Whether something is a secret by its name.
pub(super) fn is_secret(name: &str) -> bool {
    const SECRET: &[&str] = &[
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "pass",
        "pin",
        "secret",
        "token",
        "key",
        "card",
        "cvv",
        "cvc",
        "otp",
        "ssn",
        "credential",
        "iban",
        "account",
    ];
    parts(name).iter().any(|part| SECRET.contains(&part.trim_end_matches('s')) || SECRET.contains(&part.as_str()))
}

pub(super) fn changes(effects: &BTreeSet<Effect>) -> bool {
    effects.iter().any(|effect| *effect != Effect::Read)
}

/// Every value of a call, with the name of its argument; within an argument the nearest name counts.
pub(super) fn gather(name: &str, value: &Value, leaves: &mut Vec<(String, String)>) {
    if leaves.len() > MOST_ARGUMENTS {
        return;
    }
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::String(text) => leaves.push((name.to_owned(), text.clone())),
        Value::Number(number) => leaves.push((name.to_owned(), number.to_string())),
        Value::Array(items) => items.iter().for_each(|item| gather(name, item, leaves)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| gather(name, field, leaves)),
    }
}

/// What an effect is, behind "to".
pub(super) fn verb(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Write => "make or change anything",
        Effect::Send => "send anything",
        Effect::Spend => "spend or bind money",
        Effect::Delete => "delete anything",
        Effect::Execute => "run anything",
        Effect::Publish => "publish anything",
        Effect::Spawn => "begin another agent",
    }
}
