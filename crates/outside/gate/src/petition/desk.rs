//! Petitions on their way: those that wait for their answers, what is to be told to the session's process, and what the
//! session has read so far, as labels.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use policy::Label;
use record::EventId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, SemaphorePermit, oneshot};
use wire::GateReport;
use wire::petition::{Answer, ChildState, MAX_OPEN, Message, Petition, Petitioned, Sender};

use crate::collect::Room;
use crate::flood::{Flood, Rate};
use crate::passage::Passage;

/// Connections at once on which petitions are said.
const PLACES: usize = 64;
/// How fast petitions may come.
const PETITIONS: Rate = Rate { burst: 64.0, rate: 4.0 };
/// Labels that are told apart; more are no policy's.
const LABELS: usize = 256;

/// What all petitions of one cell share.
#[derive(Debug)]
pub struct Desk {
    places: Semaphore,
    open: Arc<Semaphore>,
    /// Room for what they say, apart from the door's.
    pub(crate) room: Room,
    pace: RefCell<Flood>,
    waiting: RefCell<HashMap<u64, (oneshot::Sender<Answer>, OwnedSemaphorePermit)>>,
    next: Cell<u64>,
    outbox: RefCell<VecDeque<Vec<u8>>>,
    /// Rung when there is something to tell.
    bell: Notify,
    /// What messages and results carried that were read here.
    heard: RefCell<BTreeSet<Rc<str>>>,
    /// Something outside was reached, whose answer nobody vouches for.
    ventured: Cell<bool>,
}

impl Desk {
    /// That of this gate of the session, from 1. No two gates of a session give a petition the same number: an answer that is
    /// meant for one that is gone finds nobody.
    #[must_use]
    pub fn new(incarnation: u32) -> Desk {
        Desk {
            places: Semaphore::new(PLACES),
            open: Arc::new(Semaphore::new(MAX_OPEN)),
            room: Room::default(),
            pace: RefCell::new(Flood::new(Instant::now(), PETITIONS)),
            waiting: RefCell::default(),
            next: Cell::new(u64::from(incarnation) << 32),
            outbox: RefCell::default(),
            bell: Notify::new(),
            heard: RefCell::default(),
            // What an earlier gate let out is not known any more.
            ventured: Cell::new(incarnation > 1),
        }
    }

    /// A place for one more connection.
    pub(crate) fn seat(&self) -> Option<SemaphorePermit<'_>> {
        self.places.try_acquire().ok()
    }

    /// A place for one more petition.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.open).try_acquire_owned().ok()
    }

    pub(super) fn admit(&self, now: Instant) -> bool {
        self.pace.borrow_mut().admit(now, 0)
    }

    /// Something outside is reached.
    pub(crate) fn venture(&self) {
        self.ventured.set(true);
    }

    /// Whether something outside was reached.
    pub(crate) fn has_ventured(&self) -> bool {
        self.ventured.get()
    }

    /// Hands a petition to the session's process; it keeps its place until it is answered, whether or not somebody waits.
    ///
    /// # Errors
    /// When it does not fit into a frame.
    pub(super) fn hand_on(
        &self,
        place: OwnedSemaphorePermit,
        event: EventId,
        labels: Vec<Label>,
        petition: Petition,
    ) -> Result<oneshot::Receiver<Answer>, &'static str> {
        let number = self.next.get() + 1;
        let report = GateReport::Petition(Box::new(Petitioned { number, event, labels, petition }));
        let frame = wire::encode(&report).map_err(|_| "it is longer than what is handed on")?;
        self.next.set(number);
        let (answer, answered) = oneshot::channel();
        self.waiting.borrow_mut().insert(number, (answer, place));
        self.tell(frame);
        Ok(answered)
    }

    /// The session's process answers.
    pub(crate) fn answer(&self, number: u64, answer: Answer) {
        if let Some((waiting, _place)) = self.waiting.borrow_mut().remove(&number) {
            // Who waited may have left.
            let _ = waiting.send(answer);
        }
    }

    /// Tells the session's process something, in order.
    pub(crate) fn tell(&self, frame: Vec<u8>) {
        self.outbox.borrow_mut().push_back(frame);
        self.bell.notify_one();
    }

    /// What is to be told next.
    pub(crate) async fn told(&self) -> Vec<u8> {
        loop {
            let next = self.outbox.borrow_mut().pop_front();
            match next {
                Some(frame) => return frame,
                None => self.bell.notified().await,
            }
        }
    }

    /// The join of what the session has read, as far as it is known here: whatever of its files is labelled, since those are
    /// read without the gate; a system prompt, where models are asked; what messages brought; and that something came from
    /// outside.
    pub(super) fn labels(&self, passage: &Passage) -> Vec<Label> {
        let mut all: BTreeSet<String> = passage.flows.known().iter().map(|label| label.as_str().to_owned()).collect();
        all.extend(self.heard.borrow().iter().map(ToString::to_string));
        if passage.now().policy.routes_models() {
            all.insert(policy::SYSTEM_PROMPT.to_owned());
        }
        if self.ventured.get() {
            all.insert("untrusted:network".to_owned());
        }
        all.into_iter().take(LABELS).filter_map(|label| Label::parse(&label).ok()).collect()
    }

    /// An answer is read inside: what its words carry, the session has read from here on, and they are looked for in what
    /// leaves.
    pub(super) fn hear(&self, passage: &Passage, event: EventId, answer: &Answer) {
        for label in answer.labels() {
            let mut heard = self.heard.borrow_mut();
            if heard.len() < LABELS {
                heard.insert(label.as_str().into());
            }
        }
        let tell = |labels: &[Label], name: String, words: &str| {
            labels.iter().for_each(|label| passage.flows.told(label, words.as_bytes(), &name, event));
        };
        match answer {
            Answer::News { children, messages } => {
                for ChildState { child, words, labels, .. } in children {
                    tell(labels, format!("a report of child {child}"), words.as_deref().unwrap_or_default());
                }
                for Message { from, words, labels } in messages {
                    let name = match from {
                        Sender::Parent => "a message of the parent".to_owned(),
                        Sender::Child(child) => format!("a message of child {child}"),
                    };
                    tell(labels, name, words);
                }
            }
            Answer::Result(result) => {
                let name = format!("the result of child {}", result.child);
                let names = result.changed.iter().map(|changed| &changed.path);
                for words in [&result.words, &result.patch].into_iter().flatten().chain(names) {
                    tell(&result.labels, name.clone(), words);
                }
            }
            _ => {}
        }
    }
}
