//! The planes that are asked: one that tells how all sessions stand, one that tells a record, and one for whatever a key
//! asked for. None of them is waited for; those that ended are gathered.

use std::os::fd::BorrowedFd;
use std::process::Child;

use wire::command::{Reply, Request};

use super::hand::{self, Act, Look};
use super::screen::Page;
use crate::errors::Error;
use crate::plane::Plane;
use crate::show::{self, Shown};
use crate::words;

/// Sessions that ended which are shown.
const ENDED: u32 = 50;
/// Things that are asked at once.
const MOST: usize = 16;

/// What came.
#[derive(Debug)]
pub(super) enum Came {
    News(wire::command::News),
    Event(wire::command::LogLine),
    /// No event follows.
    RecordEnd,
    /// A page, for who still waits for it since that epoch.
    Page(u64, Page),
    /// One line.
    Said(String),
    /// Who tells how sessions stand is gone.
    Lost(String),
}

/// What one plane was asked for.
#[derive(Debug)]
enum What {
    Watch,
    Record,
    Look(Look, u64),
    Act,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Asked {
    planes: Vec<(What, Plane)>,
    left: Vec<Child>,
}

impl Asked {
    /// Asks how all sessions stand, from here on.
    pub(super) fn watch(&mut self) -> Result<(), Error> {
        self.begin(What::Watch, &Request::Watch { ended: ENDED })
    }

    /// Whether that is being told.
    pub(super) fn watches(&self) -> bool {
        self.planes.iter().any(|(what, _)| matches!(what, What::Watch))
    }

    /// Asks for another record.
    pub(super) fn follow(&mut self, session: &str) -> Result<(), Error> {
        let (old, rest) =
            std::mem::take(&mut self.planes).into_iter().partition(|(what, _)| matches!(what, What::Record));
        self.planes = rest;
        old.into_iter().for_each(|(_, plane): (What, Plane)| self.left.extend(plane.leave()));
        self.begin(What::Record, &hand::record(session))
    }

    pub(super) fn look(&mut self, look: Look, epoch: u64) -> Result<(), Error> {
        let request = look.request();
        self.begin(What::Look(look, epoch), &request)
    }

    pub(super) fn act(&mut self, act: &Act) -> Result<(), Error> {
        self.begin(What::Act, act.request())
    }

    fn begin(&mut self, what: What, request: &Request) -> Result<(), Error> {
        if self.planes.len() >= MOST {
            return Err(Error::Busy);
        }
        self.planes.push((what, Plane::ask_unheard(request)?));
        Ok(())
    }

    /// What is to be waited for.
    pub(super) fn sockets(&self) -> Vec<BorrowedFd<'_>> {
        use std::os::fd::AsFd;
        self.planes.iter().map(|(_, plane)| plane.as_fd()).collect()
    }

    /// Hears those of the planes, by their place, that have something to say.
    pub(super) fn hear(&mut self, ready: &[usize]) -> Vec<Came> {
        let mut came = Vec::new();
        let mut over = Vec::new();
        for &at in ready {
            let Some((what, plane)) = self.planes.get_mut(at) else { continue };
            if hear(what, plane, &mut came) {
                over.push(at);
            }
        }
        for at in over.into_iter().rev() {
            let (_, plane) = self.planes.remove(at);
            self.left.extend(plane.leave());
        }
        came
    }

    /// Gathers those that ended.
    pub(super) fn gather(&mut self) {
        self.left.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
}

/// Whether it was the last word.
fn hear(what: &mut What, plane: &mut Plane, came: &mut Vec<Came>) -> bool {
    let mut broken = plane.receive().err();
    while let Some(reply) = plane.known() {
        let last = reply.is_last();
        match (&*what, reply) {
            (_, Reply::Notice { text }) => came.push(Came::Said(text)),
            (What::Watch, Reply::News(news)) => came.push(Came::News(news)),
            (What::Record, Reply::Event(line)) => came.push(Came::Event(*line)),
            (What::Record, Reply::LogEnd) => came.push(Came::RecordEnd),
            (What::Watch, reply) => came.push(Came::Lost(refusal(reply))),
            (_, Reply::Refused(problem)) => came.push(Came::Said(words_of(&Error::Plane(problem)))),
            (What::Look(look, epoch), reply) => came.push(page(look, *epoch, reply)),
            (What::Act, reply) => came.push(Came::Said(text(reply).replace('\n', " "))),
            (What::Record, _) => broken = Some(Error::Language),
        }
        if last {
            return true;
        }
    }
    if !plane.ended() && broken.is_none() {
        return false;
    }
    let why = words_of(&broken.unwrap_or_else(|| plane.lost(false)));
    came.push(if matches!(what, What::Watch) { Came::Lost(why) } else { Came::Said(why) });
    true
}

fn refusal(reply: Reply) -> String {
    match reply {
        Reply::Refused(problem) => words_of(&Error::Plane(problem)),
        _ => words_of(&Error::Language),
    }
}

/// The error in one line.
pub(super) fn words_of(error: &Error) -> String {
    error.render(false).lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

fn text(reply: Reply) -> String {
    let shown = show::last(reply, &Shown::default());
    shown.map_or_else(|| words_of(&Error::Language), |(text, _)| text)
}

fn page(look: &Look, epoch: u64, reply: Reply) -> Came {
    let (title, session, id) = match (look, &reply) {
        (Look::Show(session), _) => (format!("session {session}"), session, Some(session.clone())),
        (Look::Why(session, _), Reply::Why(answer)) => {
            let id = answer.explanation.id.to_string();
            (format!("why {id}"), session, Some(id))
        }
        (Look::Why(session, _), _) => ("why".to_owned(), session, None),
    };
    let (title, session) = (words::line(&title, 60), Some(session.clone()));
    Came::Page(epoch, Page { title, text: text(reply), session, id, ..Page::default() })
}
