#![allow(clippy::unwrap_used)]

use policy::{Host, Target};

use super::*;

fn wanted() -> Wanted {
    Wanted {
        pid: None,
        program: Vec::new(),
        host: Host::parse("a.example").unwrap(),
        port: 443,
        request: None,
        rule: rule(),
        causes: Vec::new(),
        call: None,
        words: String::new(),
    }
}

fn rule() -> Rule {
    Rule::to(Target::parse("a.example:443").unwrap())
}

fn once() -> Ruling {
    Ruling::Once { question: "0123456789".into(), rule: Box::new(rule()) }
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Runs two things at once.
fn both<T>(waits: impl Future<Output = T>, rules: impl Future<Output = ()>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::join!(waits, rules).0 })
}

#[test]
fn what_is_told_of_waits_until_it_is_ruled() {
    let (held, mut told) = Held::new(2, Duration::ZERO);
    let rules = async {
        let Some(GateReport::Held { number, wanted: asked }) = told.recv().await else { panic!("not told") };
        assert_eq!((number, *asked), (1, wanted()));
        held.rule(1, Ruling::Waits { question: "0123456789".into() });
        held.rule(7, once());
        held.rule(1, once());
    };
    assert!(matches!(both(held.wait(wanted(), far()), rules), Outcome::Once { rule: found, .. } if *found == rule()));
    assert!(held.waiting.borrow().is_empty() && told.try_recv().is_err(), "it was ruled, and has not left");
}

#[test]
fn one_that_gives_up_tells_so_even_where_it_was_let_through_just_then() {
    let (held, mut told) = Held::new(2, Duration::ZERO);
    let mut waits = Box::pin(held.wait(wanted(), far()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        assert!(futures_util::future::poll_immediate(&mut waits).await.is_none());
        held.rule(1, once());
    });
    drop(waits);
    assert!(matches!(told.try_recv(), Ok(GateReport::Held { number: 1, .. })));
    assert!(matches!(told.try_recv(), Ok(GateReport::Left { number: 1 })));
}

#[test]
fn one_that_waited_long_enough_is_told_which_question_it_is() {
    let (held, mut told) = Held::new(2, Duration::ZERO);
    held.rule(1, once());
    let now = Instant::now();
    let rules = async {
        told.recv().await;
        held.rule(1, Ruling::Waits { question: "0123456789".into() });
    };
    // Its time is over at once: what was said until then is heard all the same.
    let Outcome::Late(question) = both(held.wait(wanted(), now), rules) else { panic!("let through") };
    assert_eq!(question.as_deref(), Some("0123456789"));
    let why = late(question.as_deref());
    assert!(why.contains("has not answered yet") && why.contains("try again"), "{why}");
    assert!(matches!(told.try_recv(), Ok(GateReport::Left { number: 1 })));
}

#[test]
fn there_is_room_for_so_many_and_nobody_waits_where_nobody_is_asked() {
    let (held, told) = Held::new(1, Duration::ZERO);
    held.waiting.borrow_mut().insert(9, mpsc::unbounded_channel().0);
    assert!(matches!(both(held.wait(wanted(), far()), async {}), Outcome::Unheld(_)));
    held.again();
    drop(told);
    assert!(matches!(both(held.wait(wanted(), far()), async {}), Outcome::Unheld("nobody is there to ask")));
    assert!(matches!(both(Held::default().wait(wanted(), far()), async {}), Outcome::Unheld(_)));
}

#[test]
fn another_policy_has_all_that_waits_decided_again() {
    let (held, mut told) = Held::new(2, Duration::ZERO);
    let rules = async {
        told.recv().await;
        held.again();
    };
    assert!(matches!(both(held.wait(wanted(), far()), rules), Outcome::Again));
    assert!(told.try_recv().is_err());
}

#[test]
fn an_answer_to_what_an_agent_asks_by_itself_is_kept_for_when_it_does_it() {
    let (held, mut told) = Held::new(2, Duration::from_secs(60));
    let rules = async {
        let Some(GateReport::Held { number: 1, .. }) = told.recv().await else { panic!("not told") };
        held.rule(1, once());
    };
    assert_eq!(both(held.inquire(wanted(), far()), rules), Inquired::Once);
    assert!(matches!(told.try_recv(), Ok(GateReport::Left { number: 1 })));
    drop(told);
    assert!(matches!(both(held.inquire(wanted(), far()), async {}), Inquired::Refused { denied: false, .. }));
}
