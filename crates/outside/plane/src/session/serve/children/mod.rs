//! Sub-agents of a running session: asked for, begun, heard and ended.

mod spawn;
mod talk;

use std::path::PathBuf;
use std::time::Instant;

use policy::{Amounts, Label};
use record::Kind;
use wire::command::{ChildWord, Reply};
use wire::petition::{
    self, Answer, Budget, Child, Cut, Denial, Message, Petition, Petitioned, Reason, Sender, Spawned, Standing,
};

use super::{Course, Session};
use crate::session::children::{Kid, Stage, used};
use crate::store::session;

/// How many bytes of a child's words its parent hears at once.
const WORDS: usize = petition::MAX_WORDS;

impl Session<'_> {
    /// Answers a petition about sub-agents, now or later.
    pub(super) fn ask_of_children(&mut self, course: &mut Course, asked: Petitioned) {
        let Petitioned { number, event, petition, labels } = asked;
        let answer = match petition {
            Petition::Spawn(spawn) => self.spawn(course, (number, event), &spawn, &labels),
            Petition::Wait(wait) => self.wait_for(number, wait),
            Petition::Send(send) => Some(match send.child {
                Some(child) => self.send_down(child, send.words.as_str(), &labels),
                None => self.send_up(send.words.as_str(), &labels),
            }),
            Petition::Result(of) => Some(self.result(of.child)),
            Petition::Cancel(of) => Some(self.cancel(course, of.child)),
            other => {
                let why = format!("`{}` is not about sub-agents", other.verb().name());
                Some(Answer::Denied(Denial::new(Reason::Unfit, why, "go on without it")))
            }
        };
        if let Some(answer) = answer {
            self.answer_petition(number, answer);
        }
    }

    /// A child is gone: it is recorded, and what it did not use up is this session's again.
    pub(super) fn over(
        &mut self,
        course: &mut Course,
        child: u32,
        (exit, reason): (u8, &str),
        (used, below): (Amounts, u32),
    ) {
        let Some(kid) = self.children.kids.get_mut(&child) else { return };
        if kid.is_over() {
            return;
        }
        let session = kid.session.clone();
        let used = Amounts { time: used.time.map(|_| kid.seconds()), ..used };
        kid.stage = Stage::Over(Standing::Ended { exit, reason: reason.to_owned() });
        let leaving = kid.release();
        self.children.leaving.extend(leaving);
        self.children.forget_old_results();
        let event =
            Kind::ChildEnded { child, session, exit: Some(exit.into()), reason: reason.to_owned(), used, below };
        if let Err(error) = self.note_of_child(None, event) {
            self.unrecorded(course, &error);
        }
        self.tell_what_is_held();
        self.bind_what_is_left();
        self.tell_news();
    }

    /// Hears what children say, and looks who has waited long enough.
    // Apart from the loop, in most sessions of which it does nothing.
    #[inline(never)]
    pub(super) fn hear_children(&mut self, course: &mut Course) {
        let numbers: Vec<u32> =
            self.children.kids.iter().filter(|(_, kid)| !kid.is_gone()).map(|(number, _)| *number).collect();
        for child in numbers {
            let heard = self.children.kids.get_mut(&child).map(Kid::hear);
            match heard {
                Some(Some(replies)) => replies.into_iter().for_each(|reply| self.hear_child(course, child, reply)),
                Some(None) => self.lost(course, child),
                None => {}
            }
        }
        let late: Vec<u32> = {
            let (now, paused) = (Instant::now(), course.pause.is_some());
            let late = self.children.kids.iter().filter(|(_, kid)| !paused && kid.is_late(now));
            late.map(|(number, _)| *number).collect()
        };
        for child in late {
            let _ = self.children.kids.get_mut(&child).and_then(Kid::release);
            self.not_begun(course, child, Denial::new(Reason::NotNow, "it took too long to begin", "ask again later"));
        }
        self.tell_news();
    }

    fn hear_child(&mut self, course: &mut Course, child: u32, reply: Reply) {
        let Some(kid) = self.children.kids.get_mut(&child) else { return };
        match reply {
            Reply::Started { session } => {
                kid.session = Some(session.clone());
                kid.stage = Stage::Running;
                let answer = kid.asked.take().map(|number| (number, spawned(child, kid, false)));
                if let Err(error) = self.note_of_child(None, Kind::ChildBegan { child, session }) {
                    return self.unrecorded(course, &error);
                }
                self.narrow_who_began(child);
                if let Some((number, answer)) = answer {
                    self.answer_petition(number, answer);
                }
            }
            Reply::Child(ChildWord::Ready) => kid.plane.ready(course.pause.is_some()),
            Reply::Child(ChildWord::Paused { below }) => kid.plane.is_paused(below),
            Reply::Child(ChildWord::Unpaused { why }) => {
                // Rather that it ends than that it goes on. Until it did, nobody is told that all is paused.
                kid.dismiss();
                course.warn(format!("sub-agent {child} could not be paused, and was ended: {why}"));
            }
            Reply::Child(ChildWord::Missing { paths }) => {
                let why = "it is not there, or lies behind a link";
                let cut =
                    paths.iter().map(|path| Cut { what: file(path), why: why.into(), by: "the workspace".into() });
                kid.cut.extend(cut);
            }
            Reply::Child(ChildWord::Report { words, result, labels }) => {
                kid.report = Some((cut_short(words), result));
                join(&mut kid.labels, labels);
            }
            Reply::Child(ChildWord::Suspected(told)) => self.suspected_in(child, *told),
            Reply::Child(ChildWord::Message { words, labels }) => {
                join(&mut kid.labels, labels);
                let labels = kid.labels.clone();
                self.children.receive(Message { from: Sender::Child(Child(child)), words: cut_short(words), labels });
            }
            Reply::ChildEnd(end) => {
                join(&mut kid.labels, end.labels.clone());
                kid.end = Some(*end);
            }
            Reply::Ended(outcome) => {
                let used = kid.end.as_ref().map_or((kid.budget, kid.below), |end| (end.used, end.below));
                self.over(course, child, (outcome.exit, &outcome.reason), used);
            }
            Reply::Refused(_) if kid.is_dismissed() => self.not_begun(course, child, cancelled()),
            Reply::Refused(problem) => {
                // What it says of the host is the operator's to read.
                let (why, hint) = match problem.code.as_str() {
                    "E-PLANE-136" => (MORE.into(), "grant fewer files"),
                    "E-PLANE-137" => (problem.cause, "name a program that its parent could start"),
                    code => (format!("nothing was run ({code}); the operator can tell why"), "go on without it"),
                };
                let denial = Denial::new(Reason::Unfit, why, hint);
                self.not_begun(course, child, denial);
            }
            _ => {}
        }
    }

    /// The plane of a child is gone without a word: what it used up is read of its record.
    fn lost(&mut self, course: &mut Course, child: u32) {
        let Some(kid) = self.children.kids.get_mut(&child) else { return };
        if kid.is_over() {
            return;
        }
        let record = kid.session.as_ref().and_then(|id| session(self.store, id).ok());
        let all = (kid.budget, kid.below);
        let spent = record.map_or(all, |session| used(&session, all, false));
        if kid.asked.is_some() {
            let denial = Denial::new(Reason::NotNow, "its plane was lost while it began", "ask again");
            return self.not_begun(course, child, denial);
        }
        self.over(course, child, (137, "its plane was lost, and the sub-agent with it"), spent);
    }

    /// The session is over, and with it all below: waits for what each says last, so that the record has it.
    pub(super) fn end_children(&mut self, course: &mut Course) {
        use rustix::event::{Timespec, poll};
        self.children.dismiss();
        self.children.waiting.clear();
        let until = Instant::now() + PARTING;
        loop {
            self.leave_who_reserved(course);
            let Some(left) = until.checked_duration_since(Instant::now()) else { break };
            let mut wanted: Vec<_> = self.children.wanted().collect();
            if wanted.is_empty() {
                break;
            }
            let left = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
            let _ = poll(&mut wanted, Some(&left));
            drop(wanted);
            self.hear_children(course);
        }
        // What does not end is ended.
        let numbers: Vec<u32> =
            self.children.kids.iter().filter(|(_, kid)| !kid.is_over()).map(|(number, _)| *number).collect();
        for child in numbers {
            let all = self.children.kids.get(&child).map(|kid| (kid.budget, kid.below)).unwrap_or_default();
            let _ = self.children.kids.get_mut(&child).and_then(Kid::release);
            self.over(course, child, (137, "it did not end with its parent, and was killed"), all);
        }
        // Whoever asks for the sessions after this one finds all of theirs on disk.
        self.children.leaving.drain(..).for_each(|holder| holder.wait());
    }
}

