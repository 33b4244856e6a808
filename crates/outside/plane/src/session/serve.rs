//! A running session: one loop over the client, the cell and the gate, until the cell is gone.

mod below;
mod callers;
mod children;
mod client;
mod durable;
mod generations;
mod names;
mod orders;
mod pausing;
mod petitions;
mod questions;
mod remains;
mod renewal;
mod risk;
mod servers;
mod sleep;
mod standing;
mod stopping;
mod succession;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use plan::{Failure, Report};
use record::{Kind, Wall};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Pid;
use wire::command::{Order as Asked, Reply, Stream, Terminal};
use wire::control::Happened;

use super::cell::Cell;
use super::children::{Children, Outlet};
use super::control::Control;
use super::detached::Kept;
use super::gate::{Door, Gate};
use super::keys::Keys;
use super::servers::Servers;
use super::streams::Streams;
use super::tend::{Chores, Round};
use crate::audit::Watch;
use crate::channel::Client;
use crate::ledger::Merging;
use crate::store::{Ledger, Store};

pub(super) use callers::Ground;
pub(super) use generations::Generations;
use names::Names;
use orders::Reckoning;
use pausing::Pause;
pub(super) use questions::Questions;
pub(super) use remains::Remains;
pub(super) use renewal::Renewal;
use sleep::Sleep;
pub(super) use standing::Standing;
use stopping::{GRACE, TERMINATE, said, unstarted};

/// How often the record is made durable.
const CHECKPOINT: Duration = Duration::from_secs(1);
/// What is known where pid 1 left without a word: somebody outside ended it, or something inside did.
const ENDED: &str = "pid 1 ended without a word";

/// What a session holds while it runs.
pub(super) struct Session<'c> {
    pub(super) client: &'c mut Client,
    pub(super) cell: Cell,
    pub(super) ledger: Ledger,
    pub(super) id: String,
    pub(super) streams: [Stream; 3],
    /// It goes on without its client: the size of its terminal is known from the beginning, or nobody's.
    pub(super) detached: Option<Option<Terminal>>,
    /// Its program's stdio, where nobody else has it.
    pub(super) kept: Option<Kept>,
    /// Who comes to its second socket. None where the state's file system takes no sockets.
    pub(super) callers: Option<Streams>,
    pub(super) ground: Ground,
    pub(super) door: Door,
    pub(super) gate: Option<Gate>,
    /// One that has recorded all, and is about to end.
    pub(super) dismissed: Option<Gate>,
    /// The door's descriptors, kept for the next gate.
    pub(super) sockets: Vec<OwnedFd>,
    pub(super) time: Option<u64>,
    pub(super) chores: Chores,
    /// Hears what Landlock refused, where the host's audit is on.
    pub(super) audit: Option<Watch>,
    pub(super) generations: Generations<'c>,
    pub(super) renewal: Renewal,
    /// Those of petitions.
    pub(super) keys: Keys,
    pub(super) questions: Questions,
    pub(super) standing: Standing,
    /// Both segments on their way into the ledger of all sessions.
    pub(super) merging: Merging,
    pub(super) store: &'c Store,
    pub(super) children: Children,
    pub(super) servers: Servers,
    /// Of a sub-agent or a server: where what it prints goes.
    pub(super) outlet: Option<Outlet>,
}

/// How a session ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) exit: u8,
    pub(super) reason: String,
    pub(super) layers: Vec<Wall>,
    pub(super) failure: Option<Failure>,
    /// Paths that were merged while it ran.
    pub(super) merged: u64,
    pub(super) warnings: Vec<String>,
}

/// What the loop remembers.
struct Course {
    end: End,
    /// It was told that its program may begin.
    begun: bool,
    started: bool,
    ended: bool,
    /// Orders come in pieces.
    orders: wire::Decoder<Asked>,
    client_open: bool,
    /// When the program is to be asked to end, and then ended.
    deadline: Option<Instant>,
    kill_at: Option<Instant>,
    /// As in [`Remains`].
    mounts: Vec<OwnedFd>,
    /// Pid 1, a child of ours that is waited for only after this loop: the number is its own as long as that runs.
    pid_1: Option<Pid>,
    /// It was told to end everything.
    killed: bool,
    pause: Pause,
    /// The parent waits to hear that nothing goes on.
    above_waits: bool,
    /// How often the gate was told of one.
    pauses: u32,
    reckoning: Reckoning,
    questions: Questions,
    sleep: Sleep,
    names: Names,
    checkpoint: Instant,
    /// Bytes of the gate's segment that are durable.
    synced: u64,
}

/// What is left of a session that was served.
pub(super) type Served = (End, (Ledger, Merging), Remains, Option<Outlet>);

