//! What a server says: what its answers offer and want, by their shape. What was asked for does not count, since a program
//! may take any answer for the one that it waits for.

use serde_json::{Map, Value};

use super::rpc::{MAX_NAME, MAX_URI, Odd, name, unlike};
use super::{Grant, Message, folded};

/// The error by which a server wants its user sent somewhere.
const ELICITS: i64 = -32042;

/// Where an answer says what it wants of the program.
const WANTS: &str = "inputRequests";

/// What a server may tell. All else is left out.
const NOTIFICATIONS: &[&str] = &[
    "notifications/message",
    "notifications/progress",
    "notifications/cancelled",
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/subscriptions/acknowledged",
    "notifications/tasks/status",
    "notifications/elicitation/complete",
];

/// What a server asks for by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Whether the program is there.
    Ping,
    /// What it gets only where that is granted.
    Grant(Grant),
    /// Nothing that is known.
    Unknown,
}

impl Asks {
    /// What a method asks for.
    #[must_use]
    pub fn by(method: &str) -> Asks {
        let granted = Grant::ALL.into_iter().filter(|grant| *grant != Grant::Changes);
        match granted.into_iter().find(|grant| grant.method() == method) {
            Some(grant) => Asks::Grant(grant),
            None if method == "ping" => Asks::Ping,
            None => Asks::Unknown,
        }
    }

    /// Whether a server may tell this.
    #[must_use]
    pub fn is_told(method: &str) -> bool {
        NOTIFICATIONS.contains(&method)
    }
}

/// The kind of what a server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // The protocol's own words.
pub enum Kind {
    Tool,
    Prompt,
    Resource,
    /// How its tools are to be used: many programs tell it to their model first of all.
    Instructions,
}

impl Kind {
    /// In one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Tool => "tool",
            Kind::Prompt => "prompt",
            Kind::Resource => "resource",
            Kind::Instructions => "instructions",
        }
    }

    /// Whether a model is told of it as it is described.
    #[must_use]
    pub const fn is_described(self) -> bool {
        !matches!(self, Kind::Resource)
    }
}

/// One thing that a server offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer<'v> {
    /// What it is.
    pub kind: Kind,
    /// Its name; empty for instructions.
    pub name: &'v str,
    /// All that is said of it.
    pub value: &'v Value,
}

impl Offer<'_> {
    /// The use of it, whatever with; none where nothing of it is used.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        let name = self.name.to_owned();
        match self.kind {
            Kind::Tool => Some(Message::Tool { name, arguments: None }),
            Kind::Prompt => Some(Message::Prompt { method: "prompts/get", name }),
            Kind::Resource => Some(Message::Resource { method: "resources/read", uri: name }),
            Kind::Instructions => None,
        }
    }

    /// What a model is told of it first.
    #[must_use]
    pub fn description(&self) -> &str {
        self.value.as_str().or_else(|| self.value.get("description")?.as_str()).unwrap_or_default()
    }
}

/// The lists in which a server offers something, and how what they hold is named.
pub const LISTS: [(&str, Kind, &str); 3] =
    [("tools", Kind::Tool, "name"), ("prompts", Kind::Prompt, "name"), ("resources", Kind::Resource, "uri")];

/// What an answer offers.
///
/// # Errors
/// [`Odd`] where that cannot be told: a program might still read it.
pub fn offers(result: &Map<String, Value>) -> Result<Vec<Offer<'_>>, Odd> {
    unlike(result, &["tools", "prompts", "resources", "instructions", WANTS, "resultType"])?;
    let mut found: Vec<Offer<'_>> = Vec::new();
    for (list, kind, key) in LISTS {
        let most = if key == "uri" { MAX_URI } else { MAX_NAME };
        let Some(items) = result.get(list) else { continue };
        let mut names = std::collections::HashSet::new();
        for value in items.as_array().ok_or(Odd::Offers)? {
            let item = value.as_object().ok_or(Odd::Offers)?;
            unlike(item, &["name", "uri", "description", "inputSchema", "title"])?;
            let name = name(Some(item), key, most).map_err(|_| Odd::Offers)?;
            if !names.insert(name) {
                return Err(Odd::Offers);
            }
            found.push(Offer { kind, name, value });
        }
    }
    if let Some(value) = result.get("instructions") {
        if !value.is_string() {
            return Err(Odd::Offers);
        }
        found.push(Offer { kind: Kind::Instructions, name: "", value });
    }
    Ok(found)
}

/// What an answer or a notification wants before it goes on, by the names under which that is to be given, wherever it says so.
///
/// # Errors
/// [`Odd::Wants`] where that cannot be told.
pub fn asks_in(said: &Map<String, Value>) -> Result<Vec<(&str, Asks)>, Odd> {
    let mut found = Vec::new();
    said.iter().try_for_each(|(name, value)| gather(name, value, &mut found))?;
    Ok(found)
}