/// How long children may take to end with their parent.
const PARTING: std::time::Duration = std::time::Duration::from_secs(10);
/// Why nothing was copied.
const MORE: &str = "its files are more than is copied or than is left of the disk limit, or could not be copied";
/// Children that one answer tells of.
const MOST_STATES: usize = 256;

fn spawned(child: u32, kid: &Kid, again: bool) -> Answer {
    Answer::Spawned(Box::new(Spawned { child: Child(child), cut: kid.cut.clone(), budget: shown(&kid.budget), again }))
}

fn shown(amounts: &Amounts) -> Budget {
    Budget {
        tokens: amounts.tokens,
        money: amounts.money,
        time: amounts.time,
        memory: amounts.memory,
        pids: amounts.pids.and_then(|pids| u32::try_from(pids).ok()),
        egress: None,
    }
}

fn standing(kid: &Kid) -> Standing {
    match &kid.stage {
        Stage::Over(standing) => standing.clone(),
        _ => Standing::Running,
    }
}

fn cancelled() -> Denial {
    Denial::new(Reason::NotNow, "it was cancelled before it began", "ask again if it is wanted after all")
}

fn no_such(child: u32) -> Answer {
    Answer::Denied(Denial::new(
        Reason::NoSuch,
        format!("there is no sub-agent {child}"),
        "`wait` lists those there are",
    ))
}

fn file(path: &std::path::Path) -> String {
    let path: PathBuf = path.to_owned();
    format!("file {}", crate::problem::quoted(&path.to_string_lossy()))
}

fn join(all: &mut Vec<Label>, more: Vec<Label>) {
    for label in more {
        if !all.contains(&label) {
            all.push(label);
        }
    }
}

fn cut_short(mut words: String) -> String {
    if words.len() > WORDS {
        let end = (0..=WORDS).rev().find(|at| words.is_char_boundary(*at)).unwrap_or(0);
        words.truncate(end);
    }
    words
}
