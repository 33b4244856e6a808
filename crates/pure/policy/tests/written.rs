//! Answers that were written down: how they are read, and which of them takes a question.
#![cfg(feature = "read")]

use policy::read::{MAX_ANSWERS, Source, read_answers};
use policy::{Method, PathPattern, Protocol, Rule, Say, Target, Written, written};

fn read(text: &str) -> Result<Vec<Written>, String> {
    let source = Source { name: "a.yaml".into(), text: text.into(), widens: true };
    read_answers(&source, Some("/home/u")).map_err(|found| format!("{}:{}", found.code, found.location.line))
}

fn lines(lines: &[&str]) -> Vec<Written> {
    let text = format!(
        "bastide-answers: 1\nanswers:\n{}",
        lines.iter().map(|line| format!("  - {line}\n")).collect::<String>()
    );
    read(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What a line says; what none takes is denied.
fn said(lines: &[Written], line: Option<usize>) -> Say {
    line.map_or(Say::Deny, |line| lines[line].say)
}

fn connection(to: &str) -> Rule {
    let programs = vec![policy::ProgramPattern::parse("/usr/bin/curl").expect("a program")];
    Rule { programs, ..Rule::to(Target::parse(to).expect("a target")) }
}

fn request(method: &str, path: &str) -> Rule {
    let (methods, paths) =
        (vec![Method::parse(method).expect("a method")], vec![PathPattern::parse(path).expect("a path")]);
    Rule { protocol: Protocol::Http, methods, paths, ..connection("a.example:443") }
}

#[test]
fn a_line_takes_a_question_where_it_takes_all_of_it_and_one_that_denies_wins() {
    let one = lines(&[
        "{to: \"a.example:443\", methods: [GET], paths: [/v1/**], answer: session}",
        "{to: \"*.b.example\", programs: [/usr/bin/curl], answer: once}",
        "{to: \"*.c.example\", programs: [/usr/bin/git], answer: once}",
        "{to: \"a.example\", methods: [GET], paths: [/v1/secret], answer: deny}",
        "{to: \"x.b.example\", answer: deny}",
    ]);
    for (asked, say) in [
        (request("GET", "/v1/a"), Say::Session),
        (request("GET", "/v1/secret"), Say::Deny),
        (request("POST", "/v1/a"), Say::Deny),
        (request("GET", "/v2"), Say::Deny),
        (connection("y.b.example:22"), Say::Once),
        (connection("x.b.example:22"), Say::Deny),
        (connection("y.c.example:22"), Say::Deny),
        (connection("other.example:443"), Say::Deny),
    ] {
        assert_eq!(said(&one, written(&one, &asked)), say, "{asked}");
    }
    // A connection may carry what is denied, so leave for all of it is none.
    let two = lines(&["{to: a.example, answer: session}", "{to: a.example, paths: [/x], answer: deny}"]);
    assert_eq!(written(&two, &connection("a.example:443")), Some(1));
    // Nor does leave for a connection say anything of WebSockets, or of MCP.
    let socket = Rule { protocol: Protocol::Websocket, methods: Vec::new(), ..request("GET", "/x") };
    assert_eq!(written(&two[..1], &socket), None);
    assert_eq!(written(&[], &connection("a.example:443")), None);
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    let file = |line: &str| format!("bastide-answers: 1\nanswers:\n  - {line}\n");
    for (text, place) in [
        (file("{to: a.example, answer: always}"), "E-POLICY-014:3"),
        (file("{to: a.example, answer: once, for: 10m}"), "E-POLICY-019:3"),
        (file("{to: a.example, credential: x, answer: once}"), "E-POLICY-019:3"),
        (file("{to: a.example}"), "E-POLICY-021:3"),
        (file("{answer: once}"), "E-POLICY-021:3"),
        (file("{to: \"https://a.example\", answer: once}"), "E-POLICY-011:3"),
        (file("{to: a.example, programs: [/usr/bin/x], answer: deny}"), "E-POLICY-012:3"),
        (file("{to: a.example, protocol: tcp, answer: once}"), "E-POLICY-014:3"),
        (file("{to: a.example, paths: [a/../b], answer: once}"), "E-POLICY-023:3"),
        // An empty list, or none, would answer more than whoever wrote it may have meant.
        (file("{to: a.example, methods: [], answer: once}"), "E-POLICY-021:3"),
        (file("{to: a.example, paths: [], answer: once}"), "E-POLICY-021:3"),
        (file("{to: a.example, programs: [], answer: once}"), "E-POLICY-021:3"),
        (file("{tool: send, effects: [], answer: once}"), "E-POLICY-021:3"),
        (file("{tool: send, targets: [], answer: once}"), "E-POLICY-021:3"),
        (file("{to: a.example, protocol: ~, answer: once}"), "E-POLICY-021:3"),
        (file("{to: ~, tool: send, answer: once}"), "E-POLICY-021:3"),
        ("bastide-answers: 2\nanswers: []\n".into(), "E-POLICY-003:1"),
        ("bastide: 1\nname: x\n".into(), "E-POLICY-019:1"),
        ("bastide-answers: 1\nanswers: &a []\n".into(), "E-POLICY-009:2"),
        ("bastide-answers: 1\n".into(), "E-POLICY-021:1"),
    ] {
        assert_eq!(read(&text).expect_err("refused"), place, "{text}");
    }
    let many =
        format!("bastide-answers: 1\nanswers:\n{}", "  - {to: a.example, answer: once}\n".repeat(MAX_ANSWERS + 1));
    assert!(read(&many).expect_err("too many").starts_with("E-POLICY-001:"));
    assert_eq!(read("bastide-answers: 1\nanswers: []\n"), Ok(Vec::new()));
}

#[test]
fn a_line_about_calls_takes_what_it_names_and_one_that_denies_any_of_it_wins() {
    use policy::{Doubt, Doubted, Effect, Role, written_call};
    let call = |tool: &str, effects: &[Effect], to: &str, whole: bool| {
        let doubt = Doubt {
            effect: None,
            argument: Some("to".into()),
            role: Some(Role::Target),
            value: to.into(),
            whole,
            why: String::new(),
            around: String::new(),
            sources: Vec::new(),
        };
        Doubted { tool: tool.into(), effects: effects.iter().copied().collect(), doubts: vec![doubt] }
    };
    let all = lines(&[
        "{to: \"a.example:443\", answer: once}",
        "{tool: \"send_*\", effects: [delete], answer: deny}",
        "{tool: \"*\", targets: [\"*@evil.example\"], answer: deny}",
        "{tool: send_email, effects: [send], targets: [\"*@acme.example\"], answer: source}",
        "{tool: \"send_*\", effects: [send, read], answer: once}",
    ]);
    for (asked, say) in [
        (call("send_email", &[Effect::Send], "ops@acme.example", true), Say::Source),
        (call("send_email", &[Effect::Send], "ops@acme.example", false), Say::Deny),
        (call("send_email", &[Effect::Send], "ops@other.example", true), Say::Once),
        (call("send_email", &[Effect::Send], "x@evil.example", true), Say::Deny),
        (call("send_email", &[Effect::Send, Effect::Delete], "ops@acme.example", true), Say::Deny),
        (call("send_email", &[Effect::Send, Effect::Write], "ops@acme.example", true), Say::Deny),
        (call("write_file", &[Effect::Write], "a", true), Say::Deny),
    ] {
        assert_eq!(said(&all, written_call(&all, &asked)), say, "{asked:?}");
    }
    assert_eq!(written_call(&[], &call("send_email", &[Effect::Send], "a", true)), None);
    // A line is about one of the two.
    for odd in [
        "{answer: once}",
        "{to: a.example, tool: b, answer: once}",
        "{to: a.example, answer: source}",
        "{to: a.example, effects: [send], answer: once}",
        "{tool: a, methods: [GET], answer: once}",
        "{tool: a, effects: [shout], answer: once}",
        "{tool: a, answer: always}",
    ] {
        let text = format!("bastide-answers: 1\nanswers:\n  - {odd}\n");
        assert!(read(&text).is_err(), "{odd}");
    }
}
