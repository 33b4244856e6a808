//! What a policy does under risk: it asks about what it allowed, and opens nothing.

use policy::read::{Source, read};
use policy::{
    Conjunction, Decision, Egress, Host, Level, Narrowed, Policy, Request, Risk, Rule, Target, decide, diff, explain,
    suggest,
};
use proptest::prelude::*;

const TEXT: &str = "bastide: 1
name: own
network:
  default: deny
  allow:
    - {to: \"docs.example:443\", protocol: http}
    - {to: \"api.example:443\", methods: [GET, POST], paths: [/v1/**]}
    - {to: \"raw.example:22\", protocol: tcp}
    - {to: \"open.example:443\"}
    - {to: \"mcp.example:443\", protocol: mcp, paths: [/mcp], tools: [\"*\"]}
  deny:
    - {to: \"api.example:443\", paths: [/v1/secret/**]}
risk: {ask: 60, freeze: 80}
";

fn own(text: &str) -> Policy {
    let source = Source { name: "own.yaml".into(), text: text.into(), widens: true };
    read(&source, None, &mut |_| None).unwrap()
}

fn narrowed(reads: bool) -> Narrowed {
    let known = ["docs.example", "api.example"].map(|name| (Host::parse(name).unwrap(), 443));
    Narrowed { score: 65, known: known.into(), reads, inherited: false, left: Vec::new() }
}

fn plain() -> Conjunction {
    Conjunction::new(vec![own(TEXT)])
}

fn outcome(policy: &Conjunction, host: &str, port: u16, request: Option<(&str, &str)>) -> &'static str {
    let host = Host::parse(host).unwrap();
    let request = request.map(|(method, target)| Request::new(method, target).unwrap());
    let egress = Egress { host: &host, port, program: None, request: request.as_ref() };
    let said = match decide(policy, &egress) {
        Decision::Allow(_) => "allow",
        Decision::Read => "read",
        Decision::Ask(_) => "ask",
        Decision::Deny(_) => "deny",
    };
    assert_eq!(format!("{:?}", explain(policy, &egress).outcome).to_lowercase(), said, "explain agrees");
    said
}

#[test]
fn what_is_no_reading_of_a_known_place_is_asked_about() {
    let policy = plain().narrow(&narrowed(true));
    for (host, port, request, expected) in [
        ("docs.example", 443, Some(("GET", "/a")), "allow"),
        ("docs.example", 443, Some(("HEAD", "/a")), "allow"),
        ("docs.example", 443, Some(("POST", "/a")), "ask"),
        ("docs.example", 443, Some(("DELETE", "/a")), "ask"),
        ("api.example", 443, Some(("GET", "/v1/x")), "allow"),
        ("api.example", 443, Some(("POST", "/v1/x")), "ask"),
        ("api.example", 443, Some(("GET", "/v1/secret/x")), "deny"),
        ("api.example", 443, Some(("GET", "/v2")), "deny"),
        ("open.example", 443, Some(("GET", "/")), "ask"),
        ("nowhere.example", 443, Some(("GET", "/")), "deny"),
        ("raw.example", 22, None, "ask"),
        ("docs.example", 443, None, "read"),
        ("open.example", 443, None, "read"),
        // What is said there is not read yet.
        ("mcp.example", 443, Some(("POST", "/mcp")), "read"),
    ] {
        assert_eq!(outcome(&policy, host, port, request), expected, "{host}:{port} {request:?}");
    }
    // Where nothing can be read, what is said cannot be told apart.
    assert_eq!(outcome(&plain().narrow(&narrowed(false)), "open.example", 443, None), "ask");
}

#[test]
fn a_grant_lets_through_what_was_asked_about_and_opens_nothing() {
    let policy = plain().narrow(&narrowed(true));
    let host = Host::parse("api.example").unwrap();
    let request = Request::new("POST", "/v1/x").unwrap();
    let egress = Egress { host: &host, port: 443, program: None, request: Some(&request) };
    let rule = suggest(&policy, &egress).unwrap().rule;
    let granted = policy.granting(&[rule]);
    assert_eq!(outcome(&granted, "api.example", 443, Some(("POST", "/v1/x"))), "allow");
    assert_eq!(outcome(&granted, "api.example", 443, Some(("POST", "/v1/y"))), "ask");
    let wide = policy.granting(&[Rule::to(Target::parse("*.example:443").unwrap())]);
    assert_eq!(outcome(&wide, "nowhere.example", 443, Some(("GET", "/"))), "deny");
    assert_eq!(outcome(&wide, "api.example", 443, Some(("GET", "/v1/secret/x"))), "deny");
}

#[test]
fn what_is_asked_of_a_model_is_no_effect() {
    let text = TEXT.to_owned() + "inference:\n  routes: [{models: [\"claude-*\"], provider: anthropic}]\n";
    let policy = Conjunction::new(vec![own(&text)]).narrow(&narrowed(true));
    assert_eq!(outcome(&policy, "api.anthropic.com", 443, Some(("POST", "/v1/messages"))), "allow");
}

#[test]
fn thresholds_are_the_strictest_of_all_policies() {
    let own = Risk { ask: Some(60), freeze: None };
    let parent = Risk { ask: Some(70), freeze: Some(80) };
    let both = own.and(parent);
    assert_eq!(both, Risk { ask: Some(60), freeze: Some(80) });
    assert_eq!([59, 60, 79, 80].map(|score| both.level(score)), [Level::Calm, Level::Ask, Level::Ask, Level::Freeze]);
    assert_eq!(plain().risk(), both);
    assert_eq!(Risk::default().level(100), Level::Calm);
}

#[test]
fn narrowing_is_told_as_such_and_taken_back_as_widening() {
    let before = own(TEXT);
    let after = Policy { narrowed: Some(narrowed(true)), ..before.clone() };
    let changes = diff(&before, &after);
    assert!(changes.len() == 1 && changes[0].narrows && !changes[0].widens, "{changes:?}");
    assert!(changes[0].to_string().contains("at a risk of 65"), "{}", changes[0]);
    assert!(diff(&after, &before)[0].widens);
    let later = Policy { risk: Risk { ask: Some(70), freeze: None }, ..before.clone() };
    assert!(diff(&before, &later).iter().all(|change| change.widens && !change.narrows));
    // The text of a narrowed policy is one that compiles to it without.
    assert_eq!(own(&after.to_yaml()), before);
}

fn request() -> impl Strategy<Value = Option<(&'static str, &'static str)>> {
    let methods = prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]);
    let targets = prop::sample::select(vec!["/", "/v1/x", "/v1/secret/x", "/mcp"]);
    prop::option::of((methods, targets))
}

proptest! {
    #[test]
    fn narrowing_never_widens(
        host in prop::sample::select(vec!["docs.example", "api.example", "raw.example", "open.example", "mcp.example", "x.example"]),
        port in prop::sample::select(vec![22, 80, 443_u16]),
        request in request(),
        reads in any::<bool>(),
        grants in any::<bool>(),
        asks in any::<bool>(),
    ) {
        let text = if asks { TEXT.replace("default: deny", "default: ask") } else { TEXT.to_owned() };
        let rules = if grants { vec![Rule::to(Target::parse("*.example").unwrap())] } else { Vec::new() };
        let before = Conjunction::new(vec![own(&text)]);
        let rank = |said| ["deny", "ask", "read", "allow"].iter().position(|other| *other == said);
        let after = outcome(&before.narrow(&narrowed(reads)).granting(&rules), host, port, request);
        let plain = outcome(&before.granting(&rules), host, port, request);
        prop_assert!(rank(after) <= rank(plain), "{plain} became {after}");
    }
}
