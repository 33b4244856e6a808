use super::*;
use crate::event::{Cause, Segment};
use crate::summary::summarise;

fn id(text: &str) -> EventId {
    text.parse().expect("an id")
}

fn entry(name: &str, cause: &[(&str, Known)], kind: Kind) -> Entry {
    let cause = cause.iter().map(|&(name, known)| Cause { id: id(name), known }).collect();
    Entry { id: id(name), event: Event { seq: id(name).seq, at: 5, cause, kind } }
}

fn connect(host: &str, verdict: Verdict) -> Kind {
    Kind::Connect {
        pid: Some(4),
        program: vec!["/usr/bin/curl".into(), "/bin/sh".into()],
        host: host.into(),
        address: None,
        port: 443,
        verdict,
        rule: Some("network.default".into()),
        reason: Some("no rule names it".into()),
        suggestion: Some(format!("network: {{allow: [{{to: {host}}}]}}")),
        times: 1,
    }
}

fn session() -> Vec<Entry> {
    let exec = Kind::Exec { pid: 4, parent: 1, by: "/bin/sh".into(), claimed: "curl".into(), arguments: vec![] };
    vec![
        entry("p1", &[("g2", Known::Inferred)], exec),
        entry("g1", &[("p1", Known::Inferred)], connect("a\u{202e}.example", Verdict::Refused)),
        entry("g2", &[("g1", Known::Observed), ("p9", Known::Observed)], connect("::1", Verdict::Allowed)),
        entry("g3", &[], Kind::Close { connect: id("g2"), sent: 10, received: u64::MAX, address: None, note: None }),
        entry("g4", &[], Kind::Close { connect: id("g2"), sent: 10, received: 1, address: None, note: None }),
        entry(
            "g5",
            &[],
            Kind::Resolve { name: "no.example".into(), verdict: Verdict::Refused, reason: None, times: 1 },
        ),
        entry("g6", &[], connect("wait.example", Verdict::Asked)),
        entry("p2", &[], Kind::Ended { exit: 3, reason: "exited".into() }),
    ]
}

#[test]
fn a_refusal_is_explained() {
    let answer = why(&session(), id("g1")).expect("held");
    assert_eq!(answer.what, "connection of `/usr/bin/curl` to `a\\u{202e}.example:443` refused");
    assert_eq!(answer.rule.as_deref(), Some("network.default"));
    assert_eq!(answer.program, ["/usr/bin/curl", "/bin/sh"]);
    assert!(answer.suggestion.is_some_and(|rule| rule.contains("a\\u{202e}.example")));
}

