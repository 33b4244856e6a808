//! What else tells what a call does: what a server of MCP says of its tools. A server's word only ever makes more of an effect than
//! name and schema tell: who lies gains nothing. A policy's `tools` stands above it.

use policy::Effect;
use serde_json::Value;

use super::effect::Effects;

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
}
