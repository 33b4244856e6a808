//! Signed thoughts of which something was taken out for people: their provider takes back only what it signed, and knows what
//! it said. So what was signed takes its place again when a program says such a thought to it.

use std::cell::RefCell;
use std::collections::HashMap;

use record::conversation::hold::Signed;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Bytes of thoughts that are kept. What is forgotten goes out as the program has it, and its provider may refuse it.
const MOST: usize = 8 << 20;
/// What one takes beside its text.
const EACH: usize = 256;

/// Thoughts by their signatures.
#[derive(Default)]
pub(crate) struct Thoughts(RefCell<Kept>);

#[derive(Default)]
struct Kept {
    by: HashMap<[u8; 32], Thought>,
    held: usize,
}

struct Thought {
    said: String,
    /// A hash of what the program has.
    went: [u8; 32],
}

impl std::fmt::Debug for Thoughts {
    /// Without the texts.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Thoughts({})", self.0.borrow().by.len())
    }
}

impl Thoughts {
    /// Takes one that goes on in other words than were signed.
    pub(crate) fn keep(&self, Signed { signature, said, went }: Signed) {
        let mut kept = self.0.borrow_mut();
        let size = EACH + said.len();
        if kept.held + size > MOST {
            *kept = Kept::default();
        }
        if size <= MOST {
            kept.held += size;
            kept.by.insert(hash(&signature), Thought { said, went: hash(&went) });
        }
    }

    /// Puts those in their place that were signed, in a request of Anthropic's wire. Only what the program was given counts:
    /// what it made of that goes out as it is.
    pub(crate) fn restore(&self, request: &mut Value) {
        let kept = self.0.borrow();
        if kept.by.is_empty() {
            return;
        }
        let messages = request.get_mut("messages").and_then(Value::as_array_mut).into_iter().flatten();
        let contents = messages.filter_map(|message| message.get_mut("content")?.as_array_mut());
        for block in contents.flatten().filter(|block| block["type"] == "thinking") {
            let known = block["signature"].as_str().and_then(|signature| kept.by.get(&hash(signature)));
            let same = |thought: &&Thought| block["thinking"].as_str().map(hash) == Some(thought.went);
            if let Some(thought) = known.filter(same) {
                block["thinking"] = thought.said.clone().into();
            }
        }
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_thought_is_put_back_where_nothing_was_changed() {
        let thoughts = Thoughts::default();
        let signed = |said: &str| Signed { signature: "sealed".into(), said: said.into(), went: "I know [].".into() };
        let request = |thought: &str, signature: &str| {
            let block = json!({"type": "thinking", "thinking": thought, "signature": signature});
            json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [block]}]})
        };
        let restored = |thought: &str, signature: &str| {
            let mut request = request(thought, signature);
            thoughts.restore(&mut request);
            request
        };
        assert_eq!(restored("I know [].", "sealed"), request("I know [].", "sealed"));
        thoughts.keep(signed("I know it."));
        assert_eq!(restored("I know [].", "sealed"), request("I know it.", "sealed"));
        assert_eq!(restored("I know [].", "other"), request("I know [].", "other"));
        assert_eq!(restored("I knew [].", "sealed"), request("I knew [].", "sealed"));
        // There is an end to what is kept.
        thoughts.keep(signed(&"x".repeat(MOST - EACH)));
        assert_eq!(thoughts.0.borrow().by.len(), 1);
        assert!(thoughts.0.borrow().held <= MOST);
    }
}
