//! Answers to questions: of the operator, or of what he wrote down. Each is taken by the queue, recorded, and only then has
//! an effect.

use std::time::{Duration, Instant};

use policy::{Endorsement, Written};
use record::Kind;
use wire::command::Problem;
use wire::control::{Answer, Happened, Replacement};
use wire::question::{Card, Choice, MOST_SECONDS, Ruling, Say, Unanswered, Wanted, lets};

use super::{Course, Given, Session, today};
use crate::problem::{NO, problem, quoted};
use crate::session::control::Asking;

/// An answer, and what it is one to.
#[derive(Debug, Clone, Copy)]
pub(in crate::session::serve) struct Said<'a> {
    /// The question's id.
    pub(in crate::session::serve) id: &'a str,
    /// The policy's revision that it was shown under.
    pub(in crate::session::serve) revision: u32,
    /// The newest that waited then.
    pub(in crate::session::serve) newest: Option<u64>,
    pub(in crate::session::serve) say: Say,
}

impl Session<'_> {
    /// The operator answers.
    pub(in crate::session::serve) fn answer(&mut self, course: &mut Course, said: Said<'_>, asking: Asking) {
        self.expire(course);
        match self.take(course, said, asking.who()) {
            Err(problem) => asking.refuse(problem),
            Ok(None) => asking.answer(&Answer::Done),
            Ok(Some(given)) => {
                let asked = self.with(&given);
                if let Some(reason) = self.begin_policy(course, asked, asking) {
                    // The record says already what the answer was.
                    let revision = self.generations.next_revision();
                    self.record(course, Kind::PolicyNotTaken { revision, reason });
                    course.questions.reopen();
                }
            }
        }
    }

    /// Takes an answer and carries it out. One of `always` gives what the policy is to have.
    fn take(
        &mut self,
        course: &mut Course,
        Said { id, revision, newest, say }: Said<'_>,
        who: &str,
    ) -> Result<Option<Given>, Problem> {
        let card = self.card(course, id).ok_or_else(|| unanswered(id, &Unanswered::Unknown.to_string()))?;
        may(&card, say)?;
        let wanted = course.questions.queue.open().find(|question| question.id == id).map(|one| one.wanted.clone());
        let given = wanted.as_ref().and_then(|wanted| self.given_by(course, wanted, say));
        let now = course.questions.now();
        let answered = course.questions.queue.answer(now, (id, newest), revision, say);
        let answered = answered.map_err(|why| unanswered(id, &why.to_string()))?;
        let seconds = if let Say::Session { seconds, .. } = say { seconds } else { None };
        let event = Kind::Ruled {
            question: id.to_owned(),
            answer: say.name().into(),
            who: who.to_owned(),
            rule: given.as_ref().map(ToString::to_string),
            seconds,
            waiting: u64::try_from(card.waiting - answered.rest.len()).unwrap_or(u64::MAX),
        };
        if let Err(error) = self.ledger.write(event) {
            self.unrecorded(course, &error);
            return Err(unanswered(id, &format!("the record cannot be written: {error}")));
        }
        if let (Say::Deny, Some(wanted)) = (say, &wanted) {
            // Where it cannot be kept, no session of the tree asks anything.
            let _ = self.family(|family, now| family.deny(now, wanted.kind(), id));
        }
        match (say, given) {
            (Say::Always, given) => return Ok(given),
            (Say::Session { seconds, .. }, Some(given)) => {
                let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
                course.questions.timed.extend(until.map(|until| (until, given.clone())));
                match given {
                    Given::Rule(rule) => self.door.granted.push(*rule),
                    Given::Endorsed(all) => self.door.endorsed.extend(all),
                }
                self.grant();
            }
            _ => {}
        }
        for number in answered.told {
            self.rule(number, answered.ruling.clone());
        }
        for number in answered.rest {
            self.rule(number, Ruling::Again);
        }
        self.tell(&Happened::Ruled { question: id.to_owned(), answer: say.name().into() });
        if let Say::Session { .. } = say {
            self.settle(course, who);
        }
        Ok(None)
    }

    /// What a grant lets through waits no more, whichever question it was.
    fn settle(&mut self, course: &mut Course, who: &str) {
        let (policy, granted) = (&self.door.policy, &self.door.granted);
        let granting = policy.granting(granted);
        let (open, endorsed) = (course.questions.queue.open(), &self.door.endorsed);
        let goes = |wanted: &Wanted| {
            lets(&granting, wanted) || wanted.call.as_ref().is_some_and(|call| call.lifted(endorsed, today()))
        };
        let settled: Vec<_> = open.filter(|one| goes(&one.wanted)).map(|one| one.id.clone()).collect();
        for id in settled {
            let (now, revision) = (course.questions.now(), course.questions.queue.revision());
            let say = Say::Session { seconds: None, wide: false };
            let Ok(answered) = course.questions.queue.answer(now, (&id, None), revision, say) else { continue };
            self.end(course, &id, (say.name(), &format!("by what was granted to another; {who}")), answered.told.len());
            for number in answered.told {
                self.rule(number, answered.ruling.clone());
            }
        }
    }

    /// What an answer gives.
    fn given_by(&self, course: &mut Course, wanted: &Wanted, say: Say) -> Option<Given> {
        if wanted.call.is_some() {
            let endorses = self.offer(course, wanted)?.endorses?;
            let all: Vec<Endorsement> = match say {
                Say::Once | Say::Deny => return None,
                Say::Session { wide: false, .. } => endorses.values,
                Say::Session { wide: true, .. } => endorses.source.into_iter().collect(),
                Say::Always => endorses.standing.into_iter().collect(),
            };
            return Some(Given::Endorsed(all));
        }
        match say {
            Say::Deny => None,
            Say::Session { wide: true, .. } => self.offer(course, wanted)?.wide.map(|rule| Given::Rule(Box::new(rule))),
            Say::Once | Say::Session { .. } | Say::Always => Some(Given::Rule(Box::new(wanted.rule.clone()))),
        }
    }

    /// The policy in force with what was given; what it lends and labels is what is lent and labelled.
    fn with(&self, given: &Given) -> Replacement {
        let mut policy = self.door.policy.policies().last().cloned().unwrap_or_default();
        let changes = match given {
            Given::Rule(rule) => {
                policy.network.allow.push((**rule).clone());
                vec![format!("+ network.allow: {rule}")]
            }
            Given::Endorsed(all) => {
                policy.endorse.extend(all.iter().cloned());
                all.iter().map(|one| format!("+ endorse: {one}")).collect()
            }
        };
        Replacement {
            policy,
            credentials: self.door.credentials.clone(),
            labelled: Vec::new(),
            changes,
            replaces: self.generations.revision(),
            undoes: false,
        }
    }

    /// Answers by what the operator wrote, where he did: he is not there to be asked. What no line of it allows is denied, and
    /// a line that says `once` answers one question of the whole tree: each of its sessions reads the file anew.
    pub(super) fn answer_in_writing(&mut self, course: &mut Course) {
        let Some((mut written, file)) = course.questions.written.take() else { return };
        let open = course.questions.queue.open();
        let open: Vec<_> = open.map(|one| (one.id.clone(), one.newest(), one.wanted.clone())).collect();
        for (id, newest, wanted) in open {
            let say = match self.written_line(&mut written, &wanted) {
                Some(policy::Say::Once) => Say::Once,
                Some(policy::Say::Session) => Say::Session { seconds: None, wide: false },
                Some(policy::Say::Source) => Say::Session { seconds: None, wide: true },
                Some(policy::Say::Deny) | None => Say::Deny,
            };
            let who = format!("the answers in {}", quoted(&file));
            let revision = course.questions.queue.revision();
            // A grant that would let through what was denied before is none.
            let said = Said { id: &id, revision, newest, say };
            if self.take(course, said, &who).is_err() {
                let _ = self.take(course, Said { say: Say::Deny, ..said }, &who);
            }
        }
        course.questions.written = Some((written, file));
    }

    /// What a line answers; none of those that a session of the tree used up before, which are forgotten. Where that cannot be
    /// kept, a line that says `once` answers nothing.
    fn written_line(&self, written: &mut Vec<Written>, wanted: &Wanted) -> Option<policy::Say> {
        loop {
            let line = match &wanted.call {
                None => policy::written(written, &wanted.rule),
                Some(call) => policy::written_call(written, &call.doubted),
            }?;
            let Written { about, say } = written.get(line)?;
            if *say != policy::Say::Once {
                return Some(*say);
            }
            let alike = |one: &&Written| one.say == policy::Say::Once && one.about == *about;
            let lines = written.iter().filter(alike).count();
            let text = about.to_string();
            if self.family(|family, _| family.use_up(&text, lines)).unwrap_or(false) {
                return Some(policy::Say::Once);
            }
            written.remove(line);
        }
    }
}

