//! `watch`: what one who stays is told, of sessions that run, ended, come and go.

use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use plane::channel::{Client, pair, receive};
use plane::store::SessionDirectory;
use policy::Amounts;
use wire::command::{News, Reply, Request, SessionState, Watched};
use wire::control::{Answer, Counts};

use crate::room::{BEGAN, Room, scripted};
use crate::running::state;

/// Who watches: the thread that tells him, and what he was told.
struct Watcher {
    told: Receiver<Reply>,
    socket: OwnedFd,
    plane: JoinHandle<bool>,
}

impl Watcher {
    fn of(room: &Room, ended: u32) -> Watcher {
        let (ours, theirs) = pair().unwrap();
        let (place, socket) = (room.place.clone(), theirs.try_clone().unwrap());
        let plane = std::thread::spawn(move || {
            plane::verbs::answer_in(&place, &mut Client::new(ours), Request::Watch { ended }).is_ok()
        });
        let (says, told) = channel();
        std::thread::spawn(move || {
            let mut decoder = wire::Decoder::new();
            loop {
                let mut bytes = Vec::new();
                if !receive(&theirs, &mut bytes, &mut Vec::new()).is_ok_and(|more| more) {
                    return;
                }
                for reply in decoder.push(&bytes).unwrap() {
                    let _ = says.send(reply);
                }
            }
        });
        Watcher { told, socket, plane }
    }

    fn next(&self) -> News {
        loop {
            match self.told.recv_timeout(Duration::from_secs(30)).expect("something is told") {
                Reply::News(news) => return news,
                Reply::Notice { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// What is told until all was.
    fn whole(&self) -> Vec<Watched> {
        let mut all = Vec::new();
        loop {
            match self.next() {
                News::Session(one) => all.push(*one),
                News::Whole => return all,
                News::Gone { session } => panic!("{session} is gone"),
            }
        }
    }

    /// The next that is told of one session, and looked for.
    fn until(&self, id: &str, fits: impl Fn(Option<&Watched>) -> bool) {
        loop {
            match self.next() {
                News::Session(one) if one.session.id == id && fits(Some(&one)) => return,
                News::Gone { session } if session == id && fits(None) => return,
                _ => {}
            }
        }
    }

    fn leave(self) {
        rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both).unwrap();
        assert!(self.plane.join().unwrap());
    }
}

fn end(mut session: SessionDirectory) {
    (session.record.ended, session.record.exit) = (Some(BEGAN + 99), Some(3));
    session.save().unwrap();
    session.leave().unwrap();
}

#[test]
fn those_that_run_and_the_newest_that_ended_are_told_and_what_becomes_of_them() {
    let room = Room::new();
    let old: Vec<String> = (0..8).map(|_| room.ended("old", &[]).record.id).collect();
    let mut policy = plane::policy_file::look_at_policy(None, &room.place.home).unwrap();
    policy.inference.tokens = Some(1000);
    let running = room.begin("work", Some(policy));
    let id = running.record.id.clone();
    let mut counts = state(None);
    let used = Amounts { tokens: Some(250), ..Amounts::default() };
    if let Answer::State(state) = &mut counts {
        state.counts = Counts { allowed: 3, used, ..Counts::default() };
    }
    let cards = || Answer::Questions { cards: Vec::new() };
    // It is asked once more for what happened meanwhile, and then ends.
    let process = scripted(&running, vec![vec![Answer::Done, counts.clone(), cards(), counts, cards()]]);
    let watcher = Watcher::of(&room, 5);
    let all = watcher.whole();
    let ended: Vec<_> = all.iter().filter(|one| one.session.state == SessionState::Ended).collect();
    let mut told: Vec<_> = ended.iter().map(|one| one.session.id.clone()).collect();
    told.sort();
    assert_eq!(told, old[3..], "the newest five");
    let [one] = all.iter().filter(|one| one.session.id == id).collect::<Vec<_>>()[..] else { panic!("{all:?}") };
    assert_eq!((one.session.live.as_ref().map(|live| live.pid), one.counts.allowed), (Some(7), 3));
    assert_eq!((one.counts.used.tokens, one.budget.tokens), (Some(250), Some(1000)));
    // Another one comes, one is removed, one ends: then the oldest is watched no more.
    let other = room.begin("work", None);
    let other_id = other.record.id.clone();
    watcher.until(&other_id, |one| one.is_some_and(|one| one.session.state == SessionState::Running));
    std::fs::remove_dir_all(room.store().sessions().join(&old[7])).unwrap();
    watcher.until(&old[7], |one| one.is_none());
    let names: Vec<_> = process.join().unwrap().iter().map(|order| order.name()).collect();
    assert_eq!(names, ["events", "state", "questions", "state", "questions"]);
    end(running);
    watcher.until(&id, |one| one.is_some_and(|one| one.session.exit == Some(3) && one.session.live.is_none()));
    end(other);
    watcher.until(&old[3], |one| one.is_none());
    watcher.leave();
}

/// One that is listened for and says nothing keeps nobody from the others.
#[test]
fn a_silent_one_is_told_without_what_its_process_says() {
    let room = Room::new();
    let silent = room.begin("work", None);
    let _socket = std::os::unix::net::UnixListener::bind(silent.path.join(wire::control::NAME)).unwrap();
    let ended = room.ended("old", &[]);
    let watcher = Watcher::of(&room, 5);
    let all = watcher.whole();
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|one| one.session.live.is_none()));
    assert!(all.iter().any(|one| one.session.id == ended.record.id));
    watcher.leave();
}
