//! What a running session does for who comes to its second socket: lets him watch, starts a program of his in the cell, opens
//! a file there, connects to a port. Each is recorded before it is done.
//!
//! Whatever is done inside is done by a process that entered the cell (`bastide-cell enter`), with what pid 1 handed out.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use plan::{Command, Entry, Errand, Order, Report, Stdio, WindowSize};
use record::Kind;
use wire::command::{CopyWay, Problem, Stream, Terminal};
use wire::streams::{Call, Say, Start, Told, VERSION, Wants};

use super::{Course, Session};
use crate::problem::{NO, problem, quoted, state};
use crate::session::cell::Cell;
use crate::session::detached::Unwatched;
use crate::session::streams::{Caller, Heard, Inside, Stage};

/// How long a program has that was started for who is gone.
const GRACE: Duration = Duration::from_secs(3);
const HANG_UP: u8 = 1;
/// The exit code of a program that was ended with its session.
const KILLED: u8 = 137;

/// What of its plan a session keeps, for programs that enter its cell.
#[derive(Debug)]
pub(in crate::session) struct Ground {
    pub(in crate::session) entry: Entry,
    /// The command of the session's program; its environment is the session's.
    pub(in crate::session) command: Command,
    /// Directories inside of which files are copied.
    pub(in crate::session) beneath: Vec<PathBuf>,
    /// A layer was left out by name.
    pub(in crate::session) lacking: bool,
    /// What pid 1 handed out.
    pub(in crate::session) handed: Vec<OwnedFd>,
}

impl Ground {
    /// That of a plan, before it is forgotten.
    pub(in crate::session) fn of(plan: &plan::Plan, beneath: Vec<PathBuf>) -> Ground {
        let errand = Errand::Reach { port: 0 };
        let (identity, limits) = (plan.identity.clone(), plan.limits.clone());
        Ground {
            entry: Entry { version: plan.version, identity, limits, errand },
            command: plan.command.clone(),
            beneath,
            lacking: plan.without != plan::LayerSet::default(),
            handed: Vec::new(),
        }
    }

    fn entry(&self, errand: Errand) -> Box<Entry> {
        Box::new(Entry { errand, ..self.entry.clone() })
    }

    /// A program for the cell. One without a slash is found by PATH there, by the process that enters.
    fn execute(&self, start: Start) -> Errand {
        let window = |size: Terminal| WindowSize { rows: size.rows, columns: size.columns };
        let kind = |stream: Stream| match stream {
            Stream::Terminal => plan::Stream::Terminal,
            Stream::Pipe => plan::Stream::Pipe,
        };
        let stdio =
            Stdio { streams: start.streams.map(kind), size: start.terminal.map_or(WindowSize::default(), window) };
        let mut environment = self.command.environment.clone();
        for (name, value) in &start.environment {
            let own = format!("{name}=");
            environment.retain(|one| !one.starts_with(own.as_bytes()));
            environment.push(format!("{name}={value}").into_bytes());
        }
        let directory = match &start.workdir {
            Some(path) => Path::new(&self.command.directory).join(path).to_string_lossy().into_owned(),
            None => self.command.directory.clone(),
        };
        let program = start.command.first().map(|word| String::from_utf8_lossy(word).into_owned()).unwrap_or_default();
        Errand::Execute { stdio, command: Command { program, arguments: start.command, environment, directory } }
    }

    /// A file beneath one of the directories that may be copied from and to.
    fn open(&self, path: &Path, way: CopyWay) -> Result<Errand, Problem> {
        let path = crate::session::locate::plain(&Path::new(&self.command.directory).join(path));
        let under = self.beneath.iter().filter(|directory| path.starts_with(directory));
        let beneath = under.max_by_key(|directory| directory.as_os_str().len());
        let rest = beneath.and_then(|beneath| path.strip_prefix(beneath).ok()).filter(|rest| *rest != Path::new(""));
        let (Some(beneath), Some(rest)) = (beneath, rest) else {
            let places: Vec<_> =
                self.beneath.iter().map(|one| format!("`{}`", quoted(&one.to_string_lossy()))).collect();
            let cause = format!("`{}` lies in no place that is copied from or to", quoted(&path.to_string_lossy()));
            return Err(problem("E-PLANE-149", cause, &format!("name a file beneath {}", places.join(" or ")), NO));
        };
        Ok(Errand::Open {
            beneath: beneath.to_string_lossy().into_owned(),
            path: rest.to_string_lossy().into_owned(),
            write: matches!(way, CopyWay::In { .. }),
            executable: matches!(way, CopyWay::In { executable: true }),
        })
    }
}

