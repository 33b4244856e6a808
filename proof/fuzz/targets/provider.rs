//! Bodies for model providers: what passes names nothing that a provider does for an agent, in any place that a
//! provider reads; what a grant opens, no grant closes; a refusal is one short visible line.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use policy::provider::{Edit, Endpoint, Grants, Held, Hosted, Verdict, Wire, endpoint, header, judge};
use serde_json::{Map, Value};

/// Each wire's request that a model answers, and others with a body of their own.
const PATHS: [&str; 9] = [
    "/v1/messages",
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1beta/models/m:generateContent",
    "/v1beta/models/m:countTokens",
    "/api/chat",
    "/api/generate",
    "/api/embed",
];

/// Names of types and fields that no body has which passes without a grant, outside of what only the model reads.
const ACTS: [&str; 19] = [
    "web_search_20250305",
    "web_search_preview",
    "web_fetch_20250910",
    "code_execution_20250825",
    "code_interpreter",
    "container_auto",
    "mcp_toolset",
    "mcp_servers",
    "image_generation",
    "web_search_options",
    "googleSearch",
    "google_search",
    "urlContext",
    "url_context",
    "codeExecution",
    "code_execution",
    "fileData",
    "file_data_uri",
    "cachedContent",
];

struct Nothing;

impl Held for Nothing {
    fn response(&self, _: &str) -> bool {
        false
    }

    fn encrypted(&self, _: &str) -> bool {
        false
    }
}

/// Places whose content is the agent's own words: names there mean nothing to a provider.
fn is_content(name: &str) -> bool {
    const CONTENT: [&str; 34] = [
        "input",
        "args",
        "arguments",
        "input_schema",
        "parameters",
        "metadata",
        "client_metadata",
        "schema",
        "format",
        "response",
        "labels",
        "logit_bias",
        "options",
        "input_examples",
        "output_schema",
        "operation",
        "action",
        "actions",
        "annotations",
        "logprobs",
        "safetySettings",
        "safety_settings",
        "imageConfig",
        "image_config",
        "stream_options",
        "chat_template_kwargs",
        "prompt_cache_options",
        "partMetadata",
        "part_metadata",
        "videoMetadata",
        "mediaResolution",
        "skills",
        "clear_at",
        "text",
    ];
    CONTENT.contains(&name)
}

/// Whether something is switched on by a name that stands where a provider reads it.
fn acts(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(acts),
        Value::Object(object) => object.iter().any(|(name, value)| {
            let on = !matches!(value, Value::Null | Value::Bool(false)) && *value != Value::Array(Vec::new());
            let typed = name == "type" && value.as_str().is_some_and(|kind| ACTS.contains(&kind));
            typed || on && ACTS.contains(&name.as_str()) || tools(name, value)
        }),
        _ => false,
    }
}

/// Tools are looked through wherever they stand, and messages and parts; the rest is content.
fn tools(name: &str, value: &Value) -> bool {
    const READ: [&str; 8] = ["tools", "messages", "content", "contents", "parts", "source", "system", "tool"];
    !is_content(name) && READ.contains(&name) && acts(value)
}

fn check(endpoint: &'static Endpoint, body: &Value) {
    let none = Grants::default();
    let all = Grants { hosted: Hosted::ALL.into(), fields: BTreeSet::new() };
    match judge(endpoint, body, &none, &Nothing) {
        Ok(edits) => {
            assert!(!acts(body), "{} {body}", endpoint.path);
            for hosted in Hosted::ALL {
                let grants = Grants { hosted: BTreeSet::from([hosted]), fields: BTreeSet::new() };
                assert!(judge(endpoint, body, &grants, &Nothing).is_ok(), "{hosted} closes {body}");
            }
            assert!(judge(endpoint, body, &all, &Nothing).is_ok());
            edited(endpoint, body, &edits);
        }
        Err(refused) => {
            let line = refused.to_string();
            assert!(line.len() < 8192 && !line.chars().any(char::is_control), "{line}");
        }
    }
}

/// What was edited passes, and needs no other edit.
fn edited(endpoint: &'static Endpoint, body: &Value, edits: &[Edit]) {
    let mut object: Map<String, Value> = body.as_object().expect("passed").clone();
    for Edit::Set { pointer, value } in edits {
        object.insert(pointer[1..].to_owned(), value.clone());
    }
    assert_eq!(judge(endpoint, &Value::Object(object), &Grants::default(), &Nothing), Ok(Vec::new()));
}

/// A value that was made of several has no other than they had.
fn headers(text: &str) {
    for wire in Wire::ALL {
        if let Verdict::Set(value) = header(wire, "anthropic-beta", text, &Grants::default()) {
            assert!(value.split(',').all(|beta| text.contains(beta)));
            assert_eq!(header(wire, "anthropic-beta", &value, &Grants::default()), Verdict::Keep);
        }
    }
    if let Ok(found) = endpoint("POST", text) {
        assert!(!found.path.contains("{model}") || !text.contains("..") && !text.contains('%'), "{text}");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    if let Ok(text) = std::str::from_utf8(rest) {
        headers(text);
    }
    let Ok(body) = serde_json::from_slice::<Value>(rest) else { return };
    check(endpoint("POST", PATHS[usize::from(*first) % PATHS.len()]).expect("on the list"), &body);
});
