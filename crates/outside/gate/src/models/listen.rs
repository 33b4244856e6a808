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

/// One answer that is heard.
pub(crate) struct Hearing {
    wire: Wire,
    /// The model answers: what it says is to be known again.
    speaks: bool,
    answer: Option<Answer>,
    status: u16,
    /// Another provider is asked where this one has too much to do.
    more: bool,
    /// What the provider says where no model answers.
    problem: Vec<u8>,
}

impl Hearing {
    pub(crate) fn new(endpoint: &Endpoint, more: bool) -> Hearing {
        let speaks = endpoint.kind == Kind::Inference;
        Hearing { wire: endpoint.wire, speaks, answer: None, status: 0, more, problem: Vec::new() }
    }

    /// What was delivered, as far as it came; none where no model was to speak. Only what is whole and said so counts as
    /// whole: a program that heard the end may leave.
    pub(crate) fn finish(self, broken: Option<&Broken>) -> Option<Delivered> {
        if !self.speaks {
            return None;
        }
        let answer = self.answer.map(Answer::finish).unwrap_or_else(|| Ok(Delivered::default()));
        let failed = |error: String| Delivered { error: Some(error), ..Delivered::default() };
        let mut delivered = answer.unwrap_or_else(|why| failed(why.to_string()));
        if self.status >= 300 {
            delivered.error = Some(format!("the provider answers {}{}", self.status, message(&self.problem)));
        }
        match broken {
            None | Some(Broken::Program(_)) if delivered.whole => {}
            None => {
                delivered.error.get_or_insert_with(|| "it ends without saying so".into());
            }
            Some(broken) => {
                delivered.whole = false;
                delivered.error.get_or_insert_with(|| broken.to_string());
            }
        }
        Some(delivered)
    }
}

impl Listen for Hearing {
    fn begin(&mut self, status: u16, kind: &str) -> Result<(), Unread> {
        self.status = status;
        if self.more && (status == 429 || status >= 500) {
            return Err(Unread::Busy(status));
        }
        if self.speaks {
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
fn message(problem: &[u8]) -> String {
    let Ok(problem) = serde_json::from_slice::<Value>(problem) else { return String::new() };
    let places = [problem.pointer("/error/message"), problem.get("error"), problem.get("message")];
    let message = places.into_iter().flatten().find_map(Value::as_str);
    message.map_or(String::new(), |message| format!(": {}", message.chars().take(MAX_MESSAGE).collect::<String>()))
}
