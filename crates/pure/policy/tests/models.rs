//! Models, credentials, data and flows in the language: read, decided, and written back.

use policy::read::{Source, read};
use policy::{
    Bodies, Conjunction, Decision, Egress, Host, Policy, Position, Price, Request, Sink, Vendor, decide, diff,
};

const TEXT: &str = r#"
bastide: 1
name: mine
network:
  default: deny
  allow:
    - {to: "api.github.com:443", methods: [GET], paths: [/repos/acme/**], credential: github}
    - {to: "git.example:443", credential: {name: github, basic: x-access-token}}
    - {to: "c.example:443", credential: {name: chat, field: token}}
    - {to: "d.example:443", credential: {name: d, header: X-Token, prefix: "tok "}}
inference:
  providers:
    local: {wire: openai, url: "http://host.bastide:8080/v1"}
    big: {wire: anthropic, url: "https://llm.example/anthropic", credential: big}
  routes:
    - {models: ["gpt-*"], provider: local, model: small}
    - {models: ["claude-*"], provider: anthropic, fallback: [big, {provider: local, model: small}]}
    - {models: ["*"], provider: big}
  budget: {tokens: 2M, requests: 100, money: 5 USD}
  prices:
    - {models: ["claude-*"], provider: anthropic, input: 3 USD, output: 15 USD, cached: 0.3 USD, written: 3.75 USD}
    - {models: [small], input: 0 USD, output: 0 USD}
    - {models: ["*"], input: 2 USD, output: 0.5 USD}
  grant: [web_search]
data:
  - {label: "secret:clients", files: [notes/clients/**]}
record: {bodies: full}
tools:
  - {match: "send_*", effect: send, roles: {to: target, body: content}, ground: {to: ["ops@acme.example", "*@acme.example"]}}
  - {match: "get_\"x", returns: {note: content, from: target}}
grounding: deny
endorse:
  - {source: {file: notes/bills.md, sha256: "00000000000000000000000000000000000000000000000000000000000000ab", author: "Bob \"B\" <b@x.example>"}, effects: [send, spend], targets: ["ops@acme.example"], until: 2027-01-31}
  - {source: {tool: "get_*", host: "*.acme.example"}, effects: [read], until: 2028-02-29}
intent: user-role
foreign: {links: mark, images: cut, instructions: mark}
flows:
  - {deny: "secret:*", to: "*"}
  - {deny: "system-prompt", to: network}
"#;

fn compile(text: &str) -> Result<Policy, String> {
    let source = Source { name: "mine.yaml".into(), text: text.into(), widens: true };
    read(&source, Some("/home/me"), &mut |_| None).map_err(|error| error.to_string())
}

fn said(rule: &str) -> String {
    compile(&format!("bastide: 1\nname: x\nnetwork: {{allow: [{rule}]}}\n"))
        .map(|_| String::new())
        .unwrap_or_else(|e| e)
}

#[test]
fn what_grounds_calls_widens_where_less_is_judged() {
    let policy = compile(TEXT).expect("a policy");
    let way = |change: fn(&mut Policy)| {
        let mut after = policy.clone();
        change(&mut after);
        let changes = diff(&policy, &after);
        let ways: Vec<_> = changes.iter().map(|one| (one.key.clone(), one.widens, one.narrows)).collect();
        ways
    };
    assert_eq!(way(|after| after.grounding = policy::Grounding::Off), [("grounding".into(), true, false)]);
    assert_eq!(way(|after| after.intent = policy::Intent::Attested), [("intent".into(), false, true)]);
    assert_eq!(way(|after| after.foreign.links = policy::Repeated::Cut), [("foreign.links".into(), false, true)]);
    assert_eq!(way(|after| after.foreign = policy::Foreign::default()).len(), 3);
    assert!(way(|after| after.foreign.images = policy::Repeated::Pass)[0].1);
    let asks = |after: &mut Policy| after.grounding = policy::Grounding::Ask;
    assert_eq!(way(asks), [("grounding".into(), true, false)]);
    assert_eq!(way(|after| drop(after.endorse.pop())), [("endorse".into(), false, true)]);
    // One entry may call a tool harmless, another one harmful: either may come or go to widen.
    assert_eq!(way(|after| drop(after.tools.pop())), [("tools".into(), true, true)]);
    let layer = |text: &str| {
        let source = Source { name: "own.yaml".into(), text: text.into(), widens: false };
        let base = Source { name: "base.yaml".into(), text: TEXT.into(), widens: true };
        read(&source, Some("/home/me"), &mut |_| {
            Some(Source { name: base.name.clone(), text: base.text.clone(), widens: true })
        })
        .map_err(|error| error.to_string())
    };
    for widening in [
        "grounding: off",
        "grounding: ask",
        "foreign: {images: pass}",
        "endorse: [{source: {tool: a}, effects: [send], until: 2027-01-31}]",
        "tools: [{match: send_x, effect: read}]",
    ] {
        let error = layer(&format!("bastide: 1\nname: own\nextends: [base.yaml]\n{widening}\n")).expect_err(widening);
        assert!(error.contains("E-POLICY-007"), "{error}");
    }
}

#[test]
fn what_is_written_back_means_the_same() {
    let policy = compile(TEXT).expect("a policy");
    let again = compile(&policy.to_yaml()).expect("its own words");
    assert_eq!(again, policy, "{}", policy.to_yaml());
    assert!(diff(&policy, &again).is_empty());
}

#[test]
fn models_take_the_first_route_that_means_them() {
    let policy = compile(TEXT).expect("a policy");
    let at = |model: &str| policy.inference.route(model);
    let (route, provider) = at("gpt-5").expect("routed");
    assert_eq!((provider.name.as_str(), route.model.as_deref(), provider.tls), ("local", Some("small"), false));
    assert_eq!((provider.base.as_str(), provider.port), ("", 8080));
    let (_, provider) = at("claude-9").expect("routed");
    assert_eq!((provider.wire, provider.host.to_string().as_str()), (Vendor::Anthropic, "api.anthropic.com"));
    let (_, provider) = at("other").expect("routed");
    assert_eq!((provider.base.as_str(), provider.host.to_string().as_str()), ("/anthropic", "llm.example"));
    let key = provider.credential.as_ref().expect("a credential");
    assert_eq!(key.position, Position::Header { name: "x-api-key".into(), prefix: String::new() });
    assert_eq!((policy.inference.tokens, policy.inference.requests), (Some(2_000_000), Some(100)));
}

#[test]
fn a_route_opens_its_provider_and_says_that_it_is_for_models() {
    let policies = Conjunction::new(vec![compile(TEXT).expect("a policy")]);
    let decided = |host: &str, port: u16, method: &str, path: &str| {
        let (host, request) = (Host::parse(host).expect("a host"), Request::new(method, path).expect("a request"));
        let egress = Egress { host: &host, port, program: None, request: Some(&request) };
        match decide(&policies, &egress) {
            Decision::Allow(permit) => Some((permit.is_inference(), permit.credential().map(|one| one.name.clone()))),
            _ => None,
        }
    };
    for (host, port, credential) in [
        ("llm.example", 443, Some("big")),
        ("api.anthropic.com", 443, Some("anthropic")),
        ("api.openai.com", 443, None),
        ("host.bastide", 8080, None),
        ("inference.bastide", 80, None),
    ] {
        let expected = Some((true, credential.map(str::to_owned)));
        assert_eq!(decided(host, port, "POST", "/v1/messages"), expected, "{host}");
    }
    assert_eq!(decided("generativelanguage.googleapis.com", 443, "POST", "/v1beta/models"), None);
    assert_eq!(decided("api.github.com", 443, "GET", "/repos/acme/x"), Some((false, Some("github".into()))));
    assert_eq!(decided("api.github.com", 443, "GET", "/repos/other/x"), None);
}

#[test]
fn a_credential_goes_only_where_every_policy_names_the_same() {
    let own = compile(TEXT).expect("a policy");
    let host = Host::parse("api.github.com").expect("a host");
    let request = Request::new("GET", "/repos/acme/x").expect("a request");
    let egress = Egress { host: &host, port: 443, program: None, request: Some(&request) };
    let lent = |ceiling: &str| {
        let text = format!("bastide: 1\nname: x\nnetwork: {{allow: [{ceiling}]}}\n");
        let policies = Conjunction::new(vec![compile(&text).expect("a policy"), own.clone()]);
        match decide(&policies, &egress) {
            Decision::Allow(permit) => permit.credential().is_some(),
            _ => panic!("allowed"),
        }
    };
    assert!(lent("{to: api.github.com, credential: github}"));
    assert!(!lent("{to: api.github.com, protocol: http}"));
    assert!(!lent("{to: api.github.com, credential: other}"));
    assert!(!lent("{to: api.github.com, credential: {name: github, basic: me}}"));
}

#[test]
fn flows_say_what_may_not_go_where() {
    let policy = compile(TEXT).expect("a policy");
    let refuses = |label: &str, sink: Sink| policy.flows.iter().any(|flow| flow.refuses(label, sink));
    assert!(refuses("secret:clients", Sink::Network) && refuses("secret:clients", Sink::Workspace));
    assert!(!refuses("secret:clients", Sink::Inference));
    assert!(refuses("system-prompt", Sink::Network) && !refuses("system-prompt", Sink::Tool));
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    for (rule, code) in [
        ("{to: a.example, credential: Bad Name}", "E-POLICY-024"),
        ("{to: a.example, credential: {name: x, header: Host}}", "E-POLICY-024"),
        ("{to: a.example, credential: {name: x, header: a, basic: b}}", "E-POLICY-024"),
        ("{to: a.example, credential: {name: x, basic: \"a:b\"}}", "E-POLICY-024"),
        ("{to: a.example, credential: {name: x, prefix: b}}", "E-POLICY-024"),
        ("{to: a.example, protocol: tcp, credential: x}", "E-POLICY-024"),
        ("{to: \"a.example:443\", tls: pass, credential: x}", "E-POLICY-023"),
    ] {
        let said = said(rule);
        assert!(said.starts_with(code) && said.contains("mine.yaml:3:"), "{rule}: {said}");
    }
    for (text, code) in [
        ("network: {deny: [{to: a.example, credential: x}]}", "E-POLICY-024"),
        ("inference: {routes: [{models: [\"*\"], provider: nobody}]}", "E-POLICY-026"),
        ("inference: {providers: {a: {wire: openai, url: \"ftp://x\"}}}", "E-POLICY-026"),
        ("inference: {providers: {a: {wire: openai, url: \"https://x/%2e\"}}}", "E-POLICY-026"),
        ("inference: {providers: {a: {wire: openai}}}", "E-POLICY-026"),
        ("inference: {providers: {a: {wire: openai, login: claude}}}", "E-POLICY-026"),
        ("inference: {providers: {a: {login: smoke}}}", "E-POLICY-014"),
        ("inference: {providers: {a: {wire: smoke, url: \"https://x\"}}}", "E-POLICY-014"),
        ("data: [{label: Secret, files: [x]}]", "E-POLICY-025"),
        ("data: [{label: secret, files: [../x]}]", "E-POLICY-025"),
        ("flows: [{deny: \"se*\", to: network}]", "E-POLICY-025"),
        ("flows: [{deny: secret, to: nowhere}]", "E-POLICY-014"),
    ] {
        let said = compile(&format!("bastide: 1\nname: x\n{text}\n")).map(|_| String::new()).unwrap_or_else(|e| e);
        assert!(said.starts_with(code), "{text}: {said}");
    }
}

/// One file over another.
fn over(base: &str, own: &str) -> Result<Policy, String> {
    let source = |name: &str, text: &str| Source { name: name.into(), text: text.into(), widens: true };
    let own = source("own.yaml", &format!("bastide: 1\nname: own\nextends: [base]\n{own}"));
    let base = source("base", &format!("bastide: 1\nname: base\n{base}"));
    read(&own, None, &mut |name| (name == "base").then(|| base.clone())).map_err(|error| error.to_string())
}

#[test]
fn an_open_host_does_not_take_the_place_of_a_route_and_a_rule_about_paths_does() {
    let text = r#"
network:
  allow:
    - {to: "api.anthropic.com:443"}
    - {to: "api.openai.com:443", methods: [GET], paths: [/v1/files/*]}
inference: {routes: [{models: ["claude-*"], provider: anthropic}, {models: ["*"], provider: openai}]}
"#;
    let policies = Conjunction::new(vec![compile(&format!("bastide: 1\nname: x\n{text}")).expect("a policy")]);
    let infers = |host: &str, method: &str, path: &str| {
        let (host, request) = (Host::parse(host).expect("a host"), Request::new(method, path).expect("a request"));
        let egress = Egress { host: &host, port: 443, program: None, request: Some(&request) };
        match decide(&policies, &egress) {
            Decision::Allow(permit) => Some(permit.is_inference()),
            _ => None,
        }
    };
    assert_eq!(infers("api.anthropic.com", "POST", "/v1/messages"), Some(true));
    assert_eq!(infers("api.openai.com", "POST", "/v1/responses"), Some(true));
    assert_eq!(infers("api.openai.com", "GET", "/v1/files/f1"), Some(false));
}

#[test]
fn routes_find_providers_in_every_layer_and_the_nearest_comes_first() {
    let proxy = "inference: {providers: {anthropic: {wire: anthropic, url: \"https://proxy.example\"}}, routes: [{models: [\"*\"], provider: anthropic}]}";
    let host = |policy: &Policy, model: &str| policy.inference.route(model).map(|(_, to)| to.host.to_string());
    let own =
        "inference: {routes: [{models: [\"claude-*\"], provider: anthropic}, {models: [\"gpt-*\"], provider: openai}]}";
    let policy = over(proxy, own).expect("a policy");
    assert_eq!(host(&policy, "claude-9").as_deref(), Some("proxy.example"));
    assert_eq!(host(&policy, "gpt-5").as_deref(), Some("api.openai.com"));
    assert_eq!(host(&policy, "other").as_deref(), Some("proxy.example"));
    let unknown = over(proxy, "inference: {routes: [{models: [\"*\"], provider: nobody}]}").expect_err("no provider");
    assert!(unknown.contains("E-POLICY-026: own.yaml:4") && unknown.contains("no provider `nobody`"), "{unknown}");
    let two = r#"inference:
  providers:
    a: {wire: openai, url: "https://llm.example/a", credential: a}
    b: {wire: openai, url: "https://llm.example/b", credential: b}
  routes: [{models: ["a-*"], provider: a}, {models: ["*"], provider: b}]
"#;
    assert!(over("", two).expect_err("one credential").contains("different credentials"));
}

#[test]
fn what_nothing_enforces_is_refused_and_fields_are_read() {
    for sink in ["tool", "human", "child"] {
        let policy = over("", &format!("flows: [{{deny: \"secret:*\", to: {sink}}}]\n")).expect("answers are held");
        assert!(policy.flows.len() == 1 && compile(&policy.to_yaml()).expect("its own words").flows == policy.flows);
    }
    let refused = over("", "flows: [{deny: \"secret:*\", to: workspace}]\n").expect_err("not enforced");
    assert!(refused.contains("E-POLICY-008"), "{refused}");
    let named = "inference: {fields: [\"chat:seed.x\"], providers: {a: {wire: gemini, url: \"https://a.example\", credential: {name: k}}, b: {login: chatgpt, credential: c}}, routes: [{models: [\"*\"], provider: a, fallback: [b]}]}";
    let policy = over("", named).expect("a policy");
    let (_, provider) = policy.inference.route("x").expect("routed");
    assert_eq!(provider.credential, Vendor::Gemini.credential("k"), "a bare name stands where the vendor wants it");
    assert!(Conjunction::new(vec![policy.clone()]).grants().fields.contains("chat:seed.x"));
    assert_eq!(compile(&policy.to_yaml()).expect("its own words").inference, policy.inference);
    assert!(over("", "inference: {fields: [\"x y\"]}").is_err());
}

/// A policy of three providers and one route.
fn routed(route: &str) -> Policy {
    let text = format!(
        "bastide: 1\nname: x\ninference:\n  providers:\n    a: {{wire: openai, url: \"https://a.example\"}}\n    \
         b: {{wire: openai, url: \"https://b.example\"}}\n    c: {{wire: openai, url: \"https://c.example\"}}\n  \
         routes: [{route}]\n"
    );
    compile(&text).expect("a policy")
}

#[test]
fn a_provider_is_fallen_back_on_where_every_policy_names_it() {
    let served = |ceiling: &str, own: &str| {
        let policies = Conjunction::new(vec![routed(ceiling), routed(own)]);
        let told = |served: policy::Served<'_>| format!("{} {}", served.provider.name, served.model.unwrap_or("-"));
        policies.served("m").into_iter().map(told).collect::<Vec<_>>().join(", ")
    };
    let all = r#"{models: ["*"], provider: a, fallback: [b, c]}"#;
    for (own, want) in [
        (all, "a -, b -, c -"),
        (r#"{models: ["*"], provider: a}"#, "a -"),
        (r#"{models: ["*"], provider: a, fallback: [c, b]}"#, "a -, c -, b -"),
        (r#"{models: ["*"], provider: a, model: x, fallback: [{provider: b, model: z}, c]}"#, "a x, b z, c x"),
        // The first is one that all agree on.
        (r#"{models: ["*"], provider: b, fallback: [a]}"#, ""),
        (r#"{models: ["other"], provider: a}"#, ""),
    ] {
        assert_eq!(served(all, own), want, "{own}");
    }
    assert_eq!(served(r#"{models: ["*"], provider: a, fallback: [c]}"#, all), "a -, c -");
    assert_eq!(served(r#"{models: ["*"], provider: a}"#, all), "a -");
}

#[test]
fn a_route_opens_those_that_it_falls_back_on() {
    let policy = routed(r#"{models: ["*"], provider: a, fallback: [b]}"#);
    let opened =
        |host: &str| policy.network.allow.iter().any(|rule| rule.inference && rule.to.to_string().contains(host));
    assert!(opened("a.example") && opened("b.example") && !opened("c.example"));
    let narrow = routed(r#"{models: ["*"], provider: a}"#);
    let widens = |from: &Policy, to: &Policy| diff(from, to).iter().any(|change| change.widens);
    assert!(widens(&narrow, &policy) && !widens(&policy, &narrow));
    for fallback in ["[nobody]", "[a]", "[b, b]"] {
        let text = format!(
            "bastide: 1\nname: x\ninference:\n  providers:\n    a: {{wire: openai, url: \"https://a.example\"}}\n    \
             b: {{wire: openai, url: \"https://b.example\"}}\n  routes:\n    \
             - {{models: [\"*\"], provider: a, fallback: {fallback}}}\n"
        );
        let said = compile(&text).map(|_| String::new()).unwrap_or_else(|error| error);
        assert!(said.starts_with("E-POLICY-026") && said.contains("mine.yaml:8:"), "{fallback}: {said}");
    }
}

#[test]
fn programs_of_the_other_vendor_find_their_own_host() {
    let hosts = |policy: &Policy| {
        let rules = policy.network.allow.iter().filter(|rule| rule.inference);
        rules.map(|rule| rule.to.to_string()).collect::<Vec<_>>().join(" ")
    };
    let openai = routed(r#"{models: ["*"], provider: a}"#);
    assert!(hosts(&openai).contains("api.anthropic.com:443") && hosts(&openai).contains("api.openai.com:443"));
    let gemini = compile("bastide: 1\nname: x\ninference: {routes: [{models: [\"*\"], provider: gemini}]}\n");
    let gemini = hosts(&gemini.expect("a policy"));
    assert!(!gemini.contains("api.anthropic.com") && !gemini.contains("api.openai.com"), "{gemini}");
    // What the operator says of that host himself stays what it is.
    let text = "bastide: 1\nname: x\nnetwork: {allow: [{to: api.openai.com}]}\n\
        inference: {routes: [{models: [\"*\"], provider: anthropic}]}\n";
    assert!(!hosts(&compile(text).expect("a policy")).contains("api.openai.com"));
}

#[test]
fn of_bodies_the_strictest_of_all_policies_is_kept() {
    let says = |bodies: &str| {
        let line = if bodies.is_empty() { String::new() } else { format!("record: {{bodies: {bodies}}}\n") };
        compile(&format!("bastide: 1\nname: x\n{line}")).expect("a policy")
    };
    for (one, other, kept) in [
        ("", "", Bodies::Redacted),
        ("full", "full", Bodies::Full),
        ("full", "", Bodies::Redacted),
        ("full", "hash", Bodies::Hash),
        ("hash", "redacted", Bodies::Hash),
    ] {
        for policies in [vec![says(one), says(other)], vec![says(other), says(one)]] {
            assert_eq!(Conjunction::new(policies).bodies(), kept, "{one} {other}");
        }
    }
    assert_eq!(Conjunction::new(Vec::new()).bodies(), Bodies::Redacted);
    for bodies in ["full", "hash"] {
        assert_eq!(compile(&says(bodies).to_yaml()).expect("its own words"), says(bodies));
    }
}

#[test]
fn prices_are_read_and_what_is_left_out_is_no_less() {
    let policy = compile(TEXT).expect("a policy");
    let policies = Conjunction::new(vec![policy]);
    let price = |provider: &str, model: &str| policies.tariff(provider, model).expect("priced").expect("a price").price;
    let of = |input, output, cached, written| Price { input, output, cached, written };
    assert_eq!(price("anthropic", "claude-9"), of(3_000_000, 15_000_000, 300_000, 3_750_000));
    // What is left out costs as much as it may.
    assert_eq!(price("big", "claude-9"), of(2_000_000, 500_000, 2_000_000, 4_000_000));
    assert_eq!(price("local", "small"), Price::default());
    let narrower = "bastide: 1\nname: x\nextends: [base]\ninference: {budget: {money: 3 USD}}\n";
    let cheaper =
        "bastide: 1\nname: x\nextends: [base]\ninference: {prices: [{models: [y], input: 0 USD, output: 0 USD}]}\n";
    let layered = |text: &str, widens: bool| {
        let source = |name: &str, text: &str, widens| Source { name: name.into(), text: text.into(), widens };
        let base = source("base", TEXT, true);
        read(&source("layer", text, widens), None, &mut |_| Some(base.clone())).map_err(|error| error.code)
    };
    assert!(layered(narrower, false).is_ok());
    assert_eq!(layered(cheaper, false).err().as_deref(), Some("E-POLICY-007"));
    let own = Conjunction::new(vec![layered(cheaper, true).expect("the operator's own")]);
    assert_eq!(own.tariff("big", "y").expect("priced").expect("a price").price, Price::default(), "it comes first");
}
