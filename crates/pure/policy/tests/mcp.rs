//! Messages of MCP: decided by name and argument, like a naive reading that shares no code; allowed by what names them alone.

use std::cell::RefCell;
use std::collections::BTreeMap;

use policy::mcp::{Grant, Mcp, Message, TextPattern};
use policy::read::{Source, blueprint, read};
use policy::{
    Conjunction, Decision, Egress, Host, Outcome, Policy, Request, Rule, decide, diff, explain, run_tests, suggest,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

fn text(allow: &str, deny: &str) -> Policy {
    whole(&format!("network: {{allow: [{allow}], deny: [{deny}]}}"))
}

fn whole(body: &str) -> Policy {
    let text = format!("bastide: 1\nname: test\n{body}\n");
    let source = Source { name: "test".into(), text, widens: true };
    read(&source, None, &mut blueprint).unwrap_or_else(|error| panic!("{error}"))
}

fn outcome(conjunction: &Conjunction, host: &str, request: Option<&Request>) -> Outcome {
    let host = Host::parse(host).unwrap();
    let egress = Egress { host: &host, port: 443, program: None, request };
    let decided = match decide(conjunction, &egress) {
        Decision::Allow(_) => Outcome::Allow,
        Decision::Read => Outcome::Read,
        Decision::Ask(_) => Outcome::Ask,
        Decision::Deny(_) => Outcome::Deny,
    };
    assert_eq!(explain(conjunction, &egress).outcome, decided);
    decided
}

fn request(path: &str) -> Request {
    Request::new("POST", path).unwrap()
}

fn call(name: &str, arguments: &Value) -> Message {
    Message::call(name, arguments.as_object().unwrap().clone())
}

/// What becomes of a message at a path.
fn said(policy: &Policy, path: &str, message: Message) -> bool {
    let asked = request(path).saying(message);
    outcome(&Conjunction::new(vec![policy.clone()]), "a.example", Some(&asked)) == Outcome::Allow
}

#[test]
fn a_call_is_judged_by_name_and_arguments() {
    let call = |arguments| call("read_file", &arguments);
    for (allow, deny, arguments, expected) in [
        ("protocol: mcp", "", json!({"path": "/etc/passwd"}), true),
        ("tools: [read_*]", "", json!({}), true),
        ("tools: [write_*]", "", json!({}), false),
        ("tools: []", "", json!({}), false),
        ("resources: ['*']", "", json!({}), false),
        ("arguments: {path: ['/repo/**']}", "", json!({"path": "/repo/a/b"}), true),
        ("arguments: {path: ['/repo/**']}", "", json!({"path": "/repo/../etc/passwd"}), false),
        ("arguments: {path: ['/repo/**']}", "", json!({"path": "/repo/%2e%2e/etc"}), false),
        ("arguments: {path: ['/repo/**']}", "", json!({"path": ["/repo/a", "/etc/b"]}), false),
        ("arguments: {path: ['/repo/**']}", "", json!({"path": ["/repo/a", "/repo/b"]}), true),
        ("arguments: {path: ['/repo/**']}", "", json!({"path": {"x": "/repo/a"}}), false),
        ("arguments: {path: ['/repo/**']}", "", json!({}), false),
        ("arguments: {path: ['/repo/**', '*']}", "", json!({}), true),
        ("arguments: {path: ['/repo/**']}", "", json!({"path": "/repo/a", "mode": "w"}), false),
        ("arguments: {path: ['/repo/**'], '*': ['*']}", "", json!({"path": "/repo/a", "mode": {"deep": 1}}), true),
        ("arguments: {path: ['/repo/**'], '*': [r]}", "", json!({"path": "/repo/a", "mode": "w"}), false),
        ("arguments: {limit: ['10']}", "", json!({"limit": 10}), true),
        ("protocol: mcp", "tools: [READ_file]", json!({}), false),
        ("protocol: mcp", "tools: [write_*]", json!({}), true),
        ("protocol: mcp", "tools: ['*'], arguments: {path: ['/etc/**']}", json!({"path": "/etc/passwd"}), false),
        ("protocol: mcp", "arguments: {path: ['/etc/**']}", json!({"PATH": "/ETC/x"}), false),
        ("protocol: mcp", "arguments: {path: ['/etc/**']}", json!({"path": "/repo/../etc"}), false),
        ("protocol: mcp", "arguments: {path: ['/etc/**']}", json!({"path": ["/repo", "/etc/x"]}), false),
        ("protocol: mcp", "arguments: {path: ['/etc/**']}", json!({"path": {"at": "/repo"}}), false),
        ("protocol: mcp", "arguments: {path: ['/etc/**']}", json!({"path": "/repo/a"}), true),
        ("protocol: mcp", "arguments: {'*': [secret]}", json!({"any": "secret"}), false),
        ("protocol: mcp", "protocol: mcp", json!({}), false),
    ] {
        let deny = if deny.is_empty() { String::new() } else { format!("{{to: a.example, {deny}}}") };
        let policy = text(&format!("{{to: a.example, {allow}}}"), &deny);
        assert_eq!(said(&policy, "/mcp", call(arguments.clone())), expected, "{allow} {deny} {arguments}");
    }
}

#[test]
fn what_a_rule_about_mcp_means_no_other_rule_allows() {
    let mcp = "{to: a.example, protocol: mcp, paths: [/mcp], tools: [a]}";
    let open = "{to: a.example}, {to: a.example, methods: [POST], paths: ['/**']}";
    let policy = text(&format!("{open}, {mcp}"), "");
    let conjunction = Conjunction::new(vec![policy.clone()]);
    for path in ["/mcp", "/mcp/", "/MCP", "/%6dcp", "/mcp;x"] {
        let decided = outcome(&conjunction, "a.example", Some(&request(path)));
        assert!(matches!(decided, Outcome::Read | Outcome::Deny), "{path}: {decided:?}");
        assert!(!said(&policy, path, call("b", &json!({}))), "{path}");
    }
    assert_eq!(outcome(&conjunction, "a.example", Some(&request("/mcp"))), Outcome::Read);
    assert_eq!(outcome(&conjunction, "a.example", Some(&request("/other"))), Outcome::Allow);
    assert_eq!(outcome(&conjunction, "a.example", None), Outcome::Read);
    assert!(said(&policy, "/mcp", call("a", &json!({}))));
    // One that only denies has it read, whoever allows it.
    let policy = text(open, "{to: a.example, protocol: mcp, paths: [/mcp], tools: [b]}");
    let conjunction = Conjunction::new(vec![policy.clone()]);
    assert_eq!(outcome(&conjunction, "a.example", Some(&request("/mcp"))), Outcome::Read);
    assert!(said(&policy, "/mcp", call("a", &json!({}))) && !said(&policy, "/mcp", call("b", &json!({}))));
    assert!(!said(&policy, "/mcp", Message::Granted(Grant::Sampling)), "nothing grants it");
}

/// Every policy of a conjunction must allow, and where one reads, all is read.
#[test]
fn each_policy_decides() {
    let (wide, narrow) = (text("{to: a.example}", ""), text("{to: a.example, tools: [a], grant: [sampling]}", ""));
    let both = Conjunction::new(vec![wide, narrow]);
    let decided = |message: Message| outcome(&both, "a.example", Some(&request("/mcp").saying(message)));
    assert_eq!(outcome(&both, "a.example", Some(&request("/mcp"))), Outcome::Read);
    assert_eq!(decided(call("a", &json!({}))), Outcome::Allow);
    assert_eq!(
        (decided(call("b", &json!({}))), decided(Message::Granted(Grant::Sampling))),
        (Outcome::Deny, Outcome::Deny)
    );
}

#[test]
fn what_is_not_granted_is_refused_and_what_is_not_named_too() {
    let plain = Message::recorded("tools/list", None, "").unwrap();
    let prompt = Message::recorded("prompts/get", Some("p"), "").unwrap();
    let resource = Message::recorded("resources/read", Some("file:///a"), "").unwrap();
    let sampling = Message::recorded("sampling/createMessage", None, "").unwrap();
    assert_eq!(sampling, Message::Granted(Grant::Sampling));
    for (rule, expected) in [
        ("protocol: mcp", [true, true, true, false]),
        ("tools: [a]", [true, false, false, false]),
        ("prompts: [p], tools: [a]", [true, true, false, false]),
        ("resources: ['file:///**']", [true, false, true, false]),
        ("grant: [sampling]", [true, true, true, true]),
        ("grant: [elicitation, roots, changes]", [true, true, true, false]),
    ] {
        let policy = text(&format!("{{to: a.example, {rule}}}"), "");
        let found = [&plain, &prompt, &resource, &sampling].map(|message| said(&policy, "/mcp", message.clone()));
        assert_eq!(found, expected, "{rule}");
    }
}

/// A name that leads to an address on which MCP is read is read as that, too, or does not lead there.
#[test]
fn no_other_name_leads_past_a_rule_about_mcp() {
    let at = "10.0.0.1".parse().unwrap();
    let allow = "{to: b.example, addresses: [10.0.0.1]}, {to: 10.0.0.1}";
    let conjunction = Conjunction::new(vec![text(allow, "{to: 10.0.0.1, protocol: mcp, tools: [a]}")]);
    let (host, asked) = (Host::parse("b.example").unwrap(), request("/mcp"));
    let egress = Egress { host: &host, port: 443, program: None, request: Some(&asked) };
    let Decision::Allow(permit) = decide(&conjunction, &egress) else { panic!("not allowed") };
    assert!(permit.pin(&[at]).is_err());
}

#[test]
fn what_is_printed_reads_back_and_covers_its_own_kind_alone() {
    let rules = [
        "{to: \"a.example:443\", protocol: http}",
        "{to: \"a.example:443\", protocol: mcp}",
        "{to: \"a.example:443\", protocol: mcp, paths: [\"/mcp\"], tools: [\"a_*\", \"b\"]}",
        "{to: \"a.example:443\", protocol: mcp, paths: [\"/mcp\"], tools: [\"b\"]}",
        "{to: \"a.example:443\", protocol: mcp, tools: [], grant: [sampling]}",
        "{to: \"a.example:443\", protocol: mcp, arguments: {\"*\": [\"*\"], \"path\": [\"/a/**\"]}, resources: [\"x\"], prompts: [\"y\"], rate: 1/s}",
    ];
    let read: Vec<Rule> = rules.iter().map(|rule| text(rule, "").network.allow.remove(0)).collect();
    for (rule, written) in read.iter().zip(rules) {
        assert_eq!(rule.to_string(), written);
        assert_eq!(serde_json::from_value::<Rule>(json!(rule)).unwrap(), *rule);
    }
    let pairs = (0..rules.len()).flat_map(|one| (0..rules.len()).map(move |other| (one, other)));
    let covered = pairs.filter(|(one, other)| one != other && read[*one].covers(&read[*other]));
    assert_eq!(covered.collect::<Vec<_>>(), [(1, 2), (1, 3), (1, 5), (2, 3)]);
    let (plain, more) = (text(rules[3], ""), text(rules[2], ""));
    assert!(
        diff(&plain, &more).iter().any(|change| change.widens)
            && diff(&more, &plain).iter().all(|change| !change.widens)
    );
}

#[test]
fn it_is_asked_for_by_the_smallest_rule() {
    let host = Host::parse("a.example").unwrap();
    let smallest = |policy: &Policy, message: Option<Message>| {
        let asked = match message {
            Some(message) => request("/mcp").saying(message),
            None => request("/mcp"),
        };
        let egress = Egress { host: &host, port: 443, program: None, request: Some(&asked) };
        suggest(&Conjunction::new(vec![policy.clone()]), &egress).map(|found| found.rule.to_string())
    };
    let policy = text("{to: a.example, protocol: mcp, paths: [/mcp], tools: [a], arguments: {p: [x]}}", "");
    let rule = |rest: &str| Some(format!("{{to: \"a.example:443\", protocol: mcp, paths: [\"/mcp\"], {rest}}}"));
    assert_eq!(smallest(&policy, Some(call("b", &json!({"q": {}})))), rule("tools: [\"b\"]"));
    assert_eq!(
        smallest(&policy, Some(call("a", &json!({"p": "y", "n": 1})))),
        rule("tools: [\"a\"], arguments: {\"n\": [\"1\"], \"p\": [\"y\"]}")
    );
    assert_eq!(smallest(&policy, Some(call("a", &json!({"p": "../y"})))), None);
    assert_eq!(smallest(&policy, Some(call("b*", &json!({})))), None);
    assert_eq!(smallest(&policy, Some(Message::Granted(Grant::Roots))), rule("tools: [], grant: [roots]"));
    assert_eq!(smallest(&policy, Message::recorded("prompts/get", Some("p"), "")), rule("prompts: [\"p\"]"));
    let other = text("{to: a.example, protocol: mcp, paths: [/mcp], programs: [/x]}", "");
    assert_eq!(smallest(&other, None), rule("tools: []"));
    assert_eq!(smallest(&other, Message::recorded("ping", None, "")), rule("tools: []"));
    let asked = request("/mcp").saying(call("b", &json!({})));
    let egress = Egress { host: &host, port: 443, program: None, request: Some(&asked) };
    let conjunction = Conjunction::new(vec![policy]);
    let Decision::Deny(refusal) = decide(&conjunction, &egress) else { panic!("allowed") };
    assert!(refusal.to_string().starts_with("`tools/call b by POST /mcp at a.example:443` is allowed by no rule"));
}

#[test]
fn a_policy_says_what_must_come_out() {
    let policy = whole(
        "network:\n  allow: [{to: \"a.example:443\", paths: [/mcp], tools: [read_*], arguments: {path: [/repo/**]}}]\ntests:\n  \
         - {to: \"a.example:443/mcp\", tool: read_file, arguments: {path: /repo/x}, expect: allow}\n  \
         - {to: \"a.example:443/mcp\", tool: read_file, arguments: {path: /etc/x}, program: /usr/bin/x, expect: deny}\n  \
         - {to: \"a.example:443/other\", tool: read_file, expect: deny}\n  \
         - {request: \"POST a.example:443/mcp\", expect: read}",
    );
    assert_eq!(whole(&policy.to_yaml().replace("bastide: 1\nname: \"test\"\n", "")).tests, policy.tests);
    let (workspace, home) = ("/w".to_owned().try_into().unwrap(), "/h".to_owned().try_into().unwrap());
    let place = policy::Place { workspace: &workspace, home: &home, mode: policy.files.workspace };
    let outcomes = run_tests(&policy, &place);
    assert!(outcomes.len() == 4 && outcomes.iter().all(|outcome| outcome.passed), "{outcomes:?}");
}

#[test]
fn a_run_is_told_in_one_rule_for_each_path() {
    let observed = |message: Option<Message>, method: &str| {
        let request = Request::new(method, "/mcp").unwrap();
        policy::Observed {
            host: Host::parse("a.example").unwrap(),
            port: 443,
            program: vec!["/usr/bin/x".into()],
            request: Some(match message {
                Some(message) => request.saying(message),
                None => request,
            }),
            outcome: Outcome::Allow,
        }
    };
    let run = [
        observed(Message::recorded("initialize", None, ""), "POST"),
        observed(Some(call("b", &json!({}))), "POST"),
        observed(Some(call("a", &json!({"p": 1}))), "POST"),
        observed(Message::recorded("resources/read", Some("file:///a"), ""), "POST"),
        observed(None, "GET"),
    ];
    let told = policy::suggest_policy("run", &run);
    let rule = "    - {to: \"a.example:443\", programs: [\"/usr/bin/x\"], protocol: mcp, paths: [\"/mcp\"], tools: [\"a\", \"b\"], resources: [\"file:///a\"]}\n";
    assert!(told.ends_with(&format!("allow:\n{rule}")), "{told}");
}

/// A rule of the naive reading: tools, arguments by name, resources.
type Written = (Option<Vec<String>>, BTreeMap<String, Vec<String>>, Option<Vec<String>>);

/// Whether a pattern means a text, by trying everything.
fn means(pattern: &str, text: &str) -> bool {
    fn some(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', b'*', rest @ ..] => (0..=text.len()).any(|at| some(rest, &text[at..])),
            [b'*', rest @ ..] => {
                let longest = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
                (0..=longest).any(|at| some(rest, &text[at..]))
            }
            [byte, rest @ ..] => text.first() == Some(byte) && some(rest, &text[1..]),
        }
    }
    pattern == "*" || pattern == "**" || !climbs(text) && some(pattern.as_bytes(), text.as_bytes())
}

