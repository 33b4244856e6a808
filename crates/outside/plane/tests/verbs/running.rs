//! `stop`, `pause` and `resume`, and what `ls` and `show` ask, against a session whose process is scripted.

use std::os::unix::net::UnixListener;

use wire::command::{ControlAnswer, LiveInfo, Problem, Reply, Request};
use wire::control::{Answer, Counts, Means, NAME, Order, State};

use crate::room::{Room, scripted, select};

pub(crate) fn state(paused: Option<Means>) -> Answer {
    Answer::State(Box::new(State {
        risk: 0,
        narrowed: false,
        inherited: false,
        session: "s".into(),
        name: None,
        pid: 7,
        cell: Some(8),
        started: 1,
        running: true,
        paused,
        ending: false,
        agent: "sh".into(),
        workspace: "/w".into(),
        mode: "review".into(),
        policy: "hardened".into(),
        revision: 1,
        asks: 0,
        asks_hour: 0,
        counts: Counts::default(),
    }))
}

fn controlled(reply: Reply) -> ControlAnswer {
    let Reply::Controlled(answer) = reply else { panic!("{reply:?}") };
    *answer
}

#[test]
fn pause_and_resume_are_done_by_the_sessions_process_and_told_as_it_stands_then() {
    let room = Room::new();
    let session = room.begin("work", None);
    let id = session.record.id.clone();
    let by = Means::ControlGroup;
    let asked = scripted(&session, vec![vec![Answer::Paused { by, below: Some(2) }], vec![state(Some(by))]]);
    let paused = controlled(room.yes(Request::Pause(select(&id))));
    assert_eq!(
        paused.text,
        format!(
            "session {id} is paused by its control group, and 2 sub-agents with it\n`bastide resume {id}` lets it go on\n"
        )
    );
    let live = LiveInfo {
        pid: 7,
        cell: Some(8),
        paused: Some(by),
        ending: false,
        asks: 0,
        asks_hour: 0,
        risk: 0,
        narrowed: false,
        inherited: false,
    };
    assert_eq!(paused.session.live, Some(live));
    let names: Vec<_> = asked.join().unwrap().iter().map(|order| order.name()).collect();
    assert_eq!(names, ["pause", "state"]);
    let asked = scripted(&session, vec![vec![Answer::Done], vec![state(None)]]);
    let resumed = controlled(room.yes(Request::Resume(select(&id))));
    assert_eq!(resumed.text, format!("session {id} goes on\n"));
    assert_eq!(asked.join().unwrap()[0].name(), "resume");
}

#[test]
fn ls_and_show_tell_what_it_says_and_do_without_where_it_says_nothing() {
    let room = Room::new();
    let session = room.begin("work", None);
    let id = session.record.id.clone();
    let asked = scripted(&session, vec![vec![state(Some(Means::Signal))], vec![state(Some(Means::Signal))]]);
    let Reply::Sessions { sessions } = room.yes(Request::Ls) else { panic!() };
    assert_eq!(sessions[0].live.as_ref().and_then(|live| live.paused), Some(Means::Signal));
    let Reply::Session(shown) = room.yes(Request::Show(select(&id))) else { panic!() };
    assert_eq!(shown.live.as_ref().map(|live| live.pid), Some(7));
    asked.join().unwrap();
    // It listens, and answers nothing: a list does not wait for it for long.
    let _silent = UnixListener::bind(session.path.join(NAME)).unwrap();
    let since = std::time::Instant::now();
    let Reply::Sessions { sessions } = room.yes(Request::Ls) else { panic!() };
    assert!(sessions[0].live.is_none() && since.elapsed().as_secs() < 5);
}

#[test]
fn what_does_not_run_or_refuses_is_told_with_its_code() {
    let room = Room::new();
    let ended = room.ended("other", &[]);
    let id = ended.record.id.clone();
    for request in
        [Request::Pause(select(&id)), Request::Resume(select(&id)), Request::Stop { select: select(&id), grace: 1 }]
    {
        let problem = room.no(request);
        assert!(problem.code == "E-PLANE-101" && problem.cause.contains("does not run"), "{problem}");
    }
    let session = room.begin("work", None);
    let id = session.record.id.clone();
    assert_eq!(room.no(Request::Pause(select(&id))).code, "E-PLANE-095", "nobody listens");
    let refusal = Problem { code: "E-PLANE-101".into(), cause: "no".into(), hint: None, exit: 1 };
    let refused = || Answer::Refused(Box::new(refusal.clone()));
    let asked = scripted(&session, vec![vec![refused()], vec![Answer::Done, refused()]]);
    assert_eq!(room.no(Request::Pause(select(&id))), refusal);
    assert_eq!(room.no(Request::Stop { select: select(&id), grace: 1 }), refusal);
    let stop = asked.join().unwrap().pop().unwrap();
    assert!(matches!(stop, Order::Stop { signal: 15, grace: 1 }));
}
