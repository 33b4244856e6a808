//! The questions of one session: a state machine without a clock, a socket or a record. Whoever drives it brings the time in
//! milliseconds, records what it gives before anybody is told, and tells the gate.
//!
//! What holds, whatever is interleaved: an answer of `once` lets through those that waited when the question was shown, or
//! one that follows, and no more, all of them of one effect; nothing is let through after a question expired, was withdrawn,
//! or was asked under another policy; all that waits is told in the end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{Alike, Ruling, Say, Wanted};

/// How long a question waits after it was last asked, and how long an answer holds for a repetition: milliseconds.
pub const LIFE: u64 = 5 * 60 * 1000;
/// The time in which new questions are counted, in milliseconds.
pub const WINDOW: u64 = 60 * 1000;
/// New questions in that time.
pub const MOST_NEW: usize = 8;
/// Questions that wait at once.
pub(super) const MOST_OPEN: usize = 32;
/// An hour.
const HOUR: u64 = 60 * WINDOW;
/// Times of questions that are kept for the figure of an hour: as many as can be asked in one.
const MOST_TIMES: usize = 60 * MOST_NEW;
/// Effects that were denied and are remembered.
const MOST_DENIED: usize = 256;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What it is called: it depends on all that is asked, on the policy's revision, and on a secret of the session.
    pub id: String,
    /// What is wanted.
    pub wanted: Wanted,
    /// When it was asked first.
    pub since: u64,
    /// Until when it waits.
    pub until: u64,
    /// How often it was asked.
    pub times: u32,
    waiting: BTreeSet<u64>,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Open,
    /// `told` were let through, and so many more may be.
    Once {
        told: BTreeSet<u64>,
        left: usize,
    },
    /// The policy that follows decides.
    Always,
    Denied,
}

/// What becomes of something that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// It is a new question.
    New(String),
    /// It waits as one that was asked before.
    Waits(String),
    /// It is ruled already.
    Ruled(Ruling),
    /// There are too many: the answer is no.
    Flood(Ruling),
}

/// An answer that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// What waited, to be told this.
    pub told: Vec<u64>,
    /// The same for each of them.
    pub ruling: Ruling,
    /// What began to wait after it was shown: it is decided again, and asked about as another question.
    pub rest: Vec<u64>,
}

/// A question that ended without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// The question's id.
    pub id: String,
    /// What waited.
    pub waiting: Vec<u64>,
}

/// Why an answer was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// There is none.
    #[error("no such question waits: it was answered, it changed, or its time is over")]
    Unknown,
    /// It has been answered.
    #[error("the question was answered before")]
    Answered,
    /// Another policy is in force than when it was asked.
    #[error("it changed: another policy is in force than when it was asked")]
    Revision,
}

/// The questions of a session.
#[derive(Debug)]
pub struct Queue {
    secret: [u8; 32],
    revision: u32,
    last: u64,
    questions: BTreeMap<u64, Question>,
    times: VecDeque<u64>,
    denied: VecDeque<Wanted>,
    flooded: u64,
}

impl Queue {
    /// None yet. `secret` makes ids that nobody in a cell can choose.
    #[must_use]
    pub fn new(secret: [u8; 32], revision: u32) -> Queue {
        let (questions, times, denied) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
        Queue { secret, revision, last: 0, questions, times, denied, flooded: 0 }
    }

    /// Takes what a gate holds under this number.
    pub fn ask(&mut self, now: u64, number: u64, wanted: Wanted) -> Joined {
        let same = self.questions.iter_mut().find(|(_, one)| one.until > now && one.takes(&wanted));
        if let Some((_, question)) = same {
            match &mut question.state {
                State::Open | State::Always => {
                    question.waiting.insert(number);
                    question.times = question.times.saturating_add(1);
                    question.until = now + LIFE;
                    return Joined::Waits(question.id.clone());
                }
                State::Once { told, left } => {
                    *left = left.saturating_sub(1);
                    told.insert(number);
                    return Joined::Ruled(once(question));
                }
                State::Denied => return Joined::Ruled(Ruling::denied(&question.id)),
            }
        }
        let denial = |one: &&Question| one.until > now && one.state == State::Denied && one.wanted.is_same(&wanted);
        if let Some(question) = self.questions.values().find(denial) {
            return Joined::Ruled(Ruling::denied(&question.id));
        }
        if self.is_full(now) {
            self.flooded = self.flooded.saturating_add(1);
            return Joined::Flood(Ruling::flood());
        }
        self.last += 1;
        let id = self.id(&wanted);
        let question = Question {
            id: id.clone(),
            wanted,
            since: now,
            until: now + LIFE,
            times: 1,
            waiting: BTreeSet::from([number]),
            state: State::Open,
        };
        self.questions.insert(self.last, question);
        self.times.push_back(now);
        self.times.drain(..self.times.len().saturating_sub(MOST_TIMES));
        Joined::New(id)
    }

