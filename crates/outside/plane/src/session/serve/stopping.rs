//! A session is asked to end, and is ended; how it did.

use std::time::{Duration, Instant};

use plan::{Ending, Failure, Order};
use rustix::process::{Signal, kill_process};

use super::{Course, Session};
use crate::problem::NOT_RUN;

/// How long a program has between being asked to end and being ended.
pub(super) const GRACE: Duration = Duration::from_secs(3);
pub(super) const TERMINATE: u8 = 15;

impl Session<'_> {
    /// Asks the program to end, and ends all after a while. What is paused goes on: it could not end.
    pub(super) fn end_soon(&mut self, course: &mut Course, signal: u8, grace: Duration, reason: &str) {
        course.end.reason = reason.into();
        course.deadline = None;
        course.kill_at = Some(Instant::now() + grace);
        self.children.dismiss();
        self.servers.dismiss();
        self.let_go_on(course);
        self.cell.order(Order::Signal(signal));
    }

    /// Ends everything in the cell at once.
    pub(super) fn kill(&self, course: &mut Course) {
        self.let_the_cell_go_on(course);
        self.cell.order(Order::Kill);
        // Pid 1 may itself be held up, in closing a socket that lingers for one: then it is killed too.
        if let (true, Some(pid_1)) = (course.killed, course.pid_1) {
            let _ = kill_process(pid_1, Signal::KILL);
        }
        course.killed = true;
        course.kill_at = Some(Instant::now() + GRACE);
    }
}

/// Nothing says that the program began. Where pid 1 had been told that it may, and had measured its walls, it may have: then
/// this is no run of nothing.
pub(super) fn unstarted(course: &mut Course) {
    if course.started || course.end.failure.is_some() {
        return;
    }
    if course.begun && !course.end.layers.is_empty() {
        course.end.reason.push_str("; whether the program had begun is not known");
    } else {
        let doing = "the cell ended before the program began".into();
        course.end.failure = Some(Failure { layer: None, doing, errno: 0, exit: NOT_RUN });
    }
}

/// The exit code and the reason of an ending.
pub(super) fn said(ending: Ending, asked_to_end: bool, reason: &str) -> (u8, String) {
    let (exit, how) = match ending {
        Ending::Exited(code) => (code, format!("the program exited with {code}")),
        Ending::Signalled(signal) => {
            (128_u8.saturating_add(signal), format!("the program was ended by signal {signal}"))
        }
    };
    if asked_to_end { (exit, format!("{reason}; {how}")) } else { (exit, how) }
}
