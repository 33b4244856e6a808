//! Server-sent events, taken apart and written anew: what a program reads are lines of the gate's own, in one way only.

/// The most bytes of one event.
pub const MAX_EVENT: usize = 16 << 20;
/// The most bytes of a name by which a stream can be gone on with.
const MAX_ID: usize = 1024;

/// What stands in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// It is still there.
    Comment,
    /// Something was said, or where it can be gone on with.
    Event(Event),
}

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its kind; empty for a message.
    pub kind: String,
    /// What it says.
    pub data: Option<String>,
    /// What it is known by.
    pub id: Option<String>,
    /// Milliseconds to wait before the stream is asked for again.
    pub retry: Option<u32>,
}

/// Why a stream is not read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It is too long.
    #[error("an event is longer than {MAX_EVENT} bytes")]
    Long,
    /// It is no text.
    #[error("an event is no UTF-8")]
    NoText,
}

/// Reads a stream. Holds at most one event that is not whole yet.
#[derive(Debug, Default)]
pub struct Events {
    line: Vec<u8>,
    event: Event,
    /// A field of it was there.
    begun: bool,
    /// The last byte was a CR: an LF that follows ends no second line.
    after_return: bool,
    /// A line ended before: no byte order mark follows.
    on: bool,
}

impl Events {
    /// Takes the next bytes; gives what is whole with them.
    ///
    /// # Errors
    /// [`EventError`].
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<Piece>, EventError> {
        let mut pieces = Vec::new();
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_return) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.held() + part.len() > MAX_EVENT {
                return Err(EventError::Long);
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { break };
            self.after_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            pieces.extend(self.line_ended()?);
        }
        Ok(pieces)
    }

    /// Bytes of what is not whole yet.
    #[must_use]
    pub fn held(&self) -> usize {
        let Event { kind, data, id, .. } = &self.event;
        self.line.len() + kind.len() + data.as_ref().map_or(0, String::len) + id.as_ref().map_or(0, String::len)
    }

    fn line_ended(&mut self) -> Result<Option<Piece>, EventError> {
        let line = String::from_utf8(std::mem::take(&mut self.line)).map_err(|_| EventError::NoText)?;
        let line = match std::mem::replace(&mut self.on, true) {
            false => line.strip_prefix('\u{feff}').unwrap_or(&line),
            true => &line,
        };
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return Ok(std::mem::take(&mut self.begun).then_some(Piece::Event(event)));
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => return Ok(Some(Piece::Comment)),
            "data" => match &mut self.event.data {
                Some(data) => data.extend(["\n", value]),
                data => *data = Some(value.to_owned()),
            },
            "event" => self.event.kind = value.to_owned(),
            "id" if value.len() <= MAX_ID && !value.chars().any(char::is_control) => {
                self.event.id = Some(value.to_owned());
            }
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => self.event.retry = value.parse().ok(),
            _ => return Ok(None),
        }
        self.begun = true;
        Ok(None)
    }
}

impl Event {
    /// Whether programs take it for a message.
    #[must_use]
    pub fn is_message(&self) -> bool {
        matches!(self.kind.as_str(), "" | "message")
    }

    /// The same saying this, one line of JSON, as it goes on; nothing where it says nothing.
    #[must_use]
    pub fn written(&self, data: Option<&str>) -> String {
        let mut text = String::new();
        if let (Some(_), false) = (data, self.kind.is_empty()) {
            text += "event: message\n";
        }
        if let Some(id) = &self.id {
            text += &format!("id: {id}\n");
        }
        if let Some(retry) = self.retry {
            text += &format!("retry: {retry}\n");
        }
        match data {
            Some(data) => text += &format!("data: {data}\n"),
            // Some programs take note of the name only where there is data.
            None if self.id.is_some() => text += "data: \n",
            None => {}
        }
        if text.is_empty() { text } else { text + "\n" }
    }
}

/// JSON in one line, however a line may end in a reader's opinion.
#[must_use]
pub fn one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            // They stand between values only.
            '\n' | '\r' | '\t' => line.push(' '),
            // They stand within texts only.
            '\u{85}' | '\u{2028}' | '\u{2029}' => line += &format!("\\u{:04x}", u32::from(letter)),
            _ => line.push(letter),
        }
    }
    line
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], size: usize) -> Vec<Piece> {
        let mut events = Events::default();
        bytes.chunks(size).flat_map(|piece| events.push(piece).unwrap()).collect()
    }

    #[test]
    fn a_stream_is_read_in_one_way_however_it_is_cut() {
        let event = |data: &str| Piece::Event(Event { data: Some(data.into()), ..Event::default() });
        let known = Event { id: Some("7".into()), retry: Some(5), kind: "message".into(), data: Some(String::new()) };
        for (text, expected) in [
            ("data: a\n\ndata:b\r\n\r\ndata\r\r", vec![event("a"), event("b"), event("")]),
            ("\u{feff}data: a\ndata: b\n\n", vec![event("a\nb")]),
            (": here\n\n\n", vec![Piece::Comment]),
            ("id: 7\nretry: 5\nevent: message\ndata: \nother: x\n\n", vec![Piece::Event(known)]),
            ("id: a\u{0}b\nretry: -1\nother\n\n", vec![]),
            ("data: not whole\n", vec![]),
            ("\ndata: a\u{2028}b\n\n", vec![event("a\u{2028}b")]),
        ] {
            for size in 1..=text.len() {
                assert_eq!(read(text.as_bytes(), size), expected, "{text:?} {size}");
            }
        }
        assert_eq!(Events::default().push(b"data: \xff\n"), Err(EventError::NoText));
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut events = Events::default();
        let line = [b"data: ", &[b'x'; 1 << 20][..], b"\n"].concat();
        let pushed = (0..17).try_for_each(|_| events.push(&line).map(drop));
        assert_eq!(pushed, Err(EventError::Long));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let json = "{\"a\":\n\"x\u{2028}\u{85}\"}\r";
        assert_eq!(one_line(json), "{\"a\": \"x\\u2028\\u0085\"} ");
        let event = Event { kind: "message".into(), id: Some("1".into()), retry: Some(2), data: Some(one_line(json)) };
        assert_eq!(read(event.written(event.data.as_deref()).as_bytes(), 3), [Piece::Event(event.clone())]);
        assert_eq!(event.written(None), "id: 1\nretry: 2\ndata: \n\n");
        assert_eq!(Event::default().written(None), "");
    }
}