    /// Takes an answer to the question of that id, as it stood under this revision of the policy and with those up to a number
    /// waiting; without one, with the first that waits. After an answer of `always` it waits for the policy that follows: see
    /// [`Queue::revised`] and [`Queue::reopen`].
    ///
    /// # Errors
    /// When nothing was answered.
    pub fn answer(
        &mut self,
        now: u64,
        (id, newest): (&str, Option<u64>),
        revision: u32,
        say: Say,
    ) -> Result<Answered, Unanswered> {
        let found = self.questions.iter_mut().find(|(_, one)| one.id == id && one.until > now);
        let (&at, question) = found.ok_or(Unanswered::Unknown)?;
        if question.state != State::Open {
            return Err(Unanswered::Answered);
        }
        if revision != self.revision {
            return Err(Unanswered::Revision);
        }
        if say == Say::Always {
            question.state = State::Always;
            return Ok(Answered { told: Vec::new(), ruling: Ruling::Again, rest: Vec::new() });
        }
        let mut waiting = std::mem::take(&mut question.waiting);
        let mut rest = BTreeSet::new();
        if say == Say::Once {
            let newest = newest.or(waiting.first().copied()).unwrap_or_default();
            rest = waiting.split_off(&newest.saturating_add(1));
        }
        let told = waiting.iter().copied().collect();
        question.until = now + LIFE;
        let ruling = match say {
            Say::Once => {
                let left = usize::from(waiting.is_empty());
                question.state = State::Once { told: waiting, left };
                once(question)
            }
            Say::Deny => {
                question.state = State::Denied;
                self.denied.push_back(question.wanted.clone());
                self.denied.drain(..self.denied.len().saturating_sub(MOST_DENIED));
                Ruling::denied(id)
            }
            Say::Session { .. } | Say::Always => {
                self.questions.remove(&at);
                Ruling::Again
            }
        };
        Ok(Answered { told, ruling, rest: rest.into_iter().collect() })
    }

    /// What was held under this number is no more: its program gave up, or it is decided otherwise. Where it was let through
    /// just then and did not hear of it, one that follows may be.
    pub fn left(&mut self, number: u64) {
        for question in self.questions.values_mut() {
            question.waiting.remove(&number);
            if let State::Once { told, left } = &mut question.state
                && told.remove(&number)
            {
                *left += 1;
            }
        }
    }

    /// The policy that was to follow an answer of `always` does not: what waits for it is asked again.
    pub fn reopen(&mut self) {
        for question in self.questions.values_mut().filter(|question| question.state == State::Always) {
            question.state = State::Open;
        }
    }

    /// The gate is gone, and all that it held; gives the questions that are withdrawn. What was let through and may have been
    /// used is not let through again.
    pub fn lost(&mut self) -> Vec<String> {
        let withdrawn = self.open().map(|question| question.id.clone()).collect();
        self.questions.retain(|_, question| match &mut question.state {
            State::Open | State::Always => false,
            State::Once { told, left } => {
                told.clear();
                *left > 0
            }
            State::Denied => true,
        });
        withdrawn
    }

    /// Another policy is in force; gives the questions that are withdrawn. The gate decides anew on what it holds.
    pub fn revised(&mut self, revision: u32) -> Vec<String> {
        self.revision = revision;
        let withdrawn = self.open().map(|question| question.id.clone()).collect();
        self.questions.clear();
        withdrawn
    }

