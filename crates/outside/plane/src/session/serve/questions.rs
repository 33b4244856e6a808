//! Questions to the operator: what the gate holds becomes one, is recorded, shown and kept until it is answered or its time
//! is over. An answer is recorded before the gate hears of it. The rules of it are [`wire::question::Queue`]'s.

use std::time::{Duration, Instant};

use policy::Rule;
use record::Kind;
use wire::GateOrder;
use wire::command::Problem;
use wire::control::{Answer, Happened, Replacement};
use wire::question::{Card, Choice, Joined, MOST_SECONDS, Offer, Queue, Ruling, Say, Stand, Wanted, lets, offer};

use super::{Course, Session};
use crate::problem::{NO, problem, quoted};
use crate::session::control::Asking;

/// Labels of texts that a card names.
const MOST_LABELS: usize = 4;

/// The questions of a session, and what was granted for a while.
#[derive(Debug)]
pub(in crate::session) struct Questions {
    queue: Queue,
    began: Instant,
    timed: Vec<(Instant, Rule)>,
    /// Written answers, and the file's name.
    written: Option<(Vec<policy::Written>, String)>,
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
        if !wanted.fits() {
            return Ruling::unaskable("it is too long to be shown");
        }
        // What may be answered is worked out for what is new alone: however often a program repeats itself, that is cheap.
        match course.questions.queue.ask(course.questions.now(), number, wanted.clone()) {
            Joined::New(question) => self.begin(course, question, &wanted),
            Joined::Waits(question) => Ruling::Waits { question },
            Joined::Ruled(ruling) | Joined::Flood(ruling) => ruling,
        }
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
        let mut labels: Vec<String> = self.door.labelled.iter().map(|text| text.label.as_str().to_owned()).collect();
        labels.sort();
        labels.dedup();
        labels.truncate(MOST_LABELS);
        let seen = course.reckoning.reached(&wanted.host.to_string(), wanted.port);
        let denied: Vec<&Wanted> = course.questions.queue.denied().collect();
        let (policy, granted) = (&self.door.policy, &*self.door.granted);
        offer(wanted, &Stand { policy, granted, denied: &denied, seen, labels: &labels })
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
        let card = Card::of(queue.open().find(|question| question.id == id)?, &offer, queue.revision(), now);
        let record = &self.generations.directory().record;
        Some(Card { session: record.id.clone(), name: record.name.clone(), task: record.command.clone(), ..card })
    }

    /// The operator answers.
    pub(super) fn answer(&mut self, course: &mut Course, (id, revision, say): (&str, u32, Say), asking: Asking) {
        self.expire(course);
        match self.take(course, (id, revision, say), asking.who()) {
            Err(problem) => asking.refuse(problem),
            Ok(None) => asking.answer(&Answer::Done),
            Ok(Some(rule)) => {
                let asked = self.with(&rule);
                self.begin_policy(course, asked, asking);
                if !self.generations.is_swapping() {
                    // It was refused.
                    course.questions.reopen();
                }
            }
        }
    }

    /// Takes an answer and carries it out. One of `always` gives the rule that the policy is to have.
    fn take(
        &mut self,
        course: &mut Course,
        (id, revision, say): (&str, u32, Say),
        who: &str,
    ) -> Result<Option<Rule>, Problem> {
        let card = self.card(course, id);
        if let Some(card) = &card {
            may(card, say)?;
        }
        let wanted = course.questions.queue.open().find(|question| question.id == id).map(|one| one.wanted.clone());
        let waiting = card.as_ref().map_or(0, |card| card.waiting);
        let rule = wanted.as_ref().and_then(|wanted| self.granted_by(course, wanted, say));
        let now = course.questions.now();
        let answered = course.questions.queue.answer(now, id, revision, say);
        let answered = answered.map_err(|why| unanswered(id, &why.to_string()))?;
        let seconds = if let Say::Session { seconds, .. } = say { seconds } else { None };
        let event = Kind::Ruled {
            question: id.to_owned(),
            answer: say.name().into(),
            who: who.to_owned(),
            rule: rule.as_ref().map(ToString::to_string),
            seconds,
            waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
        };
        if let Err(error) = self.ledger.write(event) {
            self.unrecorded(course, &error);
            return Err(unanswered(id, &format!("the record cannot be written: {error}")));
        }
        match (say, rule) {
            (Say::Always, rule) => return Ok(rule),
            (Say::Session { seconds, .. }, Some(rule)) => {
                let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
                course.questions.timed.extend(until.map(|until| (until, rule.clone())));
                self.door.granted.push(rule);
                self.grant();
            }
            _ => {}
        }
        for number in answered.told {
            self.rule(number, answered.ruling.clone());
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
        let open = course.questions.queue.open();
        let settled: Vec<_> = open.filter(|one| lets(&granting, &one.wanted)).map(|one| one.id.clone()).collect();
        for id in settled {
            let (now, revision) = (course.questions.now(), course.questions.queue.revision());
            let say = Say::Session { seconds: None, wide: false };
            let Ok(answered) = course.questions.queue.answer(now, &id, revision, say) else { continue };
            self.end(course, &id, (say.name(), &format!("by what was granted to another; {who}")), answered.told.len());
            for number in answered.told {
                self.rule(number, answered.ruling.clone());
            }
        }
    }

    /// The rule that an answer grants.
    fn granted_by(&self, course: &mut Course, wanted: &Wanted, say: Say) -> Option<Rule> {
        match say {
            Say::Deny => None,
            Say::Session { wide: true, .. } => self.offer(course, wanted)?.wide,
            Say::Once | Say::Session { .. } | Say::Always => Some(wanted.rule.clone()),
        }
    }

    /// The policy in force with one more rule; what it lends and labels is what is lent and labelled.
    fn with(&self, rule: &Rule) -> Replacement {
        let mut policy = self.door.policy.policies().last().cloned().unwrap_or_default();
        policy.network.allow.push(rule.clone());
        Replacement {
            policy,
            credentials: self.door.credentials.clone(),
            labelled: Vec::new(),
            changes: vec![format!("+ network.allow: {rule}")],
            replaces: self.generations.revision(),
            undoes: false,
        }
    }

    /// Answers by what the operator wrote, where he did: he is not there to be asked. What no line of it allows is denied.
    fn answer_in_writing(&mut self, course: &mut Course) {
        let Some((written, file)) = course.questions.written.clone() else { return };
        let open: Vec<_> = course.questions.queue.open().map(|one| (one.id.clone(), one.wanted.rule.clone())).collect();
        for (id, rule) in open {
            let say = match policy::written(&written, &rule) {
                policy::Say::Once => Say::Once,
                policy::Say::Session => Say::Session { seconds: None, wide: false },
                policy::Say::Deny => Say::Deny,
            };
            let who = format!("the answers in {}", quoted(&file));
            let revision = course.questions.queue.revision();
            // A grant that would let through what was denied before is none.
            if self.take(course, (&id, revision, say), &who).is_err() {
                let _ = self.take(course, (&id, revision, Say::Deny), &who);
            }
        }
    }

    /// Tells the gate what becomes of something that it holds.
    fn rule(&mut self, number: u64, ruling: Ruling) {
        if let (Some(gate), Ok(frame)) = (&mut self.gate, wire::encode(&GateOrder::Ruled { number, ruling })) {
            gate.tell_all(&frame);
        }
    }

    /// Tells the gate what is granted.
    fn grant(&mut self) {
        let order = GateOrder::Grant { rules: self.door.granted.clone() };
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
        for (_, rule) in over {
            if let Some(at) = self.door.granted.iter().position(|granted| *granted == rule) {
                self.door.granted.remove(at);
            }
        }
        self.grant();
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
        rule: wanted.rule.to_string(),
        revision,
        reasons: offer.reasons.clone(),
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
        Say::Always => "it wants care, or would open too much: it is not made a rule of the policy by an answer",
        _ => "it would let through what was denied before, or there is no such choice",
    };
    Err(unoffered(card, why))
}

fn unoffered(card: &Card, why: &str) -> Problem {
    let offered: Vec<&str> = card.choices.iter().map(|Choice { answer, .. }| answer.name()).collect();
    let cause = format!("question {} cannot be answered so: {why}", card.short());
    problem("E-PLANE-121", cause, &format!("it takes: {}", offered.join(", ")), NO)
}

fn unanswered(id: &str, why: &str) -> Problem {
    let short = id.get(..8).unwrap_or(id);
    let cause = format!("question {} was not answered: {why}", quoted(short));
    problem("E-PLANE-120", cause, "`bastide approve` lists what waits now", NO)
}