impl Session<'_> {
    /// Hears who came, and what was begun for them.
    // Apart from the loop, in most sessions of which it does nothing.
    #[inline(never)]
    pub(super) fn hear_callers(&mut self, course: &mut Course) {
        let now = Instant::now();
        if let Some(kept) = &mut self.kept {
            kept.turn(now);
        }
        let Some(mut streams) = self.callers.take() else { return };
        streams.turn(now);
        let mut stay = Vec::with_capacity(streams.callers.len());
        for mut caller in std::mem::take(&mut streams.callers) {
            self.attend(course, &mut caller, now);
            match caller.stage {
                Stage::Over => {}
                Stage::Inside(inside) if inside.told && inside.cell.is_over() => streams.bury(inside.child),
                _ => stay.push(caller),
            }
        }
        streams.callers = stay;
        self.callers = Some(streams);
    }

    fn attend(&mut self, course: &mut Course, caller: &mut Caller, now: Instant) {
        for heard in caller.hear() {
            match heard {
                Heard::Gone => self.gone(caller, now),
                Heard::Call(call) => {
                    if let Err(problem) = self.begin_call(course, caller, call, now) {
                        caller.refuse(problem);
                    }
                }
                Heard::Say(say) => self.said(caller, say),
            }
        }
        if let Stage::Watching(number) = caller.stage
            && !self.kept.as_ref().is_some_and(|kept| kept.is_watched_by(number))
        {
            caller.tell(&Told::Ended { exit: NO, reason: "it took nothing of what is printed".into() }, &[]);
            caller.stage = Stage::Over;
        }
        if matches!(caller.stage, Stage::Inside(_)) {
            self.hear_inside(course, caller);
        }
        if caller.is_late(now) {
            self.late(caller, now);
        }
    }

    fn late(&self, caller: &mut Caller, now: Instant) {
        match &mut caller.stage {
            Stage::Waiting(..) => caller.refuse(unentered("pid 1 did not hand out what it takes")),
            Stage::Inside(inside) => {
                inside.cell.order(Order::Kill);
                inside.kill_at = Some(now + GRACE);
            }
            _ => caller.stage = Stage::Over,
        }
    }

    /// Ends what was begun for one who is gone.
    fn gone(&mut self, caller: &mut Caller, now: Instant) {
        caller.gone = true;
        match &mut caller.stage {
            Stage::Watching(number) => {
                if let Some(kept) = &mut self.kept {
                    kept.unwatch(*number);
                }
                caller.stage = Stage::Over;
            }
            Stage::Inside(inside) if inside.program && inside.started => {
                if inside.kill_at.is_none() {
                    inside.cell.order(Order::Signal(HANG_UP));
                    inside.kill_at = Some(now + GRACE);
                }
                inside.told = true;
            }
            Stage::Inside(inside) => {
                inside.cell.order(Order::Kill);
                inside.told = true;
            }
            _ => caller.stage = Stage::Over,
        }
    }

    fn said(&mut self, caller: &mut Caller, say: Say) {
        match (say, &mut caller.stage) {
            (Say::Signal { number }, Stage::Inside(inside)) if inside.program => {
                inside.cell.order(Order::Signal(number));
            }
            (Say::Size(size), Stage::Watching(_)) => {
                if let Some(kept) = &mut self.kept {
                    kept.resize(size);
                }
            }
            (Say::Typed { line }, Stage::Watching(_)) => self.typed(line.expose()),
            (Say::Connect, Stage::Inside(inside)) if !inside.program => inside.cell.order(Order::Connect),
            // It means nothing there.
            _ => {}
        }
    }

    fn begin_call(
        &mut self,
        course: &mut Course,
        caller: &mut Caller,
        Call { version, wants }: Call,
        now: Instant,
    ) -> Result<(), Problem> {
        if version != VERSION {
            let cause = format!("the session hands streams over in version {VERSION}, and who asks speaks {version}");
            return Err(problem("E-PLANE-100", cause, "ask with the programs that the session was begun with", NO));
        }
        if !course.started || course.ended {
            let cause = "its program does not run: it has not begun, or it ended";
            return Err(problem("E-PLANE-145", cause, "`bastide show SESSION` tells how it stands", NO));
        }
        let (errand, streams, words) = match wants {
            Wants::Attach { types, size } => return self.attach(course, caller, types, size),
            Wants::Execute(start) => {
                let words: Vec<_> = start.command.iter().map(|word| String::from_utf8_lossy(word)).collect();
                let words = format!("exec: {}", words.join(" "));
                (self.ground.execute(*start.clone()), start.streams, words)
            }
            Wants::Open { path, way } => {
                let to = if way == CopyWay::Out { "copy out" } else { "copy in" };
                let words = format!("{to}: {}", path.to_string_lossy());
                (self.ground.open(&path, way)?, [Stream::Pipe; 3], words)
            }
            Wants::Reach { port } => (Errand::Reach { port }, [Stream::Pipe; 3], format!("open port {port}")),
        };
        if self.ground.lacking {
            return Err(unentered("it was begun without a layer, and only a cell with every layer is entered"));
        }
        if course.pause.is_some() || course.kill_at.is_some() {
            return Err(unentered("it is paused, or about to end"));
        }
        let event = Kind::Ordered { order: words.chars().take(MOST_WORDS).collect(), who: caller.who.clone() };
        if let Err(error) = self.ledger.write(event) {
            self.unrecorded(course, &error);
            return Err(unentered(&format!("the record cannot be written: {error}")));
        }
        caller.wait(now);
        caller.stage = Stage::Waiting(self.ground.entry(errand), streams);
        if self.ground.handed.is_empty() {
            self.cell.order(Order::Enter);
        } else {
            self.enter(caller);
        }
        Ok(())
    }

    fn attach(
        &mut self,
        course: &mut Course,
        caller: &mut Caller,
        types: bool,
        size: Option<Terminal>,
    ) -> Result<(), Problem> {
        let Some(kept) = &mut self.kept else {
            let cause = "its program's output goes to the terminal that it was begun in";
            return Err(problem("E-PLANE-146", cause, "begin it with `bastide run -d` to attach to it later", NO));
        };
        let (number, stream) = kept.watch(types).map_err(unwatched)?;
        if types {
            if let Some(size) = size {
                kept.resize(size);
            }
            let event = Kind::Ordered { order: "attach".into(), who: caller.who.clone() };
            if let Err(error) = self.ledger.write(event) {
                kept.unwatch(number);
                self.unrecorded(course, &error);
                return Err(unentered(&format!("the record cannot be written: {error}")));
            }
        }
        let (from, sizes) = kept.so_far();
        caller.stage = Stage::Watching(number);
        caller.tell(&Told::Attached { from, sizes }, &[stream]);
        Ok(())
    }

    /// Pid 1 handed out what it takes to enter.
    pub(super) fn handed(&mut self, riding: Vec<OwnedFd>) {
        self.ground.handed = riding;
        let Some(mut streams) = self.callers.take() else { return };
        for caller in streams.callers.iter_mut().filter(|caller| matches!(caller.stage, Stage::Waiting(..))) {
            if self.ground.handed.is_empty() {
                caller.refuse(unentered("pid 1 cannot hand out what it takes"));
            } else {
                self.enter(caller);
            }
        }
        self.callers = Some(streams);
    }

    /// Starts the process that enters.
    fn enter(&mut self, caller: &mut Caller) {
        let Stage::Waiting(entry, streams) = std::mem::replace(&mut caller.stage, Stage::Over) else { return };
        let program = matches!(entry.errand, Errand::Execute { .. });
        let begun = crate::session::program("bastide-cell").and_then(|path| {
            Cell::enter(&path, &entry, &self.ground.handed).map_err(|error| state("enter the cell by", &path, &error))
        });
        match begun {
            Ok((cell, child)) => {
                caller.stage = Stage::Inside(Box::new(Inside {
                    cell,
                    child: Some(child),
                    streams,
                    program,
                    started: false,
                    told: false,
                    kill_at: None,
                }));
            }
            Err(problem) => caller.refuse(problem),
        }
    }

    /// Hears the process that entered for a caller.
    fn hear_inside(&mut self, course: &mut Course, caller: &mut Caller) {
        let Stage::Inside(inside) = &mut caller.stage else { return };
        let (reports, over) = match inside.cell.reports() {
            Ok(reports) => (reports, inside.cell.is_over()),
            Err(error) => (Vec::new(), error.kind() != std::io::ErrorKind::WouldBlock),
        };
        for (report, riding) in reports {
            self.inside_said(course, caller, report, riding);
        }
        if let Stage::Inside(inside) = &mut caller.stage
            && over
            && !std::mem::replace(&mut inside.told, true)
        {
            let refused = unentered("the process that entered it ended before it was done");
            caller.tell(&Told::Refused(Box::new(refused)), &[]);
        }
    }

    fn inside_said(&mut self, course: &mut Course, caller: &mut Caller, report: Report, riding: Vec<OwnedFd>) {
        let Stage::Inside(inside) = &mut caller.stage else { return };
        let told = match report {
            Report::Stdio => Told::Stdio { streams: inside.streams },
            // Each held as measured, or it would have said so; what was measured first is the session's.
            Report::Walls(_) => return,
            // What was paused since begins nothing.
            Report::Watcher if course.pause.is_some() => {
                inside.told = true;
                inside.cell.order(Order::Kill);
                Told::Refused(Box::new(unentered("it was paused meanwhile")))
            }
            Report::Watcher => {
                let listener: Vec<_> = riding.iter().map(AsFd::as_fd).collect();
                self.cell.order_with(Order::Watch, &listener);
                return inside.cell.order(Order::Begin);
            }
            Report::Started { .. } if inside.program => {
                inside.started = true;
                Told::Started
            }
            Report::Started { .. } => Told::Reachable,
            Report::Stopped(signal) => Told::Stopped { signal },
            Report::File => {
                inside.told = true;
                Told::File
            }
            Report::Connected(errno) => Told::Connected { errno },
            Report::Failed(failure) => {
                inside.told = true;
                Told::Refused(Box::new(undone(&failure)))
            }
            Report::Ended(ending) => {
                inside.told = true;
                let (exit, reason) = super::said(ending, false, "");
                self.record(course, ended(&reason));
                Told::Ended { exit, reason }
            }
            _ => return,
        };
        caller.tell(&told, &riding);
    }

    /// Nobody is served any more: who watches is told how it ended, when he has all that was printed.
    pub(super) fn close_callers(&mut self, course: &mut Course) {
        if let Some(kept) = &mut self.kept {
            kept.finish();
            if kept.lost() > 0 {
                course.end.warnings.push(format!("{} bytes of its output could not be kept", kept.lost()));
            }
        }
        let Some(mut streams) = self.callers.take() else { return };
        for caller in &mut streams.callers {
            let ended = match &caller.stage {
                Stage::Inside(inside) if inside.program => (KILLED, "its session ended".to_owned()),
                _ => (course.end.exit, course.end.reason.clone()),
            };
            caller.tell(&Told::Ended { exit: ended.0, reason: ended.1 }, &[]);
        }
    }
}

