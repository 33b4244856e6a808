//! Calls that were kept from a program, which has one of a tool that it does not know in their place: when it says that again
//! with the error that it got, the model's own call and the reason take their places, so that the model knows what became of it.

use std::cell::RefCell;
use std::collections::HashMap;

use record::conversation::Wire;
use record::conversation::hold::{self, Withheld};
use serde_json::Value;

/// Bytes of calls that are kept. What is forgotten goes out as the program has it.
const MOST: usize = 8 << 20;
/// What one takes beside its texts.
const EACH: usize = 256;

/// Such calls by their wire and their ids.
#[derive(Default)]
pub(crate) struct Kept(RefCell<Calls>);

#[derive(Default)]
struct Calls {
    by: HashMap<Wire, HashMap<String, Withheld>>,
    held: usize,
}

impl std::fmt::Debug for Kept {
    /// Without the calls.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Kept({})", self.0.borrow().held)
    }
}

impl Kept {
    /// Takes one.
    pub(crate) fn keep(&self, wire: Wire, withheld: Withheld) {
        let size = EACH + withheld.id.len() + withheld.told.len() + withheld.call.to_string().len();
        let mut calls = self.0.borrow_mut();
        if calls.held + size > MOST {
            *calls = Calls::default();
        }
        if size <= MOST {
            calls.held += size;
            calls.by.entry(wire).or_default().insert(withheld.id.clone(), withheld);
        }
    }

    /// Puts them back in a request.
    pub(crate) fn restore(&self, wire: Wire, request: &mut Value) {
        if let Some(calls) = self.0.borrow().by.get(&wire) {
            hold::restore(wire, request, |id| calls.get(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let kept = Kept::default();
        let one = |id: &str, size: usize| Withheld { id: id.into(), call: json!(null), told: "x".repeat(size) };
        let told = |id: &str| {
            let mut request = json!({"messages": [{"role": "tool", "tool_call_id": id, "content": "?"}]});
            kept.restore(Wire::Chat, &mut request);
            request["messages"][0]["content"].as_str().map(str::len)
        };
        kept.keep(Wire::Chat, one("a", 10));
        assert_eq!((told("a"), told("b")), (Some(10), Some(1)));
        kept.keep(Wire::Chat, one("b", MOST - EACH - 8));
        assert_eq!((told("a"), told("b")), (Some(1), Some(MOST - EACH - 8)));
        kept.keep(Wire::Chat, one("c", MOST));
        assert!(told("c") == Some(1) && kept.0.borrow().held <= MOST);
    }
}
