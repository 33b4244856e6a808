use serde_json::{Value, json};

use super::*;

fn read(verb: Verb, with: Value) -> Result<Petition, Unread> {
    Petition::read(verb, with)
}

#[track_caller]
fn refused(verb: Verb, with: Value) -> String {
    read(verb, with.clone()).map(|read| panic!("{with}: {read:?}")).unwrap_err().to_string()
}

fn full() -> Value {
    json!({
        "task": "make the tests pass",
        "agent": "codex",
        "files": [{"path": "src/", "access": "write"}, {"path": ".", "access": "read"}],
        "network": ["api.github.com", "*.example.org:8443"],
        "tools": ["search_*"],
        "inference": {"models": ["gpt-*"]},
        "credentials": ["github"],
        "budget": {"tokens": 1000, "money": "0.25 USD", "time": 60, "memory": 1 << 20, "pids": 8, "egress": 4096},
        "context": "the first failure is in head.rs",
        "key": "tests-1",
    })
}

#[test]
fn every_verb_is_read_and_says_itself_again() {
    for (verb, with) in [
        (Verb::Whoami, json!({})),
        (Verb::Ask, json!({"to": "api.github.com", "why": "to read the issue"})),
        (Verb::Ask, json!({"to": "[2001:db8::1]:80", "method": "GET", "path": "/a?b", "why": "w", "seconds": 60})),
        (Verb::Spawn, full()),
        (Verb::Spawn, json!({"task": "t", "command": ["/bin/true", "-v"]})),
        (Verb::Wait, json!({})),
        (Verb::Wait, json!({"child": 3, "seconds": 0})),
        (Verb::Send, json!({"words": "w"})),
        (Verb::Send, json!({"child": 1, "words": "w", "key": "k"})),
        (Verb::Result, json!({"child": 1})),
        (Verb::Cancel, json!({"child": 1})),
        (Verb::Report, json!({"words": "half of it", "result": true})),
    ] {
        let petition = read(verb, with).unwrap_or_else(|error| panic!("{}: {error}", verb.name()));
        assert_eq!(petition.verb(), verb);
        assert_eq!(Verb::named(verb.name()), Some(verb));
        let labels = vec![Label::parse("secret:env").expect("a label")];
        let event = "g12".parse().expect("an event");
        let report = crate::GateReport::Petition(Box::new(Petitioned { number: u64::MAX, event, labels, petition }));
        let again = crate::decode(&crate::encode(&report).expect("a frame")).expect("the same");
        assert_eq!(report, again);
    }
}

#[test]
fn a_wish_is_kept_as_it_was_said() {
    let Ok(Petition::Spawn(spawn)) = read(Verb::Spawn, full()) else { panic!("no spawn") };
    assert_eq!(spawn.run, Run::Agent("codex".to_owned().try_into().expect("a name")));
    assert_eq!(spawn.files.iter().map(|grant| grant.path.as_str()).collect::<Vec<_>>(), ["src", "."]);
    assert_eq!(spawn.network.len(), 2);
    assert_eq!(spawn.budget.money.map(|money| money.micros), Some(250_000));
    assert_eq!(serde_json::to_value(&*spawn).expect("JSON")["files"][0]["path"], "src");
}

#[test]
fn no_verb_takes_what_it_does_not_know() {
    for verb in Verb::ALL {
        let mut with = match verb {
            Verb::Whoami | Verb::Wait => json!({}),
            Verb::Ask => json!({"to": "a.example", "why": "w"}),
            Verb::Spawn => full(),
            Verb::Send | Verb::Report => json!({"words": "w"}),
            Verb::Result | Verb::Cancel => json!({"child": 1}),
        };
        assert!(read(verb, with.clone()).is_ok(), "{verb:?}");
        // Who asks, and by which policy, is nobody's to say.
        for name in
            ["policy", "policies", "session", "parent", "identity", "from", "uid", "labels", "extends", "number"]
        {
            with[name] = json!("x");
            assert!(refused(verb, with.clone()).contains("unknown field"), "{verb:?} {name}");
            with.as_object_mut().expect("an object").remove(name);
        }
        assert!(read(verb, json!([])).is_err() && read(verb, json!("x")).is_err() && read(verb, Value::Null).is_err());
    }
}

#[test]
fn children_are_numbers_and_paths_lie_in_the_workspace() {
    for child in [json!(-1), json!("1"), json!(1.5), json!(u64::MAX), json!("s1"), json!(["1"])] {
        refused(Verb::Cancel, json!({"child": child}));
    }
    let long = "x".repeat(4096);
    for path in ["/etc", "..", "a/../b", "a//b", "./a", "a/.", "", "/", "a\0", "a\nb", &long] {
        let why = refused(Verb::Spawn, json!({"task": "t", "agent": "a", "files": [{"path": path, "access": "read"}]}));
        assert!(why.contains("a path"), "{path}: {why}");
    }
    refused(Verb::Spawn, json!({"task": "t", "agent": "a", "files": [{"path": "a", "access": "execute"}]}));
    refused(Verb::Spawn, json!({"task": "t", "agent": "a", "files": ["a"]}));
}

