//! The answer of an HTTP request as replies, taken as it comes. It is the plane's, which we started or which let us in: what
//! is not as that says it is no answer.

use serde::de::DeserializeOwned;

use super::telling::{Answer, EVENTS, JSON, MOST, PAGE, Refusal};
use super::{MAX_HEAD, head};
use crate::command::Reply;
use crate::frame::{Decoder, FrameError};

/// What every answer begins with.
const BEGIN: &str = "HTTP/1.1 ";

/// Why something is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// It is no answer of a plane's.
    #[error("it is no answer as a plane gives it: {0}")]
    Form(&'static str),
    /// A message in it is none.
    #[error("it holds no reply: {0}")]
    Message(#[from] serde_json::Error),
    /// A frame in it is none.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Takes bytes as they come and gives replies.
#[derive(Debug)]
pub struct Hearing {
    pending: Vec<u8>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Before the head's end.
    Head,
    /// So many bytes, that say one thing.
    Whole {
        status: u16,
        kind: Kind,
        length: usize,
    },
    /// Chunks of server-sent events: the beginning of one, and whether the last word was said.
    Chunks {
        events: Vec<u8>,
        over: bool,
    },
    Frames(Decoder<Reply>),
    /// Nothing follows.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Page,
}

impl Default for Hearing {
    fn default() -> Self {
        Hearing { pending: Vec::new(), state: State::Head }
    }
}

impl Hearing {
    /// Whether orders may be said: the connection carries frames by now.
    #[must_use]
    pub const fn is_upgraded(&self) -> bool {
        matches!(self.state, State::Frames(_))
    }

    /// Takes bytes and returns the replies that they complete.
    ///
    /// # Errors
    /// At the first that is no part of an answer.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Reply>, Unheard> {
        let mut replies = Vec::new();
        if let State::Frames(decoder) = &mut self.state {
            return Ok(decoder.push(bytes)?);
        }
        self.pending.extend_from_slice(bytes);
        while self.step(&mut replies)? {}
        Ok(replies)
    }

    /// Takes what is whole of what is pending; false where nothing is.
    fn step(&mut self, replies: &mut Vec<Reply>) -> Result<bool, Unheard> {
        match &mut self.state {
            State::Head => {
                // What is no HTTP is known by its first bytes: its end may come before a head's.
                if !self.pending.iter().zip(BEGIN.as_bytes()).all(|(byte, begin)| byte == begin) {
                    return Err(Unheard::Form("it is no HTTP"));
                }
                let Some(end) = head::Head::end(&self.pending) else {
                    return if self.pending.len() > MAX_HEAD {
                        Err(Unheard::Form("its head is long"))
                    } else {
                        Ok(false)
                    };
                };
                let head: Vec<u8> = self.pending.drain(..end).collect();
                self.state = begun(&head)?;
            }
            State::Whole { status, kind, length } => {
                if self.pending.len() < *length {
                    return Ok(false);
                }
                let body: Vec<u8> = self.pending.drain(..*length).collect();
                replies.extend(whole(*status, *kind, &body)?);
                self.state = State::Over;
            }
            State::Chunks { events, over } => match chunk(&mut self.pending)? {
                None => return Ok(false),
                Some(piece) if !piece.is_empty() => {
                    events.extend_from_slice(&piece);
                    heard(events, replies)?;
                    // A refusal is the last word already.
                    *over |= replies.last().is_some_and(Reply::is_last);
                }
                Some(_) if !events.is_empty() => return Err(Unheard::Form("an event is cut short")),
                Some(_) => {
                    replies.extend((!*over).then_some(Reply::LogEnd));
                    self.state = State::Over;
                }
            },
            State::Frames(decoder) => {
                replies.extend(decoder.push(&std::mem::take(&mut self.pending))?);
                return Ok(false);
            }
            State::Over if self.pending.is_empty() => return Ok(false),
            State::Over => return Err(Unheard::Form("something follows its end")),
        }
        Ok(true)
    }
}

/// What a head begins.
fn begun(head: &[u8]) -> Result<State, Unheard> {
    let malformed = Unheard::Form("its head is malformed");
    let Ok(text) = std::str::from_utf8(head) else { return Err(malformed) };
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix(BEGIN)?.get(..3)?.parse().ok());
    let Some(status) = status else { return Err(malformed) };
    let (mut kind, mut length, mut chunked, mut upgraded) = (None, None, false, false);
    for line in lines {
        let Some((name, value)) = line.split_once(": ") else { return Err(malformed) };
        match name {
            "Content-Type" => kind = Some(value),
            "Content-Length" => length = value.parse().ok().filter(|length| *length <= MOST),
            "Transfer-Encoding" => chunked = value == "chunked",
            "Upgrade" => upgraded = value == head::PROTOCOL,
            _ => {}
        }
    }
    match (status, kind, length) {
        (101, None, None) if upgraded && !chunked => Ok(State::Frames(Decoder::new())),
        (200, Some(EVENTS), None) if chunked => Ok(State::Chunks { events: Vec::new(), over: false }),
        (200, Some(PAGE), Some(length)) => Ok(State::Whole { status, kind: Kind::Page, length }),
        (_, Some(JSON), Some(length)) => Ok(State::Whole { status, kind: Kind::Json, length }),
        _ => Err(malformed),
    }
}

