//! A tool as the record tells of it: what is needed to conclude again what it does, and a hash of all that is told.

use serde_json::{Map, Value, json};

use super::{Tool, canonical};
use crate::event::{Argument, Kind};
use crate::segment::hex;

/// What a server may hint at. Another word would be a text of its own.
const HINTS: [&str; 4] = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"];

/// Arguments that are told. A call of more is judged as one of unknown arguments.
const MOST: usize = 128;

/// One that a request to a model declares.
#[must_use]
pub fn told(tool: &Tool) -> Kind {
    let all = json!([tool.name, tool.kind, tool.description, tool.schema]);
    Kind::Tool {
        name: tool.name.clone(),
        server: None,
        form: tool.kind.clone(),
        description: tool.description.clone(),
        arguments: arguments(&tool.schema),
        hints: Vec::new(),
        digest: hex(&canonical::digest(&all)),
    }
}

/// One that a server of MCP offers, as its list of tools says it.
#[must_use]
pub fn told_by(server: &str, name: &str, value: &Value) -> Kind {
    let said = &value["annotations"];
    let hints = HINTS.iter().filter_map(|hint| Some(format!("{hint}: {}", said[*hint].as_bool()?)));
    Kind::Tool {
        name: name.to_owned(),
        server: Some(server.to_owned()),
        form: "mcp".into(),
        description: value["description"].as_str().unwrap_or_default().to_owned(),
        arguments: arguments(&value["inputSchema"]),
        hints: hints.collect(),
        digest: hex(&canonical::digest(value)),
    }
}

/// The schema of one argument, out of what is told of it: of no use but to conclude what it is.
#[must_use]
pub fn schema(arguments: &[Argument]) -> Value {
    let says = |of: &Argument| (of.name.clone(), serde_json::from_str(&of.says).unwrap_or(Value::Null));
    json!({"properties": arguments.iter().map(says).collect::<Map<_, _>>()})
}

fn arguments(schema: &Value) -> Vec<Argument> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.take(MOST).map(|(name, of)| Argument { name: name.clone(), says: says(of) }).collect()
}

/// Of what a schema says of one: its kind, its form, and whether there are few values, without those.
fn says(of: &Value) -> String {
    let mut said = Map::new();
    for word in ["type", "format"] {
        if let Some(is) = of[word].as_str() {
            said.insert(word.into(), is.into());
        }
    }
    if of["enum"].is_array() {
        said.insert("enum".into(), Value::Array(Vec::new()));
    }
    Value::Object(said).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_enough_to_conclude_what_an_argument_is() {
        let value = json!({"description": "Books.", "annotations": {"readOnlyHint": false, "a poem": true, "title": "x"}, "inputSchema":
            {"properties": {"to": {"type": "string", "format": "email", "description": "a poem"}, "how": {"enum": ["a", "b"]}}}});
        let Kind::Tool { arguments, hints, server, description, digest, .. } = told_by("a:1/mcp", "book", &value)
        else {
            panic!("a tool")
        };
        assert_eq!((server.as_deref(), description.as_str(), digest.len()), (Some("a:1/mcp"), "Books.", 64));
        assert_eq!(hints, ["readOnlyHint: false"]);
        let schema = schema(&arguments);
        assert_eq!(schema["properties"]["to"], json!({"type": "string", "format": "email"}));
        assert!(schema["properties"]["how"]["enum"].is_array() && !schema.to_string().contains("poem"));
    }

    #[test]
    fn another_description_is_another_tool_and_another_order_is_not() {
        let digest = |description: &str, schema: &str| {
            let schema = serde_json::from_str(schema).expect("JSON");
            let tool = Tool { name: "x".into(), description: description.into(), kind: "function".into(), schema };
            let Kind::Tool { digest, .. } = told(&tool) else { panic!("a tool") };
            digest
        };
        let first = digest("one", r#"{"a": 1, "b": 2}"#);
        assert_eq!(first, digest("one", r#"{"b": 2, "a": 1}"#));
        assert!(first != digest("two", r#"{"a": 1, "b": 2}"#) && first != digest("one", r#"{"a": 1, "b": 3}"#));
    }
}