fn climbs(text: &str) -> bool {
    text.split('/').any(|part| part == ".." || part == ".")
}

/// All that a text is as a path.
fn paths(text: &str) -> Vec<String> {
    let mut once = text.to_owned();
    while once.contains("//") {
        once = once.replace("//", "/");
    }
    let ended = |path: &String| {
        let bare = path.strip_suffix('/').unwrap_or(path).to_owned();
        if bare.is_empty() { Vec::new() } else { vec![format!("{bare}/"), bare] }
    };
    let all = vec![text.to_owned(), once];
    all.iter().flat_map(ended).chain(all.clone()).collect()
}

fn naive_takes(
    (tools, arguments, resources): &Written,
    tool: bool,
    name: &str,
    given: &BTreeMap<String, String>,
) -> bool {
    let own = if tool { tools } else { resources };
    let named = match own {
        Some(list) => list.iter().any(|pattern| means(pattern, name)),
        None => tools.is_none() && resources.is_none(),
    };
    let fits = |name: &str| {
        let patterns = arguments.get(name).or_else(|| arguments.get("*"));
        match (patterns, given.get(name)) {
            (None, _) => false,
            (Some(patterns), Some(value)) => patterns.iter().any(|pattern| means(pattern, value)),
            (Some(patterns), None) => patterns.iter().any(|pattern| pattern == "*" || pattern == "**"),
        }
    };
    let every = arguments.keys().filter(|name| *name != "*").chain(given.keys());
    named && (!tool || arguments.is_empty() || every.into_iter().all(|name| fits(name)))
}

