//! An answer on its way back: bytes in the provider's wire in, bytes in the program's wire out, as soon as they can be
//! said. Cut anywhere, the bytes give the same.

mod from_chat;
mod from_messages;

use serde_json::Value;

use super::{Untranslatable, Way};
use crate::conversation::answer::{MAX_ANSWER, MAX_BODY, Usage};
use crate::conversation::bounded::json;
use crate::conversation::events::{Events, Framing};
use crate::conversation::shape::Malformed;

/// What a program wants of its answer.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// A stream ends with what it cost, see [`super::Request::counts`].
    pub counts: bool,
    /// Seconds since the Unix epoch: chat tells when an answer was made.
    pub now: u64,
}

/// Translates one answer.
pub struct Answering {
    body: Body,
    wire: Box<dyn Turn + Send>,
}

enum Body {
    Whole(Vec<u8>),
    /// None once it is over.
    Stream(Option<Events>),
}

/// One wire's way into the other.
trait Turn {
    /// An answer that came whole.
    fn whole(&mut self, body: &Value) -> Result<Value, Untranslatable>;
    /// One event of a stream.
    fn event(&mut self, event: &Value, out: &mut String) -> Result<(), Untranslatable>;
    /// The stream is over; `said`: it said so by `[DONE]`.
    fn end(&mut self, said: bool, out: &mut String) -> Result<(), Untranslatable>;
    /// What it cost, as far as was said.
    fn usage(&self) -> Usage;
}

impl Answering {
    /// Begins to translate the answer to a request that went this way. `streams` by the answer's own content type.
    #[must_use]
    pub fn new(way: Way, streams: bool, told: Told) -> Self {
        let body = match streams {
            true => Body::Stream(Some(Events::new(Framing::ServerSent))),
            false => Body::Whole(Vec::new()),
        };
        let wire: Box<dyn Turn + Send> = match way {
            Way::IntoChat => Box::<from_chat::Answer>::default(),
            Way::IntoMessages => Box::new(from_messages::Answer::new(told)),
        };
        Self { body, wire }
    }

    /// Takes the next bytes, gives what can be said with them. Of an answer that comes whole that is nothing.
    ///
    /// # Errors
    /// [`Untranslatable`]: what the program's wire has no word for, or what is not shaped as the provider's prescribes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<String, Untranslatable> {
        let mut out = String::new();
        match &mut self.body {
            Body::Whole(body) if body.len() + bytes.len() > MAX_BODY => return Err(Malformed::LongAnswer.into()),
            Body::Whole(body) => body.extend_from_slice(bytes),
            Body::Stream(None) => {}
            Body::Stream(Some(events)) => {
                let mut fault = None;
                let wire = &mut self.wire;
                let pushed = events.push(bytes, &mut |data| {
                    if fault.is_none() {
                        fault = take(wire.as_mut(), data, false, &mut out).err();
                    }
                    Ok(())
                });
                fault.map_or(Ok(()), Err)?;
                pushed?;
            }
        }
        Ok(out)
    }

    /// The answer is over: what is left to say. A stream that broke off is not said to be whole.
    ///
    /// # Errors
    /// As [`Answering::push`].
    pub fn finish(&mut self) -> Result<String, Untranslatable> {
        let mut out = String::new();
        match &mut self.body {
            Body::Whole(body) => {
                let body = std::mem::take(body);
                let text = String::from_utf8_lossy(&body);
                let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
                let read = json(text)?;
                out = self.wire.whole(&read)?.to_string();
            }
            Body::Stream(events) => {
                let Some(events) = events.take() else { return Ok(out) };
                let mut fault = None;
                let wire = &mut self.wire;
                events.finish(&mut |data| {
                    fault = take(wire.as_mut(), data, true, &mut out).err();
                    Ok(())
                })?;
                fault.map_or(Ok(()), Err)?;
                self.wire.end(false, &mut out)?;
            }
        }
        Ok(out)
    }

    /// What it cost, as far as the provider said by now, whether or not the program is told.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.wire.usage()
    }
}

/// One event's data. At a stream's end it may have been cut off, and then is no JSON.
fn take(wire: &mut dyn Turn, data: &str, last: bool, out: &mut String) -> Result<(), Untranslatable> {
    match data.trim() {
        "" => Ok(()),
        "[DONE]" => wire.end(true, out),
        data => match json(data) {
            Ok(event) => wire.event(&event, out),
            Err(Malformed::NotJson) if last => Ok(()),
            Err(fault) => Err(fault.into()),
        },
    }
}

/// What may still be held back of an answer.
#[derive(Debug)]
struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MAX_ANSWER)
    }
}

impl Room {
    fn hold(&mut self, text: &mut String, more: &str) -> Result<(), Malformed> {
        self.0 = self.0.checked_sub(more.len()).ok_or(Malformed::LongAnswer)?;
        text.push_str(more);
        Ok(())
    }
}