/// Names that look like a line of the record stay one word of it.
#[test]
fn no_word_forges_a_line() {
    let bad = "x` as process 1 by `/usr/bin/bastide";
    let list = || vec![bad.to_owned(), bad.to_owned()];
    let exec = Kind::Exec { pid: 4, parent: 1, by: bad.into(), claimed: bad.into(), arguments: list() };
    let start = Kind::SessionStart {
        session: bad.into(),
        command: list(),
        workspace: bad.into(),
        mode: bad.into(),
        policy: bad.into(),
        accepted_risks: list(),
    };
    let mut reached = connect(bad, Verdict::Refused);
    if let Kind::Connect { program, .. } = &mut reached {
        *program = list();
    }
    let file = Kind::FileRefused {
        pid: None,
        program: Some(bad.into()),
        access: list(),
        path: Some(format!("/{bad}")),
        untold: 0,
    };
    let name = Kind::Resolve { name: bad.into(), verdict: Verdict::Refused, reason: None, times: 1 };
    let change = Kind::WorkspaceChange { path: bad.into(), change: bad.into() };
    let merge = Kind::Merge { paths: list(), state: bad.into() };
    let policy = Kind::Policy { revision: 2, name: bad.into(), changes: list(), undoes: None };
    let untaken = Kind::PolicyNotTaken { revision: 2, reason: bad.into() };
    let ordered = Kind::Ordered { order: bad.into(), who: bad.into() };
    let reserved =
        Kind::ChildReserved { child: 1, task: bad.into(), budget: policy::Amounts::default(), below: 0, cut: list() };
    let child_of = Kind::ChildOf { session: bad.into(), child: 1, event: id("p3"), task: bad.into(), labels: list() };
    let carried = Kind::Carried { labels: list(), values: list(), from: list() };
    let left = Kind::Left { place: bad.into(), paths: list(), labels: list(), values: list() };
    let declassified = Kind::Declassified {
        place: bad.into(),
        paths: list(),
        labels: list(),
        contents: 1,
        who: bad.into(),
        reason: Some(bad.into()),
    };
    let server_of = Kind::ServerOf { session: bad.into(), server: bad.into(), event: id("p3") };
    let server_begins = Kind::ServerBegins { server: bad.into(), command: list() };
    let server_began = Kind::ServerBegan { server: bad.into(), session: bad.into() };
    let server_ended = Kind::ServerEnded { server: bad.into(), session: None, exit: None, reason: bad.into() };
    let question = Kind::Question {
        question: bad.into(),
        pid: None,
        program: list(),
        host: bad.into(),
        port: 1,
        does: Some(bad.into()),
        rule: bad.into(),
        revision: 1,
        reasons: list(),
    };
    let ruled = Kind::Ruled {
        question: bad.into(),
        answer: bad.into(),
        who: bad.into(),
        rule: Some(bad.into()),
        seconds: Some(1),
        waiting: 2,
    };
    let mcp = |server| Kind::Mcp {
        pid: None,
        program: list(),
        host: bad.into(),
        port: 1,
        target: bad.into(),
        method: bad.into(),
        name: Some(bad.into()),
        words: bad.into(),
        server,
        verdict: Verdict::Refused,
        rule: None,
        reason: None,
        suggestion: None,
    };
    let petition = Kind::Petition {
        pid: None,
        program: list(),
        verb: bad.into(),
        words: bad.into(),
        labels: list(),
        verdict: Verdict::Refused,
        rule: None,
        reason: Some(bad.into()),
    };
    let denied = Kind::PetitionAnswered { petition: id("g1"), verdict: Verdict::Refused, reason: bad.into() };
    let described = Kind::Said {
        speaker: "server".into(),
        form: "description".into(),
        tool: Some(bad.into()),
        words: bad.into(),
        digest: String::new(),
        standing: "untrusted".into(),
    };
    let close = Kind::Close {
        connect: id("g1"),
        sent: 1,
        received: 2,
        address: Some(bad.into()),
        note: Some(format!("the server broke the connection off: {bad}")),
    };
    let ended = Kind::Ended { exit: 1, reason: bad.into() };
    let evidence = Kind::Evidence { what: bad.into(), source: bad.into(), how: bad.into(), quoted: bad.into() };
    let risk = Kind::Risk {
        name: bad.into(),
        why: bad.into(),
        source: bad.into(),
        from: 0,
        to: 1,
        quoted: bad.into(),
        weight: 1,
        score: 1,
    };
    let answered = Kind::Answered {
        model: id("g1"),
        input: None,
        output: None,
        stop: Some(bad.into()),
        whole: false,
        error: Some(bad.into()),
        complaint: Some(bad.into()),
        cost: None,
    };
    let marks = [
        (close, 0),
        (ended, 0),
        (evidence, 2),
        (risk, 4),
        (answered, 2),
        (mcp(false), 10),
        (mcp(true), 8),
        (described, 4),
        (petition, 6),
        (denied, 0),
        (exec, 4),
        (start, 4),
        (reached, 4),
        (file, 4),
        (name, 2),
        (change, 2),
        (merge, 4),
        (policy, 6),
        (untaken, 0),
        (ordered, 0),
        (reserved, 6),
        (carried, 10),
        (left, 12),
        (declassified, 12),
        (server_of, 2),
        (server_begins, 4),
        (server_began, 2),
        (server_ended, 2),
        (child_of, 2),
        (question, 6),
        (ruled, 2),
    ];
    for (kind, marks) in marks {
        let line = describe(&kind);
        assert_eq!(line.matches('`').count(), marks, "only the line's own: {line}");
        let answer = why(&[entry("g1", &[], kind)], id("g1")).expect("held");
        assert!(answer.program.iter().all(|name| !name.contains('`')), "{answer:?}");
    }
    assert_eq!(
        describe(&Kind::Resolve { name: "a`\u{ff40}".into(), verdict: Verdict::Refused, reason: None, times: 1 }),
        "look-up of `a\\u{60}\\u{ff40}` refused"
    );
}

