//! Models that a policy routes, and what they say.

use policy::{Host, Inference, Policy, Provider, Route, Rule, Target, ValuePattern, Vendor};
use serde_json::{Value, json};

use super::OUTSIDE;
use super::server::ok;

/// A provider at this host and port, without TLS.
pub fn provided(name: &str, wire: Vendor, host: &str, port: u16) -> Provider {
    let host = Host::parse(host).unwrap();
    Provider { name: name.into(), wire, host, port, tls: false, base: String::new(), credential: None, login: None }
}

pub fn route(models: &str, provider: &str) -> Route {
    let models = vec![ValuePattern::parse(models).unwrap()];
    Route { models, provider: provider.into(), model: None, fallback: Vec::new() }
}

/// A policy by which every model is the one at `model.example` that speaks chat.
pub fn routing(port: u16) -> Policy {
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    let providers = vec![provided("m", Vendor::Openai, "model.example", port)];
    policy.inference = Inference { providers, routes: vec![route("*", "m")], ..Inference::default() };
    policy.network.allow = policy.inference.rules();
    policy.network.allow.push(Rule::to(Target::parse(&format!("{OUTSIDE}:{port}")).unwrap()));
    policy
}

/// What a model says that speaks chat: words, or calls.
pub fn chat(content: Option<&str>, calls: &[Value]) -> Vec<u8> {
    let mut message = json!({"role": "assistant", "content": content});
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    let finish = if calls.is_empty() { "stop" } else { "tool_calls" };
    let choice = json!({"index": 0, "message": message, "finish_reason": finish});
    ok("application/json", json!({"id": "x", "model": "m", "choices": [choice]}).to_string().as_bytes())
}

pub fn call(id: &str, name: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}
