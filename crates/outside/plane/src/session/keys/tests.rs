use serde_json::json;
use wire::petition::{Budget, Child, Denial, Petition, Reason, Spawned, Verb};

use super::*;

fn spawn(number: u64, task: &str, key: Option<&str>) -> Petitioned {
    let with = json!({"task": task, "agent": "codex", "key": key});
    let petition = Petition::read(Verb::Spawn, with).expect("a petition");
    Petitioned { number, event: "g1".parse().expect("an event"), labels: Vec::new(), petition }
}

fn spawned(child: u32) -> Answer {
    let (cut, budget) = (Vec::new(), Budget::default());
    Answer::Spawned(Box::new(Spawned { child: Child(child), cut, budget, again: false }))
}

fn told((number, answer): &(u64, Answer)) -> (u64, Child, bool) {
    match answer {
        Answer::Spawned(spawned) => (*number, spawned.child, spawned.again),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_said_twice_is_one_spawn() {
    let mut keys = Keys::default();
    assert!(keys.take(&spawn(1, "t", Some("k"))).is_none());
    // While it is being done.
    assert_eq!(keys.take(&spawn(2, "t", Some("k"))), Some(Vec::new()));
    let other = keys.take(&spawn(3, "another", Some("k"))).expect("an answer");
    assert!(matches!(&other[..], [(3, Answer::Denied(Denial { reason: Reason::Unfit, .. }))]), "{other:?}");
    let mut answers = keys.answered(1, spawned(1));
    answers.sort_by_key(|(number, _)| *number);
    assert_eq!(answers.iter().map(told).collect::<Vec<_>>(), [(1, Child(1), false), (2, Child(1), true)]);
    // After it was done.
    let again = keys.take(&spawn(4, "t", Some("k"))).expect("an answer");
    assert_eq!(again.iter().map(told).collect::<Vec<_>>(), [(4, Child(1), true)]);
    // Without a key, and by another one, it is another.
    assert!(keys.take(&spawn(5, "t", None)).is_none() && keys.take(&spawn(6, "t", Some("other"))).is_none());
}

#[test]
fn what_was_refused_by_a_key_may_be_said_again_under_it() {
    let mut keys = Keys::default();
    for (number, task) in [(1, "t"), (2, "another")] {
        assert!(keys.take(&spawn(number, task, Some("k"))).is_none());
        let denial = Denial::new(Reason::NotGranted, "why", "hint");
        assert_eq!(keys.answered(number, Answer::Denied(denial)).len(), 1);
    }
}