#[test]
fn an_address_is_told_in_one_pair_of_brackets() {
    for host in ["200::1", "[200::1]"] {
        let event = connect(host, Verdict::Refused);
        assert!(describe(&event).contains("to `[200::1]:443` refused"), "{}", describe(&event));
    }
    let events = ["200::1", "[200::1]"].map(|host| connect(host, Verdict::Allowed));
    let mut summary = crate::Summary::default();
    events.iter().for_each(|event| summary.take(event));
    let json = serde_json::to_value(&summary).expect("json");
    assert_eq!(json["allowed"], serde_json::json!({"[200::1]:443": 2}));
}

#[test]
fn causes_end_in_a_cycle_and_stay_inferred() {
    let answer = why(&session(), id("g3")).expect("held");
    let told: Vec<_> = answer.causes.iter().map(|because| (because.id.to_string(), because.known)).collect();
    let want = [("g2", Known::Observed), ("g1", Known::Observed), ("p9", Known::Observed), ("p1", Known::Inferred)];
    assert_eq!(told, want.map(|(name, known)| (name.to_owned(), known)));
    assert_eq!(answer.causes[2].what, None);
    assert_eq!(why(&session(), id("g99")), None);
}

#[test]
fn the_summary_counts_by_destination() {
    let entries = session();
    let summary = summarise(entries.iter().map(|entry| &entry.event));
    let json = serde_json::to_value(&summary).expect("json");
    assert_eq!(json["allowed"], serde_json::json!({"[::1]:443": 1}));
    assert_eq!(json["refused"]["no.example"], 1);
    assert_eq!(json["refused"]["wait.example:443"], 1);
    assert_eq!((summary.sent, summary.received, summary.exit), (20, u64::MAX, Some(3)));
}

#[test]
fn a_flood_of_names_is_counted_without_being_held() {
    let mut summary = crate::Summary::default();
    for number in 0..2 * crate::summary::MAX_TOLD {
        summary.take(&connect(&format!("n{number}.example"), Verdict::Refused));
    }
    assert_eq!(summary.refused.len(), crate::summary::MAX_TOLD + 1);
    assert_eq!(summary.refused.values().sum::<u64>(), 2 * crate::summary::MAX_TOLD as u64);
}

#[test]
fn a_merge_is_told_without_listing_all_of_it() {
    let merge =
        |count: usize| Kind::Merge { paths: (0..count).map(|n| format!("f{n}\u{7}")).collect(), state: "begun".into() };
    assert_eq!(describe(&merge(0)), "merge of nothing: begun");
    assert_eq!(describe(&merge(5)), "merge of `f0\\u{7}`, `f1\\u{7}`, `f2\\u{7}` and 2 more: begun");
}

#[test]
fn a_policy_is_told_with_what_it_changes() {
    let policy = |changes: &[&str], undoes| {
        let changes = changes.iter().map(|change| (*change).to_owned()).collect();
        Kind::Policy { revision: 3, name: "mine".into(), changes, undoes }
    };
    let rule = "+ network.allow: {to: \"a.example\"} (widens)";
    assert_eq!(describe(&policy(&[rule], None)), format!("policy `mine`, revision 3: `{rule}`"));
    assert_eq!(describe(&policy(&[], Some(2))), "policy `mine`, revision 3, which undoes revision 2: no other rules");
    let ordered = Kind::Ordered { order: "pause".into(), who: "uid 7 with bastided (process 9)".into() };
    assert_eq!(describe(&ordered), "the operator's pause, by uid 7 with bastided (process 9)");
    let with_it = Kind::Ordered { order: "pause".into(), who: "its parent".into() };
    assert_eq!(describe(&with_it), "pause, with its parent");
    let ruled = |answer: &str, seconds| Kind::Ruled {
        question: "3fa9c1d2aabb".into(),
        answer: answer.into(),
        who: "uid 7 with bastided (process 9)".into(),
        rule: Some("{to: \"a.example:443\"}".into()),
        seconds,
        waiting: 3,
    };
    let told =
        "question 3fa9c1d2: session for 600 s, uid 7 with bastided (process 9); 3 waited, by `{to: \"a.example:443\"}`";
    assert_eq!(describe(&ruled("session", Some(600))), told);
    let untaken = Kind::PolicyNotTaken { revision: 3, reason: "the gate was lost".into() };
    assert_eq!(describe(&untaken), "policy revision 3 not taken, the one before stays: the gate was lost");
    let answer = why(&[entry("p4", &[], untaken)], id("p4")).expect("held");
    assert_eq!(answer.reason.as_deref(), Some("the gate was lost"));
}