fn naive_means(
    (tools, arguments, resources): &Written,
    tool: bool,
    name: &str,
    given: &BTreeMap<String, String>,
) -> bool {
    let loosely = |pattern: &String, text: &String| {
        let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
        climbs(&text) || paths(&text).iter().any(|path| means(&pattern, path))
    };
    if tools.is_none() && arguments.is_empty() && resources.is_none() {
        return true;
    }
    let named = |list: &Option<Vec<String>>| {
        list.as_ref().is_some_and(|list| list.iter().any(|one| loosely(one, &name.to_owned())))
    };
    if !tool {
        return named(resources);
    }
    let about = named(tools) || tools.is_none() && !arguments.is_empty();
    about
        && arguments.iter().all(|(own, patterns)| {
            given.iter().any(|(name, value)| {
                (own == "*" || own.to_lowercase() == name.to_lowercase())
                    && patterns.iter().any(|one| loosely(one, value))
            })
        })
}

fn compile((tools, arguments, resources): &Written) -> Rule {
    let patterns = |list: &Vec<String>| list.iter().map(|one| TextPattern::parse(one).unwrap()).collect::<Vec<_>>();
    let mcp = Mcp {
        tools: tools.as_ref().map(patterns),
        arguments: arguments.iter().map(|(name, list)| (name.clone(), patterns(list))).collect(),
        resources: resources.as_ref().map(patterns),
        ..Mcp::default()
    };
    Rule { protocol: policy::Protocol::Mcp, mcp, ..Rule::to(policy::Target::parse("a.example").unwrap()) }
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[ab/]{1,3}", 2 => "[ab/]{0,2}\\*[ab/]{0,2}", 2 => "[ab/]{0,2}\\*\\*[ab/]{0,2}", 1 => Just("*".to_owned())]
}