    /// Takes back a question that could not be recorded; gives what waits.
    pub fn withdraw(&mut self, id: &str) -> Vec<u64> {
        let at = self.questions.iter().find(|(_, one)| one.id == id).map(|(at, _)| *at);
        let question = at.and_then(|at| self.questions.remove(&at));
        question.map(|question| question.waiting.into_iter().collect()).unwrap_or_default()
    }

    /// Ends what had its time: gives the questions that nobody answered.
    pub fn expire(&mut self, now: u64) -> Vec<Expired> {
        let mut expired = Vec::new();
        self.questions.retain(|_, question| {
            if question.until <= now && matches!(question.state, State::Open | State::Always) {
                let waiting = std::mem::take(&mut question.waiting).into_iter().collect();
                expired.push(Expired { id: question.id.clone(), waiting });
            }
            question.until > now
        });
        expired
    }

    /// When the next has had its time.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.questions.values().map(|question| question.until).min()
    }

    /// The questions that wait, the oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Question> {
        self.questions.values().filter(|question| question.state == State::Open)
    }

    /// What was denied so far, the oldest first.
    pub fn denied(&self) -> impl Iterator<Item = &Wanted> {
        self.denied.iter()
    }

    /// The policy's revision that answers are taken under.
    #[must_use]
    pub const fn revision(&self) -> u32 {
        self.revision
    }

    /// How many questions were refused since there were too many.
    #[must_use]
    pub const fn flooded(&self) -> u64 {
        self.flooded
    }

    /// How many questions were asked in the last hour.
    #[must_use]
    pub fn in_the_last_hour(&self, now: u64) -> usize {
        self.times.iter().filter(|at| now.saturating_sub(**at) < HOUR).count()
    }

    fn is_full(&self, now: u64) -> bool {
        let new = self.times.iter().rev().take_while(|at| now.saturating_sub(**at) < WINDOW).count();
        new >= MOST_NEW || self.open().count() >= MOST_OPEN
    }

    fn id(&self, wanted: &Wanted) -> String {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        hash.update(self.last.to_le_bytes());
        hash.update(self.revision.to_le_bytes());
        hash.update(serde_json::to_vec(wanted).unwrap_or_default());
        let mut id = String::with_capacity(32);
        for byte in hash.finalize().iter().take(16) {
            // Writing to a string cannot fail.
            let _ = write!(id, "{byte:02x}");
        }
        id
    }
}

impl Question {
    /// How many wait as it.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The number of the one that began to wait last.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.waiting.last().copied()
    }

    /// Whether what is wanted is this question. What may only be the same said again is not let through beside the first, and
    /// what was let through as often as it was answered is no question any more.
    fn takes(&self, wanted: &Wanted) -> bool {
        match self.wanted.alike(wanted) {
            _ if matches!(self.state, State::Once { left: 0, .. }) => false,
            Alike::Equal => true,
            Alike::Perhaps => self.waiting.is_empty(),
            Alike::No => false,
        }
    }

    /// What is shown of its id, and typed.
    #[must_use]
    pub fn short(&self) -> &str {
        short(&self.id)
    }
}

/// What is shown of an id.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

impl Ruling {
    /// What waits for a question that nobody answered.
    #[must_use]
    pub fn expired(id: &str) -> Ruling {
        let why =
            format!("the operator was asked ({}) and did not answer; ask for it again, or go on without", short(id));
        Ruling::Refused { why, denied: false }
    }

    /// What the operator denied, or is like it.
    #[must_use]
    pub fn denied(id: &str) -> Ruling {
        let why = format!("the operator was asked ({}) and denied it; do not ask again, go on without it", short(id));
        Ruling::Refused { why, denied: true }
    }

    /// What is one question too many.
    #[must_use]
    pub fn flood() -> Ruling {
        let why = format!(
            "the operator was asked too much: at most {MOST_NEW} new questions a minute, and {MOST_OPEN} that wait; \
             go on without it, or ask later"
        );
        Ruling::Refused { why, denied: false }
    }

    /// What cannot be asked about.
    #[must_use]
    pub fn unaskable(why: &str) -> Ruling {
        Ruling::Refused { why: format!("the operator cannot be asked about this: {why}"), denied: false }
    }
}

fn once(question: &Question) -> Ruling {
    Ruling::Once { question: question.id.clone(), rule: Box::new(question.wanted.rule.clone()) }
}
