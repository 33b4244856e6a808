//! The beginning of an answer, as far as it is text that can be read: heard on its way, and never held up or changed for it.

use std::cell::RefCell;
use std::rc::Rc;

use policy::AnswerHead;

use crate::judges::Judge;
use crate::look::Unread;

/// Bytes of one answer that are heard.
const HEARD: usize = 64 << 10;
/// Types of what is read for its words.
const TEXTS: [&str; 5] = ["text/", "application/json", "application/xml", "application/xhtml", "+json"];

/// Hears one answer.
#[derive(Debug)]
pub(crate) struct Overhears {
    text: Rc<RefCell<Vec<u8>>>,
    hears: bool,
}

/// What was heard.
#[derive(Debug, Clone)]
pub(crate) struct Overheard(Rc<RefCell<Vec<u8>>>);

impl Overhears {
    /// A judge that judges nothing, and what it heard.
    pub(crate) fn new() -> (Overhears, Overheard) {
        let text = Rc::default();
        (Overhears { text: Rc::clone(&text), hears: false }, Overheard(text))
    }
}

impl Overheard {
    /// As text; none where there was none.
    pub(crate) fn text(self) -> Option<String> {
        let heard = self.0.take();
        (!heard.is_empty()).then(|| String::from_utf8_lossy(&heard).into_owned())
    }
}

impl Judge for Overhears {
    fn begin(&mut self, head: &AnswerHead) -> Result<(), Unread> {
        let text = |kind: &str| TEXTS.iter().any(|text| kind.contains(text));
        // What is compressed goes by unheard.
        self.hears = head.has_body && !head.coded && head.kind.as_deref().is_some_and(text);
        Ok(())
    }

    fn hear(&mut self, text: &[u8]) {
        if self.hears {
            let mut heard = self.text.borrow_mut();
            let room = HEARD.saturating_sub(heard.len());
            heard.extend_from_slice(&text[..text.len().min(room)]);
        }
    }
}
