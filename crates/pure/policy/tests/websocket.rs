//! Requests that make a WebSocket: allowed by a rule that says so and by no other, denied by what denies requests.

use policy::read::{Source, blueprint, read};
use policy::{Conjunction, Decision, Egress, Host, Policy, Request, Rule, decide, diff, suggest};

fn text(allow: &str, deny: &str) -> Policy {
    let text = format!("bastide: 1\nname: test\nnetwork: {{allow: [{allow}], deny: [{deny}]}}");
    let source = Source { name: "test".into(), text, widens: true };
    read(&source, None, &mut blueprint).unwrap_or_else(|error| panic!("{error}"))
}

/// What becomes of a path, asked for as a request and as a WebSocket.
fn decided(policy: &Policy, path: &str) -> (bool, bool) {
    let (conjunction, host) = (Conjunction::new(vec![policy.clone()]), Host::parse("a.example").unwrap());
    let allows = |request: Request| {
        let egress = Egress { host: &host, port: 443, program: None, request: Some(&request) };
        matches!(decide(&conjunction, &egress), Decision::Allow(_))
    };
    let request = Request::new("GET", path).unwrap();
    (allows(request.clone()), allows(request.for_websocket()))
}

#[test]
fn a_websocket_is_allowed_by_its_name_and_denied_like_a_request() {
    for (allow, deny, expected) in [
        ("{to: a.example}", "", (true, false)),
        ("{to: a.example, protocol: tcp}", "", (true, false)),
        ("{to: a.example, protocol: http}", "", (true, false)),
        ("{to: a.example, paths: [/x]}", "", (true, false)),
        ("{to: a.example, protocol: websocket}", "", (false, true)),
        ("{to: a.example, protocol: websocket, paths: [/x], methods: [GET]}", "", (false, true)),
        ("{to: a.example, protocol: websocket, paths: [/y]}", "", (false, false)),
        ("{to: a.example, protocol: websocket, headers: {origin: x}}", "", (false, false)),
        ("{to: a.example, protocol: websocket}, {to: a.example, methods: [GET]}", "", (true, true)),
        ("{to: a.example, protocol: websocket}", "{to: a.example, paths: [/x]}", (false, false)),
        ("{to: a.example, protocol: websocket}", "{to: a.example, paths: [/y]}", (false, true)),
        (
            "{to: a.example, protocol: websocket}, {to: a.example, protocol: http}",
            "{to: '*.example', protocol: websocket}",
            (true, false),
        ),
    ] {
        assert_eq!(decided(&text(allow, deny), "/x"), expected, "{allow} {deny}");
    }
}

#[test]
fn the_connection_is_read_and_a_deny_rule_about_websockets_leaves_it() {
    let host = Host::parse("a.example").unwrap();
    let egress = Egress { host: &host, port: 443, program: None, request: None };
    for (allow, deny) in
        [("{to: a.example, protocol: websocket}", ""), ("{to: a.example}", "{to: a.example, protocol: websocket}")]
    {
        let conjunction = Conjunction::new(vec![text(allow, deny)]);
        assert!(matches!(decide(&conjunction, &egress), Decision::Read), "{allow} {deny}");
    }
}

#[test]
fn what_is_printed_reads_back_and_covers_its_own_kind_alone() {
    let rules = [
        "{to: \"a.example:443\"}",
        "{to: \"a.example:443\", protocol: http}",
        "{to: \"a.example:443\", protocol: websocket}",
        "{to: \"a.example:443\", protocol: websocket, paths: [\"/x/**\"], query: {\"k\": \"v\"}, budget: 1MiB}",
    ];
    let read: Vec<Rule> = rules.iter().map(|rule| text(rule, "").network.allow.remove(0)).collect();
    for (rule, written) in read.iter().zip(rules) {
        assert_eq!(rule.to_string(), written);
        assert_eq!(text(&rule.to_string(), "").network.allow, vec![rule.clone()]);
    }
    let covered: Vec<(usize, usize)> = (0..4).flat_map(|one| (0..4).map(move |other| (one, other))).collect();
    let covered = covered.into_iter().filter(|(one, other)| one != other && read[*one].covers(&read[*other]));
    assert_eq!(covered.collect::<Vec<_>>(), [(0, 1), (1, 0), (2, 3)]);
    let (plain, more) = (text(rules[1], ""), text(&rules[1..3].join(", "), ""));
    assert!(diff(&plain, &more).iter().all(|change| change.widens));
    assert_eq!(diff(&plain, &more).len(), 1);
}

#[test]
fn where_its_name_leads_may_be_named_by_any_rule_and_is_no_leave_itself() {
    let (host, at) = (Host::parse("a.example").unwrap(), Host::parse("10.0.0.1").unwrap());
    let request = Request::new("GET", "/x").unwrap().for_websocket();
    for (named, reached) in
        [("{to: 10.0.0.1}", true), ("{to: 10.0.0.1, paths: [/y]}", false), ("{to: 10.0.0.2}", false)]
    {
        let rules = format!("{{to: a.example, protocol: websocket}}, {named}");
        let conjunction = Conjunction::new(vec![text(&rules, "")]);
        let egress = |host| Egress { host, port: 443, program: None, request: Some(&request) };
        let egress_to = egress(&host);
        let Decision::Allow(permit) = decide(&conjunction, &egress_to) else { panic!("not allowed") };
        assert_eq!(permit.pin(&["10.0.0.1".parse().unwrap()]).is_ok(), reached, "{named}");
        assert!(!matches!(decide(&conjunction, &egress(&at)), Decision::Allow(_)), "{named}");
    }
}

#[test]
fn it_is_asked_for_by_the_smallest_rule() {
    let conjunction = Conjunction::new(vec![text("{to: a.example}", "")]);
    let host = Host::parse("a.example").unwrap();
    let request = Request::new("GET", "/chat").unwrap().for_websocket();
    let egress = Egress { host: &host, port: 443, program: None, request: Some(&request) };
    let found = suggest(&conjunction, &egress).unwrap();
    assert_eq!(found.rule.to_string(), "{to: \"a.example:443\", protocol: websocket, paths: [\"/chat\"]}");
    let Decision::Deny(refusal) = decide(&conjunction, &egress) else { panic!("allowed") };
    assert!(refusal.to_string().starts_with("`GET /chat as a WebSocket at a.example:443` is allowed by no rule"));
}

#[test]
fn what_passes_unread_is_no_websocket() {
    for (rule, place) in
        [("{to: a.example, protocol: websocket, tls: pass}", "tls"), ("{to: a.example, protocol: ws}", "ws")]
    {
        let text = format!("bastide: 1\nname: test\nnetwork: {{allow: [{rule}]}}");
        let source = Source { name: "test".into(), text, widens: true };
        assert!(read(&source, None, &mut blueprint).is_err(), "{place}");
    }
}
