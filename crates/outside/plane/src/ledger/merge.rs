//! The segments of one session, read as they grow, and told to the ledger: in small steps while the session runs, to the
//! end when it ended. A segment whose chain breaks is told up to there.

use std::io;
use std::time::{Duration, Instant};

use record::ledger::{Cut, Following, Known, Leaf, Part, Strayed};
use record::{Segment, Verifier};

use super::{LedgerError, Log, Snapshot};
use crate::store::{Line, Lines, SessionDirectory, Store, now};

/// How often a session that goes on is told of.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// After so long, if there is anything.
    pub time: Duration,
    /// After so many events.
    pub events: u64,
    /// Bytes that are read in one step.
    pub step: usize,
    /// How many times as long as a step took nothing is read after it.
    pub rest: u32,
}

impl Default for Pace {
    /// A step takes about 0.1 ms, and a fifth of the time at most is spent on them: the programs of the session, its gate
    /// and whoever waits for the plane do not notice. A gate takes ten times as long to write an event as this to read it.
    fn default() -> Pace {
        Pace { time: Duration::from_secs(60), events: 5000, step: 16 * 1024, rest: 4 }
    }
}

/// How far a session's segments were read.
#[derive(Debug)]
pub struct Merging {
    session: String,
    parts: [Reading; 2],
    pace: Pace,
    /// Events under the last cut, and when it was made.
    told: Option<u64>,
    since: Instant,
    due: Option<Instant>,
}

#[derive(Debug)]
struct Reading {
    lines: Lines,
    verifier: Verifier,
    broken: bool,
    /// What the ledger knows of it already, where that is not our own word.
    following: Option<Following>,
    strayed: Option<Strayed>,
}

impl Merging {
    /// Begins with a session of which nothing was read.
    #[must_use]
    pub fn of(session: &SessionDirectory, pace: Pace) -> Merging {
        let part = |segment| Reading {
            lines: Lines::new(session.segment(segment)),
            verifier: Verifier::new(&session.origin(segment)),
            broken: false,
            following: None,
            strayed: None,
        };
        let parts = [part(Segment::Plane), part(Segment::Gate)];
        let id = session.record.id.clone();
        Merging { session: id, parts, pace, told: None, since: Instant::now(), due: None }
    }

    /// When the next step is due, where more is there to be read.
    #[must_use]
    pub const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Reads a little of what is new.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub fn step(&mut self) -> io::Result<()> {
        self.due = None;
        let (begun, mut behind) = (Instant::now(), false);
        for part in &mut self.parts {
            behind |= part.read(self.pace.step)?;
        }
        let ended = Instant::now();
        self.due = behind.then(|| ended + (ended - begun) * self.pace.rest);
        Ok(())
    }

    /// Tells the ledger how far was read, where it is time to. To be called when all of that is on disk: what a power cut
    /// takes must not have been signed. Never waits: who is not let in tries again the next time.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn tell_in_passing(&mut self, store: &Store) -> Result<(), LedgerError> {
        let news = self.events() - self.told.unwrap_or(0);
        if news == 0 || news < self.pace.events && self.since.elapsed() < self.pace.time {
            return Ok(());
        }
        let Some(log) = Log::at_once(store)? else { return Ok(()) };
        self.tell(&log)
    }

    /// Goes on where others told the ledger of the session before: what they told is held to what is there.
    #[must_use]
    pub fn after(mut self, known: &Known) -> Merging {
        for (part, segment) in self.parts.iter_mut().zip([Segment::Plane, Segment::Gate]) {
            let mut following = known.following(segment);
            part.strayed = following.at(part.verifier.head()).err();
            part.following = Some(following);
        }
        let covered = |segment| known.following(segment).under(u64::MAX);
        self.told = (!known.cuts.is_empty()).then(|| covered(Segment::Plane) + covered(Segment::Gate));
        self
    }

    /// Reads to the end and tells that, of a session that nobody writes any more and that is on disk.
    ///
    /// # Errors
    /// When it cannot be read, or the ledger not be written: to be tried again at the next start. Or
    /// [`LedgerError::Strayed`]: then nothing is told.
    pub fn finish(mut self, store: &Store) -> Result<(), LedgerError> {
        for part in &mut self.parts {
            while part.read(usize::MAX).map_err(LedgerError::host("read", &store.sessions().join(&self.session)))? {}
            let there = part.verifier.head().events;
            let short = part.following.as_ref().and_then(|following| following.end(there).err());
            if let Some(strayed) = part.strayed.take().or(short) {
                return Err(LedgerError::Strayed(strayed.to_string()));
            }
        }
        if self.told == Some(self.events()) {
            return Ok(());
        }
        self.tell(&Log::wait(store)?)
    }

    fn tell(&mut self, log: &Log) -> Result<(), LedgerError> {
        log.append(&[Leaf::Cut(self.cut())])?;
        (self.told, self.since) = (Some(self.events()), Instant::now());
        Ok(())
    }

    fn cut(&self) -> Cut {
        let [plane, gate] = [0, 1].map(|part| Part(self.parts[part].verifier.head()));
        Cut { at: now(), session: self.session.clone(), plane, gate }
    }

    fn events(&self) -> u64 {
        self.parts.iter().map(|part| part.verifier.head().events).sum()
    }
}

impl Reading {
    /// Reads about so many bytes, and says whether more may follow.
    fn read(&mut self, budget: usize) -> io::Result<bool> {
        let mut read = 0;
        while !self.broken && read < budget {
            match self.lines.next_line()? {
                None => return Ok(false),
                Some(Line::Whole(line)) => {
                    read += line.len();
                    self.broken = self.verifier.line(line).is_err();
                    self.follow();
                }
                Some(Line::TooLong) => self.broken = true,
            }
        }
        Ok(!self.broken)
    }

    fn follow(&mut self) {
        if let (None, Some(following)) = (&self.strayed, &mut self.following) {
            self.strayed = following.at(self.verifier.head()).err();
        }
    }
}

/// Tells the ledger of a whole session that nobody writes any more and that is on disk. One that is not what the ledger
/// knows of it is not told of again: that would only cover up when it changed.
///
/// # Errors
/// When it cannot be read, or the ledger not be read or written; [`LedgerError::Strayed`].
pub fn merge(store: &Store, session: &SessionDirectory) -> Result<(), LedgerError> {
    let book = Snapshot::take(store, None)?.book;
    merge_after(store, session, book.sessions().get(&session.record.id))
}

/// The same, where it is known what the ledger knows.
///
/// # Errors
/// As [`merge`].
pub fn merge_after(store: &Store, session: &SessionDirectory, known: Option<&Known>) -> Result<(), LedgerError> {
    let mut merging = Merging::of(session, Pace::default());
    if let Some(known) = known {
        merging = merging.after(known);
    }
    merging.finish(store)
}