fn gather<'v>(name: &str, value: &'v Value, found: &mut Vec<(&'v str, Asks)>) -> Result<(), Odd> {
    // What a tool gives back, and the shape of what it takes, is no message.
    const GIVEN: [&str; 8] =
        ["content", "contents", "messages", "structuredContent", "tools", "prompts", "resources", "resourceTemplates"];
    match value {
        Value::Object(wanted) if folded(name) == folded(WANTS) => {
            for (key, request) in wanted {
                let request = request.as_object().ok_or(Odd::Wants)?;
                unlike(request, &["method"])?;
                let method = request.get("method").and_then(Value::as_str).ok_or(Odd::Wants)?;
                found.push((key, Asks::by(method)));
            }
            Ok(())
        }
        Value::Null => Ok(()),
        _ if folded(name) == folded(WANTS) => Err(Odd::Wants),
        _ if GIVEN.contains(&name) => Ok(()),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| gather(name, value, found)),
        Value::Array(items) => items.iter().try_for_each(|item| gather("", item, found)),
        _ => Ok(()),
    }
}

/// Whether an error wants the program's user asked.
#[must_use]
pub fn elicits(error: &Map<String, Value>) -> bool {
    error.get("code").and_then(Value::as_i64) == Some(ELICITS)
}

/// What an answer says, as a model reads it: its texts; all of it, where it has none.
#[must_use]
pub fn words(result: &Map<String, Value>) -> String {
    let mut texts = Vec::new();
    for list in ["content", "contents", "messages"] {
        for item in result.get(list).and_then(Value::as_array).into_iter().flatten() {
            let content = item.get("content").unwrap_or(item);
            texts.extend(content.get("text").and_then(Value::as_str));
        }
    }
    if texts.is_empty() { Value::Object(result.clone()).to_string() } else { texts.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: &Value) -> &Map<String, Value> {
        value.as_object().expect("an object")
    }

    #[test]
    fn an_offer_is_known_by_its_shape() {
        let answer = json!({"tools": [{"name": "a", "description": "x"}], "instructions": "do", "nextCursor": "1"});
        let found = offers(object(&answer)).expect("offers");
        let told: Vec<_> = found.iter().map(|one| (one.kind, one.name, one.description())).collect();
        assert_eq!(told, [(Kind::Tool, "a", "x"), (Kind::Instructions, "", "do")]);
        assert_eq!(found[0].message(), Some(Message::Tool { name: "a".into(), arguments: None }));
        for (bad, odd) in [
            (json!({"tools": {"name": "a"}}), Odd::Offers),
            (json!({"tools": null}), Odd::Offers),
            (json!({"tools": [{"name": "a"}, {"name": "a"}]}), Odd::Offers),
            (json!({"tools": [{"title": "a"}]}), Odd::Offers),
            (json!({"tools": [{"name": "a", "Description": "x"}]}), Odd::Alike),
            (json!({"Tools": [{"name": "a"}]}), Odd::Alike),
            (json!({"instructions": ["x"]}), Odd::Offers),
            (json!({"resources": [{"name": "a"}]}), Odd::Offers),
        ] {
            assert_eq!(offers(object(&bad)), Err(odd), "{bad}");
        }
        assert_eq!(offers(object(&json!({"content": [{"type": "text", "text": "tools"}]}))), Ok(Vec::new()));
    }

    #[test]
    fn what_a_server_wants_is_known() {
        let answer = json!({"resultType": "input_required", "inputRequests": {"a": {"method": "elicitation/create"},
            "b": {"method": "sampling/createMessage"}, "c": {"method": "tools/call"}}});
        let wanted = asks_in(object(&answer)).expect("wants");
        let expected =
            [("a", Asks::Grant(Grant::Elicitation)), ("b", Asks::Grant(Grant::Sampling)), ("c", Asks::Unknown)];
        assert_eq!(wanted, expected);
        let task = json!({"task": {"status": "input_required", "inputRequests": {"a": {"method": "roots/list"}}}, "content": {"inputRequests": 1}});
        assert_eq!(asks_in(object(&task)), Ok(vec![("a", Asks::Grant(Grant::Roots))]));
        assert_eq!(asks_in(object(&json!({"inputRequests": null}))), Ok(Vec::new()));
        for bad in [
            json!({"inputRequests": []}),
            json!({"tasks": [{"INPUTREQUESTS": 1}]}),
            json!({"inputRequests": {"a": {"params": {}}}}),
        ] {
            assert_eq!(asks_in(object(&bad)), Err(Odd::Wants), "{bad}");
        }
        assert!(elicits(object(&json!({"code": ELICITS}))) && !elicits(object(&json!({"code": -32601}))));
        assert_eq!(Asks::by("changes"), Asks::Unknown);
    }

    #[test]
    fn an_answer_says_its_texts() {
        let texts =
            json!({"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]});
        let prompt = json!({"messages": [{"role": "user", "content": {"type": "text", "text": "c"}}]});
        assert_eq!((words(object(&texts)), words(object(&prompt))), ("a\nb".into(), "c".into()));
        assert_eq!(words(object(&json!({"structuredContent": {"n": 1}}))), "{\"structuredContent\":{\"n\":1}}");
    }
}
