use serde_json::json;
use wire::petition::{Budget, Child, Spawned};

use super::*;

/// Takes whatever comes and answers when it is told to.
#[derive(Debug, Default)]
struct Slow {
    taken: Vec<u64>,
    ready: bool,
}

/// An office that a test keeps a hand on.
#[derive(Debug, Clone, Default)]
struct Shared(std::rc::Rc<std::cell::RefCell<Slow>>);

impl Office for Shared {
    fn take(&mut self, petitioned: Petitioned) -> Option<Answer> {
        self.0.borrow_mut().taken.push(petitioned.number);
        None
    }

    fn answers(&mut self, _now: Instant) -> Vec<(u64, Answer)> {
        let mut slow = self.0.borrow_mut();
        if !std::mem::take(&mut slow.ready) {
            return Vec::new();
        }
        let spawned = |child| {
            Answer::Spawned(Box::new(Spawned {
                child: Child(child),
                cut: Vec::new(),
                budget: Budget::default(),
                again: false,
            }))
        };
        slow.taken.drain(..).zip(1..).map(|(number, child)| (number, spawned(child))).collect()
    }

    fn due(&self) -> Option<Instant> {
        None
    }
}

fn petition(number: u64, verb: Verb, with: serde_json::Value) -> Petitioned {
    let petition = Petition::read(verb, with).expect("a petition");
    Petitioned { number, event: "g1".parse().expect("an event"), labels: Vec::new(), petition }
}

fn spawn(number: u64, task: &str, key: Option<&str>) -> Petitioned {
    petition(number, Verb::Spawn, json!({"task": task, "agent": "codex", "key": key}))
}

fn denied(answers: &[(u64, Answer)]) -> Reason {
    let [(_, Answer::Denied(denial))] = answers else { panic!("{answers:?}") };
    assert!(!denial.why.is_empty() && !denial.hint.is_empty());
    denial.reason
}

#[test]
fn without_an_office_each_verb_is_refused_in_words() {
    let mut desk = Desk::default();
    for petitioned in [
        spawn(1, "t", None),
        petition(2, Verb::Wait, json!({})),
        petition(3, Verb::Send, json!({"words": "w"})),
        petition(4, Verb::Result, json!({"child": 1})),
        petition(5, Verb::Cancel, json!({"child": 1})),
        petition(6, Verb::Ask, json!({"to": "a.example", "why": "w"})),
    ] {
        assert_eq!(denied(&desk.take(petitioned)), Reason::NotGranted);
    }
}

#[test]
fn a_report_is_taken() {
    let report = petition(7, Verb::Report, json!({"words": "half of it"}));
    assert_eq!(Desk::default().take(report), [(7, Answer::Done)]);
}

#[test]
fn a_key_said_twice_is_one_spawn() {
    let office = Shared::default();
    let mut desk = Desk { family: Some(Box::new(office.clone())), ..Desk::default() };
    let now = Instant::now();
    assert!(desk.take(spawn(1, "t", Some("k"))).is_empty());
    // While it is being done.
    assert!(desk.take(spawn(2, "t", Some("k"))).is_empty());
    assert_eq!(office.0.borrow().taken, [1]);
    assert_eq!(denied(&desk.take(spawn(3, "another", Some("k")))), Reason::Unfit);
    office.0.borrow_mut().ready = true;
    let mut answers = desk.answers(now);
    answers.sort_by_key(|(number, _)| *number);
    let told = |(number, answer): &(u64, Answer)| match answer {
        Answer::Spawned(spawned) => (*number, spawned.child, spawned.again),
        other => panic!("{other:?}"),
    };
    assert_eq!(answers.iter().map(told).collect::<Vec<_>>(), [(1, Child(1), false), (2, Child(1), true)]);
    // After it was done.
    assert_eq!(desk.take(spawn(4, "t", Some("k"))).iter().map(told).collect::<Vec<_>>(), [(4, Child(1), true)]);
    // Without a key, and by another one, it is another.
    assert!(desk.take(spawn(5, "t", None)).is_empty() && desk.take(spawn(6, "t", Some("other"))).is_empty());
    assert_eq!(office.0.borrow().taken, [5, 6]);
}

#[test]
fn what_was_refused_by_a_key_may_be_said_again_under_it() {
    let mut desk = Desk::default();
    assert_eq!(denied(&desk.take(spawn(1, "t", Some("k")))), Reason::NotGranted);
    assert_eq!(denied(&desk.take(spawn(2, "another", Some("k")))), Reason::NotGranted);
}
