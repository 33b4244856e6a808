//! One child as its parent's plane sees it: a plane of its own at the other end of a socket.

use std::io;
use std::time::{Duration, Instant};

use policy::{Amounts, Label};
use rustix::event::PollFd;
use wire::command::{ChildEnd, ChildRun, Order, Reply, Request};
use wire::petition::{Cut, Standing};

use crate::session::beneath::Beneath;
use crate::session::holder::Holder;
use crate::waiting::Knocked;

/// How long a child may take to begin: its workspace is copied first.
const BEGINNING: Duration = Duration::from_secs(120);

/// How far a child is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::session) enum Stage {
    /// The parent's gate is to say that so much is no longer its own.
    Reserving,
    /// Its walls are built.
    Starting,
    Running,
    /// It ended, and how.
    Over(Standing),
}

/// A child.
#[derive(Debug)]
pub(in crate::session) struct Kid {
    pub(in crate::session) stage: Stage,
    /// What it is to be begun with, until it is.
    pub(in crate::session) run: Option<Box<ChildRun>>,
    /// The petition that waits to hear that it began, by the number that its gate gave.
    pub(in crate::session) asked: Option<u64>,
    pub(in crate::session) budget: Amounts,
    /// How many it may begin below itself.
    pub(in crate::session) below: u32,
    pub(in crate::session) cut: Vec<Cut>,
    pub(in crate::session) session: Option<String>,
    /// Its last report, and whether that was its result.
    pub(in crate::session) report: Option<(String, bool)>,
    pub(in crate::session) labels: Vec<Label>,
    pub(in crate::session) end: Option<ChildEnd>,
    /// Whoever is inside was told that it ended.
    pub(in crate::session) was_told: bool,
    /// The policies that it was drafted under were narrowed already.
    pub(in crate::session) narrowed: bool,
    since: Instant,
    until: Instant,
    /// It is unwanted: it was cancelled, or its parent is to end.
    dismissed: bool,
    pub(in crate::session) plane: Beneath,
}

impl Kid {
    /// One that is to begin when there is room for it, held by the plane that was `knocked` at where that takes us.
    pub(in crate::session) fn new(
        (run, knocked): (Box<ChildRun>, Option<Knocked>),
        (budget, below): (Amounts, u32),
        cut: Vec<Cut>,
        asked: u64,
    ) -> Kid {
        let narrowed = run.policies.is_narrowed();
        Kid {
            stage: Stage::Reserving,
            labels: run.labels.clone(),
            run: Some(run),
            asked: Some(asked),
            budget,
            below,
            cut,
            session: None,
            report: None,
            end: None,
            was_told: false,
            narrowed,
            since: Instant::now(),
            until: Instant::now() + BEGINNING,
            dismissed: false,
            plane: Beneath::after(knocked),
        }
    }

    /// Has a plane hold it.
    ///
    /// # Errors
    /// When none can be started or asked.
    pub(in crate::session) fn begin(&mut self) -> io::Result<()> {
        let Some(run) = self.run.take() else { return Err(io::Error::other("it was begun already")) };
        self.stage = Stage::Starting;
        self.plane.begin(&Request::Child(run), &[])
    }

    /// Seconds since it was asked for, by a clock that nobody sets; the times in its record are by one that somebody may.
    pub(in crate::session) fn seconds(&self) -> u64 {
        self.since.elapsed().as_secs().saturating_add(1)
    }

    /// What the loop is to wait for.
    pub(super) fn wanted(&self) -> Option<PollFd<'_>> {
        self.plane.wanted()
    }

    /// When it has had its time to begin.
    pub(super) fn due(&self) -> Option<Instant> {
        matches!(self.stage, Stage::Reserving | Stage::Starting).then_some(self.until)
    }

    /// Lets it go on, or begin; what it waited for us is no time of its own.
    pub(in crate::session) fn resume(&mut self) {
        self.until = Instant::now() + BEGINNING;
        self.plane.resume();
    }

    /// Whether it was told to end, and is not to begin any more.
    pub(in crate::session) const fn is_dismissed(&self) -> bool {
        self.dismissed
    }

    /// Whether it ended.
    pub(in crate::session) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }

    /// Whether its plane is gone, or never was.
    pub(in crate::session) const fn is_gone(&self) -> bool {
        self.plane.is_gone()
    }

    /// Whether it took too long to begin.
    pub(in crate::session) fn is_late(&self, now: Instant) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    /// What its plane says; none when that is gone.
    pub(in crate::session) fn hear(&mut self) -> Option<Vec<Reply>> {
        self.plane.hear()
    }

    /// Tells it something.
    pub(in crate::session) fn tell(&mut self, order: &Order) {
        self.plane.tell(order);
    }

    /// Tells it words of an agent's; false where it is behind.
    pub(in crate::session) fn pass_on(&mut self, message: &Order) -> bool {
        self.plane.pass_on(message)
    }

    /// Ends it.
    pub(in crate::session) fn dismiss(&mut self) {
        self.dismissed = true;
        self.plane.dismiss();
    }

    /// Lets go of its plane; gives it where it is to be waited for.
    pub(in crate::session) fn release(&mut self) -> Option<Holder> {
        let said_its_last = self.is_over();
        self.plane.release(said_its_last)
    }
}
