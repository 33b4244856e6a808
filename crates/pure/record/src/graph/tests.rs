use proptest::prelude::*;

use super::*;
use crate::event::{Cause, Event, Segment};

fn said(form: &str, standing: &str, tool: Option<&str>) -> Kind {
    Kind::Said {
        speaker: if form == "tool-result" { "tool".into() } else { "assistant".into() },
        form: form.into(),
        tool: tool.map(str::to_owned),
        words: "words".into(),
        digest: String::new(),
        standing: standing.into(),
    }
}

fn exec(pid: u32, parent: u32) -> Kind {
    Kind::Exec { pid, parent, by: "sh".into(), claimed: "x".into(), arguments: Vec::new() }
}

fn start() -> Kind {
    Kind::SessionStart {
        session: "s".into(),
        command: vec!["agent".into()],
        workspace: "/w".into(),
        mode: "review".into(),
        policy: "p".into(),
        accepted_risks: Vec::new(),
    }
}

fn id(text: &str) -> EventId {
    text.parse().expect("an event")
}

fn take(builder: &mut Builder, name: &str, kind: Kind, causes: &[(&str, Known)]) {
    let cause = causes.iter().map(|(of, known)| Cause { id: id(of), known: *known }).collect();
    let event = Event { seq: id(name).seq, at: id(name).seq, cause, kind };
    builder.take(&Entry { id: id(name), event });
}

fn edges(graph: &Graph) -> Vec<(String, String, Known)> {
    graph.edges.iter().map(|edge| (edge.from.clone(), edge.to.clone(), edge.known)).collect()
}

fn edge(from: &str, to: &str, known: Known) -> (String, String, Known) {
    (from.into(), to.into(), known)
}

#[test]
fn words_lead_to_calls_and_calls_to_what_they_do() {
    let mut builder = Builder::new(100);
    builder.session("s");
    take(&mut builder, "p1", start(), &[]);
    take(&mut builder, "g1", said("text", "attested", None), &[]);
    take(&mut builder, "g2", said("tool-call", "delivered", Some("Bash")), &[("g1", Known::Observed)]);
    take(&mut builder, "g3", exec(7, 1), &[("g2", Known::Observed)]);
    take(&mut builder, "g4", exec(9, 1), &[]);
    take(&mut builder, "g5", said("tool-result", "untrusted", None), &[]);
    // Something that is not there leads nowhere.
    take(&mut builder, "g6", said("text", "delivered", None), &[("g99", Known::Observed), ("g6", Known::Observed)]);
    let graph = builder.finish();
    use Known::{Inferred, Observed};
    assert_eq!(
        edges(&graph),
        [
            edge("s/g1", "s/g2", Observed),
            edge("s/g2", "s/g3", Observed),
            edge("s/p1", "s/g4", Inferred),
            edge("s/g2", "s/g5", Inferred),
        ]
    );
    assert_eq!(graph.nodes.iter().filter(|node| node.class == Class::Intent).count(), 1);
}

#[test]
fn a_sub_agent_hangs_below_who_asked_for_it() {
    let mut builder = Builder::new(100);
    builder.session("s");
    let reserved = Kind::ChildReserved {
        child: 1,
        task: "look".into(),
        budget: policy::Amounts::default(),
        below: 0,
        cut: Vec::new(),
    };
    take(&mut builder, "p2", reserved, &[]);
    take(&mut builder, "p3", Kind::ChildBegan { child: 1, session: "t".into() }, &[]);
    builder.session("t");
    take(&mut builder, "p1", start(), &[]);
    let graph = builder.finish();
    assert_eq!(edges(&graph), [edge("s/p2", "s/p3", Known::Observed), edge("s/p3", "t/p1", Known::Observed)]);
}

#[test]
fn an_answer_leads_from_its_question_to_what_it_let_through() {
    let mut builder = Builder::new(100);
    builder.session("s");
    let question = Kind::Question {
        question: "q".into(),
        pid: None,
        program: Vec::new(),
        host: "a.example".into(),
        port: 443,
        does: None,
        rule: "r".into(),
        revision: 1,
        reasons: Vec::new(),
    };
    let ruled = Kind::Ruled {
        question: "q".into(),
        answer: "once".into(),
        who: "he".into(),
        rule: Some("r".into()),
        seconds: None,
        waiting: 1,
    };
    let connect = Kind::Connect {
        pid: None,
        program: Vec::new(),
        host: "a.example".into(),
        address: None,
        port: 443,
        verdict: Verdict::Allowed,
        rule: Some("r".into()),
        reason: None,
        suggestion: None,
        times: 1,
    };
    take(&mut builder, "p1", question, &[]);
    take(&mut builder, "p2", ruled, &[]);
    take(&mut builder, "g1", connect, &[]);
    let graph = builder.finish();
    assert_eq!(edges(&graph), [edge("s/p1", "s/p2", Known::Observed), edge("s/p2", "s/g1", Known::Inferred)]);
}

proptest! {
    /// Whatever a record claims: edges lead from what stands before to what stands after, so there is no cycle; each once; what
    /// an event names as its cause is never less known than it says; and there is an end to it.
    #[test]
    fn a_graph_of_any_record_is_one(
        events in prop::collection::vec((any::<bool>(), 0..6u8, prop::collection::vec((1..40u64, any::<bool>()), 0..4)), 0..60),
        most in 1..40usize,
    ) {
        let mut builder = Builder::new(most);
        builder.session("s");
        let mut places = [0, 0];
        for (gate, kind, causes) in &events {
            let place = &mut places[usize::from(*gate)];
            *place += 1;
            let segment = if *gate { Segment::Gate } else { Segment::Plane };
            let cause = causes.iter().map(|(seq, known)| Cause {
                id: EventId { segment: Segment::Gate, seq: *seq },
                known: if *known { Known::Observed } else { Known::Inferred },
            });
            let kind = match kind {
                0 => start(),
                1 => exec(u32::from(*gate), 1),
                2 => said("tool-call", "delivered", None),
                3 => said("tool-result", "untrusted", None),
                4 => Kind::GateLost,
                _ => said("text", "attested", None),
            };
            let event = Event { seq: *place, at: 0, cause: cause.collect(), kind };
            builder.take(&Entry { id: EventId { segment, seq: *place }, event });
        }
        let graph = builder.finish();
        let place = |name: &str| graph.nodes.iter().position(|node| node.node == name);
        let mut seen = HashSet::new();
        for edge in &graph.edges {
            prop_assert!(place(&edge.from).expect("a node") < place(&edge.to).expect("a node"));
            prop_assert!(seen.insert((edge.from.clone(), edge.to.clone())));
        }
        let whats = events.iter().filter(|(_, kind, _)| *kind != 4).count();
        prop_assert_eq!(graph.nodes.len(), whats.min(most));
        prop_assert_eq!(graph.left as usize, whats - graph.nodes.len());
    }
}