#[test]
fn bounds_hold() {
    let words = |length: usize| "x".repeat(length);
    assert!(read(Verb::Report, json!({"words": words(MAX_WORDS)})).is_ok());
    refused(Verb::Report, json!({"words": words(MAX_WORDS + 1)}));
    refused(Verb::Report, json!({"words": ""}));
    refused(Verb::Send, json!({"words": "a\0"}));
    refused(Verb::Wait, json!({"seconds": MAX_WAIT + 1}));
    refused(Verb::Ask, json!({"to": "a.example", "why": words(MAX_LINE + 1)}));
    for to in ["*.example.org", "10.0.0.0/8", "a.example:0", "a.example:port", "http://a.example", ""] {
        refused(Verb::Ask, json!({"to": to, "why": "w"}));
    }
    refused(Verb::Ask, json!({"to": "a.example", "why": "w", "method": "get"}));
    let many = |count: usize| (0..count).map(|n| format!("h{n}.example")).collect::<Vec<_>>();
    assert!(read(Verb::Spawn, json!({"task": "t", "agent": "a", "network": many(64)})).is_ok());
    refused(Verb::Spawn, json!({"task": "t", "agent": "a", "network": many(65)}));
    for with in [
        json!({"task": "t"}),
        json!({"task": "t", "agent": "a", "command": ["x"]}),
        json!({"task": "t", "command": []}),
        json!({"task": "t", "agent": "../a"}),
        json!({"task": "t", "agent": "a", "credentials": ["A"]}),
        json!({"task": "t", "agent": "a", "budget": {"money": 1}}),
        json!({"task": "t", "agent": "a", "budget": {"tokens": -1}}),
        json!({"task": "t", "agent": "a", "budget": {"time": policy::MOST_TIME + 1}}),
        json!({"task": "t", "agent": "a", "key": words(65)}),
        json!({"agent": "a"}),
    ] {
        refused(Verb::Spawn, with);
    }
}

#[test]
fn what_is_wrong_is_told_in_bounded_plain_words() {
    for (field, with) in [
        ("network", json!({"task": "t", "agent": "a", "network": [{"to": "a.example"}]})),
        ("budget", json!({"task": "t", "agent": "a", "budget": {"tokens": "many"}})),
        ("command", json!({"task": "t", "command": "make all"})),
    ] {
        let why = refused(Verb::Spawn, with);
        assert!(why.contains(&format!("`{field}`: invalid type: ")), "{why}");
    }
    // Neither the fields nor what a program calls them take its words for ours.
    assert!(!refused(Verb::Spawn, json!({"task": "t", "agent": "a"," network": []})).contains("` network`: "));
    let why = refused(Verb::Ask, json!({"to": "a.example", "why": "w", "method": "\u{1b}[2J".repeat(4096)}));
    assert!(why.chars().count() < 400 && !why.contains('\u{1b}'), "{why}");
    let why = refused(Verb::Report, json!({"\u{1b}[31m".repeat(2000): 1}));
    assert!(why.chars().count() < 400 && !why.chars().any(char::is_control), "{why}");
}

#[test]
fn answers_survive_the_frame_and_tell_their_labels() {
    let label = |text: &str| Label::parse(text).expect("a label");
    let message = Message { from: Sender::Child(Child(2)), words: "w".into(), labels: vec![label("secret:b")] };
    let state = ChildState {
        child: Child(1),
        standing: Standing::Ended { exit: 0, reason: "it ended".into() },
        words: Some("done".into()),
        labels: vec![label("secret:a")],
    };
    let news = Answer::News { children: vec![state], messages: vec![message] };
    assert_eq!(news.labels().map(Label::as_str).collect::<Vec<_>>(), ["secret:a", "secret:b"]);
    let budget = Budget { tokens: Some(1), ..Budget::default() };
    let cut = Cut { what: "network a.example".into(), why: "no rule".into(), by: "parent".into() };
    for answer in [
        news,
        Answer::Spawned(Box::new(Spawned { child: Child(1), cut: vec![cut], budget, again: false })),
        Answer::Question(Question { question: Some("q1".into()), state: QuestionState::Waiting, words: "wait".into() }),
        Answer::Done,
        Answer::Denied(Denial::new(Reason::NotGranted, "no", "ask")),
    ] {
        let order = crate::GateOrder::Petitioned { number: 7, answer: answer.clone() };
        let again: crate::GateOrder = crate::decode(&crate::encode(&order).expect("a frame")).expect("the same");
        assert!(matches!(again, crate::GateOrder::Petitioned { number: 7, answer: same } if same == answer));
    }
}
