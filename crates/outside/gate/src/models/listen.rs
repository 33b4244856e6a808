//! Hears a model's answer on its way to the program.

use policy::provider::{Endpoint, Kind, Wire};
use record::conversation::{Answer, Delivered};
use serde_json::Value;

use super::plan::form;
use crate::exchange::Broken;
use crate::look::{Listen, Unread};

/// Bytes of a provider's own error that are kept.
const MAX_PROBLEM: usize = 16 * 1024;
/// Letters of its message that are told.
const MAX_MESSAGE: usize = 400;

/// What came of an answer.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// As far as it came; what went wrong there in the provider's words.
    pub(crate) delivered: Delivered,
    /// What went wrong, in the gate's.
    pub(crate) fault: Option<String>,
    /// The provider's status; 0 where none came.
    pub(crate) status: u16,
}

/// One answer that is heard.
pub(crate) struct Hearing {
    wire: Wire,
    /// What comes back is an answer: what it says is to be known again, and what it cost.
    answers: bool,
    answer: Option<Answer>,
    status: u16,
    /// Another provider is asked where this one has too much to do.
    more: bool,
    /// What the provider says where no model answers.
    problem: Vec<u8>,
}

impl Hearing {
    pub(crate) fn new(endpoint: &Endpoint, more: bool) -> Hearing {
        let answers = matches!(endpoint.kind, Kind::Inference | Kind::Embedding);
        // Vectors look the same from everybody.
        let wire = if endpoint.kind == Kind::Embedding { Wire::Embeddings } else { endpoint.wire };
        Hearing { wire, answers, answer: None, status: 0, more, problem: Vec::new() }
    }

    /// What was delivered, as far as it came; none where nothing was to be answered. Only what is whole and said so counts as
    /// whole: a program that heard the end may leave.
    pub(crate) fn finish(self, broken: Option<&Broken>) -> Option<Heard> {
        if !self.answers {
            return None;
        }
        let answer = self.answer.map(Answer::finish).unwrap_or_else(|| Ok(Delivered::default()));
        let (mut delivered, mut fault) = match answer {
            Ok(delivered) => (delivered, None),
            Err(why) => (Delivered::default(), Some(why.to_string())),
        };
        if self.status >= 300 {
            delivered.error = message(&self.problem);
            fault = Some(format!("the provider answers {}", self.status));
        }
        match broken {
            None | Some(Broken::Program(_)) if delivered.whole => {}
            None => fault = fault.or_else(|| delivered.error.is_none().then(|| "it ends without saying so".into())),
            Some(broken) => {
                delivered.whole = false;
                fault.get_or_insert_with(|| broken.to_string());
            }
        }
        Some(Heard { delivered, fault, status: self.status })
    }
}

impl Listen for Hearing {
    fn begin(&mut self, status: u16, kind: &str) -> Result<(), Unread> {
        self.status = status;
        if self.more && (status == 429 || status >= 500) {
            return Err(Unread::Busy(status));
        }
        if self.answers {
            let streams = kind.contains("event-stream") || kind.contains("ndjson");
            self.answer = Some(Answer::new(form(self.wire), streams));
        }
        Ok(())
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<(), Unread> {
        if self.status >= 300 {
            let room = MAX_PROBLEM - self.problem.len();
            self.problem.extend_from_slice(&bytes[..bytes.len().min(room)]);
            return Ok(());
        }
        match &mut self.answer {
            Some(answer) => answer.push(bytes).map_err(|why| Unread::Answer(why.to_string())),
            None => Ok(()),
        }
    }
}

/// What an error says, in the form that most providers give it.
fn message(problem: &[u8]) -> Option<String> {
    let problem = serde_json::from_slice::<Value>(problem).ok()?;
    let places = [problem.pointer("/error/message"), problem.get("error"), problem.get("message")];
    let message = places.into_iter().flatten().find_map(Value::as_str);
    message.map(|message| message.chars().take(MAX_MESSAGE).collect())
}