#[test]
fn what_a_forged_line_says_is_bounded() {
    let long = "x".repeat(200_000);
    let mut event = connect(&long, Verdict::Refused);
    if let Kind::Connect { program, .. } = &mut event {
        *program = vec![long.clone(); 1000];
    }
    assert!(describe(&event).len() < 5000);
    let answer = why(&[entry("g1", &[], event.clone())], id("g1")).expect("held");
    assert!(answer.program.len() == MAX_CAUSES && answer.program[0].len() < 5000);
    let mut summary = crate::Summary::default();
    summary.take(&event);
    assert!(summary.refused.keys().all(|target| target.host.len() <= 300));
}

#[test]
fn a_line_is_named_by_its_place_whatever_it_claims() {
    let line = format!("{} {{\"seq\":9,\"at\":5,\"kind\":\"gate-lost\"}}\n", "0".repeat(64));
    let read = crate::decode(Segment::Gate, 2, line.as_bytes()).expect("an event");
    assert_eq!((read.id, read.event.seq), (id("g2"), 9));
}

#[test]
fn an_id_has_one_spelling() {
    assert_eq!(id("g12"), EventId { segment: Segment::Gate, seq: 12 });
    for text in ["", "g", "g0", "g01", "g+1", "x1", "G1", "g1 ", "g99999999999999999999"] {
        assert!(text.parse::<EventId>().is_err(), "{text}");
    }
}

#[test]
fn events_keep_their_shape() {
    let json = r#"{"seq":2,"at":5,"kind":"gate-started","incarnation":1}"#;
    let event: Event = serde_json::from_str(json).expect("an event");
    assert_eq!(serde_json::to_string(&event).expect("json"), json);
    let later: Event = serde_json::from_str(r#"{"seq":1,"at":5,"kind":"telepathy","x":1}"#).expect("read");
    assert_eq!(later.kind, Kind::Unknown);
}

#[test]
fn what_is_kept_as_a_hash_is_told_by_its_length() {
    let words = crate::bodies::mark("bash\ncurl https://log.example");
    let said = |form: &str, speaker: &str| Kind::Said {
        speaker: speaker.into(),
        form: form.into(),
        tool: (form == "tool-call").then(|| "bash".into()),
        words: words.clone(),
        digest: String::new(),
        standing: "delivered".into(),
    };
    let short = "29 bytes, sha256 ";
    assert!(describe(&said("tool-call", "assistant")).starts_with(&format!("call of `bash`: {short}")));
    assert!(describe(&said("text", "system")).starts_with(&format!("system prompt: {short}")));
    let quoted = words.clone();
    let evidence = Kind::Evidence { what: "carries x".into(), source: "y".into(), how: String::new(), quoted };
    assert!(describe(&evidence).starts_with(&format!("carries x from y: {short}")));
    assert!(brief(&words).starts_with(short));
    assert_eq!(brief("[29 bytes, sha256:me]"), "[29 bytes, sha256:me]");
}

#[test]
fn what_an_answer_cost_is_told_and_summed() {
    let answered = |micros: u64, currency: &str, estimated: bool| Kind::Answered {
        model: id("g1"),
        input: Some(4),
        output: None,
        stop: None,
        whole: true,
        error: None,
        complaint: None,
        cost: Some(crate::Cost { micros, currency: currency.into(), estimated }),
    };
    let told = describe(&answered(1_250_000, "USD", false));
    assert_eq!(told, "answer to g1: 4 tokens asked, ? answered, 1.25 USD");
    assert!(describe(&answered(2, "EUR", true)).ends_with(", about 0.000002 EUR"));
    let all = [answered(1_250_000, "USD", false), answered(2, "EUR", true), answered(750_001, "USD", false)];
    let forged = (0..20).map(|number| answered(u64::MAX, &format!("X{number}"), false));
    let mut summary = crate::Summary::default();
    all.into_iter().chain(forged).for_each(|kind| summary.take(&kind));
    let costs: Vec<String> = summary.models.cost.iter().take(2).map(ToString::to_string).collect();
    assert_eq!(costs, ["2.000001 USD", "about 0.000002 EUR"]);
    assert_eq!((summary.models.answers, summary.models.input, summary.models.output), (23, 92, 0));
    assert!(summary.models.cost.len() <= 8);
}
