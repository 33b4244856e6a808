//! The plane's segment of the record. What cannot be written did not happen: after one failure every further event
//! fails too, because the file may end in half a line.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use record::{Cause, EventId, Kind, Origin, Redactor, Writer};

/// Appends events to a segment.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    writer: Writer,
    redactor: Redactor,
    broken: bool,
    /// Something was written that no checkpoint holds yet.
    dirty: bool,
}

impl Ledger {
    /// Begins a segment that does not exist yet.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn begin(path: &Path, origin: &Origin, redactor: Redactor) -> io::Result<Ledger> {
        let file = File::options().create_new(true).append(true).mode(0o600).open(path)?;
        Ok(Ledger { file, writer: Writer::new(origin), redactor, broken: false, dirty: false })
    }

    /// Goes on with one that exists; a torn last line is cut off.
    ///
    /// # Errors
    /// When it cannot be read, or its chain is broken elsewhere than at its end.
    pub fn resume(path: &Path, origin: &Origin, redactor: Redactor) -> io::Result<Ledger> {
        let text = std::fs::read(path)?;
        let (writer, kept) = record::resume(origin, &text).map_err(io::Error::other)?;
        let file = File::options().append(true).open(path)?;
        if kept < text.len() {
            file.set_len(u64::try_from(kept).unwrap_or(u64::MAX))?;
        }
        Ok(Ledger { file, writer, redactor, broken: false, dirty: false })
    }

    /// Writes one event. Its effect may follow only after this returned without error.
    ///
    /// # Errors
    /// When the event cannot be written, or an earlier one could not.
    pub fn write(&mut self, kind: Kind) -> io::Result<EventId> {
        self.write_after(None, kind)
    }

    /// The same for what an earlier event led to.
    ///
    /// # Errors
    /// As [`Ledger::write`].
    pub fn write_after(&mut self, cause: Option<Cause>, kind: Kind) -> io::Result<EventId> {
        if self.broken {
            return Err(io::Error::other("an earlier event could not be written"));
        }
        let (id, line) =
            self.writer.append(&self.redactor, now(), Vec::from_iter(cause), kind).map_err(io::Error::other)?;
        self.file.write_all(&line).inspect_err(|_| self.broken = true)?;
        self.dirty = true;
        Ok(id)
    }

    /// Makes durable what was written since the last call.
    ///
    /// # Errors
    /// When the disk says so.
    pub fn checkpoint(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.dirty) { self.file.sync_data() } else { Ok(()) }
    }
}

/// Cuts off a last line that was torn, of a segment that nobody writes any more: its event could not be written, so its
/// effect did not follow. A chain that is broken elsewhere is left as it is, for `log verify` to tell.
///
/// # Errors
/// When it cannot be read or changed.
pub(super) fn mend(path: &Path, origin: &Origin) -> io::Result<()> {
    let file = match File::options().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let mut last = *b"\n";
    if let Some(at) = file.metadata()?.len().checked_sub(1) {
        file.read_exact_at(&mut last, at)?;
    }
    if last == *b"\n" {
        return Ok(());
    }
    let (_, kept) = record::resume(origin, &std::fs::read(path)?).map_err(io::Error::other)?;
    file.set_len(u64::try_from(kept).unwrap_or(u64::MAX))
}

/// Microseconds since the Unix epoch.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file may end in half a line: what was appended to it then would be lost with it, or break the chain.
    #[test]
    fn after_one_event_that_could_not_be_written_every_further_one_fails() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("segment");
        let origin = Origin { session: "s".into(), segment: record::Segment::Plane };
        let mut ledger = Ledger::begin(&path, &origin, Redactor::new()).expect("made");
        let event = || Kind::GateStarted { incarnation: 1 };
        ledger.write(event()).expect("written");
        let full = File::options().write(true).open("/dev/full").expect("there on every host");
        let file = std::mem::replace(&mut ledger.file, full);
        assert!(ledger.write(event()).is_err());
        // There is room again, and it stays closed.
        ledger.file = file;
        let before = std::fs::read(&path).expect("readable");
        for _ in 0..2 {
            assert!(ledger.write(event()).is_err());
        }
        assert_eq!(std::fs::read(&path).expect("readable"), before);
        // A plane that goes on with the segment may write again.
        drop(ledger);
        Ledger::resume(&path, &origin, Redactor::new()).expect("whole").write(event()).expect("written");
    }
}
