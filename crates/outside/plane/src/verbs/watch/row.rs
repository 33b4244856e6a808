//! One session that is watched: the connection to its process, what that said, and what was told of it.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use policy::Amounts;
use wire::command::{SessionInfo, SessionState, Watched};
use wire::control::{Answer, Counts, Happened, Order};
use wire::question::Card;

use crate::session::control::{Dialled, Unanswered};
use crate::store::{self, SessionDirectory};
use crate::verbs::running::live_by;
use crate::verbs::sessions::info;

/// How long one session may take to answer.
const GLANCE: Duration = Duration::from_millis(300);
/// How long one that does not answer is left alone: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// One that is left alone for so long has been silent several times.
const SILENT: Duration = Duration::from_millis(800);
/// What changes faster is told together.
const REST: Duration = Duration::from_millis(200);
/// How often one is asked in which questions wait, or that tells nothing by itself, and any other: what was asked in the
/// last hour becomes less without anything that happens.
const OFTEN: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(60);

/// A session.
pub(super) struct Row {
    session: SessionDirectory,
    info: SessionInfo,
    counts: Counts,
    budget: Amounts,
    cards: Vec<Card>,
    held: Option<Held>,
    /// When it may be dialled again, and how long it is left alone after that.
    next: Instant,
    pause: Duration,
    changed: bool,
    told: Option<Instant>,
}

/// A connection to the process that holds it.
struct Held {
    dialled: Dialled,
    /// It tells what happens.
    tells: bool,
    /// When it was asked last, and is to be asked again.
    asked: Instant,
    due: Instant,
}

impl Row {
    /// Of a session that was found.
    pub(super) fn of(session: SessionDirectory) -> Row {
        let mut row = Row {
            info: info(&session),
            session,
            counts: Counts::default(),
            budget: Amounts::default(),
            cards: Vec::new(),
            held: None,
            next: Instant::now(),
            pause: PAUSE.0,
            changed: true,
            told: None,
        };
        row.bound();
        row.reckon();
        row
    }

    pub(super) fn id(&self) -> &str {
        &self.info.id
    }

    pub(super) fn runs(&self) -> bool {
        self.info.state == SessionState::Running
    }

    /// When it ended; of one that was lost that may not be known yet.
    pub(super) fn ended(&self) -> u64 {
        self.info.ended.unwrap_or(self.info.started)
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.held.as_ref().map(|held| held.dialled.as_fd())
    }

    /// When something is to be done about it.
    pub(super) fn due(&self) -> Option<Instant> {
        let ask = match &self.held {
            Some(held) => Some(held.due),
            None => self.runs().then_some(self.next),
        };
        let tell = self.told.filter(|_| self.changed).map(|told| told + REST);
        ask.into_iter().chain(tell).min()
    }

    /// What is to be told of it now.
    pub(super) fn news(&mut self, now: Instant) -> Option<Watched> {
        if !self.changed || self.told.is_some_and(|told| now < told + REST) {
            return None;
        }
        (self.changed, self.told) = (false, Some(now));
        let Row { info, counts, budget, cards, .. } = self;
        Some(Watched { session: info.clone(), counts: *counts, budget: *budget, cards: cards.clone() })
    }

    /// Asks what is due.
    pub(super) fn ask(&mut self, now: Instant) {
        if !self.runs() {
            return;
        }
        let result = match &mut self.held {
            Some(held) if held.due <= now => self.refresh(now),
            None if self.next <= now => self.dial().and_then(|()| self.refresh(now)),
            _ => return,
        };
        match result {
            Ok(()) => {
                self.pause = PAUSE.0;
                // What happened meanwhile lies here, and no socket tells of it.
                if self.held.as_ref().is_some_and(|held| held.dialled.holds()) {
                    self.hear(now);
                }
            }
            Err(_) => self.lost(),
        }
    }

    /// What happened is asked for first: nothing that happens afterwards is missed.
    fn dial(&mut self) -> Result<(), Unanswered> {
        let mut dialled = Dialled::dial(&self.session.path, GLANCE)?;
        // Too many are told already, or its build knows no such order: then it is asked now and then.
        let tells = matches!(dialled.ask(Order::Events)?, Answer::Done);
        let now = Instant::now();
        self.held = Some(Held { dialled, tells, asked: now, due: now });
        Ok(())
    }

    fn refresh(&mut self, now: Instant) -> Result<(), Unanswered> {
        let Some(held) = &mut self.held else { return Ok(()) };
        let (state, cards) = (held.dialled.ask(Order::State)?, held.dialled.ask(Order::Questions)?);
        let mut revised = false;
        if let Answer::State(state) = state {
            revised = self.info.revision != Some(state.revision);
            self.changed |= self.info.live.as_ref() != Some(&live_by(&state)) || self.counts != state.counts;
            self.info.live = Some(live_by(&state));
            self.counts = state.counts;
        }
        let cards = match cards {
            Answer::Questions { cards } => cards,
            _ => Vec::new(),
        };
        held.asked = now;
        held.due = now + if cards.is_empty() && held.tells { SELDOM } else { OFTEN };
        // Of one that waits time passes.
        self.changed |= !(cards.is_empty() && self.cards.is_empty());
        self.cards = cards;
        if revised {
            self.reread();
        }
        Ok(())
    }

    /// Hears what happened.
    pub(super) fn hear(&mut self, now: Instant) {
        while let Some(held) = &mut self.held {
            match held.dialled.next_event(GLANCE) {
                Ok(Some(Happened::Counted(counts))) => {
                    self.changed |= self.counts != counts;
                    self.counts = counts;
                }
                Ok(Some(Happened::Ended { .. }) | None) | Err(_) => return self.lost(),
                Ok(Some(_)) => held.due = now.max(held.asked + PAUSE.0),
            }
            if self.held.as_ref().is_none_or(|held| !held.dialled.holds()) {
                return;
            }
        }
    }

    /// Its process is gone, or silent: the directory says what became of it, when it is in order. What it said last stands
    /// for a while: one that is busy is not one without questions.
    fn lost(&mut self) {
        self.held = None;
        self.reread();
        if !self.runs() || self.pause >= SILENT {
            self.cards.clear();
            self.info.live = None;
        }
        self.next = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(PAUSE.1);
    }

    /// What the directory says.
    fn reread(&mut self) {
        if let Ok(session) = SessionDirectory::open(&self.session.path) {
            self.session = session;
            self.info = SessionInfo { live: self.info.live.take(), ..info(&self.session) };
            self.bound();
            self.reckon();
        }
        self.changed = true;
    }

    fn bound(&mut self) {
        let policies = self.session.policy().map(|all| all.policies().map(Amounts::of).reduce(Amounts::and));
        self.budget = policies.ok().flatten().unwrap_or_default();
    }

    /// Of one that ended its process tells nothing.
    fn reckon(&mut self) {
        if !self.runs()
            && let Ok(counted) = store::counts(&self.session)
        {
            self.counts = store::in_the_end(&counted.counts);
        }
    }
}
