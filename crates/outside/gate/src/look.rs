//! Looks at an answer on its way to the program: its head is held until it is whole, secrets are taken out, and what a model
//! says is read. Where something is looked for, nothing of an answer that cannot be read goes on.

use std::borrow::Cow;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

use policy::{AnswerHead, Unfit};

use crate::collect::Heard;
use crate::http2::answer::Unsayable;
use crate::judges::Judges;
use crate::reply::{MAX_HEAD, Part, status};

/// Why an answer does not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    #[error("the answer does not begin with a head of HTTP/1.x, or with one of more than {MAX_HEAD} bytes")]
    Head,
    #[error("the answer is compressed, though it was asked for plainly, so what comes back with it is not seen")]
    Coded,
    #[error("where the answer ends cannot be told, so what comes back with it is not seen")]
    Odd,
    #[error("what the model answers cannot be read: {0}")]
    Answer(String),
    #[error("{0}")]
    Unfit(#[from] Unfit),
    #[error("{0}")]
    Unsayable(#[from] Unsayable),
    #[error("more is answered at once than is read")]
    Much,
    #[error("the provider answers {0}, and another one is asked")]
    Busy(u16),
}

/// What hears the body of an answer, before the program has it.
pub(crate) trait Listen {
    /// Its head is whole.
    ///
    /// # Errors
    /// Why it does not go on.
    fn begin(&mut self, status: u16, kind: &str) -> Result<(), Unread>;
    /// A piece of what its body carries.
    ///
    /// # Errors
    /// Why it does not go on.
    fn hear(&mut self, bytes: &[u8]) -> Result<(), Unread>;
}

/// What gives an answer to the program in another form than it came in.
pub(crate) trait Turns {
    /// Its head is whole. Gives status and content type as the program gets them.
    ///
    /// # Errors
    /// Why it does not go on.
    fn begin(&mut self, status: u16, head: &[u8]) -> Result<(u16, &'static str), Unread>;

    /// Takes a piece of what the answer carries, gives what goes on, masked and heard.
    ///
    /// # Errors
    /// Why it does not go on.
    fn pass(
        &mut self,
        carried: &[u8],
        judges: &mut Judges,
        hear: &mut dyn FnMut(&[u8]) -> Result<(), Unread>,
        end: bool,
    ) -> Result<Vec<u8>, Unread>;

    /// Whether the program has all of it, whatever still comes.
    fn is_over(&self) -> bool {
        false
    }

    /// Whether some of what came waits for somebody's answer.
    fn holds(&self) -> bool {
        false
    }

    /// Ends when that is there; given up, nothing that waited goes on.
    fn wait(&mut self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(std::future::ready(()))
    }

    /// What goes on then; `end` says that nothing more comes.
    ///
    /// # Errors
    /// Why it does not go on.
    fn resume(
        &mut self,
        _judges: &mut Judges,
        _hear: &mut dyn FnMut(&[u8]) -> Result<(), Unread>,
        _end: bool,
    ) -> Result<Vec<u8>, Unread> {
        Ok(Vec::new())
    }

    /// What tells a program meanwhile that somebody is still there; nothing where its wire has no such words.
    fn alive(&mut self) -> Vec<u8> {
        Vec::new()
    }
}

/// What looks at one answer.
#[derive(Default)]
pub(crate) struct Look<'l> {
    /// What is asked before any of it goes on.
    judges: Judges,
    listener: Option<&'l mut dyn Listen>,
    /// Gives it in another form.
    turn: Option<&'l mut dyn Turns>,
    /// What is kept of it while it is read.
    room: Option<Heard<'l>>,
    /// The head, as long as it is not whole, and where its parts stand.
    before: Vec<u8>,
    parts: Vec<(Part, Range<usize>)>,
    headed: bool,
    /// It answers HEAD.
    bare: bool,
    /// The program's connection ends after it, which the server may not know.
    last: bool,
}

/// What tells a program that its connection ends.
const ENDS: &[u8] = b"Connection: close\r\n\r\n";

impl<'l> Look<'l> {
    pub(crate) fn new(judges: Judges, listener: Option<&'l mut dyn Listen>) -> Look<'l> {
        Look { judges, listener, ..Look::default() }
    }

    /// The same for an answer that may have to be turned into another wire.
    pub(crate) fn turning(
        judges: Judges,
        listener: Option<&'l mut dyn Listen>,
        turn: Option<&'l mut dyn Turns>,
    ) -> Look<'l> {
        Look { turn, ..Look::new(judges, listener) }
    }

    /// The same within a room that all share.
    pub(crate) fn within(self, room: Heard<'l>) -> Look<'l> {
        Look { room: Some(room), ..self }
    }

    /// The same for the last answer on the program's connection.
    pub(crate) fn last(self, last: bool) -> Look<'l> {
        Look { last, ..self }
    }

    /// It answers HEAD, so that no body follows whatever it says.
    pub(crate) const fn answers_head(&mut self, bare: bool) {
        self.bare = bare;
    }

    /// Whether something is looked for in what the answer carries.
    pub(crate) fn reads(&self) -> bool {
        self.judges.reads() || self.listener.is_some() || self.turn.is_some()
    }

    /// Whether the head of the answer itself was whole. Interim ones are none.
    pub(crate) const fn is_headed(&self) -> bool {
        self.headed
    }

    /// Whether nothing follows it on the program's connection.
    pub(crate) const fn is_last(&self) -> bool {
        self.last
    }

    /// Whether a head has begun that is not whole.
    pub(crate) const fn waits(&self) -> bool {
        !self.headed && !self.before.is_empty()
    }

    /// Whether the program has all of it, whatever still comes.
    pub(crate) fn is_over(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.is_over())
    }

    /// Whether some of what came waits for somebody's answer.
    pub(crate) fn holds(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.holds())
    }

    /// Ends when that is there.
    pub(crate) async fn wait(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.wait().await;
        }
    }

    /// What goes on then; `end` says that nothing more comes.
    ///
    /// # Errors
    /// [`Unread`].
    pub(crate) fn resume(&mut self, end: bool) -> Result<Vec<u8>, Unread> {
        let Look { judges, listener, turn: Some(turn), .. } = self else { return Ok(Vec::new()) };
        let mut hear = |said: &[u8]| listener.as_mut().map_or(Ok(()), |listener| listener.hear(said));
        turn.resume(judges, &mut hear, end)
    }

    /// What tells a program that somebody is still there.
    pub(crate) fn alive(&mut self) -> Vec<u8> {
        self.turn.as_mut().map_or_else(Vec::new, |turn| turn.alive())
    }

    /// How many secrets came back.
    pub(crate) fn found(&mut self) -> u64 {
        self.judges.masked()
    }

    /// Takes a piece of the answer, gives what goes on.
    ///
    /// # Errors
    /// [`Unread`].
    pub(crate) fn pass<'b>(
        &mut self,
        bytes: &'b [u8],
        parts: &[(Part, Range<usize>)],
        end: bool,
    ) -> Result<Cow<'b, [u8]>, Unread> {
        if self.headed && !self.reads() {
            self.count(parts)?;
            self.overhear(bytes, parts);
            return Ok(Cow::Borrowed(bytes));
        }
        // Most heads come whole, and nobody has anything to say of them.
        if let (true, Some((Part::Head { last: true }, head))) = (self.is_idle(), parts.first())
            && status(&bytes[head.clone()]).is_some_and(|status| status >= 200)
        {
            self.headed = true;
            return Ok(Cow::Borrowed(bytes));
        }
        let from = self.before.len();
        self.before.extend_from_slice(bytes);
        self.parts.extend(parts.iter().map(|(part, range)| (*part, from + range.start..from + range.end)));
        let mut out = Vec::new();
        while !self.headed {
            if !self.begin(&mut out)? {
                return Ok(Cow::Owned(out));
            }
        }
        let (bytes, parts) = (std::mem::take(&mut self.before), std::mem::take(&mut self.parts));
        let carried = parts.iter().filter(|(part, _)| *part == Part::Body).map(|(_, range)| range.len()).sum();
        if self.room.as_mut().is_some_and(|room| !room.take(carried)) {
            return Err(Unread::Much);
        }
        self.count(&parts)?;
        self.overhear(&bytes, &parts);
        if self.turn.is_some() {
            return self.turned(&bytes, &parts, end).map(Cow::Owned);
        }
        if self.reads() {
            self.hear(&bytes, &parts)?;
        }
        match self.judges.reads() {
            true => out.extend(self.judges.pass(&bytes, &parts, end)?),
            false => out.extend(bytes),
        }
        Ok(Cow::Owned(out))
    }

    /// Whether the answer goes by as it comes, once its head is known.
    fn is_idle(&self) -> bool {
        let looks = self.reads() || self.room.is_some() || self.last || !self.judges.is_empty();
        !looks && self.before.is_empty() && self.parts.is_empty()
    }

    /// Lets the judges hear what is carried.
    fn overhear(&mut self, bytes: &[u8], parts: &[(Part, Range<usize>)]) {
        let carried = parts.iter().filter(|(part, _)| *part == Part::Body);
        carried.for_each(|(_, range)| self.judges.hear(&bytes[range.clone()]));
    }

    /// Tells how much came. Where that cannot be told, nothing can be judged.
    fn count(&mut self, parts: &[(Part, Range<usize>)]) -> Result<(), Unread> {
        if self.judges.is_empty() {
            return Ok(());
        }
        if parts.iter().any(|(part, _)| *part == Part::Odd) {
            return Err(Unread::Odd);
        }
        self.judges.comes(parts.iter().filter(|(part, _)| *part == Part::Body).map(|(_, range)| range.len()).sum())
    }

    fn hear(&mut self, bytes: &[u8], parts: &[(Part, Range<usize>)]) -> Result<(), Unread> {
        for (part, range) in parts {
            match (part, &mut self.listener) {
                (Part::Odd, _) => return Err(Unread::Odd),
                (Part::Body, Some(listener)) => listener.hear(&bytes[range.clone()])?,
                _ => {}
            }
        }
        Ok(())
    }

    /// What the program gets instead.
    fn turned(&mut self, bytes: &[u8], parts: &[(Part, Range<usize>)], end: bool) -> Result<Vec<u8>, Unread> {
        let Look { judges, listener, turn: Some(turn), .. } = self else { return Ok(Vec::new()) };
        if parts.iter().any(|(part, _)| *part == Part::Odd) {
            return Err(Unread::Odd);
        }
        let body = parts.iter().filter(|(part, _)| *part == Part::Body);
        let carried: Vec<u8> = body.flat_map(|(_, range)| &bytes[range.clone()]).copied().collect();
        let mut hear = |said: &[u8]| listener.as_mut().map_or(Ok(()), |listener| listener.hear(said));
        turn.pass(&carried, judges, &mut hear, end)
    }

    /// Takes the first head, if it is whole. An interim one goes on by itself, since a program may wait for it; where
    /// something is looked for, nobody waits, and none goes on.
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<bool, Unread> {
        let Some(at) = self.parts.iter().position(|(part, _)| *part != Part::Head { last: false }) else {
            return Ok(false);
        };
        let (Part::Head { .. }, Range { end, .. }) = self.parts[at].clone() else { return Err(Unread::Head) };
        let head = &self.before[..end];
        let status = status(head).unwrap_or(0);
        if status >= 200 {
            if self.reads() && is_coded(head) {
                return Err(Unread::Coded);
            }
            let kinds = self.room.is_some() || self.turn.is_some() || self.listener.is_some();
            let kind = if kinds { value(head, "content-type").unwrap_or_default() } else { String::new() };
            if !self.judges.is_empty() {
                self.judges.begin(&of(head, status, self.bare))?;
            }
            if let (Some(room), true) = (&mut self.room, kind.contains("event-stream") || kind.contains("ndjson")) {
                room.streams();
            }
            let (status, kind) = match &mut self.turn {
                Some(turn) => turn.begin(status, head)?,
                None => (status, kind.as_str()),
            };
            if let Some(listener) = &mut self.listener {
                listener.begin(status, kind)?;
            }
            if self.last && self.turn.is_none() && head.ends_with(b"\r\n\r\n") {
                self.say_end(at, end);
            }
            self.headed = true;
            return Ok(true);
        }
        let reads = self.reads();
        out.extend(self.before.drain(..end).filter(|_| !reads));
        self.parts.drain(..=at);
        self.parts.iter_mut().for_each(|(_, range)| *range = range.start - end..range.end - end);
        Ok(!self.parts.is_empty())
    }

    /// Says in the head that nothing follows, whatever the server says of its own connection.
    fn say_end(&mut self, at: usize, end: usize) {
        let lines = self.before[..end - 2].split_inclusive(|byte| *byte == b'\n');
        let mut head = Vec::with_capacity(self.before.len() + ENDS.len());
        lines.filter(|line| !is_named(line, b"connection")).for_each(|line| head.extend_from_slice(line));
        head.extend_from_slice(ENDS);
        let (length, moved) = (head.len(), |place: usize| place - end + head.len());
        let after = self.parts[at + 1..].iter().map(|(part, range)| (*part, moved(range.start)..moved(range.end)));
        self.parts = std::iter::once((Part::Head { last: true }, 0..length)).chain(after).collect();
        self.before.splice(..end, head);
    }
}

/// Whether a line of a head has this name, in lower case.
fn is_named(line: &[u8], name: &[u8]) -> bool {
    line.split(|byte| *byte == b':').next().is_some_and(|said| said.trim_ascii().eq_ignore_ascii_case(name))
}

/// What the head of an answer says of its body.
fn of(head: &[u8], status: u16, bare: bool) -> AnswerHead {
    let length = value(head, "content-length").and_then(|length| length.parse().ok());
    let has_body = !bare && !matches!(status, 204 | 304) && length != Some(0);
    AnswerHead { has_body, kind: value(head, "content-type"), length, coded: is_coded(head) }
}

fn is_coded(head: &[u8]) -> bool {
    value(head, "content-encoding").is_some_and(|coding| !matches!(coding.as_str(), "" | "identity"))
}

/// The values of a header, in lower case.
pub(crate) fn value(head: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    let named = text.split("\r\n").filter_map(|line| line.split_once(':'));
    let values: Vec<String> = named
        .filter(|(other, _)| other.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_ascii_lowercase())
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}
