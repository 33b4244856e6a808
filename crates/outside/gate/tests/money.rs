//! What models cost: counted by the policy's prices, and bounded by its budget.

use crate::fake::server::{Server, ok, request, say};
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, lease};
use policy::{
    Conjunction, Fallback, Host, Inference, Policy, Price, Pricing, Provider, Route, Rule, Target, ValuePattern, Vendor,
};
use serde_json::{Value, json};

/// 1000 tokens are asked, 10 answered, by who says so.
fn provider(head: &str, body: &[u8]) -> Vec<u8> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    if head.contains("/embeddings") {
        let vector = json!({"object": "list", "model": body["model"], "data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 30, "total_tokens": 30}});
        return ok("application/json", vector.to_string().as_bytes());
    }
    let message = json!({"role": "assistant", "content": "yes"});
    let mut answer = json!({"id": "x", "model": body["model"], "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
    match body["model"].as_str().unwrap_or_default() {
        "busy" => {
            let head = "HTTP/1.1 529 Overloaded\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
            return head.as_bytes().to_vec();
        }
        "silent" => {}
        _ => {
            let details = json!({"cached_tokens": 400});
            answer["usage"] = json!({"prompt_tokens": 1000, "completion_tokens": 10, "prompt_tokens_details": details});
        }
    }
    ok("application/json", answer.to_string().as_bytes())
}

struct Scene {
    cell: Cell,
    provider: Server,
    _gate: Gate,
}

/// A million tokens cost so much: a thousand and ten of these, 400 out of a cache, come to 0.612 of the thousand-fold.
fn pricing(models: &str, provider: Option<&str>, input: u64, currency: &str) -> Pricing {
    Pricing {
        models: vec![ValuePattern::parse(models).unwrap()],
        provider: provider.map(str::to_owned),
        currency: currency.parse().unwrap(),
        price: Price { input, output: input, cached: input / 200, written: 2 * input },
    }
}

fn scene(money: Option<&str>, prices: Vec<Pricing>, more: impl FnOnce(&mut Policy, &mut wire::Lease)) -> Scene {
    let (cell, provider) = (Cell::new(), Server::plain(provider));
    let provided = |name: &str| Provider {
        name: name.into(),
        wire: Vendor::Openai,
        host: Host::parse(&format!("{name}.example")).unwrap(),
        port: provider.port,
        tls: false,
        base: String::new(),
        credential: None,
        login: None,
    };
    let route = |models: &str, model: Option<&str>, fallback: &[&str]| Route {
        models: vec![ValuePattern::parse(models).unwrap()],
        provider: "one".into(),
        model: model.map(str::to_owned),
        fallback: fallback
            .iter()
            .map(|model| Fallback { provider: "two".into(), model: Some((*model).into()) })
            .collect(),
    };
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    policy.inference = Inference {
        providers: vec![provided("one"), provided("two")],
        routes: vec![route("claude-*", Some("small"), &[]), route("busy", None, &["small"]), route("*", None, &[])],
        money: money.map(|money| money.parse().unwrap()),
        prices,
        ..Inference::default()
    };
    policy.network.allow = policy.inference.rules();
    policy.network.allow.push(Rule::to(Target::parse(&format!("{OUTSIDE}:{}", provider.port)).unwrap()));
    let mut leased = lease(&[]);
    more(&mut policy, &mut leased);
    let mut all: Vec<Policy> = leased.policy.policies().filter(|policy| policy.name == "ceiling").cloned().collect();
    all.push(policy);
    leased.policy = Conjunction::new(all);
    leased.hosts = ["one", "two"].map(|name| (format!("{name}.example"), OUTSIDE.into())).to_vec();
    let gate = cell.start(&leased, ORDINARY).ready();
    Scene { cell, provider, _gate: gate }
}

impl Scene {
    fn say(&self, path: &str, body: &Value) -> String {
        let said = request("POST", "inference.bastide", 80, path, "", &body.to_string());
        let said = String::from_utf8(said).unwrap().replace("inference.bastide:80", "inference.bastide");
        say(&self.cell, None, "inference.bastide", 80, said.as_bytes()).unwrap()
    }

    /// Asks for an answer of 10 tokens.
    fn ask(&self, model: &str) -> String {
        let said = json!([{"role": "user", "content": "hi"}]);
        self.say("/v1/chat/completions", &json!({"model": model, "max_tokens": 10, "messages": said}))
    }

    fn costs(&self) -> Vec<(u64, bool)> {
        let record = self.cell.record();
        let events = record.lines().filter_map(|line| serde_json::from_str::<Value>(line.split_once(' ')?.1).ok());
        let costs = events.filter(|event| event["cost"].is_object());
        costs.map(|event| (event["cost"]["micros"].as_u64().unwrap(), event["cost"]["estimated"] == true)).collect()
    }
}

const USD: &str = "USD";
/// What one answer costs, where a token costs a thousandth.
const ONCE: u64 = 612_000;

#[test]
fn what_answers_cost_is_recorded_and_ends_with_the_budget() {
    let scene = scene(Some("1.8 USD"), vec![pricing("*", None, 1_000_000_000, USD)], |_, _| {});
    assert!(scene.ask("gpt").contains("200 OK"));
    // It is likely to cost 1024 tokens for what stands around it, a few for itself, and ten for its answer.
    let back = scene.ask("gpt");
    assert!(back.starts_with("HTTP/1.1 200"), "{back}");
    let back = scene.ask("gpt");
    assert!(
        back.starts_with("HTTP/1.1 429") && back.contains("0.576 USD of the session's budget of 1.8 USD are left"),
        "{back}"
    );
    assert!(back.contains("this may cost 1.0") && back.contains("bastide why g"), "{back}");
    assert_eq!(scene.provider.got().len(), 2);
    assert_eq!(scene.costs(), [(ONCE, false); 2]);
    assert!(scene.cell.record().contains("\"cost\":{\"micros\":612000,\"currency\":\"USD\"}"));
}

#[test]
fn a_model_without_a_price_is_not_asked_and_one_that_is_free_is() {
    let prices = || vec![pricing("gpt-*", None, 1_000_000, USD), pricing("free", None, 0, USD)];
    let scene = scene(Some("5 USD"), prices(), |_, _| {});
    let back = scene.ask("other");
    assert!(back.starts_with("HTTP/1.1 403") && back.contains("the model `other` has no price"), "{back}");
    assert!(back.contains("inference.prices") && scene.provider.got().is_empty(), "{back}");
    assert!(scene.ask("free").contains("200 OK") && scene.ask("gpt-5").contains("200 OK"));
    assert_eq!(scene.costs(), [(0, false), (612, false)]);
}

#[test]
fn a_long_answer_that_cannot_be_paid_is_not_asked_for() {
    let scene = scene(Some("5 USD"), vec![pricing("*", None, 1_000_000_000, USD)], |_, _| {});
    let said = json!([{"role": "user", "content": "hi"}]);
    for (name, tokens, n) in [("max_tokens", 5000, 1), ("max_completion_tokens", 5000, 1), ("max_tokens", 1000, 5)] {
        let back = scene.say("/v1/chat/completions", &json!({"model": "gpt", name: tokens, "n": n, "messages": said}));
        assert!(back.starts_with("HTTP/1.1 429") && back.contains("hint: say less"), "{name} {n}: {back}");
    }
    assert!(scene.provider.got().is_empty() && scene.costs().is_empty());
}

#[test]
fn what_a_provider_does_not_say_costs_as_much_as_it_can() {
    let scene = scene(Some("6 USD"), vec![pricing("*", None, 1_000_000_000, USD)], |_, _| {});
    assert!(scene.ask("silent").contains("200 OK"));
    let (_, body) = scene.provider.got().pop().unwrap();
    // Each byte a token of the dearest kind, and the ten that were asked for.
    assert_eq!(scene.costs(), [((2 * (body.len() as u64 + 1024) + 10) * 1000, true)]);
    assert!(scene.ask("silent").contains("200 OK") && scene.ask("silent").contains("200 OK"));
    assert!(scene.ask("gpt").contains("budget of 6 USD is used up"));
}

#[test]
fn a_provider_that_failed_costs_nothing_and_the_next_by_its_own_price() {
    let prices = vec![
        pricing("*", Some("one"), 1_000_000, USD),
        pricing("small", Some("two"), 2_000_000, USD),
        pricing("busy", Some("two"), 7_000_000, USD),
    ];
    let scene = scene(Some("5 USD"), prices, |_, _| {});
    assert!(scene.ask("busy").contains("yes"));
    assert_eq!(scene.costs(), [(0, false), (2 * 612, false)]);
}

#[test]
fn a_translated_answer_costs_the_same() {
    let scene = scene(Some("5 USD"), vec![pricing("small", None, 1_000_000, USD)], |_, _| {});
    let said = json!([{"role": "user", "content": "hi"}]);
    let back = scene.say("/v1/messages", &json!({"model": "claude-9", "max_tokens": 10, "messages": said}));
    assert!(back.contains("200 OK") && back.contains("\"type\":\"message\""), "{back}");
    assert_eq!(scene.costs(), [(612, false)]);
}

#[test]
fn vectors_cost_what_was_asked_and_count_as_tokens() {
    let scene = scene(Some("5 USD"), vec![pricing("*", None, 1_000_000, USD)], |policy, _| {
        policy.inference.tokens = Some(30);
    });
    let embed = || scene.say("/v1/embeddings", &json!({"model": "embed", "input": "hi"}));
    assert!(embed().contains("\"embedding\""));
    assert_eq!(scene.costs(), [(30, false)]);
    let back = embed();
    assert!(back.starts_with("HTTP/1.1 429") && back.contains("budget of 30 tokens is used up"), "{back}");
}

#[test]
fn a_gate_that_takes_over_counts_the_budget_as_spent_and_policies_count_in_one_currency() {
    let later =
        scene(Some("5 USD"), vec![pricing("gpt", None, 1_000_000, USD), pricing("*", None, 0, USD)], |_, lease| {
            lease.incarnation = 2;
        });
    assert!(later.ask("gpt").contains("budget of 5 USD is used up"));
    // What costs nothing is asked all the same.
    assert!(later.ask("free").contains("200 OK"));
    let mixed = scene(Some("5 USD"), vec![pricing("*", None, 1, USD)], |policy, lease| {
        let mut ceiling = Policy { name: "ceiling".into(), ..policy.clone() };
        ceiling.inference.money = "9 EUR".parse().ok();
        ceiling.inference.prices = vec![pricing("*", None, 1, "EUR")];
        lease.policy = Conjunction::new(vec![ceiling]);
    });
    let back = mixed.ask("gpt");
    assert!(back.starts_with("HTTP/1.1 403") && back.contains("in EUR and in USD"), "{back}");
    assert!(mixed.provider.got().is_empty());
}

#[test]
fn many_that_run_side_by_side_spend_no_more_than_one_after_the_other() {
    let scene = scene(Some("2 USD"), vec![pricing("*", None, 1_000_000_000, USD)], |_, _| {});
    let said = json!({"model": "gpt", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let said = String::from_utf8(request("POST", "inference.bastide", 80, "/v1/chat/completions", "", &said)).unwrap();
    let said = said.replace("inference.bastide:80", "inference.bastide").into_bytes();
    let back = scene.cell.inside(move || {
        use std::io::{Read, Write};
        let to = (crate::fake::dns::address("inference.bastide."), 80);
        let mut open: Vec<_> = (0..8).map(|_| std::net::TcpStream::connect(to).unwrap()).collect();
        open.iter_mut().for_each(|stream| stream.write_all(&said).unwrap());
        let read = open.iter_mut().map(|stream| {
            let mut text = String::new();
            stream.read_to_string(&mut text).map(|_| text)
        });
        read.collect::<Result<Vec<_>, _>>().unwrap()
    });
    let answered = back.iter().filter(|text| text.starts_with("HTTP/1.1 200")).count() as u64;
    let refused = back.iter().filter(|text| text.starts_with("HTTP/1.1 429")).count() as u64;
    assert_eq!(answered + refused, 8);
    assert!(answered * ONCE <= 2_000_000 && answered > 0, "{answered}");
    assert_eq!(scene.costs().len() as u64, answered);
}