fn written() -> impl Strategy<Value = Written> {
    let list = || prop::option::weighted(0.6, prop::collection::vec(pattern(), 1..3));
    let arguments = prop::collection::btree_map("[pq]|\\*", prop::collection::vec(pattern(), 1..3), 0..3);
    (list(), arguments, prop::option::weighted(0.3, prop::collection::vec(pattern(), 1..3)))
}

#[test]
fn decide_agrees_with_the_naive_reading_of_messages() {
    let seen = RefCell::new([0usize; 2]);
    let given = prop::collection::btree_map("[pqPr]", "([abA]|\\.\\.){0,2}(/{1,2}[abA.]{1,2}){0,2}/?", 0..3);
    let strategy = (
        prop::collection::vec(written(), 1..4),
        prop::option::weighted(0.4, written()),
        prop::bool::weighted(0.8),
        "[abA]{1,2}(/[ab]{1,2})?(/\\.\\.)?",
        given,
    );
    TestRunner::new(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })
        .run(&strategy, |(allow, deny, tool, name, given)| {
            let mut policy = Policy::default();
            policy.network.allow = allow.iter().map(compile).collect();
            policy.network.deny = deny.iter().map(compile).collect();
            let arguments: Map<String, Value> =
                given.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
            let message = match tool {
                true => Message::call(&name, arguments),
                false => Message::Resource { method: "resources/read", uri: name.clone() },
            };
            let denied = deny.iter().any(|rule| naive_means(rule, tool, &name, &given));
            let expected = !denied && allow.iter().any(|rule| naive_takes(rule, tool, &name, &given));
            seen.borrow_mut()[usize::from(expected)] += 1;
            prop_assert_eq!(said(&policy, "/mcp", message.clone()), expected);
            // What is suggested allows it.
            let asked = request("/mcp").saying(message);
            let (host, before) = (Host::parse("a.example").unwrap(), Conjunction::new(vec![policy.clone()]));
            let egress = Egress { host: &host, port: 443, program: None, request: Some(&asked) };
            if let Some(found) = suggest(&before, &egress) {
                policy.network.allow.push(found.rule);
                prop_assert!(
                    !expected && outcome(&Conjunction::new(vec![policy]), "a.example", Some(&asked)) == Outcome::Allow
                );
            }
            Ok(())
        })
        .expect("they agree");
    assert!(seen.borrow().iter().all(|count| *count > 3000), "each was met: {seen:?}");
}
