//! What streams say is looked at, as what connections say: models, lent secrets, and what comes back.

use policy::ValuePattern;
use policy::{
    Bounds, Conjunction, Credential, Host, Inference, Policy, Position, Protocol, Provider, Rate, Route, Rule, Target,
    Vendor,
};
use wire::Lent;

use super::Scene;
use crate::fake::OUTSIDE;
use crate::fake::http2::To;
use crate::fake::server::{Server, authority, ok};

const VALUE: &str = "s3cret/value+of=the vault";

/// Gives back all that it was sent, at once or in small chunks.
fn back(head: &str, body: &[u8]) -> Vec<u8> {
    let back = [head.as_bytes(), body].concat();
    if !head.contains("/chunks ") {
        return ok("text/plain", &back);
    }
    let chunks = back.chunks(7).flat_map(|some| [format!("{:x}\r\n", some.len()).as_bytes(), some, b"\r\n"].concat());
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".iter().copied();
    head.chain(chunks).chain(b"0\r\n\r\n".iter().copied()).collect()
}

fn lending() -> (Scene, Server) {
    crate::fake::outside();
    let servers = authority("servers");
    let server = Server::tls(&servers, &["web.example"], back);
    let port = server.port;
    let scene = Scene::of(port, &servers, |leased| {
        let to = |host: &str| Rule::to(Target::parse(&format!("{host}:{port}")).unwrap());
        let credential = Some(Credential { name: "key".into(), position: Position::bearer() });
        let mut policy = Policy { name: "test".into(), ..Policy::default() };
        policy.network.allow =
            vec![Rule { protocol: Protocol::Http, credential, ..to("web.example") }, to(&OUTSIDE.to_string())];
        leased.policy = Conjunction::new(vec![policy]);
        leased.credentials = vec![Lent {
            name: "key".into(),
            value: VALUE.into(),
            to: Target::parse("web.example").unwrap(),
            paths: vec![policy::PathPattern::parse("/a/**").unwrap()],
            expires: None,
        }];
    });
    (scene, server)
}

#[test]
fn a_lent_secret_goes_with_its_stream_alone_and_never_comes_back() {
    let (scene, server) = lending();
    let to = scene.to();
    let post = |path: &str, field: (&str, &str)| {
        to.ask("POST", path).header(field.0, field.1).body(b"hello".to_vec()).unwrap()
    };
    let mine = ("authorization", "Bearer mine");
    let placeholder = ("x-mine", "bastide-credential-key");
    let answers =
        scene.say(vec![post("/a/x", mine), post("/a/chunks", mine), post("/b", mine), post("/a/x", placeholder)]);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 403, 403], "{answers:?}");
    for answer in &answers[..2] {
        let text = answer.text();
        assert!(text.contains("Bearer ***") && text.ends_with("hello") && !text.contains("s3cret"), "{text}");
    }
    assert!(answers[2].text().contains("bound to another") && answers[3].text().contains("placeholder"), "{answers:?}");
    let got = server.got();
    assert_eq!(got.len(), 2);
    for (head, body) in got {
        // What was taken whole goes out with its length.
        assert!(
            head.contains(&format!("authorization: Bearer {VALUE}\r\n")) && head.contains("Content-Length: 5"),
            "{head}"
        );
        assert!(!head.contains("mine") && body == "hello", "{head}");
    }
    let record = scene.cell.wait_for("came back and was masked");
    assert!(!record.contains("s3cret"), "{record}");
}

fn model(_: &str, body: &[u8]) -> Vec<u8> {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap();
    if body["stream"] == true {
        let events = [
            r#"{"id":"x","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"hel"}}]}"#,
            r#"{"id":"x","model":"m","choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}"#,
            "[DONE]",
        ];
        let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        return ok("text/event-stream", text.as_bytes());
    }
    let message = serde_json::json!({"role": "assistant", "content": "hello"});
    let answer = serde_json::json!({"id": "x", "model": body["model"], "usage": {"prompt_tokens": 4, "completion_tokens": 2},
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
    ok("application/json", answer.to_string().as_bytes())
}

#[test]
fn a_stream_asks_a_model_by_its_route() {
    crate::fake::outside();
    let servers = authority("servers");
    let provider = Server::tls(&servers, &["chat.example"], model);
    let port = provider.port;
    let scene = Scene::of(port, &servers, |leased| {
        let mut policy = Policy { name: "test".into(), ..Policy::default() };
        policy.inference = Inference {
            providers: vec![Provider {
                name: "chat".into(),
                wire: Vendor::Openai,
                host: Host::parse("chat.example").unwrap(),
                port,
                tls: true,
                base: String::new(),
                credential: Vendor::Openai.credential("key"),
                login: None,
            }],
            routes: vec![Route {
                models: vec![ValuePattern::parse("m*").unwrap()],
                provider: "chat".into(),
                model: None,
                fallback: Vec::new(),
            }],
            ..Inference::default()
        };
        policy.network.allow = policy.inference.rules();
        policy.network.allow.push(Rule::to(Target::parse(&format!("{OUTSIDE}:{port}")).unwrap()));
        leased.policy = Conjunction::new(vec![policy]);
        leased.hosts = vec![("chat.example".into(), OUTSIDE.into())];
        leased.credentials = vec![Lent {
            name: "key".into(),
            value: VALUE.into(),
            to: Target::parse("chat.example").unwrap(),
            paths: Vec::new(),
            expires: None,
        }];
    });
    let to = To::new("inference.bastide", 80, None);
    let ask = |model: &str, stream: bool| {
        let body =
            serde_json::json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]});
        let ask = to.ask("POST", "/v1/chat/completions").header("content-type", "application/json");
        ask.header("authorization", "Bearer mine").body(body.to_string().into_bytes()).unwrap()
    };
    let answers = super::say(&scene.cell, &to, vec![ask("m1", false), ask("other", false), ask("m2", true)]);
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 403, 200], "{answers:?}");
    assert!(answers[0].text().contains("\"hello\"") && answers[2].text().ends_with("data: [DONE]\n\n"), "{answers:?}");
    assert!(answers[1].text().contains("bastide refused this"), "{answers:?}");
    assert_eq!(provider.got().len(), 2);
    assert!(provider.got().iter().all(|(head, _)| head.contains(VALUE) && !head.contains("mine")));
    let record = scene.cell.wait_for("\"kind\":\"answered\"");
    assert_eq!(record.matches("\"kind\":\"model\"").count(), 3, "{record}");
}

#[test]
fn what_a_rule_bounds_is_counted_over_all_streams() {
    let (scene, server) = Scene::serving(true, super::echo, |leased| {
        let mut policies: Vec<Policy> = leased.policy.policies().cloned().collect();
        let rule = &mut policies[0].network.allow[0];
        rule.bounds = Bounds { body: Some(4), rate: Some(Rate { count: 3, seconds: 3600 }), budget: None };
        leased.policy = Conjunction::new(policies);
    });
    let to = scene.to();
    let post = |body: &str| {
        let ask = to.ask("POST", "/a/x").header("content-length", body.len());
        ask.body(body.as_bytes().to_vec()).unwrap()
    };
    let long = scene.say(vec![post("12345")]);
    assert!(long[0].status == 413 && long[0].text().contains("longer than the 4 bytes"), "{long:?}");
    let mut statuses: Vec<u16> = scene.say(vec![post("1234"); 5]).iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert_eq!(server.got().len(), 3);
}
