//! What anybody may have: labelled text that an answer says to whoever asks is no evidence from then on.
//!
//! A server gives back what it was told, and what is put together of that. So a run counts only where it has more letters than
//! twice all that this session ever said to the server's zone: no echo is as long, however it was fed.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use policy::{AnswerHead, Sink};
use sense::{Bounds, Piece, Said};

use super::Flows;
use crate::judges::Judge;
use crate::look::Unread;

/// Bytes of one answer that are heard; of a longer one nothing is.
const HEARD: usize = 1 << 20;
/// Answers that are heard at once, most.
const AT_ONCE: usize = 8;
/// Zones of which is known how much they were told; where there are more, no answer counts.
const ZONES: usize = 1024;
/// Letters of a run for each byte that its server was told.
const TIMES: usize = 2;
/// How far an answer is looked into. What is beyond that is said by nobody.
const BOUNDS: Bounds = Bounds { depth: 2, times: 8, bytes: 16 << 20, decodings: 1024, raw_deflate: false };

/// Hears one answer, and changes and holds nothing of it.
#[derive(Debug)]
pub(crate) struct Hears {
    body: Rc<RefCell<Vec<u8>>>,
    /// It is longer than what is heard.
    long: bool,
    _one: Rc<()>,
}

/// What was heard.
#[derive(Debug)]
pub(crate) struct Heard(Rc<RefCell<Vec<u8>>>);

impl Heard {
    /// The body; empty where it was too long.
    pub(crate) fn body(self) -> Vec<u8> {
        self.0.take()
    }
}

impl Judge for Hears {
    fn begin(&mut self, head: &AnswerHead) -> Result<(), Unread> {
        self.long = head.length.is_some_and(|length| length > HEARD as u64);
        Ok(())
    }

    fn hear(&mut self, text: &[u8]) {
        let mut body = self.body.borrow_mut();
        if self.long || body.len() + text.len() > HEARD {
            (self.long, *body) = (true, Vec::new());
        } else {
            body.extend_from_slice(text);
        }
    }
}

impl Flows {
    /// So many bytes more may become known there.
    pub(crate) fn tells(&self, host: &str, bytes: usize) {
        let mut told = self.told.borrow_mut();
        let Some(zones) = told.as_mut() else { return };
        let full = zones.len() >= ZONES && !zones.contains_key(zone(host));
        if full {
            *told = None;
        } else {
            let count = zones.entry(zone(host).to_owned()).or_default();
            *count = count.saturating_add(bytes);
        }
    }

    /// A judge that hears an answer which anybody would get, where it may say something that matters.
    pub(crate) fn hears(&self) -> Option<(Hears, Heard)> {
        let room = Rc::strong_count(&self.hearing) <= AT_ONCE;
        let wants = self.active.get() && room && self.told.borrow().is_some() && self.corpus.borrow().has_texts();
        let body = Rc::default();
        wants.then(|| (Hears { body: Rc::clone(&body), long: false, _one: Rc::clone(&self.hearing) }, Heard(body)))
    }

    /// Tells of an answer from there, wherever it is read, what of the labelled texts and secrets it says that is no echo.
    pub(crate) fn reads(&self, host: &str) -> Option<impl FnOnce(&[u8]) -> Option<Said> + Send + 'static> {
        let told = self.told.borrow().as_ref()?.get(zone(host)).copied()?;
        let least = told.saturating_mul(TIMES).saturating_add(1);
        let corpus = Arc::clone(&self.corpus.borrow());
        Some(move |answer: &[u8]| corpus.said(answer, least, &BOUNDS))
    }

    /// Of what an answer says, that which flow rules keep from everybody; none where nobody knows any more what was told.
    pub(crate) fn guarded(&self, mut said: Said) -> Option<Said> {
        self.told.borrow().as_ref()?;
        said.pieces.retain(|piece| self.never_left(piece.label));
        said.secrets.retain(|secret| self.never_left(secret.label));
        Some(said)
    }

    /// Makes a run of a text public.
    pub(crate) fn publish(&self, piece: &Piece) {
        // Where there is no room it counts as evidence, as before.
        let _ = Arc::make_mut(&mut *self.corpus.borrow_mut()).publish(piece);
    }

    /// A label, and the name of a text.
    pub(crate) fn shown(&self, label: sense::Label, source: sense::SourceId) -> (String, String) {
        let label =
            self.labels.borrow().get(usize::from(label.0)).map_or_else(String::new, |label| label.as_str().into());
        let sources = self.sources.borrow();
        (label, sources.get(&source.0).map_or_else(|| "what is labelled".into(), |source| source.name.clone()))
    }

    /// The beginning of a run as its text has it.
    pub(crate) fn quoted(&self, piece: &Piece) -> String {
        self.corpus.borrow().quoted(piece)
    }

    /// Whether flow rules keep a label from all servers, and from other sessions whose rules may be others: what may leave may
    /// come back.
    fn never_left(&self, label: sense::Label) -> bool {
        [Sink::Network, Sink::Child].into_iter().all(|sink| self.refuses(label, sink))
    }
}

