//! `tools`, `replay` and `graph` on records as they are.

use ::record::{Argument, EventId, Kind, Segment, Verdict};
use plane::store::ParentRecord;
use policy::{Policy, Rule, Target};
use wire::command::{GraphAnswer, ReplayAnswer, Reply, Request, ToolsAnswer};

use crate::room::{Room, connect, exec, select, started, write};

fn allowing(name: &str, hosts: &[&str]) -> Policy {
    let mut policy = Policy { name: name.into(), ..Policy::default() };
    policy.network.allow = hosts.iter().map(|host| Rule::to(Target::parse(host).unwrap())).collect();
    policy
}

/// As a gate with such a policy records it.
fn decided(host: &str, policy: &str, verdict: Verdict) -> Kind {
    let mut kind = connect(host, 443, verdict);
    if let Kind::Connect { reason, .. } = &mut kind {
        let why = format!("`{host}:443` is allowed by no rule of policy `{policy}`");
        *reason = (verdict != Verdict::Allowed).then_some(why);
    }
    kind
}

fn replay(room: &Room, id: &str, policy: Option<&str>) -> ReplayAnswer {
    match room.yes(Request::Replay { select: select(id), policy: policy.map(|path| room.path(path)) }) {
        Reply::Replayed(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

fn told(answer: &ReplayAnswer) -> Vec<(String, Verdict, Verdict)> {
    answer.differences.iter().map(|one| (format!("{}/{}", one.session, one.event), one.before, one.after)).collect()
}

#[test]
fn what_was_in_force_decides_as_it_did_and_another_policy_where_it_differs() {
    use Verdict::{Allowed, Refused};
    let room = Room::new();
    let session = room.begin("work", Some(allowing("p", &["a.example"])));
    write(&session, Segment::Plane, &[started(&session)]);
    let events = [
        decided("a.example", "p", Allowed),
        decided("b.example", "p", Refused),
        // What no policy decided.
        connect("c.example", 443, Refused),
    ];
    write(&session, Segment::Gate, &events);
    let id = session.record.id.clone();
    let answer = replay(&room, &id, None);
    assert_eq!((answer.decided, answer.beside, told(&answer)), (2, 1, Vec::new()));
    let text = "bastide: 1\nname: other\nnetwork:\n  allow: [{to: b.example}]\n";
    std::fs::write(room.path("other.yaml"), text).unwrap();
    let answer = replay(&room, &id, Some("other.yaml"));
    let expected = [(format!("{id}/g1"), Allowed, Refused), (format!("{id}/g2"), Refused, Allowed)];
    assert_eq!((answer.policy.as_deref(), told(&answer)), (Some("other"), expected.to_vec()));
    assert_eq!(answer.differences[1].rule.as_deref(), Some("{to: \"b.example\"}"));
    // A record that says what no policy of its session did is found.
    write(&session, Segment::Gate, &[decided("b.example", "p", Allowed)]);
    assert_eq!(told(&replay(&room, &id, None)), [(format!("{id}/g1"), Allowed, Refused)]);
    let wrong = Request::Replay { select: select(&id), policy: Some(room.path("missing.yaml")) };
    assert_eq!(room.no(wrong).exit, 1);
}

#[test]
fn a_sub_agent_is_decided_again_by_what_it_had_of_its_parents() {
    use Verdict::{Allowed, Refused};
    let room = Room::new();
    let own = allowing("p", &["a.example", "b.example"]);
    let parent = room.begin("work", Some(own.clone()));
    write(&parent, Segment::Plane, &[started(&parent)]);
    let mut child = room.begin("work", None);
    child.record.parent =
        Some(ParentRecord { session: parent.record.id.clone(), child: 1, event: "p2".into(), server: None });
    child.save().unwrap();
    child.save_policy(&policy::Conjunction::new(vec![own, allowing("asked", &["a.example"])])).unwrap();
    write(&child, Segment::Plane, &[started(&child)]);
    write(&child, Segment::Gate, &[decided("a.example", "p", Allowed), decided("b.example", "asked", Refused)]);
    let mut server = room.begin("work", Some(allowing("server", &["c.example"])));
    server.record.parent = Some(ParentRecord {
        session: parent.record.id.clone(),
        child: 0,
        event: "p3".into(),
        server: Some("s".into()),
    });
    server.save().unwrap();
    write(&server, Segment::Gate, &[decided("c.example", "server", Allowed)]);
    let id = parent.record.id.clone();
    let answer = replay(&room, &id, None);
    assert_eq!((answer.sessions, answer.decided, told(&answer)), (3, 3, Vec::new()));
    std::fs::write(room.path("none.yaml"), "bastide: 1\nname: none\n").unwrap();
    let answer = replay(&room, &id, Some("none.yaml"));
    assert_eq!(told(&answer), [(format!("{}/g1", child.record.id), Allowed, Refused)]);
    // What the server may is not made from what took its place.
    let left: Vec<(&str, u64)> = answer.left.iter().map(|one| (one.what.as_str(), one.times)).collect();
    assert_eq!(left, [("its policy is not made from the one that is replaced", 1)]);
}

#[test]
fn decisions_of_a_policy_that_is_kept_no_more_are_counted() {
    let room = Room::new();
    let session = room.begin("work", Some(allowing("p", &["a.example"])));
    write(&session, Segment::Plane, &[started(&session)]);
    let events = [Kind::DecidesBy { revision: 2 }, decided("a.example", "p", Verdict::Allowed)];
    write(&session, Segment::Gate, &events);
    let answer = replay(&room, &session.record.id, None);
    let left: Vec<(&str, u64)> = answer.left.iter().map(|one| (one.what.as_str(), one.times)).collect();
    assert_eq!((answer.decided, left), (0, vec![("the policy that was in force is kept no more", 1)]));
}

fn told_of(name: &str, description: &str, arguments: &[(&str, &str)]) -> Kind {
    let argument = |(name, says): &(&str, &str)| Argument { name: (*name).into(), says: (*says).into() };
    Kind::Tool {
        name: name.into(),
        server: None,
        form: "function".into(),
        description: description.into(),
        arguments: arguments.iter().map(argument).collect(),
        hints: Vec::new(),
        digest: String::new(),
    }
}

fn sent(method: &str, does: Option<&str>, verdict: Verdict) -> Kind {
    Kind::Request {
        pid: None,
        program: Vec::new(),
        host: "a.example".into(),
        port: 443,
        method: method.into(),
        target: "/x".into(),
        websocket: false,
        does: does.map(str::to_owned),
        verdict,
        rule: None,
        reason: None,
        suggestion: None,
    }
}

#[test]
fn requests_are_told_by_what_they_do() {
    let room = Room::new();
    let post = |verdict| sent("POST", Some("send, spend: its method is `POST`, and its host says `pay`"), verdict);
    let events = [sent("GET", None, Verdict::Allowed), post(Verdict::Allowed), post(Verdict::Refused)];
    let session = room.ended("work", &events);
    let Reply::Tools(answer) = room.yes(Request::Tools(select(&session.record.id))) else { panic!("tools") };
    let told: Vec<String> = answer
        .requests
        .iter()
        .map(|one| {
            format!("{} {} {} {}/{} {}", one.method, one.to, one.effects.join("+"), one.held, one.count, one.why)
        })
        .collect();
    assert_eq!(
        told,
        [
            "GET a.example:443 read 0/1 its method is `GET`",
            "POST a.example:443 send+spend 1/2 its method is `POST`, and its host says `pay`",
        ]
    );
}

fn called(name: &str, standing: &str) -> Kind {
    Kind::Said {
        speaker: "assistant".into(),
        form: "tool-call".into(),
        tool: Some(name.into()),
        words: name.into(),
        digest: String::new(),
        standing: standing.into(),
    }
}

#[test]
fn tools_are_concluded_again_from_the_record() {
    let room = Room::new();
    let events = [
        told_of("send_email", "Sends it.", &[("recipient", "{}"), ("frob", "{\"type\":\"boolean\"}")]),
        told_of(
            "frobnicate",
            "[9 bytes, sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad]",
            &[("zap", "{}")],
        ),
        told_of("frobnicate", "Deletes it.", &[("zap", "{}")]),
        called("frobnicate", "delivered"),
        called("frobnicate", "withheld"),
        // A program that says so itself.
        called("frobnicate", "unmatched"),
        called("unheard\x1b[2Jof", "delivered"),
    ];
    let session = room.ended("work", &events);
    let Reply::Tools(answer) = room.yes(Request::Tools(select(&session.record.id))) else { panic!("tools") };
    let ToolsAnswer { tools, left, .. } = *answer;
    assert_eq!((tools.len(), left), (3, 0));
    let tool = |name: &str| tools.iter().find(|tool| tool.name == name).unwrap();
    let mail = &tool("send_email").concluded[0];
    let arguments: Vec<(&str, &str)> =
        mail.arguments.iter().map(|one| (one.name.as_str(), one.role.as_str())).collect();
    assert_eq!((mail.effects[0].as_str(), arguments), ("send", vec![("frob", "selector"), ("recipient", "target")]));
    let other = tool("frobnicate");
    assert_eq!((other.ways, other.calls, other.withheld), (2, 2, 1));
    assert_eq!(
        (other.concluded[0].effects[0].as_str(), other.unknown.as_slice()),
        ("delete", &["what `zap` is".to_owned()][..])
    );
    let unheard = tools.iter().find(|tool| tool.event.is_none()).unwrap();
    assert!(unheard.unknown[0].contains("nobody was told of it") && !unheard.name.contains('\x1b'));
    let hashed = room.ended("work", &events[1..2]);
    let Reply::Tools(answer) = room.yes(Request::Tools(select(&hashed.record.id))) else { panic!("tools") };
    assert!(answer.tools[0].unknown[0].contains("keeps a hash of it"), "{answer:?}");
}

#[test]
fn a_graph_is_of_all_below_and_bounded() {
    let room = Room::new();
    let parent = room.begin("work", None);
    let reserved = Kind::ChildReserved {
        child: 1,
        task: "look".into(),
        budget: policy::Amounts::default(),
        below: 0,
        cut: Vec::new(),
    };
    let mut child = room.begin("work", None);
    child.record.parent =
        Some(ParentRecord { session: parent.record.id.clone(), child: 1, event: "p2".into(), server: None });
    child.save().unwrap();
    let began = Kind::ChildBegan { child: 1, session: child.record.id.clone() };
    write(&parent, Segment::Plane, &[started(&parent), reserved, began]);
    let many: Vec<Kind> = (0..3_000).map(|_| exec(3, 1, "/bin/sh")).collect();
    write(&child, Segment::Plane, &[started(&child)]);
    write(&child, Segment::Gate, &many);
    let graph = |all| {
        let request = Request::Graph { select: select(&parent.record.id), all };
        let Reply::Graph(answer) = room.yes(request) else { panic!("a graph") };
        let GraphAnswer { graph, .. } = *answer;
        graph
    };
    let (some, all) = (graph(false), graph(true));
    assert_eq!((some.nodes.len(), some.left, all.nodes.len(), all.left), (2_000, 1_004, 3_004, 0));
    let id = |seq| EventId { segment: Segment::Plane, seq };
    let (from, to) = (format!("{}/{}", parent.record.id, id(3)), format!("{}/{}", child.record.id, id(1)));
    assert!(all.edges.iter().any(|edge| edge.from == from && edge.to == to));
    // However long what is said, the answer fits: every reply of a room went over the wire.
    let wide: Vec<Kind> = (0..8_000).map(|_| exec(3, 1, &"\"".repeat(4_000))).collect();
    write(&child, Segment::Gate, &wide);
    let bounded = graph(true);
    assert!(bounded.left > 0 && bounded.nodes.len() > 1_000, "{} {}", bounded.left, bounded.nodes.len());
}
