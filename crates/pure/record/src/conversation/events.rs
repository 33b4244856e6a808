//! Bytes of a stream into events: server-sent events, and JSON a line as Ollama sends it.
//!
//! Cut anywhere, the bytes give the same events. Lines may end in CR, LF or both; what is no UTF-8 becomes U+FFFD, as every
//! reader of such streams has it. Event names, ids and retry times are passed over: the wires say all in the data.

use super::shape::Malformed;

/// The most bytes of one event, and of one line.
pub const MAX_EVENT: usize = 16 * 1024 * 1024;

/// What stands for a comment, which says nothing.
pub(super) const COMMENT: &str = ":";

/// How events stand in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// `data:` lines up to an empty one.
    ServerSent,
    /// Each line is an event.
    Lines,
}

/// Reads a stream. Holds at most one event that is not whole yet.
#[derive(Debug)]
pub(super) struct Events {
    framing: Framing,
    /// The line so far.
    line: Vec<u8>,
    /// Data lines of the event so far.
    data: Option<String>,
    /// The last byte was a CR: an LF that follows ends no second line.
    after_return: bool,
    /// Comments are handed over, too.
    comments: bool,
    /// No line has ended yet: this one may begin with a byte order mark.
    first: bool,
}

impl Events {
    pub(super) fn new(framing: Framing) -> Self {
        Self { framing, line: Vec::new(), data: None, after_return: false, comments: false, first: true }
    }

    /// Takes the next bytes and hands over the data of each event that is whole with them.
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        take: &mut impl FnMut(&str) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_return) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > MAX_EVENT {
                return Err(Malformed::LongEvent);
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { break };
            self.after_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            self.line_ended(take)?;
        }
        Ok(())
    }

    /// The same, and each comment between two events is handed over as [`COMMENT`]: a server says by it that it is still
    /// there.
    pub(super) const fn with_comments(mut self) -> Self {
        self.comments = true;
        self
    }

    /// The stream is over. An event that lacks only its end is handed over; whether it is whole is for its JSON to show.
    pub(super) fn finish(mut self, take: &mut impl FnMut(&str) -> Result<(), Malformed>) -> Result<(), Malformed> {
        if !self.line.is_empty() {
            self.line_ended(take)?;
        }
        self.data.map_or(Ok(()), |data| take(&data))
    }

    fn line_ended(&mut self, take: &mut impl FnMut(&str) -> Result<(), Malformed>) -> Result<(), Malformed> {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        let line = if std::mem::take(&mut self.first) { line.strip_prefix('\u{feff}').unwrap_or(&line) } else { &line };
        match self.framing {
            Framing::Lines if line.trim().is_empty() => Ok(()),
            Framing::Lines => take(line),
            Framing::ServerSent if line.is_empty() => self.data.take().map_or(Ok(()), |data| take(&data)),
            Framing::ServerSent if line.starts_with(':') && self.comments && self.data.is_none() => take(COMMENT),
            Framing::ServerSent => self.field(line),
        }
    }

    /// A comment has an empty name.
    fn field(&mut self, line: &str) -> Result<(), Malformed> {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        if name != "data" {
            return Ok(());
        }
        let value = value.strip_prefix(' ').unwrap_or(value);
        let data = match &mut self.data {
            None => self.data.insert(String::with_capacity(value.len())),
            Some(data) => {
                data.push('\n');
                data
            }
        };
        if data.len() + value.len() > MAX_EVENT {
            return Err(Malformed::LongEvent);
        }
        data.push_str(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(framing: Framing, pieces: &[&[u8]]) -> Result<Vec<String>, Malformed> {
        let mut seen = Vec::new();
        let mut events = Events::new(framing);
        let mut take = |data: &str| {
            seen.push(data.to_owned());
            Ok(())
        };
        pieces.iter().try_for_each(|piece| events.push(piece, &mut take))?;
        events.finish(&mut take)?;
        Ok(seen)
    }

    #[test]
    fn every_way_to_write_a_stream() {
        for (bytes, want) in [
            ("data: a\n\ndata: b\n\n", vec!["a", "b"]),
            ("data: a\r\n\r\ndata: b\r\n\r\n", vec!["a", "b"]),
            ("data: a\r\rdata: b\r\r", vec!["a", "b"]),
            ("data: a\r\n\ndata: b\n\r\n", vec!["a", "b"]),
            ("\u{feff}data: a\n\n", vec!["a"]),
            (": comment\nevent: x\ndata:a\nid: 3\nretry: 9\ndata:  b\n\n", vec!["a\n b"]),
            ("data\n\n", vec![""]),
            ("datum: a\n\nDATA: b\n\n", vec![]),
            ("event: ping\n\n\n\ndata: a", vec!["a"]),
        ] {
            let singly: Vec<&[u8]> = bytes.as_bytes().chunks(1).collect();
            assert_eq!(read(Framing::ServerSent, &[bytes.as_bytes()]).expect(bytes), want, "{bytes:?}");
            assert_eq!(read(Framing::ServerSent, &singly).expect(bytes), want, "{bytes:?}");
        }
        let lines = "\u{feff}{\"a\":1}\r\n\n  \n{\"b\":2}";
        assert_eq!(read(Framing::Lines, &[lines.as_bytes()]).expect("lines"), ["{\"a\":1}", "{\"b\":2}"]);
    }

    #[test]
    fn comments_between_events_are_handed_over_where_they_are_wanted() {
        let bytes = b": one\ndata: a\n:within\n\n:\n\ndata: b\n\n";
        for size in [1, bytes.len()] {
            let (mut seen, mut events) = (Vec::new(), Events::new(Framing::ServerSent).with_comments());
            for piece in bytes.chunks(size) {
                let pushed = events.push(piece, &mut |data| {
                    seen.push(data.to_owned());
                    Ok(())
                });
                assert_eq!(pushed, Ok(()));
            }
            assert_eq!(seen, [":", "a", ":", "b"]);
        }
    }

    #[test]
    fn what_is_no_utf8_is_replaced() {
        assert_eq!(read(Framing::ServerSent, &[b"data: \xe2", b"\x82\xac \xff\n\n"]).expect("read"), ["€ \u{fffd}"]);
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut events = Events::new(Framing::ServerSent);
        let mut take = |_: &str| Ok(());
        let piece = [b'x'; 64 * 1024];
        let pushed = (0..=MAX_EVENT / piece.len()).try_for_each(|_| events.push(&piece, &mut take));
        assert_eq!(pushed, Err(Malformed::LongEvent));
        let mut events = Events::new(Framing::ServerSent);
        let line = [b"data: ".as_slice(), &piece, b"\n"].concat();
        let pushed = (0..=MAX_EVENT / piece.len()).try_for_each(|_| events.push(&line, &mut take));
        assert_eq!(pushed, Err(Malformed::LongEvent));
    }
}
