//! Whose words stand in what a program says as its user, or as its instructions, where calls are judged by what the operator said:
//! his, or those of a file that an earlier session left, or the model's own that come back as a summary. Each block is judged when
//! it is first said: what a model repeats later of the operator's words takes nothing from him.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use policy::{Conjunction, Grounding, Intent};
use record::conversation::{Block, Content, Speaker};
use record::join::UNTRUSTED;
use sense::meaning::{Others, Whose};
use wire::Labelled;

/// Blocks that were judged. What is forgotten is judged again.
const MOST: usize = 65_536;
/// Why nothing is known of what came before.
const EARLIER: &str =
    "what was said to an earlier gate of this session, or under another policy, which is not known any more";

/// What is known of that in a session.
#[derive(Debug, Default)]
pub(super) struct Origins {
    whose: RefCell<Whose>,
    judged: RefCell<HashMap<[u8; 32], Option<Rc<Others>>>>,
    /// Whether any policy wants it known.
    on: Cell<bool>,
    /// Whether the program's word counts for who its user is.
    vouched: Cell<bool>,
}

impl Origins {
    /// Under these policies from here on; `first` says that nothing was said before.
    pub(super) fn under(&self, policy: &Conjunction, first: bool) {
        let on = policy.policies().any(|policy| policy.grounding != Grounding::Off);
        if on && !self.on.get() && !first {
            self.whose.borrow_mut().lack(EARLIER);
        }
        self.on.set(on);
        self.vouched.set(policy.policies().any(|policy| policy.intent == Intent::UserRole));
    }

    /// Somebody else wrote these texts.
    pub(super) fn wrote(&self, labelled: &[Labelled], lacking: Option<&str>) {
        if !self.on.get() {
            return;
        }
        let mut whose = self.whose.borrow_mut();
        for one in labelled.iter().filter(|one| one.label.as_str().starts_with(UNTRUSTED)) {
            whose.wrote(&format!("{} ({})", one.source, one.label.as_str()), &one.text);
        }
        if let Some(why) = lacking {
            whose.lack(&format!("not all that earlier sessions wrote is known: {why}"));
        }
    }

    /// The operator said this.
    pub(super) fn own(&self, words: &str) {
        if self.on.get() {
            self.whose.borrow_mut().own(words);
        }
    }

    /// The model said these.
    pub(super) fn said(&self, blocks: &[Block]) {
        if !self.on.get() {
            return;
        }
        for block in blocks {
            if let Content::Text(text) = &block.content {
                self.whose.borrow_mut().said("what the model said itself", text);
            }
        }
    }

    /// Who else wrote what stands in a block that neither the operator is known to have said nor a model.
    pub(super) fn of(&self, block: &Block) -> Option<Rc<Others>> {
        let Content::Text(text) = &block.content else { return None };
        if !self.on.get() || block.speaker == Speaker::Tool {
            return None;
        }
        let digest = block.digest();
        if let Some(known) = self.judged.borrow().get(&digest) {
            return known.clone();
        }
        let others = self.whose.borrow().of(text).map(Rc::new);
        if others.is_none() && block.speaker == Speaker::User && self.vouched.get() {
            self.whose.borrow_mut().own(text);
        }
        let mut judged = self.judged.borrow_mut();
        if judged.len() >= MOST {
            judged.clear();
        }
        judged.insert(digest, others.clone());
        others
    }
}
