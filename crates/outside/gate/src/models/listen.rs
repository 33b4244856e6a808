//! Hears a model's answer on its way to the program.

use policy::provider::{Endpoint, Kind, Wire};
use record::conversation::{Answer, Delivered};

use super::plan::form;
use crate::look::{Listen, Unread};

/// One answer that is heard.
pub(crate) struct Hearing {
    wire: Wire,
    /// The model answers: what it says is to be known again.
    speaks: bool,
    answer: Option<Answer>,
    status: u16,
}

impl Hearing {
    pub(crate) fn new(endpoint: &Endpoint) -> Hearing {
        Hearing { wire: endpoint.wire, speaks: endpoint.kind == Kind::Inference, answer: None, status: 0 }
    }

    /// What was delivered, as far as it came; none where no model spoke.
    pub(crate) fn finish(self) -> Option<Delivered> {
        let delivered = self.answer?.finish();
        Some(delivered.unwrap_or_else(|why| Delivered { error: Some(why.to_string()), ..Delivered::default() }))
    }

    /// The status of the answer; 0 where none came.
    pub(crate) const fn status(&self) -> u16 {
        self.status
    }
}

impl Listen for Hearing {
    fn begin(&mut self, status: u16, kind: &str) {
        self.status = status;
        if self.speaks {
            let streams = kind.contains("event-stream") || kind.contains("ndjson");
            self.answer = Some(Answer::new(form(self.wire), streams));
        }
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<(), Unread> {
        match &mut self.answer {
            Some(answer) if self.status < 300 => answer.push(bytes).map_err(|why| Unread::Answer(why.to_string())),
            _ => Ok(()),
        }
    }
}
