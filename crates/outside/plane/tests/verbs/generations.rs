//! `policy apply` and `policy undo` against a session whose plane is scripted; and what a killed one leaves of them.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread::JoinHandle;

use ::record::{Kind, Segment};
use plane::store::{InForce, SessionDirectory, repair};
use policy::{CanonicalPath, Conjunction, Policy};
use wire::command::{Checked, PolicyRequest, Problem, Reply, Request, SecretText, VaultRequest};
use wire::control::{Answer, NAME, Order, Replacement};

use crate::room::{Room, scripted, select, started, text, write};

fn file(room: &Room, extra: &str) -> PathBuf {
    let path = room.path("home/mine.yaml");
    fs::write(&path, format!("bastide: 1\nname: mine\nextends: [hardened]\n{extra}")).unwrap();
    path
}

fn apply(session: &SessionDirectory, file: PathBuf) -> Request {
    Request::Policy(PolicyRequest::Apply { select: select(&session.record.id), file })
}

fn undo(session: &SessionDirectory) -> Request {
    Request::Policy(PolicyRequest::Undo(select(&session.record.id)))
}

/// A plane that gives these answers, and what it was asked.
fn plane(session: &SessionDirectory, answers: Vec<Answer>) -> JoinHandle<Vec<Replacement>> {
    let asked = scripted(session, answers.into_iter().map(|answer| vec![answer]).collect());
    std::thread::spawn(move || {
        let replacement = |order| match order {
            Order::Replace(replacement) => *replacement,
            other => panic!("{}", other.name()),
        };
        asked.join().unwrap().into_iter().map(replacement).collect()
    })
}

/// Puts another policy in force on disk, as the plane of the session does.
fn put(session: &SessionDirectory, revision: u32, earlier: &[u32], policy: Policy) {
    let next = InForce { revision, earlier: earlier.to_vec(), policies: Conjunction::new(vec![policy]) };
    session.draft_policy(&next).unwrap().put_in_force(earlier).unwrap();
}

fn checked(reply: Reply) -> Checked {
    let Reply::Policy(checked) = reply else { panic!("{reply:?}") };
    checked
}

#[test]
fn all_that_a_gate_decides_by_goes_to_the_sessions_plane() {
    let room = Room::new();
    let mut session = room.begin("work", None);
    session.record.options.read = vec![CanonicalPath::parse("/opt/tool").unwrap()];
    session.save().unwrap();
    let mut now = session.policy().unwrap().policies().next().unwrap().clone();
    session.record.options.complete(&mut now);
    put(&session, 2, &[1], now);
    fs::write(room.path("work/.env"), "TOKEN=k9-Zt41pQx-0000\n").unwrap();
    let value = SecretText::from("hunter2-hunter2".to_owned());
    room.yes(Request::Vault(VaultRequest::Set {
        name: "github".into(),
        to: "api.a.example".into(),
        paths: vec![],
        value,
        derives: None,
    }));
    let file = file(&room, "network: {allow: [{to: \"api.a.example:443\", credential: github}]}\n");
    put(&session, 3, &[1, 2], session.policy().unwrap().policies().next().unwrap().clone());
    let asked = plane(&session, vec![Answer::InForce { revision: 4 }]);
    let told = checked(room.yes(apply(&session, file)));
    let asked = asked.join().unwrap().pop().unwrap();
    assert!(asked.policy.files.read.iter().any(|path| path.as_str() == "/opt/tool"), "an option of `run` still counts");
    assert_eq!((asked.policy.name.as_str(), asked.undoes), ("mine", false));
    assert!(asked.replaces == 3 && asked.changes[0].starts_with("+ network.allow: {to: \"api.a.example:443\""));
    assert_eq!(
        (asked.credentials[0].name.as_str(), asked.credentials[0].value.as_str()),
        ("github", "hunter2-hunter2")
    );
    assert_eq!(asked.labelled[0].text, "k9-Zt41pQx-0000");
    let id = &session.record.id;
    assert!(told.yes && told.text.starts_with(&format!("session {id}: policy `mine` is in force, revision 4\n+ ")));
    assert!(told.text.contains("api.a.example:443") && !told.text.contains("hunter2"), "{}", told.text);
    assert_eq!((&told.data["revision"], &told.data["changes"][0]["widens"]), (&4.into(), &true.into()));
}