/// Characters of what was asked that stand in the record.
const MOST_WORDS: usize = 300;

fn ended(reason: &str) -> Kind {
    Kind::Ordered { order: format!("exec ended: {reason}"), who: "the session".into() }
}

fn unwatched(why: Unwatched) -> Problem {
    match why {
        Unwatched::Typed => problem(
            "E-PLANE-147",
            "somebody else types into it already",
            "watch it with `bastide attach --read-only SESSION`",
            NO,
        ),
        Unwatched::Pipes => problem(
            "E-PLANE-147",
            "its program has no terminal that could be typed into",
            "watch it with `bastide attach --read-only SESSION`",
            NO,
        ),
        Unwatched::Full => {
            problem("E-PLANE-147", "too many watch it already", "`bastide logs SESSION` reads as well", NO)
        }
        Unwatched::Kernel => problem("E-PLANE-147", "no socket could be made", "try again", NO),
    }
}

fn unentered(why: &str) -> Problem {
    let cause = format!("the cell was not entered: {why}");
    problem("E-PLANE-148", cause, "`bastide show SESSION` tells how it stands", NO)
}

/// Why the process that entered did nothing.
fn undone(failure: &plan::Failure) -> Problem {
    let errno = rustix::io::Errno::from_raw_os_error(failure.errno);
    let why = if failure.errno == 0 { failure.doing.clone() } else { format!("{}: {errno}", failure.doing) };
    let (exit, hint) = match failure.exit {
        126 | 127 => {
            (failure.exit, "name a program that is inside, as `bastide exec SESSION -- ls /usr/bin` lists them")
        }
        _ => (NO, "`bastide help E-PLANE-148` says what is done inside, and what is not"),
    };
    problem("E-PLANE-148", format!("nothing was done in the cell: {why}"), hint, exit)
}
