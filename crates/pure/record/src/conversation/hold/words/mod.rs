//! The words of an answer on their way: each place of a wire that holds some is judged as it grows, in a window that moves
//! with it. Events go on as they come, with as much of their words as was let go; what is left when a block ends goes on in
//! an event of its own.

mod chat;
mod gemini;
mod messages;
mod ollama;
mod responses;
mod window;

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::judge::{Judge, Signed};
use super::{Event, Stop};
use crate::conversation::Wire;
use crate::conversation::answer::MAX_ANSWER;
use crate::conversation::shape::{MAX_BLOCKS, Malformed};
use crate::segment::Hash;
use window::Window;

/// Which text grows: by its block or choice, its part, and its name in the wire.
type Key = (u64, u64, String);

/// One place in an event.
enum Place {
    /// The next piece of this text.
    Piece(Key),
    /// A text that is there at once, or is told once more.
    Whole,
}

type Visit<'v> = dyn FnMut(Place, &mut String) + 'v;

/// Visits an event, or an answer that came whole.
type Reach = fn(&dyn Places, &mut Value, &mut Visit<'_>);

/// Where one wire has words.
trait Places {
    /// Visits each text of an event.
    fn each(&self, event: &mut Value, at: &mut Visit<'_>);
    /// The same of an answer that came whole.
    fn body(&self, body: &mut Value, at: &mut Visit<'_>);
    /// Whether nothing more of this text comes behind the event.
    fn ends(&self, event: &Value, key: &Key) -> bool;
    /// An event that holds a piece of this text and nothing else, made of one that does.
    fn alone(&self, event: &Value, key: &Key) -> Value;
    /// Whether what was said counts once more: it is told again when it is whole, or signed.
    fn keeps(&self) -> bool {
        false
    }
    /// The text that a signature in this event is for, and the signature.
    fn signature<'e>(&self, _event: &'e Value) -> Option<(Key, &'e str)> {
        None
    }
    /// The signed thoughts of an answer that came whole: each signature, and what it signs.
    fn signed(&self, _body: &Value) -> Vec<(String, String)> {
        Vec::new()
    }
    /// Puts what one such event holds into another. Gives whether they may be one.
    fn join(&self, _into: &mut Value, _other: &Value) -> bool {
        false
    }
    /// Takes out what tells the same words in numbers. Gives whether anything was.
    fn strip(&self, _event: &mut Value) -> bool {
        false
    }
}

/// All words of one answer.
pub(super) struct Texts {
    places: Box<dyn Places>,
    growing: BTreeMap<Key, Growing>,
    /// What went on of each text that ended, by a hash of all of it.
    told: BTreeMap<Hash, String>,
    /// Bytes of words that came.
    came: usize,
}

struct Growing {
    window: Window,
    /// An event that can hold what is left.
    alone: Value,
    /// All that was said, and what went on, where that counts once more.
    said: String,
    went: String,
}

impl Texts {
    pub(super) fn new(wire: Wire) -> Texts {
        let places: Box<dyn Places> = match wire {
            Wire::Messages => Box::new(messages::Texts),
            Wire::Chat | Wire::Embeddings => Box::new(chat::Texts),
            Wire::Responses => Box::new(responses::Texts),
            Wire::Gemini => Box::new(gemini::Texts),
            Wire::Ollama => Box::new(ollama::Texts),
        };
        Texts { places, growing: BTreeMap::new(), told: BTreeMap::new(), came: 0 }
    }

    /// Takes one event, gives what goes on by now.
    pub(super) fn event(&mut self, mut event: Event, judge: &mut dyn Judge, out: &mut Vec<Event>) -> Result<(), Stop> {
        let each: Reach = |places, value, at| places.each(value, at);
        let stripped = self.places.strip(&mut event.value);
        let here = self.meet(&mut event.value, each)?;
        self.leave(&event.value, &here, judge, out)?;
        self.sign(&event.value, judge);
        let ended: Vec<Key> = here.keys().filter(|key| self.places.ends(&event.value, key)).cloned().collect();
        let changed = self.grow(&mut event.value, each, (here, &ended), judge)?;
        ended.iter().for_each(|key| self.end(key));
        if stripped || changed {
            event.change();
        }
        out.push(event);
        Ok(())
    }

    /// Changes an answer that came whole. Tells whether it did.
    pub(super) fn body(&mut self, body: &mut Value, judge: &mut dyn Judge) -> Result<bool, Stop> {
        let each: Reach = |places, value, at| places.body(value, at);
        let stripped = self.places.strip(body);
        let signed = self.places.signed(body);
        let here = self.meet(body, each)?;
        let ended: Vec<Key> = here.keys().cloned().collect();
        let changed = self.grow(body, each, (here, &ended), judge)?;
        let went = self.places.signed(body).into_iter().map(|(_, went)| went);
        for ((signature, said), went) in signed.into_iter().zip(went).filter(|((_, said), went)| said != went) {
            judge.signed(Signed { signature, said, went });
        }
        Ok(stripped || changed)
    }

    /// The texts that grow here, and how many pieces of each there are.
    fn meet(&mut self, value: &mut Value, each: Reach) -> Result<BTreeMap<Key, usize>, Stop> {
        let (mut here, mut came) = (BTreeMap::new(), 0);
        each(self.places.as_ref(), value, &mut |place, text| {
            came += text.len();
            match place {
                Place::Piece(key) if !text.is_empty() => *here.entry(key).or_insert(0) += 1,
                _ => {}
            }
        });
        self.came += came;
        // What is told once more comes at most four times.
        if self.came > 5 * MAX_ANSWER {
            return Err(Malformed::LongAnswer.into());
        }
        for key in here.keys().filter(|key| !self.growing.contains_key(key)).cloned().collect::<Vec<_>>() {
            if self.growing.len() >= MAX_BLOCKS {
                return Err(Malformed::TooMany.into());
            }
            let (window, alone) = (Window::default(), self.places.alone(value, &key));
            self.growing.insert(key, Growing { window, alone, said: String::new(), went: String::new() });
        }
        Ok(here)
    }

    /// Puts what goes on in the place of what came. A text that ends does so with its last piece. Tells whether it changed.
    fn grow(
        &mut self,
        value: &mut Value,
        each: Reach,
        (mut here, ended): (BTreeMap<Key, usize>, &[Key]),
        judge: &mut dyn Judge,
    ) -> Result<bool, Stop> {
        let (mut changed, mut stopped) = (false, Ok(()));
        let Texts { places, growing, told, .. } = self;
        each(places.as_ref(), value, &mut |place, text| {
            if stopped.is_err() || text.is_empty() {
                return;
            }
            let said = match place {
                Place::Whole => whole(told, text, judge),
                Place::Piece(key) => {
                    let left = here.get_mut(&key).map_or(0, |left| {
                        *left = left.saturating_sub(1);
                        *left
                    });
                    let ends = left == 0 && ended.contains(&key);
                    match growing.get_mut(&key) {
                        Some(growing) => growing.grow(text, (ends, places.keeps()), judge),
                        None => Err(Malformed::TooMany.into()),
                    }
                }
            };
            match said {
                Ok(said) => {
                    changed |= said != *text;
                    *text = said;
                }
                Err(why) => stopped = Err(why),
            }
        });
        stopped.map(|()| changed)
    }

    /// Tells of a thought that is signed here, if it went on in other words.
    fn sign(&self, event: &Value, judge: &mut dyn Judge) {
        let Some((key, signature)) = self.places.signature(event) else { return };
        if let Some(Growing { said, went, .. }) = self.growing.get(&key).filter(|growing| growing.said != growing.went)
        {
            judge.signed(Signed { signature: signature.to_owned(), said: said.clone(), went: went.clone() });
        }
    }

    /// What is left of texts that this event ends, or that another text of the same block follows, goes on before it.
    fn leave(
        &mut self,
        event: &Value,
        here: &BTreeMap<Key, usize>,
        judge: &mut dyn Judge,
        out: &mut Vec<Event>,
    ) -> Result<(), Stop> {
        let places = &self.places;
        let over = |key: &Key| {
            let follows = here.keys().any(|other| other.0 == key.0);
            !here.contains_key(key) && (follows || places.ends(event, key))
        };
        let ended: Vec<Key> = self.growing.keys().filter(|key| over(key)).cloned().collect();
        self.flush(&ended, judge, out)
    }

    /// Nothing more comes of any text.
    pub(super) fn over(&mut self, judge: &mut dyn Judge, out: &mut Vec<Event>) -> Result<(), Stop> {
        let all: Vec<Key> = self.growing.keys().cloned().collect();
        self.flush(&all, judge, out)
    }

    /// Whether any of them waits.
    pub(super) fn waits(&self) -> bool {
        self.growing.values().any(|growing| growing.window.waits())
    }

    fn flush(&mut self, keys: &[Key], judge: &mut dyn Judge, out: &mut Vec<Event>) -> Result<(), Stop> {
        let before = out.len();
        for key in keys {
            if let Some(alone) = self.rest(key, judge)? {
                // The same thought by two names is read once only where both stand in one event.
                let last = out[before..].last_mut().map(|last| &mut last.value);
                if !last.is_some_and(|last| self.places.join(last, &alone)) {
                    out.push(Event::new(alone));
                }
            }
            self.end(key);
        }
        Ok(())
    }

    /// An event with what is left of a text.
    fn rest(&mut self, key: &Key, judge: &mut dyn Judge) -> Result<Option<Value>, Stop> {
        let Some(growing) = self.growing.get_mut(key).filter(|growing| growing.window.waits()) else { return Ok(None) };
        let mut rest = growing.grow("", (true, self.places.keeps()), judge)?;
        let mut alone = growing.alone.clone();
        self.places.each(&mut alone, &mut |place, text| match place {
            Place::Piece(other) if other == *key => *text = std::mem::take(&mut rest),
            _ => {}
        });
        if !rest.is_empty() {
            return Err(Malformed::Shape { at: key.2.clone(), want: "a text of its own" }.into());
        }
        Ok(Some(alone))
    }

    fn end(&mut self, key: &Key) {
        if let (true, Some(growing)) = (self.places.keeps(), self.growing.get_mut(key))
            && self.told.len() < MAX_BLOCKS
        {
            self.told.entry(Sha256::digest(&growing.said).into()).or_insert_with(|| growing.went.clone());
        }
    }
}

impl Growing {
    fn grow(&mut self, more: &str, (ended, keeps): (bool, bool), judge: &mut dyn Judge) -> Result<String, Stop> {
        let went = self.window.push(more, ended, judge)?;
        if keeps {
            self.said.push_str(more);
            self.went.push_str(&went);
        }
        Ok(went)
    }
}

/// A text that is there at once: as it went on before, else judged now.
fn whole(told: &BTreeMap<Hash, String>, text: &str, judge: &mut dyn Judge) -> Result<String, Stop> {
    let known: Hash = if told.is_empty() { Hash::default() } else { Sha256::digest(text).into() };
    match told.get(&known) {
        Some(went) => Ok(went.clone()),
        None => Window::default().push(text, true, judge),
    }
}

/// What is no words, wherever it stands: names of things, numbers in letters, and what only its maker can read.
const NO_WORDS: [&str; 23] = [
    "type",
    "id",
    "role",
    "index",
    "status",
    "tool_calls",
    "function_call",
    "tool_use_id",
    "call_id",
    "item_id",
    "file_id",
    "container_id",
    "signature",
    "data",
    "encrypted_content",
    "encrypted_index",
    "encrypted_stdout",
    "thoughtSignature",
    "thought_signature",
    "format",
    "mimeType",
    "media_type",
    "images",
];

/// Visits every text in a value that is not told apart further, by its path.
fn leaves(value: &mut Value, path: &str, at: &mut dyn FnMut(&str, &mut String)) {
    match value {
        Value::String(text) => at(path, text),
        Value::Array(items) => items.iter_mut().for_each(|item| leaves(item, &format!("{path}[]"), at)),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut().filter(|(name, _)| !NO_WORDS.contains(&name.as_str())) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(field, &path, at);
            }
        }
        _ => {}
    }
}

/// A text of a value, where it has one by this name.
fn text<'v>(value: &'v mut Value, name: &str) -> Option<&'v mut String> {
    match value.get_mut(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// Visits every text in a value as one that is there at once.
fn at_once(value: &mut Value, at: &mut Visit<'_>) {
    leaves(value, "", &mut |_, text| at(Place::Whole, text));
}

/// The first member of each list, without what its maker sealed.
fn without_seals(mut value: Value) -> Value {
    match &mut value {
        Value::Array(items) => {
            items.truncate(1);
            items.iter_mut().for_each(|item| *item = without_seals(item.take()));
        }
        Value::Object(fields) => {
            fields.retain(|name, _| !matches!(name.as_str(), "signature" | "data" | "encrypted_content"));
            fields.values_mut().for_each(|field| *field = without_seals(field.take()));
        }
        _ => {}
    }
    value
}
