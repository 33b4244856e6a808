//! Questions to the operator: what the gate holds becomes one, is recorded, shown and kept until it is answered or its time
//! is over. An answer is recorded before the gate hears of it. The rules of it are [`wire::question::Queue`]'s.

mod answers;
mod family;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use policy::{Day, Doubt, Endorsement, Rule};
use record::Kind;
use wire::GateOrder;
use wire::control::Happened;
use wire::question::{Calling, Card, Joined, Offer, Queue, Ruling, Say, Stand, Wanted, offer};

use self::family::Family;
use super::sleep::earlier;
use super::{Course, Session};
use crate::session::children::clock;

pub(super) use answers::Said;

/// Labels of texts that a card names.
const MOST_LABELS: usize = 4;

/// The questions of a session, and what was granted for a while.
#[derive(Debug)]
pub(in crate::session) struct Questions {
    queue: Queue,
    began: Instant,
    timed: Vec<(Instant, Given)>,
    /// Written answers, and the file's name.
    written: Option<(Vec<policy::Written>, String)>,
}

/// What an answer gives.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Given {
    Rule(Box<Rule>),
    Endorsed(Vec<Endorsement>),
}

impl std::fmt::Display for Given {
    /// As it stands in a policy.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Given::Rule(rule) => rule.fmt(formatter),
            Given::Endorsed(all) => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                formatter.write_str(&all.join(", "))
            }
        }
    }
}

/// The day that it is, where people count days alike.
fn today() -> Day {
    Day::of(SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs()))
}

impl Default for Questions {
    fn default() -> Self {
        Questions::begin(None)
    }
}

impl Questions {
    /// None yet. Where the operator wrote answers into a file, he is not asked.
    pub(in crate::session) fn begin(written: Option<(Vec<policy::Written>, String)>) -> Questions {
        let mut secret = [0; 32];
        // Without randomness ids can be foreseen, which opens nothing: each is looked up among those that wait.
        let _ = rustix::rand::getrandom(&mut secret, rustix::rand::GetRandomFlags::empty());
        Questions { queue: Queue::new(secret, 1), began: Instant::now(), timed: Vec::new(), written }
    }

    pub(super) fn left(&mut self, number: u64) {
        self.queue.left(number);
    }

    /// What the policy was to decide that did not come into force waits on.
    pub(super) fn reopen(&mut self) {
        self.queue.reopen();
    }

    pub(super) fn open(&self) -> u32 {
        u32::try_from(self.queue.open().count()).unwrap_or(u32::MAX)
    }

    pub(super) fn in_the_last_hour(&self) -> u32 {
        u32::try_from(self.queue.in_the_last_hour(self.now())).unwrap_or(u32::MAX)
    }

    /// When the next question, or grant, has had its time.
    pub(super) fn due(&self) -> Option<Instant> {
        let question = self.queue.due().map(|due| self.began + Duration::from_millis(due));
        self.timed.iter().map(|(until, _)| *until).chain(question).min()
    }