fn whole(status: u16, kind: Kind, body: &[u8]) -> Result<Vec<Reply>, Unheard> {
    if kind == Kind::Page {
        let text = String::from_utf8(body.to_vec()).map_err(|_| Unheard::Form("its text is none"))?;
        return Ok(vec![Reply::Page { text }]);
    }
    let (notices, last) = if status == 200 {
        let Answer { notices, answer }: Answer<Vec<String>, Reply> = serde_json::from_slice(body)?;
        (notices, answer)
    } else {
        let mut refusal: Refusal = serde_json::from_slice(body)?;
        (std::mem::take(&mut refusal.notices), Reply::Refused(Box::new(refusal.problem())))
    };
    if !last.is_last() {
        return Err(Unheard::Form("its last word is none"));
    }
    Ok(notices.into_iter().map(|text| Reply::Notice { text }).chain([last]).collect())
}

/// The next chunk, taken out; none while it is not whole.
fn chunk(pending: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Unheard> {
    const DIGITS: usize = 8;
    let malformed = || Unheard::Form("a chunk is malformed");
    let Some(at) = pending.windows(2).take(DIGITS + 1).position(|window| window == b"\r\n") else {
        return if pending.len() > DIGITS + 1 { Err(malformed()) } else { Ok(None) };
    };
    let digits = pending[..at].iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let size = std::str::from_utf8(&pending[..at]).ok().filter(|_| digits);
    let size = size.and_then(|size| usize::from_str_radix(size, 16).ok()).filter(|size| *size <= MOST);
    let (from, size) = (at + 2, size.ok_or_else(malformed)?);
    if pending.len() < from + size + 2 {
        return Ok(None);
    }
    if &pending[from + size..from + size + 2] != b"\r\n" {
        return Err(malformed());
    }
    let piece = pending[from..from + size].to_vec();
    pending.drain(..from + size + 2);
    Ok(Some(piece))
}

/// Takes the events that are whole.
fn heard(events: &mut Vec<u8>, replies: &mut Vec<Reply>) -> Result<(), Unheard> {
    while let Some(end) = events.windows(2).position(|window| window == b"\n\n") {
        let text = String::from_utf8(events[..end].to_vec()).map_err(|_| Unheard::Form("an event is no text"))?;
        replies.push(event(&text)?);
        events.drain(..end + 2);
    }
    if events.len() > MOST { Err(Unheard::Form("an event is long")) } else { Ok(()) }
}

fn event(text: &str) -> Result<Reply, Unheard> {
    let (mut name, mut data) = ("", None);
    for line in text.split('\n') {
        match line.split_once(": ") {
            Some(("event", value)) => name = value,
            Some(("data", value)) if data.is_none() => data = Some(value),
            Some(("id", _)) => {}
            _ => return Err(Unheard::Form("an event is malformed")),
        }
    }
    let data = data.ok_or(Unheard::Form("an event says nothing"))?;
    Ok(match name {
        "" => Reply::Event(said(data)?),
        "notice" => Reply::Notice { text: said(data)? },
        "line" => Reply::Line { text: said(data)? },
        "output" => Reply::Output { bytes: said(data)? },
        "news" => Reply::News(said(data)?),
        "refused" => Reply::Refused(said(data)?),
        _ => return Err(Unheard::Form("an event is of no kind")),
    })
}

fn said<T: DeserializeOwned>(data: &str) -> Result<T, Unheard> {
    Ok(serde_json::from_str(data)?)
}