/// Whether a card offers an answer.
fn may(card: &Card, say: Say) -> Result<(), Problem> {
    if let Say::Session { seconds: Some(seconds), .. } = say
        && !(1..=MOST_SECONDS).contains(&seconds)
    {
        return Err(unoffered(card, "a grant holds for a second at least, and for a day at most"));
    }
    if card.offers(say) {
        return Ok(());
    }
    let why = match say {
        Say::Always => {
            "it wants care, would open too much, or is of a sub-agent or a session that has some: it is not made a rule of the \
             policy by an answer"
        }
        Say::Session { .. } if card.call.is_some() => {
            "what it does is answered call by call, or all of it stands in no one source, or it would let through what was denied before"
        }
        _ => "it would let through what was denied before, or there is no such choice",
    };
    Err(unoffered(card, why))
}

fn unoffered(card: &Card, why: &str) -> Problem {
    let name = |say: Say| match say {
        Say::Session { wide: true, .. } => "session with `wide`",
        other => other.name(),
    };
    let offered: Vec<&str> = card.choices.iter().map(|Choice { answer, .. }| name(*answer)).collect();
    let cause = format!("question {} cannot be answered so: {why}", card.short());
    problem("E-PLANE-121", cause, &format!("it takes: {}", offered.join(", ")), NO)
}

fn unanswered(id: &str, why: &str) -> Problem {
    let short = id.get(..8).unwrap_or(id);
    let cause = format!("question {} was not answered: {why}", quoted(short));
    problem("E-PLANE-120", cause, "`bastide approve` lists what waits now", NO)
}
