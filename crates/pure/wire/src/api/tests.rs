mod said;
mod told;

use std::path::{Path, PathBuf};

use super::routes::Asks;
use super::target::segments;
use super::*;
use crate::command::PolicyRequest;
use crate::question::Say;

fn once(method: &str, target: &str, body: &str) -> Request {
    match read(method, target, body.as_bytes()).expect("understood") {
        Asked::Request(request, Form::Whole) => *request,
        other => panic!("{other:?}"),
    }
}

fn fails(method: &str, target: &str, body: &str) -> u16 {
    read(method, target, body.as_bytes()).expect_err("refused").status()
}

#[test]
fn paths_mean_what_the_command_asks() {
    assert!(matches!(read("GET", "/v1/version", b""), Ok(Asked::Version)));
    assert!(matches!(once("GET", "/v1/sessions", ""), Request::Ls));
    assert!(
        matches!(once("GET", "/v1/sessions/s1", ""), Request::Show(select) if select.session.as_deref() == Some("s1"))
    );
    assert!(matches!(once("GET", "/v1/sessions/s1/why", ""), Request::Why { event: None, .. }));
    let why = once("GET", "/v1/sessions/s1/why/g12", "");
    assert!(matches!(why, Request::Why { event: Some(event), .. } if event == "g12"));
    let apply = once("POST", "/v1/sessions/s1/changes/apply", r#"{"paths": ["/w/a"]}"#);
    assert!(matches!(apply, Request::Apply { select, .. } if select.paths == [PathBuf::from("/w/a")]));
    assert!(
        matches!(once("POST", "/v1/sessions/s1/changes/discard", ""), Request::Discard(select) if select.paths.is_empty())
    );
    let stop = |body| once("POST", "/v1/sessions/s1/stop", body);
    assert!(matches!(stop(""), Request::Stop { grace: 10_000, .. }));
    assert!(matches!(stop(r#"{"grace": 0}"#), Request::Stop { grace: 0, .. }));
    assert!(matches!(once("POST", "/v1/sessions/s1/pause", ""), Request::Pause(_)));
    assert!(matches!(once("GET", "/v1/metrics", ""), Request::Metrics));
    assert!(matches!(once("GET", "/v1/questions", ""), Request::Questions));
    let answer = once("POST", "/v1/questions/3fa9c1d2/answer", r#"{"say": "session", "for": 600}"#);
    let Request::Answer { question, say: Say::Session { seconds: Some(600), wide: false } } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(question, "3fa9c1d2");
    let policy = once("POST", "/v1/sessions/s1/policy", r#"{"file": "/p.yaml"}"#);
    assert!(matches!(policy, Request::Policy(PolicyRequest::Apply { file, .. }) if file == Path::new("/p.yaml")));
    let follow = read("GET", "/v1/sessions/s1/events?follow=true", b"");
    assert!(
        matches!(follow, Ok(Asked::Request(request, Form::Events)) if matches!(*request, Request::Log { follow: true, .. }))
    );
    assert!(matches!(read("GET", "/v1/sessions/s1/events", b""), Ok(Asked::Request(_, Form::Lines))));
    let newest = once("GET", "/v1/sessions/~?directory=/w/%C3%A9", "");
    assert!(
        matches!(newest, Request::Show(select) if select.session.is_none() && select.directory == Path::new("/w/é"))
    );
    let several = once("POST", "/v1/gc", r#"{"sessions": ["a", "b"]}"#);
    assert!(matches!(several, Request::Remove(removal) if removal.sessions == ["a", "b"] && removal.before.is_none()));
}

#[test]
fn what_is_none_of_it_is_refused_with_a_status() {
    for path in [
        "/",
        "/v1",
        "/v2/sessions",
        "/v1/sessions/",
        "/v1//sessions",
        "/v1/sessions/a/b/c/d",
        "/v1/sessions/..",
        "/v1/sessions/%2e%2e",
        "/v1/sessions/a%2fb",
        "/v1/sessions/%61",
        "/v1/codes/~",
        "/v1/sessions/.hidden",
        "http://x/v1/sessions",
        "*",
    ] {
        assert_eq!(fails("GET", path, ""), 404, "{path}");
    }
    assert_eq!(fails("DELETE", "/v1/sessions", ""), 405);
    assert_eq!(fails("GET", "/v1/sessions/s1/changes/apply", ""), 405);
    assert_eq!(fails("GET", "/v1/sessions?follow=true", ""), 400);
    assert_eq!(fails("GET", "/v1/sessions/s1/events?follow=yes", ""), 400);
    assert_eq!(fails("GET", "/v1/sessions", "{}"), 400);
    assert_eq!(fails("GET", "/v1/sessions/~", ""), 400);
    assert_eq!(fails("GET", "/v1/sessions/s1?directory=/w", ""), 400);
    assert_eq!(fails("GET", "/v1/sessions/~?directory=w", ""), 400);
    assert_eq!(fails("GET", "/v1/sessions?ended=1", ""), 400);
    assert_eq!(fails("POST", "/v1/sessions/~/remove?directory=/w", ""), 404);
    for body in ["", "{}", r#"{"before": 1, "sessions": []}"#] {
        assert_eq!(fails("POST", "/v1/gc", body), 400, "{body}");
    }
    assert_eq!(fails("POST", "/v1/sessions/s1/stop", r#"{"grace": 86400001}"#), 400);
    assert_eq!(fails("POST", "/v1/sessions/s1/policy", ""), 400);
    for body in
        ["", "{}", r#"{"say": "all"}"#, r#"{"say": "session", "for": -1}"#, r#"{"say": "session", "rule": "x"}"#]
    {
        assert_eq!(fails("POST", "/v1/questions/3fa9c1d2/answer", body), 400, "{body}");
    }
    assert_eq!(fails("POST", "/v1/sessions/s1/policy", r#"{"file": "/p", "force": true}"#), 400);
    assert_eq!(fails("POST", "/v1/sessions/s1/changes/apply", r#"{"paths": ["a"]}"#), 400);
}

#[test]
fn each_route_is_reached_by_its_own_pattern_alone() {
    for route in &ROUTES {
        let path = route
            .path
            .replace("{session}", "s1")
            .replace("{event}", "g1")
            .replace("{question}", "3fa9")
            .replace("{code}", "E-PLANE-001")
            .replace("{name}", "n1");
        let target = format!("/{VERSION}{path}");
        let segments = segments(&target).expect("a path");
        let meant: Vec<_> =
            ROUTES.iter().filter(|other| other.method == route.method && other.means(&segments).is_some()).collect();
        assert_eq!(meant, [route], "{target}");
    }
}

/// What is written for others says every route and no other.
#[test]
fn the_reference_tells_every_route_and_no_other() {
    let text = include_str!("../../../../../docs/reference/api.yaml");
    let paths = text.split_once("\npaths:\n").and_then(|(_, rest)| rest.split_once("\ncomponents:\n")).expect("both").0;
    let (mut told, mut path) = (Vec::new(), "");
    for line in paths.lines() {
        match line.strip_suffix(':') {
            Some(line) if line.starts_with("  /") => path = &line[2..],
            Some("    get") => told.push(("GET", path)),
            Some("    post") => told.push(("POST", path)),
            _ => {}
        }
    }
    let known: Vec<_> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
    assert_eq!(told, known);
}

#[test]
fn a_session_begins_as_its_body_says_and_no_wider() {
    let begun = once(
        "POST",
        "/v1/sessions",
        r#"{"directory": "/w", "command": ["a", "b"], "name": "n", "terminal": {"rows": 3, "columns": 9}}"#,
    );
    let Request::Run(run) = begun else { panic!("another request") };
    assert!(
        run.detached
            && run.command == [b"a".to_vec(), b"b".to_vec()]
            && run.streams[0] == crate::command::Stream::Terminal
    );
    for body in [
        "",
        "{}",
        r#"{"directory": "w"}"#,
        r#"{"directory": "/w", "read": ["x"]}"#,
        r#"{"directory": "/w", "name": "a b"}"#,
        r#"{"directory": "/w", "unless_up": true}"#,
        r#"{"directory": "/w", "timeout": 3155760001}"#,
        r#"{"directory": "/w", "timeout": 0}"#,
        r#"{"directory": "/w", "streams": []}"#,
        r#"{"directory": "/w", "environment": {"API_KEY": "sk-ant-REDACTED"}}"#,
    ] {
        assert_eq!(fails("POST", "/v1/sessions", body), 400, "{body}");
    }
    let told = read("POST", "/v1/vault/n", br#"{"value": "hunter2", "to": 5}"#).expect_err("refused").to_string();
    assert!(!told.contains("hunter2"), "{told}");
}