    /// What was granted for a while went on for so long while no clock here did.
    pub(super) fn slept(&mut self, by: Duration) {
        self.timed.iter_mut().for_each(|(until, _)| *until = earlier(*until, by));
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Session<'_> {
    /// Something that the gate holds under this number, or that an agent asks by itself: it is ruled at once, or waits.
    pub(super) fn question(&mut self, course: &mut Course, number: u64, wanted: Wanted) {
        self.expire(course);
        let ruling = self.join(course, number, wanted);
        self.rule(number, ruling);
        self.answer_in_writing(course);
    }

    fn join(&mut self, course: &mut Course, number: u64, wanted: Wanted) -> Ruling {
        if course.ended || course.kill_at.is_some() {
            return Ruling::unaskable("the session is about to end");
        }
        if !wanted.fits() || !wanted.is_sound() {
            return Ruling::unaskable("it cannot be shown as it is");
        }
        // What may be answered is worked out for what is new alone: however often a program repeats itself, that is cheap.
        match course.questions.queue.ask(course.questions.now(), number, wanted.clone()) {
            Joined::New(question) => match self.refused_with_its_tree(course, &wanted) {
                None => self.begin(course, question, &wanted),
                Some(ruling) => {
                    course.questions.queue.withdraw(&question);
                    ruling
                }
            },
            Joined::Waits(question) => Ruling::Waits { question },
            Joined::Ruled(ruling) | Joined::Flood(ruling) => ruling,
        }
    }

    /// Why something is not asked that is new here. Who answered in writing is tired by nobody.
    fn refused_with_its_tree(&self, course: &Course, wanted: &Wanted) -> Option<Ruling> {
        if course.questions.written.is_some() {
            return None;
        }
        let asked = self.family(|family, now| family.ask(now, &wanted.kind()));
        asked.unwrap_or_else(|_| Some(Ruling::unaskable("what its tree asked cannot be kept")))
    }

    /// What all sessions of its tree asked.
    fn family<T>(&self, look: impl FnOnce(&mut Family, u64) -> T) -> std::io::Result<T> {
        let now = clock() / 1000;
        Family::at(&self.door.drops.with_file_name(family::NAME), now, |family| look(family, now))
    }

    /// Records a new question, and shows it.
    fn begin(&mut self, course: &mut Course, question: String, wanted: &Wanted) -> Ruling {
        let Some(offer) = self.offer(course, wanted) else {
            course.questions.queue.withdraw(&question);
            return Ruling::unaskable("no answer would let it through");
        };
        let event = asked(&question, wanted, course.questions.queue.revision(), &offer);
        if let Err(error) = self.ledger.write(event) {
            course.questions.queue.withdraw(&question);
            self.unrecorded(course, &error);
            return Ruling::unaskable("the record cannot be written");
        }
        if let Some(card) = self.card(course, &question) {
            self.tell(&Happened::Asked { card: Box::new(card) });
        }
        Ruling::Waits { question }
    }

    /// What may be answered to something that is wanted.
    fn offer(&self, course: &mut Course, wanted: &Wanted) -> Option<Offer> {
        let heard = self.door.heard.all().flat_map(|words| &words.labels);
        let known = self.door.labelled.iter().map(|text| &text.label).chain(heard);
        let mut labels: Vec<String> = known.map(|label| label.as_str().to_owned()).collect();
        labels.sort();
        labels.dedup();
        labels.truncate(MOST_LABELS);
        let seen = course.reckoning.reached(&wanted.host.to_string(), wanted.port);
        let denied: Vec<&Wanted> = course.questions.queue.denied().collect();
        let (policy, granted, endorsed) = (&self.door.policy, &*self.door.granted, &*self.door.endorsed);
        let alone = !self.children.house.is_child && self.children.accounts.alive() == 0;
        let (denied, labels) = (&*denied, &*labels);
        offer(wanted, &Stand { policy, granted, endorsed, today: today(), denied, seen, alone, labels })
    }

    /// The questions that wait, as they are shown.
    pub(super) fn cards(&self, course: &mut Course) -> Vec<Card> {
        let open: Vec<String> = course.questions.queue.open().map(|question| question.id.clone()).collect();
        open.iter().filter_map(|id| self.card(course, id)).collect()
    }

    fn card(&self, course: &mut Course, id: &str) -> Option<Card> {
        let wanted = course.questions.queue.open().find(|question| question.id == id)?.wanted.clone();
        let offer = self.offer(course, &wanted)?;
        let (queue, now) = (&course.questions.queue, course.questions.now());
        let mut card = Card::of(queue.open().find(|question| question.id == id)?, &offer, queue.revision(), now);
        if let Some(endorses) = &offer.endorses {
            for choice in &mut card.choices {
                let new = match choice.answer {
                    Say::Session { wide: false, .. } => endorses.values.as_slice(),
                    Say::Session { wide: true, .. } => endorses.source.as_slice(),
                    Say::Always => endorses.standing.as_slice(),
                    Say::Once | Say::Deny => continue,
                };
                let all: Vec<Endorsement> = self.door.endorsed.iter().chain(new).cloned().collect();
                let calls = queue.open().filter_map(|one| Some((one.wanted.call.as_ref()?, one.waiting())));
                choice.covers = calls.filter(|(call, _)| call.lifted(&all, today())).map(|(_, waiting)| waiting).sum();
            }
        }
        let record = &self.generations.directory().record;
        let parent = record.parent.as_ref().map(|parent| parent.session.clone());
        let (session, name, task) = (record.id.clone(), record.name.clone(), record.command.clone());
        Some(Card { session, name, parent, task, ..card })
    }

    /// Tells the gate what becomes of something that it holds.
    fn rule(&mut self, number: u64, ruling: Ruling) {
        if let (Some(gate), Ok(frame)) = (&mut self.gate, wire::encode(&GateOrder::Ruled { number, ruling })) {
            gate.tell_all(&frame);
        }
    }

    /// Tells the gate what is granted.
    fn grant(&mut self) {
        let order = GateOrder::Grant { rules: self.door.granted.clone(), endorsed: self.door.endorsed.clone() };
        if let (Some(gate), Ok(frame)) = (&mut self.gate, wire::encode(&order)) {
            gate.tell_all(&frame);
        }
    }

    /// Ends what had its time.
    pub(super) fn watch_questions(&mut self, course: &mut Course, now: Instant) {
        self.expire(course);
        let (over, left): (Vec<_>, Vec<_>) = course.questions.timed.drain(..).partition(|(until, _)| *until <= now);
        course.questions.timed = left;
        if over.is_empty() {
            return;
        }
        for (_, given) in over {
            self.take_back(&given);
        }
        self.grant();
    }

    /// Takes back what was given for a time; what was given twice stays once.
    fn take_back(&mut self, given: &Given) {
        match given {
            Given::Rule(rule) => {
                if let Some(at) = self.door.granted.iter().position(|granted| *granted == **rule) {
                    self.door.granted.remove(at);
                }
            }
            Given::Endorsed(all) => {
                for one in all {
                    if let Some(at) = self.door.endorsed.iter().position(|endorsed| endorsed == one) {
                        self.door.endorsed.remove(at);
                    }
                }
            }
        }
    }

    fn expire(&mut self, course: &mut Course) {
        let now = course.questions.now();
        for expired in course.questions.queue.expire(now) {
            let waiting = expired.waiting.len();
            self.end(course, &expired.id, ("expired", "nobody answered"), waiting);
            for number in expired.waiting {
                self.rule(number, Ruling::expired(&expired.id));
            }
        }
    }

    /// The gate that held them is gone.
    pub(super) fn withdraw(&mut self, course: &mut Course, why: &str) {
        for id in course.questions.queue.lost() {
            self.end(course, &id, ("withdrawn", why), 0);
        }
    }

    /// Another policy is in force: what the gate holds it decides anew, and asks about under that.
    pub(super) fn revise(&mut self, course: &mut Course, revision: u32) {
        for id in course.questions.queue.revised(revision) {
            self.end(course, &id, ("withdrawn", "another policy is in force"), 0);
        }
    }

    fn end(&mut self, course: &mut Course, id: &str, (answer, why): (&str, &str), waiting: usize) {
        let event = Kind::Ruled {
            question: id.to_owned(),
            answer: answer.into(),
            who: why.into(),
            rule: None,
            seconds: None,
            waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
        };
        self.record(course, event);
        self.tell(&Happened::Ruled { question: id.to_owned(), answer: answer.into() });
    }
}

fn asked(id: &str, wanted: &Wanted, revision: u32, offer: &Offer) -> Kind {
    Kind::Question {
        question: id.to_owned(),
        pid: wanted.pid,
        program: wanted.program.clone(),
        host: wanted.host.to_string(),
        port: wanted.port,
        does: wanted.does(),
        rule: wanted.call.as_ref().map_or_else(|| wanted.rule.to_string(), |_| "grounding: ask".to_owned()),
        revision,
        reasons: wanted.call.iter().flat_map(|call| against(call)).chain(offer.reasons.iter().cloned()).collect(),
    }
}

/// What speaks against a call, and where that stands, a line each.
fn against(call: &Calling) -> Vec<String> {
    let place = |doubt: &Doubt| match doubt.sources.first() {
        Some(source) if !source.tool.is_empty() => format!(", in what {} gave, sha256 {}", source.tool, source.sha256),
        Some(source) => format!(", in sha256 {}", source.sha256),
        None => String::new(),
    };
    let line = |doubt: &Doubt| match &doubt.argument {
        Some(argument) => format!("{} as {argument}: {}{}", doubt.value, doubt.why, place(doubt)),
        None => format!("{}{}", doubt.why, place(doubt)),
    };
    call.doubted.doubts.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was granted for ten minutes in the evening still held in the morning, where the host slept between.
    #[test]
    fn what_was_granted_for_a_while_is_over_after_a_night() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let mut questions = Questions::begin(None);
        questions.timed.push((Instant::now() + minutes(10), Given::Endorsed(Vec::new())));
        questions.slept(minutes(5));
        assert!(questions.due().is_some_and(|due| due > Instant::now()));
        questions.slept(minutes(480));
        assert!(questions.due().is_some_and(|due| due <= Instant::now()));
    }
}