#[test]
fn what_a_cell_is_made_from_stays_and_each_key_of_it_is_named() {
    let room = Room::new();
    let session = room.begin("work", None);
    let file = file(&room, "files: {workspace: live, hide: [/etc/x]}\nenv: {KEY: hunter2}\nlimits: {pids: 3}\n");
    // Nobody listens: it is refused before anybody is asked.
    let problem = room.no(apply(&session, file));
    assert_eq!((problem.code.as_str(), problem.exit), ("E-PLANE-091", 1));
    assert!(problem.cause.ends_with("from: files.workspace, files.hide, env.KEY, limits.pids"), "{problem}");
}

#[test]
fn what_cannot_be_read_is_told_with_its_place_and_nobody_is_asked() {
    let room = Room::new();
    let session = room.begin("work", None);
    let path = file(&room, "network:\n  allow:\n    - {to: \"0x7f.1\"}\n");
    let problem = room.no(apply(&session, path.clone()));
    assert!(problem.code == "E-POLICY-011" && problem.exit == 1, "{problem}");
    assert!(problem.cause.starts_with(&format!("{}:6:", path.display())), "{problem}");
    let path = file(&room, "network: {allow: [{to: \"api.a.example:443\", credential: github}]}\n");
    assert_eq!(room.no(apply(&session, path)).code, "E-PLANE-058");
    // What the agent of this very session could have written counts only when it is trusted.
    fs::write(room.path("work/mine.yaml"), "bastide: 1\nname: mine\nextends: [hardened]\n").unwrap();
    assert_eq!(room.no(apply(&session, room.path("work/mine.yaml"))).code, "E-PLANE-066");
    // All of it was right, and nobody listens.
    let code = |path| room.no(apply(&session, path)).code;
    assert_eq!(code(file(&room, "")), "E-PLANE-095");
    fs::write(session.path.join(NAME), "no socket").unwrap();
    assert_eq!(code(file(&room, "")), "E-PLANE-095");
    let told = room.ended("other", &[]);
    assert_eq!(room.no(apply(&told, file(&room, ""))).code, "E-PLANE-090");
    assert_eq!(room.no(undo(&told)).code, "E-PLANE-090");
}

/// What is recorded and told is the difference to the policy that it did take the place of.
#[test]
fn a_policy_that_was_overtaken_is_compared_anew_and_an_undo_is_not() {
    let room = Room::new();
    let session = room.begin("work", None);
    let first = session.policy().unwrap().policies().next().unwrap().clone();
    put(&session, 2, &[1], first);
    let overtaken = || Answer::Overtaken { revision: 3 };
    let asked = plane(&session, vec![overtaken(), overtaken(), Answer::InForce { revision: 4 }]);
    let told = checked(room.yes(apply(&session, file(&room, ""))));
    assert_eq!((&told.data["revision"], &told.data["replaced"]), (&4.into(), &2.into()));
    assert!(told.text.contains("the same rules as revision 2; "), "{}", told.text);
    assert_eq!(asked.join().unwrap().len(), 3);
    let asked = plane(&session, vec![overtaken()]);
    assert_eq!(room.no(undo(&session)).code, "E-PLANE-096");
    asked.join().unwrap();
    let asked = plane(&session, (0..16).map(|_| overtaken()).collect());
    assert_eq!(room.no(apply(&session, file(&room, ""))).code, "E-PLANE-096");
    asked.join().unwrap();
}

#[test]
fn a_refusal_of_the_sessions_plane_is_passed_on() {
    let room = Room::new();
    let session = room.begin("work", None);
    let refusal = Problem { code: "E-PLANE-092".into(), cause: "unread".into(), hint: None, exit: 1 };
    let asked = plane(&session, vec![Answer::Refused(Box::new(refusal.clone()))]);
    assert_eq!(room.no(apply(&session, file(&room, ""))), refusal);
    asked.join().unwrap();
}

#[test]
fn undo_goes_back_to_what_was_in_force_before() {
    let room = Room::new();
    let session = room.begin("work", None);
    let problem = room.no(undo(&session));
    assert!(problem.code == "E-PLANE-094" && problem.cause.starts_with("no other policy"), "{problem}");
    let first = session.policy().unwrap().policies().next().unwrap().clone();
    put(&session, 2, &[1], Policy { name: "second".into(), ..first.clone() });
    // A number that did not come into force is passed over.
    put(&session, 4, &[1, 2], Policy { name: "fourth".into(), ..first });
    let Reply::Session(shown) = room.yes(Request::Show(select(&session.record.id))) else { panic!() };
    assert_eq!((shown.policy.as_str(), shown.revision), ("fourth", Some(4)));
    let asked = plane(&session, vec![Answer::InForce { revision: 5 }]);
    let told = checked(room.yes(undo(&session)));
    let asked = asked.join().unwrap().pop().unwrap();
    assert_eq!((asked.policy.name.as_str(), asked.undoes), ("second", true));
    assert!(told.text.contains("policy `second` is in force, revision 5") && told.data["undoes"] == 4, "{}", told.text);
    fs::remove_file(session.path.join("policy.2.json")).unwrap();
    assert_eq!(room.no(undo(&session)).code, "E-PLANE-094");
}