/// The last two labels of a name: whoever has those may know what any name beneath them was told.
pub(crate) fn zone(host: &str) -> &str {
    host.rmatch_indices('.').nth(1).map_or(host, |(at, _)| &host[at + 1..])
}

#[cfg(test)]
mod tests {
    use policy::{Conjunction, Flow, Label, LabelPattern, Policy};
    use wire::Labelled;

    use super::*;
    use crate::flows::Tree;

    const NOTE: &str = "The blue heron lands at the old mill by midnight and waits for a lamp to be lit twice. Nobody but the \
        miller's daughter has the key to the upper door, which is under the third stone of the path that leads to the weir.";

    fn policy(deny: &str, to: Option<Sink>) -> Conjunction {
        let flows = vec![Flow { deny: LabelPattern::parse(deny).expect("a pattern"), to }];
        Conjunction::new(vec![Policy { flows, ..Policy::default() }])
    }

    fn labelled() -> Vec<Labelled> {
        let label = Label::parse("secret:note").expect("a label");
        vec![Labelled { label, source: "a file".into(), text: NOTE.into(), exact: false }]
    }

    fn leaves(flows: &Flows, text: &str) -> bool {
        flows.judge("other.example:1", Sink::Network, &[text.as_bytes()], &Bounds::USUAL).is_none()
    }

    fn says(flows: &Flows, answer: &str) -> Option<Said> {
        flows.guarded(flows.reads("web.example")?(answer.as_bytes())?)
    }

    /// Whether the note may be said when a server said it, which was told so many bytes before.
    fn published(flows: &Flows, told: usize) -> bool {
        flows.tells("www.web.example", told);
        let said = says(flows, &format!("<p>{NOTE}</p>"));
        said.iter().flat_map(|said| &said.pieces).for_each(|piece| flows.publish(piece));
        leaves(flows, NOTE)
    }

    #[test]
    fn what_a_server_says_is_public_if_it_is_no_echo() {
        let flows =
            |told: usize| published(&Flows::new(&policy("secret:*", None), &labelled(), true, Tree::alone()), told);
        let letters = NOTE.bytes().filter(u8::is_ascii_alphanumeric).count();
        assert!(flows(0) && flows(letters / TIMES - 1));
        assert!(!flows(letters / TIMES + 1) && !flows(usize::MAX));
    }

    #[test]
    fn what_may_leave_by_any_gate_of_the_tree_may_come_back() {
        for to in Sink::ALL {
            let flows = Flows::new(&policy("secret:*", Some(to)), &labelled(), true, Tree::alone());
            flows.tells("web.example", 1);
            assert!(says(&flows, NOTE).expect("read").pieces.is_empty(), "{to:?}");
        }
    }

    #[test]
    fn a_gate_that_does_not_know_all_that_was_said_makes_nothing_public() {
        let (kept, other) = (policy("secret:*", None), policy("secret:note", None));
        assert!(!published(&Flows::new(&kept, &labelled(), false, Tree::alone()), 1));
        let flows = Flows::new(&kept, &labelled(), true, Tree::alone());
        flows.replace(&kept, &labelled());
        assert!(published(&flows, 1));
        let flows = Flows::new(&kept, &labelled(), true, Tree::alone());
        flows.replace(&other, &labelled());
        assert!(!published(&flows, 1));
        let flows = Flows::new(&kept, &labelled(), true, Tree::alone());
        (0..=ZONES).for_each(|at| flows.tells(&format!("{at}.example"), 1));
        assert!(!published(&flows, 1));
    }

    #[test]
    fn long_answers_and_more_than_are_heard_at_once_say_nothing() {
        let flows = Flows::new(&policy("secret:*", None), &labelled(), true, Tree::alone());
        let (mut hears, heard) = flows.hears().expect("wanted");
        hears.hear(&[b'a'; HEARD]);
        assert_eq!(heard.0.borrow().len(), HEARD);
        hears.hear(b"b");
        hears.hear(NOTE.as_bytes());
        assert!(heard.body().is_empty());
        let all: Vec<_> = (1..AT_ONCE).map(|_| flows.hears().expect("there is room")).collect();
        assert!(flows.hears().is_none());
        drop((hears, all));
        assert!(flows.hears().is_some());
        assert!(Flows::new(&policy("secret:*", None), &[], true, Tree::alone()).hears().is_none());
    }

    #[test]
    fn names_beneath_one_zone_are_one_place() {
        assert_eq!(["a.b.example.org", "example.org", "org", ""].map(zone), ["example.org", "example.org", "org", ""]);
    }
}
