//! What else tells what a call does: what a server of MCP says of its tools, and the method and host of a request. A server's word
//! only ever makes more of an effect than name and schema tell: who lies gains nothing. A policy's `tools` stands above both.

use policy::Effect;
use serde_json::Value;

use super::effect::Effects;
use super::words::parts;

/// What a server of MCP says of a tool in its `annotations`; nothing where it does not say it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints {
    /// It changes nothing.
    pub reads: Option<bool>,
    /// What it changes may be lost.
    pub destroys: Option<bool>,
    /// It reaches others than the server's own.
    pub reaches_out: Option<bool>,
}

impl Hints {
    /// Of a tool as its server describes it.
    #[must_use]
    pub fn of(described: &Value) -> Hints {
        let said = |name: &str| described["annotations"][name].as_bool();
        Hints { reads: said("readOnlyHint"), destroys: said("destructiveHint"), reaches_out: said("openWorldHint") }
    }

    /// What two servers say that have a tool of one name: the more careful of each.
    #[must_use]
    pub fn and(self, other: Hints) -> Hints {
        let all =
            |one: Option<bool>, other: Option<bool>| one.zip(other).map(|(one, other)| one && other).or(one).or(other);
        let any =
            |one: Option<bool>, other: Option<bool>| one.zip(other).map(|(one, other)| one || other).or(one).or(other);
        Hints {
            reads: all(self.reads, other.reads),
            destroys: any(self.destroys, other.destroys),
            reaches_out: any(self.reaches_out, other.reaches_out),
        }
    }

    /// The effects that were concluded, and what the server's word adds to them; where a policy said them, they stay.
    #[must_use]
    pub fn raise(&self, mut concluded: Effects) -> Effects {
        if concluded.by_policy {
            return concluded;
        }
        if self.destroys == Some(true) && self.reads != Some(true) {
            add(&mut concluded, Effect::Delete, "destructiveHint");
        } else if self.reads == Some(false) && is_all(&concluded, Effect::Read) {
            add(&mut concluded, Effect::Write, "readOnlyHint: false");
        }
        if is_all(&concluded, Effect::Write) && self.reaches_out == Some(true) {
            add(&mut concluded, Effect::Send, "openWorldHint");
        }
        concluded
    }
}

fn is_all(concluded: &Effects, effect: Effect) -> bool {
    concluded.effects.iter().all(|own| *own == effect)
}

/// Adds an effect, and whose word it is; what only read does so no more.
fn add(concluded: &mut Effects, effect: Effect, word: &str) {
    concluded.effects.remove(&Effect::Read);
    if concluded.effects.insert(effect) {
        concluded.why = format!("{}, and its server says `{word}`", concluded.why);
    }
}

/// Words of a host that are about money.
const PAYS: &[&str] = &["pay", "payment", "payments", "checkout", "billing", "bank", "wallet"];
/// Words of a host that takes what is meant for others.
const TELLS: &[&str] = &["hooks", "hook", "webhook", "webhooks", "smtp", "mail", "upload", "uploads", "paste"];

/// What a request of HTTP does, by its method and its host; a method that is not known changes something.
#[must_use]
pub fn request(method: &str, host: &str) -> Effects {
    let by_method = match method {
        "GET" | "HEAD" | "OPTIONS" | "TRACE" => Effect::Read,
        "DELETE" => Effect::Delete,
        "POST" => Effect::Send,
        _ => Effect::Write,
    };
    let why =
        format!("its method is `{}`", method.chars().filter(char::is_ascii_alphanumeric).take(16).collect::<String>());
    let named = |known: &[&str]| host.split('.').flat_map(parts).find(|part| known.contains(&part.as_str()));
    let by_host = match by_method {
        Effect::Read => None,
        _ => named(PAYS).map(|word| (Effect::Spend, word)).or_else(|| named(TELLS).map(|word| (Effect::Send, word))),
    };
    match by_host {
        Some((effect, word)) if effect != by_method => Effects {
            effects: [by_method, effect].into(),
            why: format!("{why}, and its host says `{word}`"),
            by_policy: false,
        },
        _ => Effects { effects: [by_method].into(), why, by_policy: false },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::effect::{Tool, effects};
    use super::*;

    fn names(effects: &Effects) -> String {
        effects.effects.iter().map(|effect| effect.name()).collect::<Vec<_>>().join(" ")
    }

    fn raised(name: &str, annotations: Value) -> String {
        let concluded = effects(&Tool { name, description: "", schema: &Value::Null }, &[]);
        names(&Hints::of(&json!({ "annotations": annotations })).raise(concluded))
    }

    #[test]
    fn a_servers_word_only_makes_more_of_an_effect() {
        for (name, annotations, expected) in [
            ("list_rooms", json!({}), "read"),
            ("list_rooms", json!({"readOnlyHint": true}), "read"),
            ("list_rooms", json!({"readOnlyHint": false}), "write"),
            ("list_rooms", json!({"readOnlyHint": false, "destructiveHint": true}), "delete"),
            ("list_rooms", json!({"readOnlyHint": false, "openWorldHint": true}), "write send"),
            ("list_rooms", json!({"openWorldHint": true}), "read"),
            ("drop_room", json!({"readOnlyHint": true, "destructiveHint": false}), "delete"),
            ("send_note", json!({"readOnlyHint": true, "openWorldHint": false}), "send"),
            ("set_light", json!({"destructiveHint": true}), "write delete"),
            ("set_light", json!({"readOnlyHint": "no", "destructiveHint": 1}), "write"),
        ] {
            assert_eq!(raised(name, annotations.clone()), expected, "{name} {annotations}");
        }
    }

    #[test]
    fn of_two_servers_the_more_careful_counts() {
        let one = Hints { reads: Some(true), destroys: None, reaches_out: Some(false) };
        let other = Hints { reads: Some(false), destroys: Some(false), reaches_out: Some(true) };
        let both = Hints { reads: Some(false), destroys: Some(false), reaches_out: Some(true) };
        assert_eq!((one.and(other), other.and(one)), (both, both));
        assert_eq!(one.and(Hints::default()), one);
    }

    #[test]
    fn a_request_does_what_its_method_says_and_its_host_adds() {
        for (method, host, expected) in [
            ("GET", "pay.example", "read"),
            ("HEAD", "a.example", "read"),
            ("POST", "api.example", "send"),
            ("PUT", "api.example", "write"),
            ("PUT", "hooks.chat.example", "write send"),
            ("POST", "checkout.shop.example", "send spend"),
            ("DELETE", "api.example", "delete"),
            ("get", "a.example", "write"),
            ("BREW", "repay.example", "write"),
        ] {
            assert_eq!(names(&request(method, host)), expected, "{method} {host}");
        }
    }
}
