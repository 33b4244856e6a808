//! The gate's segment of the record. What cannot be written did not happen: after one failure every further
//! event fails too, because the file may end in half a line.

use std::fs::File;
use std::io::{self, Write};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use record::{Bodies, Cause, EventId, Kind, Lineage, Redactor, Writer};

use crate::flood::{Flood, WORDS};

/// Appends events to a segment that the caller opened.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    writer: Writer,
    redactor: Redactor,
    lineage: Lineage,
    words: Flood,
    broken: bool,
}

impl Ledger {
    /// Goes on at the end that `writer` holds.
    #[must_use]
    pub fn new(file: File, writer: Writer, redactor: Redactor) -> Ledger {
        let words = Flood::new(Instant::now(), WORDS);
        Ledger { file, writer, redactor, lineage: Lineage::new(), words, broken: false }
    }

    /// Whether it holds more of what others say than it may by now: nothing is let out until it does not.
    pub fn is_ahead(&mut self) -> bool {
        self.words.is_owing(Instant::now())
    }

    /// Whether events can still be written, as far as is known.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        !self.broken
    }

    /// What led to what, as far as it is remembered.
    #[must_use]
    pub const fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// Keeps one more value out of what is written.
    pub fn hide(&mut self, name: &str, value: &str) {
        // One too short to be looked for would blank ordinary words.
        let _ = self.redactor.add(name, value);
    }

    /// Keeps so much of what is said from here on.
    pub fn keep(&mut self, bodies: policy::Bodies) {
        self.redactor.keep(match bodies {
            policy::Bodies::Full => Bodies::Full,
            policy::Bodies::Redacted => Bodies::Redacted,
            policy::Bodies::Hash => Bodies::Hash,
        });
    }

    /// Writes one event. Its effect may follow only after this returned without error.
    ///
    /// # Errors
    /// When the event cannot be written, or an earlier one could not.
    pub fn write(&mut self, kind: Kind) -> io::Result<EventId> {
        self.write_after(None, kind)
    }

    /// The same for what earlier events led to.
    ///
    /// # Errors
    /// As [`Ledger::write`].
    pub fn write_after(&mut self, causes: impl IntoIterator<Item = Cause>, kind: Kind) -> io::Result<EventId> {
        if self.broken {
            return Err(io::Error::other("an earlier event could not be written"));
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        let mut causes: Vec<Cause> = causes.into_iter().collect();
        causes.extend(self.lineage.causes(&kind));
        let says = says(&kind);
        // What is remembered is what happened, not what of it may be shown.
        let told = self.lineage.wants(&kind).then(|| kind.clone());
        let (id, line) = self.writer.append(&self.redactor, at, causes, kind).map_err(io::Error::other)?;
        self.file.write_all(&line).inspect_err(|_| self.broken = true)?;
        if says {
            self.words.owe(Instant::now(), line.len());
        }
        if let Some(kind) = told {
            self.lineage.observe(id, &kind);
        }
        Ok(id)
    }
}

/// Whether an event tells of words that a program, a model or a server says, as long as these want.
const fn says(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Said { .. }
            | Kind::Tool { .. }
            | Kind::Mcp { .. }
            | Kind::Model { .. }
            | Kind::Answered { .. }
            | Kind::Evidence { .. }
            | Kind::Risk { .. }
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use record::{Origin, Segment};

    use super::*;

    #[test]
    fn after_a_failed_write_nothing_more_is_written() {
        let origin = Origin { session: "s1".into(), segment: Segment::Gate };
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut ledger = Ledger::new(full, Writer::new(&origin), Redactor::new());
        assert!(ledger.write(Kind::GateLost).is_err());
        ledger.file = File::options().write(true).open("/dev/null").unwrap();
        assert!(ledger.write(Kind::GateLost).is_err());
    }

    #[test]
    fn what_others_say_is_made_up_for() {
        let origin = Origin { session: "s1".into(), segment: Segment::Gate };
        let nothing = File::options().write(true).open("/dev/null").unwrap();
        let mut ledger = Ledger::new(nothing, Writer::new(&origin), Redactor::new());
        ledger.words.drain();
        ledger.write(Kind::GateLost).unwrap();
        assert!(!ledger.is_ahead());
        let said = Kind::Said {
            speaker: "user".into(),
            form: "text".into(),
            tool: None,
            words: "x".repeat(1 << 16),
            digest: String::new(),
            standing: "new".into(),
        };
        ledger.write(said).unwrap();
        assert!(ledger.is_ahead());
    }
}
