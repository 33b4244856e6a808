use super::*;

use crate::event::{EventId, Segment};

fn ruled(answer: &str) -> Kind {
    let (question, who) = ("q".to_owned(), "w".to_owned());
    Kind::Ruled { question, answer: answer.into(), who, rule: None, seconds: None, waiting: 1 }
}

fn page() -> Page {
    let mut counts = Counts::default();
    let cost = |currency: &str, micros| Some(Cost { micros, currency: currency.into(), estimated: false });
    let model = EventId { segment: Segment::Gate, seq: 1 };
    for kind in [
        Kind::Resolve { name: "a".into(), verdict: Verdict::Allowed, reason: None, times: 1 },
        Kind::Resolve { name: "b".into(), verdict: Verdict::Refused, reason: None, times: 1 },
        Kind::Resolve { name: "c".into(), verdict: Verdict::Asked, reason: None, times: 1 },
        Kind::Close { connect: model, sent: u64::MAX, received: 7, address: None, note: None },
        Kind::Close { connect: model, sent: 1, received: 7, address: None, note: None },
        Kind::FileRefused { pid: None, program: None, access: Vec::new(), path: Some("/x".into()), untold: 4 },
        Kind::Answered {
            model,
            input: Some(10),
            output: None,
            stop: None,
            whole: true,
            error: None,
            complaint: None,
            cost: cost("E\"U\\R\n", 1_500_000),
        },
        ruled("once"),
        ruled("expired"),
        Kind::GateLost,
    ] {
        counts.take(&kind);
    }
    let mut twice = Counts::default();
    twice.add(&counts);
    twice.add(&counts);
    Page {
        version: "0.1.0".into(),
        sessions: Sessions { running: 1, ended: 2, lost: 3, pruned: 4 },
        counts: twice,
        gates: Some((1, 5_000_000)),
        ledger: Some((9, 1_800_000_000_250_000)),
        damaged: true,
        unread: 0,
    }
}

#[test]
fn counts_are_added_and_told() {
    let text = page().text();
    for line in [
        "bastide_build_info{version=\"0.1.0\"} 1",
        "bastide_sessions{state=\"running\"} 1",
        "bastide_sessions{state=\"pruned\"} 4",
        "bastide_names_total{decision=\"allowed\"} 2",
        "bastide_names_total{decision=\"asked\"} 2",
        "bastide_bytes_total{direction=\"sent\"} 18446744073709551615",
        "bastide_bytes_total{direction=\"received\"} 28",
        "bastide_files_refused_total 10",
        "bastide_model_tokens_total{direction=\"input\"} 20",
        "bastide_model_cost_total{currency=\"E\\\"U\\\\R\\n\"} 3",
        "bastide_events_total 20",
        "bastide_questions_answered_total 2",
        "bastide_questions_total 0",
        "bastide_gates_lost_total 2",
        "bastide_gate_resident_memory_bytes 5000000",
        "bastide_ledger_newest_entry_timestamp_seconds 1800000000.25",
        "bastide_ledger_damaged 1",
    ] {
        assert!(text.lines().any(|one| one == line), "{line} is not in\n{text}");
    }
    let parsed = parse(&text);
    assert!(parsed.len() > 20 && parsed.iter().all(|(name, _)| name.starts_with("bastide_")), "{parsed:?}");
}

/// The exposition format, version 0.0.4, as strictly as its text says: one group a metric, its help and type before its
/// samples, each series once, a counter's name ends in `_total`.
fn parse(text: &str) -> Vec<(String, usize)> {
    assert!(text.ends_with('\n'));
    let (mut families, mut series) = (Vec::<(String, usize)>::new(), std::collections::BTreeSet::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')).expect("help first");
        assert!(!help.is_empty() && is_name(name), "{line}");
        let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} "))).expect("then its type");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        assert!(matches!(kind, "counter" | "gauge"), "{kind}");
        assert!(!families.iter().any(|(one, _)| one == name), "{name} comes twice");
        let mut samples = 0;
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (labels, value) = sample(line.strip_prefix(name).expect("samples of this metric"));
            assert!(value.parse::<f64>().is_ok_and(|value| value >= 0.0), "{line}");
            assert!(series.insert((name.to_owned(), labels)), "{line} comes twice");
            samples += 1;
        }
        assert!(samples > 0, "{name} has no sample");
        families.push((name.to_owned(), samples));
    }
    families
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
}

fn sample(rest: &str) -> (Vec<(String, String)>, &str) {
    let Some(mut rest) = rest.strip_prefix('{') else {
        return (Vec::new(), rest.strip_prefix(' ').expect("a space before the value"));
    };
    let mut labels = Vec::new();
    loop {
        let (name, after) = rest.split_once("=\"").expect("a label");
        assert!(is_name(name) && !name.contains(':'), "{name}");
        let (mut value, mut letters) = (String::new(), after.char_indices());
        let end = loop {
            match letters.next().expect("a value's end") {
                (at, '"') => break at,
                (_, '\\') => value.push(match letters.next().expect("an escape").1 {
                    'n' => '\n',
                    letter @ ('\\' | '"') => letter,
                    letter => panic!("\\{letter} is no escape"),
                }),
                (_, letter) => value.push(letter),
            }
        };
        labels.push((name.to_owned(), value));
        rest = &after[end + 1..];
        match rest.split_at(1) {
            (",", more) => rest = more,
            ("}", more) => return (labels, more.strip_prefix(' ').expect("a space before the value")),
            other => panic!("{other:?} after a label"),
        }
    }
}

/// What an older version counted is read, and what a newer one adds is zero.
#[test]
fn counts_of_other_versions_are_read() {
    let counts: Counts = serde_json::from_str("{\"events\":3,\"later\":1}").expect("read");
    assert_eq!((counts.events, counts.programs), (3, 0));
}