#[test]
fn those_before_are_kept_as_long_as_something_goes_back_to_them() {
    let room = Room::new();
    let session = room.begin("work", None);
    for revision in 2..=100 {
        put(&session, revision, &[1, 2], Policy { name: format!("p{revision}"), ..Policy::default() });
    }
    let there = |revision| session.policy_before(revision).is_ok();
    assert!(there(1) && there(2) && there(99) && there(40) && !there(3) && !there(30));
    let files = fs::read_dir(&session.path).unwrap().count();
    assert!(files < 75, "{files}");
    assert_eq!(session.in_force().unwrap().revision, 100);
}

/// Killed at any moment of a change, the plane leaves one policy whole, and a record that says which.
#[test]
fn a_plane_that_was_killed_meanwhile_is_repaired() {
    let room = Room::new();
    let policy = |revision| Kind::Policy { revision, name: "mine".into(), changes: vec![], undoes: None };
    let untaken = |revision| Kind::PolicyNotTaken { revision, reason: "the gate was lost".into() };
    for (in_force, events, expected) in [
        (1, vec![policy(2)], vec![2]),
        (2, vec![policy(2)], vec![]),
        (1, vec![policy(2), untaken(2)], vec![2]),
        (2, vec![policy(2), policy(3)], vec![3]),
    ] {
        let session = room.begin("work", None);
        let id = session.record.id.clone();
        if in_force == 2 {
            put(&session, 2, &[1], Policy { name: "mine".into(), ..Policy::default() });
        }
        let events: Vec<Kind> = std::iter::once(started(&session)).chain(events).collect();
        write(&session, Segment::Plane, &events);
        fs::write(session.path.join("policy.new"), "{\"half").unwrap();
        drop(UnixListener::bind(session.path.join(NAME)).unwrap());
        let path = session.path.clone();
        drop(session);
        let words = repair(room.store());
        assert!(words.len() == 1 && words[0].contains("was lost"), "{words:?}");
        assert!(!path.join(NAME).exists() && !path.join("policy.new").exists());
        let (replies, _) = room.ask(Request::Log { select: select(&id), follow: false });
        let left: Vec<u32> = replies
            .iter()
            .filter_map(|reply| match reply {
                Reply::Event(line) => match line.event.kind {
                    Kind::PolicyNotTaken { revision, .. } => Some(revision),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        assert_eq!(left, expected);
        let session = SessionDirectory::open(&path).unwrap();
        assert_eq!(session.revision(), Some(in_force));
        let Reply::Verified { segments, .. } = room.yes(Request::Verify(select(&id))) else { panic!() };
        assert_eq!(segments[0].broken, None);
    }
}

/// The rule that is suggested is one that the policy of now lacks; where none is, that is said.
#[test]
fn why_goes_by_the_policy_that_is_in_force_now() {
    let room = Room::new();
    let session = room.begin("work", None);
    write(&session, Segment::Plane, &[started(&session)]);
    let refused = crate::room::connect("a.example", 443, ::record::Verdict::Refused);
    fs::write(session.segment(Segment::Gate), text(&session.origin(Segment::Gate), &[refused])).unwrap();
    let why = || {
        let (before, last) = room.ask(Request::Why { select: select(&session.record.id), event: None });
        let Ok(Reply::Why(answer)) = last else { panic!("{last:?}") };
        let notice = |reply| match reply {
            Reply::Notice { text } => Some(text),
            _ => None,
        };
        (before.into_iter().filter_map(notice).collect::<Vec<_>>(), answer)
    };
    let (before, answer) = why();
    assert!(before.is_empty() && answer.running && answer.explanation.suggestion.is_some(), "{before:?} {answer:?}");
    let mut policy = session.policy().unwrap().policies().next().unwrap().clone();
    policy.network.allow.push(policy::Rule::to(policy::Target::parse("a.example").unwrap()));
    put(&session, 2, &[1], policy);
    let (before, answer) = why();
    assert!(before[0].contains("revision 2, has a rule that allows it") && !answer.running, "{before:?}");
    assert_eq!(answer.explanation.suggestion, None);
}
