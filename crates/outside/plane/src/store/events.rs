//! The record of a session, read while it may still grow: bounded memory, and a line that is no event ends nothing.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use record::segment::MAX_LINE;
use record::{Entry, Segment, decode};

use super::SessionDirectory;

/// Bytes that are read ahead.
const AHEAD: usize = 16 * 1024;

/// The lines of one segment, in their order.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    from: Source,
    pending: Vec<u8>,
    /// The pending bytes were given out, or belong to a line that is too long.
    spent: bool,
    skipping: bool,
}

/// What lines are read from.
#[derive(Debug)]
enum Source {
    /// It does not exist yet.
    Nothing,
    /// It was read to its end: what waits there for more keeps no buffer, since every session has two that do.
    Rest(File),
    Read(BufReader<File>),
}

/// One line, or that there was one.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'l> {
    /// With its end.
    Whole(&'l [u8]),
    /// Longer than any that is written.
    TooLong,
}

impl Lines {
    /// Reads the segment from its beginning. It need not exist yet.
    #[must_use]
    pub const fn new(path: PathBuf) -> Lines {
        Lines { path, from: Source::Nothing, pending: Vec::new(), spent: false, skipping: false }
    }

    /// The next line; none when no whole one follows yet.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        if std::mem::take(&mut self.spent) {
            self.pending.clear();
        }
        let Some(file) = self.from.open(&self.path)? else { return Ok(None) };
        loop {
            let room = u64::try_from(MAX_LINE + 1 - self.pending.len()).unwrap_or(0);
            let read = file.take(room).read_until(b'\n', &mut self.pending)?;
            let ended = self.pending.last() == Some(&b'\n');
            let full = self.pending.len() > MAX_LINE;
            self.spent = ended || full;
            match (ended, full) {
                (true, _) if self.skipping || full => {
                    self.skipping = false;
                    return Ok(Some(Line::TooLong));
                }
                (true, _) => return Ok(Some(Line::Whole(&self.pending))),
                (_, true) => {
                    self.skipping = true;
                    self.pending.clear();
                }
                _ if read == 0 => {
                    self.from.rest();
                    self.pending.shrink_to_fit();
                    return Ok(None);
                }
                _ => {}
            }
        }
    }

    /// Whether bytes follow the last whole line: its writer is at it, or was killed.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        self.skipping || (!self.spent && !self.pending.is_empty())
    }
}

impl Source {
    fn open(&mut self, path: &Path) -> io::Result<Option<&mut BufReader<File>>> {
        *self = match std::mem::replace(self, Source::Nothing) {
            Source::Nothing => match File::open(path) {
                Ok(opened) => Source::Read(BufReader::with_capacity(AHEAD, opened)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Source::Nothing,
                Err(error) => return Err(error),
            },
            Source::Rest(file) => Source::Read(BufReader::with_capacity(AHEAD, file)),
            reading => reading,
        };
        Ok(if let Source::Read(reader) = self { Some(reader) } else { None })
    }

    /// To be called where nothing is read ahead.
    fn rest(&mut self) {
        if let Source::Read(reader) = std::mem::replace(self, Source::Nothing) {
            *self = Source::Rest(reader.into_inner());
        }
    }
}

/// The events of both segments, by time; within a segment, by place.
#[derive(Debug)]
pub struct Events {
    parts: [Part; 2],
}

#[derive(Debug)]
struct Part {
    segment: Segment,
    lines: Lines,
    place: u64,
    next: Option<Entry>,
}

impl Events {
    /// Reads from the beginning.
    #[must_use]
    pub fn of(session: &SessionDirectory) -> Events {
        let part = |segment| Part { segment, lines: Lines::new(session.segment(segment)), place: 0, next: None };
        Events { parts: [part(Segment::Plane), part(Segment::Gate)] }
    }

    /// The next event, or the words about a line that is none; nothing when no whole line follows yet.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn next_event(&mut self) -> io::Result<Option<Result<Entry, String>>> {
        for part in &mut self.parts {
            if let Some(words) = part.fill()? {
                return Ok(Some(Err(words)));
            }
        }
        let order = |part: &Part| part.next.as_ref().map(|entry| (entry.event.at, entry.id));
        let [plane, gate] = &mut self.parts;
        let first = match (order(plane), order(gate)) {
            (Some(one), Some(other)) if other < one => gate,
            (None, Some(_)) => gate,
            _ => plane,
        };
        Ok(first.next.take().map(Ok))
    }

    /// Each event to the end of what is there; lines that are none are left out.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn each(mut self, mut take: impl FnMut(Entry)) -> io::Result<()> {
        while let Some(next) = self.next_event()? {
            if let Ok(entry) = next {
                take(entry);
            }
        }
        Ok(())
    }
}

impl Part {
    fn fill(&mut self) -> io::Result<Option<String>> {
        if self.next.is_some() {
            return Ok(None);
        }
        let letter = self.segment.letter();
        let Some(line) = self.lines.next_line()? else { return Ok(None) };
        self.place += 1;
        let read = match line {
            Line::TooLong => Err(format!("{letter}{}: longer than any event", self.place)),
            Line::Whole(line) => decode(self.segment, self.place, line).map_err(|error| format!("{letter}: {error}")),
        };
        match read {
            Ok(entry) => {
                self.next = Some(entry);
                Ok(None)
            }
            Err(words) => Ok(Some(words)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_a_torn_one_is_waited_for() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"one\n").unwrap();
        file.write_all(&vec![b'x'; 3 * MAX_LINE]).unwrap();
        file.write_all(b"\n").unwrap();
        file.write_all(&vec![b'y'; MAX_LINE - 1]).unwrap();
        file.write_all(b"\ntw").unwrap();
        let mut lines = Lines::new(file.path().to_owned());
        assert_eq!(lines.next_line().unwrap(), Some(Line::Whole(b"one\n")));
        assert!(!lines.is_torn());
        assert_eq!(lines.next_line().unwrap(), Some(Line::TooLong));
        assert!(matches!(lines.next_line().unwrap(), Some(Line::Whole(line)) if line.len() == MAX_LINE));
        assert_eq!(lines.next_line().unwrap(), None);
        assert!(lines.is_torn());
        file.write_all(b"o\n").unwrap();
        assert_eq!(lines.next_line().unwrap(), Some(Line::Whole(b"two\n")));
        assert_eq!(lines.next_line().unwrap(), None);
        assert!(!lines.is_torn());
    }
}