impl Session<'_> {
    /// Serves until the cell is gone; gives its end, the record to end with it and on its way into the ledger, and what
    /// remains of it.
    pub(super) fn serve(mut self: Box<Self>) -> Served {
        let mut course = Course {
            end: End {
                exit: 137,
                reason: ENDED.into(),
                layers: Vec::new(),
                failure: None,
                merged: 0,
                warnings: Vec::new(),
            },
            // A parent's word may come later.
            begun: self.outlet.is_none(),
            started: false,
            ended: false,
            orders: wire::Decoder::new(),
            client_open: true,
            deadline: self.time.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds))),
            kill_at: None,
            mounts: Vec::new(),
            pid_1: None,
            killed: false,
            pause: Pause::No,
            above_waits: false,
            pauses: 0,
            reckoning: Reckoning::of(self.generations.directory()),
            questions: std::mem::take(&mut self.questions),
            sleep: Sleep::begin(),
            names: Names::begin(),
            checkpoint: Instant::now() + CHECKPOINT,
            synced: 0,
        };
        while !self.cell.is_over() {
            match self.wait(&course) {
                Ok(ready) => self.turn(&mut course, ready),
                Err(error) => {
                    course.end.reason = format!("the plane could not wait: {error}");
                    break;
                }
            }
        }
        self.end_children(&mut course);
        self.end_servers(&mut course);
        self.close_control(&mut course);
        self.close_callers(&mut course);
        let last = self.chores.finish();
        self.note(&mut course, last);
        if let Some(audit) = self.audit.take() {
            let (events, warning) = audit.finish();
            events.into_iter().for_each(|event| self.record(&mut course, event));
            course.end.warnings.extend(warning);
        }
        unstarted(&mut course);
        self.dismiss();
        course.mounts.append(&mut self.sockets);
        let remains = Remains { pid_1: course.pid_1, mounts: course.mounts, gate: self.dismissed };
        (course.end, (self.ledger, self.merging), remains, self.outlet)
    }

    /// Which of client, cell, gate and control, children among it, have something to say.
    fn wait(&self, course: &Course) -> io::Result<[bool; 4]> {
        let mut wanted = vec![PollFd::new(&self.cell, PollFlags::IN)];
        if course.client_open {
            wanted.push(PollFd::new(&*self.client, PollFlags::IN));
        }
        if let Some(gate) = &self.gate {
            wanted.push(gate.wanted());
        }
        if let Some(audit) = &self.audit {
            wanted.push(PollFd::new(audit, PollFlags::IN));
        }
        wanted.extend(self.generations.control().into_iter().flat_map(Control::wanted));
        wanted.extend(self.children.wanted());
        wanted.extend(self.servers.wanted());
        wanted.extend(self.kept.iter().flat_map(Kept::wanted));
        wanted.extend(self.callers.iter().flat_map(Streams::wanted));
        wanted.extend(self.standing.wanted());
        let due = [course.deadline, course.kill_at, course.pause.due(), self.chores.due(), self.generations.due()];
        let callers = self.callers.as_ref().and_then(Streams::due);
        let due = due.into_iter().chain([
            Some(course.checkpoint),
            self.children.due(course.pause.is_some()),
            callers,
            self.kept.as_ref().and_then(Kept::waits_until),
            course.questions.due(),
        ]);
        let next = due.flatten().chain(self.merging.due()).min();
        let wait = next.map_or(CHECKPOINT, |next| next.saturating_duration_since(Instant::now()));
        let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
        match poll(&mut wanted, Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = wanted.iter().map(|one| !one.revents().is_empty());
        let cell = ready.next() == Some(true);
        let client = course.client_open && ready.next() == Some(true);
        let gate = self.gate.is_some() && ready.next() == Some(true);
        // The audit is looked at in any case.
        let control = ready.skip(usize::from(self.audit.is_some())).any(|ready| ready);
        // Nobody speaks when a program has waited long enough for one who watches.
        let control = control || self.kept.as_ref().is_some_and(|kept| kept.waits_until().is_some());
        Ok([client, cell, gate, control])
    }

    fn turn(&mut self, course: &mut Course, [client, cell, gate, control]: [bool; 4]) {
        if cell {
            self.hear_cell(course);
        }
        if gate {
            self.hear_gate(course);
        }
        if client {
            self.hear_client(course);
        }
        if control {
            self.hear_control(course);
            self.hear_children(course);
            self.hear_servers(course);
            self.settle_the_pause(course);
            self.next_order(course);
            self.hear_callers(course);
            self.hear_what_stood();
        }
        let refused = self.audit.as_mut().map(Watch::events).unwrap_or_default();
        refused.into_iter().for_each(|event| self.record(course, event));
        self.watch_the_clock(course);
    }

    fn hear_cell(&mut self, course: &mut Course) {
        let reports = match self.cell.reports() {
            Ok(reports) => reports,
            Err(error) => {
                course.end.reason = format!("the cell spoke nonsense: {error}");
                return self.kill(course);
            }
        };
        for (report, descriptors) in reports {
            self.report(course, report, descriptors);
        }
    }

    fn report(&mut self, course: &mut Course, report: Report, descriptors: Vec<OwnedFd>) {
        match report {
            // With no gate left to serve it, the door is closed: that refuses at once.
            Report::Door if self.gate.is_none() => drop(descriptors),
            Report::Door => {
                self.sockets = descriptors;
                self.lease(course);
            }
            Report::Born { pid } => {
                course.pid_1 = i32::try_from(pid).ok().and_then(Pid::from_raw);
                course.mounts.extend(descriptors);
            }
            Report::Stdio if self.outlet.is_some() => {
                if let Some(outlet) = &mut self.outlet {
                    outlet.open(descriptors);
                }
            }
            Report::Stdio if let Some(size) = self.detached => {
                let directory = &self.generations.directory().path;
                match Kept::keep(directory, self.streams, size, descriptors) {
                    Ok(kept) => self.kept = Some(kept),
                    Err(error) => {
                        course.end.reason = format!("what it prints cannot be kept: {error}");
                        self.kill(course);
                    }
                }
            }
            Report::Stdio => {
                let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
                self.client.reply_with(&Reply::Stdio { streams: self.streams }, &borrowed);
            }
            Report::Walls(measured) => {
                course.mounts.extend(descriptors);
                let wall =
                    |one: plan::Measured| Wall { name: one.layer.name().into(), holds: one.holds, detail: one.detail };
                course.end.layers = measured.into_iter().map(wall).collect();
                self.record(course, Kind::Walls { layers: course.end.layers.clone() });
            }
            Report::Started { .. } => {
                course.started = true;
                self.client.reply(&match self.detached {
                    None => Reply::Started { session: self.id.clone() },
                    Some(_) => {
                        let name = self.generations.directory().record.name.clone();
                        Reply::Detached { session: self.id.clone(), name, already: false }
                    }
                });
                self.tell(&Happened::Started);
                self.pause_where_above_waits(course);
                self.next_order(course);
            }
            Report::Stopped(signal) => self.client.reply(&Reply::Stopped { signal }),
            Report::Failed(failure) if !course.started => {
                course.end.exit = failure.exit;
                course.end.reason = format!("nothing was run: {}", failure.doing);
                course.end.failure.get_or_insert(failure);
                course.ended = true;
            }
            Report::Failed(_) => {}
            Report::Ended(ending) if !course.ended => {
                course.ended = true;
                self.children.dismiss();
                self.servers.dismiss();
                if let Some(gate) = &self.gate {
                    gate.ask_to_finish();
                }
                (course.end.exit, course.end.reason) = said(ending, course.kill_at.is_some(), &course.end.reason);
            }
            Report::Ended(_) => {}
            Report::Paused(done) => {
                self.paused(course, done);
                self.next_order(course);
            }
            Report::Namespaces => self.handed(descriptors),
            // Those are of processes that enter, and come on their sockets.
            Report::Watcher | Report::File | Report::Connected(_) => {}
        }
    }

    /// Events whose effect has happened already: one that cannot be written ends the session.
    fn record(&mut self, course: &mut Course, kind: Kind) {
        if let Err(error) = self.ledger.write(kind) {
            self.unrecorded(course, &error);
        }
    }

    fn unrecorded(&self, course: &mut Course, error: &io::Error) {
        course.end.reason = format!("the record could not be written: {error}");
        self.kill(course);
    }

    /// Carries out what a round of chores found.
    fn note(&mut self, course: &mut Course, round: Round) {
        for event in round.events {
            if let Kind::Merge { paths, .. } = &event {
                course.end.merged = course.end.merged.saturating_add(paths.len() as u64);
            }
            self.record(course, event);
        }
        round.warnings.into_iter().for_each(|warning| course.warn(warning));
        if let Some(weight) = round.too_much
            && course.kill_at.is_none()
        {
            let below = match weight.below {
                0 => String::new(),
                below => format!(", {below} of them what its sub-agents see and changed"),
            };
            course.warn(format!("the disk limit was reached{below}, and its program was told to end"));
            let bytes = weight.whole();
            self.end_soon(
                course,
                TERMINATE,
                GRACE,
                &format!("the disk limit was passed: {bytes} bytes were written{below}"),
            );
        }
    }

    fn watch_the_clock(&mut self, course: &mut Course) {
        let now = Instant::now();
        if course.deadline.is_some_and(|deadline| deadline <= now) {
            course.warn("the time limit was reached, and its program was told to end".into());
            self.end_soon(course, TERMINATE, GRACE, "the time limit was reached");
        }
        if course.kill_at.is_some_and(|kill_at| kill_at <= now) {
            self.kill(course);
        }
        self.watch_the_gate(course, now);
        if self.children.due(course.pause.is_some()).is_some_and(|due| due <= now) {
            self.hear_children(course);
        }
        self.watch_the_pause(course, now);
        self.watch_for_sleep(course);
        self.renew(course, now);
        self.watch_questions(course, now);
        if self.generations.due().is_some_and(|due| due <= now) {
            self.hear_control(course);
        }
        if self.callers.as_ref().and_then(Streams::due).is_some_and(|due| due <= now) {
            self.hear_callers(course);
        }
        if self.chores.due().is_some_and(|due| due <= now) {
            let round = self.chores.round(now);
            self.note(course, round);
        }
        if course.checkpoint <= now {
            course.checkpoint = now + CHECKPOINT;
            self.tell_counts(course);
            self.watch_names(&mut course.names);
            self.make_durable(course);
        } else if self.merging.due().is_some_and(|due| due <= now) {
            self.merge(course);
        }
    }
}
