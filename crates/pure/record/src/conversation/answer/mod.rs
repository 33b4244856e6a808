//! What a provider answers, read as it passes: whole or piece by piece, into the blocks that a later request is to bring
//! back.
//!
//! Never holds a piece back, and changes none: the caller passes the bytes on. What a stream said before it broke off was
//! delivered, and is told so with [`Delivered::whole`] false.

mod chat;
mod gemini;
mod messages;
mod ollama;
mod responses;
mod vectors;

use serde_json::Value;

use super::Wire;
use super::block::Block;
use super::bounded::json;
use super::events::{Events, Framing};
use super::shape::{Malformed, count, field};

/// The most bytes of content that the answer of one stream may have.
pub const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// The most bytes of an answer that comes whole.
pub const MAX_BODY: usize = 32 * 1024 * 1024;

/// What an answer cost, as far as the provider says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the request, those from a cache among them.
    pub input: Option<u64>,
    /// Tokens of the answer, thoughts among them.
    pub output: Option<u64>,
    /// Tokens of the request that came from a cache.
    pub cached: Option<u64>,
    /// Tokens of the request that went into one.
    pub written: Option<u64>,
}

/// An answer, normalised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// What the model said, as far as it came.
    pub blocks: Vec<Block>,
    /// What it cost.
    pub usage: Usage,
    /// The model that answered.
    pub model: Option<String>,
    /// Why it stopped, in the provider's word.
    pub stop: Option<String>,
    /// Whether the answer said that it was over. Only then is it more than a beginning.
    pub whole: bool,
    /// What the provider said went wrong.
    pub error: Option<String>,
}

/// Reads one answer.
///
/// ```
/// use record::conversation::{Answer, Content, Wire};
///
/// let mut answer = Answer::new(Wire::Ollama, true);
/// answer.push(b"{\"message\":{\"role\":\"assistant\",\"content\":\"he\"},\"done\":false}\n{\"mess")?;
/// answer.push(b"age\":{\"role\":\"assistant\",\"content\":\"llo\"},\"done\":true,\"done_reason\":\"stop\"}\n")?;
/// let delivered = answer.finish()?;
/// assert!(delivered.whole);
/// assert_eq!(delivered.blocks[0].content, Content::Text("hello".into()));
/// # Ok::<(), record::conversation::Malformed>(())
/// ```
pub struct Answer {
    body: Body,
    assembly: Box<dyn Assemble + Send>,
    failed: Option<Malformed>,
}

enum Body {
    Whole(Vec<u8>),
    Stream(Events),
}

/// One wire's way to put an answer together.
trait Assemble {
    /// Takes one event of a stream.
    fn event(&mut self, event: &Value) -> Result<(), Malformed>;
    /// Takes an answer that came whole.
    fn body(&mut self, body: &Value) -> Result<(), Malformed>;
    /// The stream said `[DONE]`.
    fn ended(&mut self) {}
    /// What was delivered.
    fn finish(self: Box<Self>) -> Result<Delivered, Malformed>;
}

impl Answer {
    /// Begins to read. `streams` by the answer's own content type: `text/event-stream`, or JSON a line for Ollama.
    #[must_use]
    pub fn new(wire: Wire, streams: bool) -> Self {
        let framing = if wire == Wire::Ollama { Framing::Lines } else { Framing::ServerSent };
        let body = if streams { Body::Stream(Events::new(framing)) } else { Body::Whole(Vec::new()) };
        let assembly: Box<dyn Assemble + Send> = match wire {
            Wire::Messages => Box::<messages::Assembly>::default(),
            Wire::Chat => Box::<chat::Assembly>::default(),
            Wire::Responses => Box::<responses::Assembly>::default(),
            Wire::Gemini => Box::<gemini::Assembly>::default(),
            Wire::Ollama => Box::<ollama::Assembly>::default(),
            Wire::Embeddings => Box::<vectors::Assembly>::default(),
        };
        Self { body, assembly, failed: None }
    }

    /// Takes the next bytes, cut anywhere.
    ///
    /// # Errors
    /// When an event or a field is not what the wire prescribes, or too long. An answer that failed stays failed.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        let assembly = &mut self.assembly;
        let pushed = match &mut self.body {
            Body::Whole(body) if body.len() + bytes.len() > MAX_BODY => Err(Malformed::LongAnswer),
            Body::Whole(body) => {
                body.extend_from_slice(bytes);
                Ok(())
            }
            Body::Stream(events) => events.push(bytes, &mut |data| take(assembly.as_mut(), data, false)),
        };
        self.failed = pushed.clone().err();
        pushed
    }

    /// The answer is over: what was delivered. An event at a stream's end that was cut off is left out.
    ///
    /// # Errors
    /// When it failed before, or a whole body is not what the wire prescribes. An empty one is an answer that says nothing.
    pub fn finish(self) -> Result<Delivered, Malformed> {
        if let Some(fault) = self.failed {
            return Err(fault);
        }
        let mut assembly = self.assembly;
        match self.body {
            Body::Whole(body) if body.is_empty() => {}
            Body::Whole(body) => assembly.body(&parse(&body)?)?,
            Body::Stream(events) => events.finish(&mut |data| take(assembly.as_mut(), data, true))?,
        }
        assembly.finish()
    }
}

/// One event's data. At a stream's end it may have been cut off, and then is no JSON.
fn take(assembly: &mut dyn Assemble, data: &str, last: bool) -> Result<(), Malformed> {
    match data.trim() {
        "" => Ok(()),
        "[DONE]" => {
            assembly.ended();
            Ok(())
        }
        data => match json(data) {
            Ok(event) => assembly.event(&event),
            Err(Malformed::NotJson) if last => Ok(()),
            Err(fault) => Err(fault),
        },
    }
}

/// What is no UTF-8 within a text is U+FFFD to the agent, too.
fn parse(bytes: &[u8]) -> Result<Value, Malformed> {
    let text = String::from_utf8_lossy(bytes);
    json(text.strip_prefix('\u{feff}').unwrap_or(&text))
}

/// What is left of [`MAX_ANSWER`].
#[derive(Debug)]
struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MAX_ANSWER)
    }
}

impl Room {
    /// Takes up room.
    fn take(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.0 = self.0.checked_sub(bytes).ok_or(Malformed::LongAnswer)?;
        Ok(())
    }

    /// Adds a piece to a text.
    fn push(&mut self, text: &mut String, piece: &str) -> Result<(), Malformed> {
        self.take(piece.len())?;
        text.push_str(piece);
        Ok(())
    }
}

/// An error that stands in an answer: its message, else its type, else all of it.
fn problem(holder: &Value) -> Option<String> {
    let error = field(holder, "error")?;
    let word = |name: &str| error.get(name).and_then(Value::as_str);
    let told = error.as_str().or_else(|| word("message")).or_else(|| word("type"));
    Some(told.map_or_else(|| error.to_string(), str::to_owned))
}

/// Keeps the last that was said.
fn keep_text(kept: &mut Option<String>, holder: &Value, name: &str) {
    if let Some(text) = holder.get(name).and_then(Value::as_str) {
        *kept = Some(text.to_owned());
    }
}

/// Keeps the last that was said.
fn keep_count(kept: &mut Option<u64>, holder: &Value, name: &str) {
    *kept = count(holder, name).or(*kept);
}

#[cfg(test)]
mod tests;
