//! What cannot be looked into in a request, and stood in the workspace before the session: whoever is inside did not make it, so
//! nothing that was read inside is in it. The session's process knows; what is left of the request is judged as ever.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::time::Duration;

use record::segment::hex;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use wire::{GateReport, MAX_WHOLES, Stood, Whole};

use crate::aside::Lost;
use crate::passage::Passage;

/// How long the session's process may look.
const PATIENCE: Duration = Duration::from_secs(20);
/// For how many times as long as it looked it is left alone then: it works for whoever is inside, and outside of their limits.
const REST: u32 = 3;
/// Files that the record names of one request.
const NAMED: usize = 8;

/// The question that is open.
#[derive(Debug)]
pub struct Asking {
    one: Semaphore,
    number: Cell<u64>,
    waiting: RefCell<Option<oneshot::Sender<Vec<Stood>>>>,
    /// Until when it is left alone.
    rests: Cell<Option<Instant>>,
}

impl Default for Asking {
    fn default() -> Asking {
        let (number, waiting, rests) = Default::default();
        Asking { one: Semaphore::new(1), number, waiting, rests }
    }
}

impl Asking {
    /// The session's process answers.
    pub(crate) fn answer(&self, number: u64, stood: Vec<Stood>) {
        if number == self.number.get()
            && let Some(waiting) = self.waiting.borrow_mut().take()
        {
            // Who waited may have left.
            let _ = waiting.send(stood);
        }
    }

    fn open(&self) -> (u64, oneshot::Receiver<Vec<Stood>>) {
        let (answer, answered) = oneshot::channel();
        self.number.set(self.number.get() + 1);
        *self.waiting.borrow_mut() = Some(answer);
        (self.number.get(), answered)
    }
}

/// What is left of a body, and what is not, in words.
pub(crate) struct Left {
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) stood: String,
}

impl Passage {
    /// What is left of a body without the files in it that stood in the workspace before the session; none where there are none, or
    /// where that cannot be told. The body is given back.
    ///
    /// # Errors
    /// [`Lost`], and the body with it.
    pub(crate) async fn without_what_stood(&self, body: &mut Vec<u8>) -> Result<Option<Left>, Lost> {
        let (whole, bytes) = (std::mem::take(body), body.len());
        let read = move || (wholes(&whole), whole);
        let (wholes, whole) = self.aside.run(bytes, read).await?;
        *body = whole;
        let Some(stood) = self.stood(wholes.clone()).await else { return Ok(None) };
        let known: HashSet<String> = stood
            .iter()
            .filter_map(|one| wholes.get(usize::try_from(one.whole).ok()?))
            .map(|whole| whole.sha256.clone())
            .collect();
        let whole = std::mem::take(body);
        let read = move || (without(&whole, &known), whole);
        let (left, whole) = self.aside.run(bytes, read).await?;
        *body = whole;
        let mut paths: Vec<&str> = stood.iter().take(NAMED).map(|one| one.path.as_str()).collect();
        paths.extend((stood.len() > NAMED).then_some("more"));
        Ok(left.map(|(pieces, bytes)| {
            let stood = format!("{bytes} bytes of it stood in the workspace before the session: {}", paths.join(", "));
            Left { pieces, stood }
        }))
    }

    async fn stood(&self, wholes: Vec<Whole>) -> Option<Vec<Stood>> {
        if wholes.is_empty() {
            return None;
        }
        let _one = self.asking.one.acquire().await.ok()?;
        if let Some(until) = self.asking.rests.get() {
            tokio::time::sleep_until(until).await;
        }
        let (number, answered) = self.asking.open();
        let begun = Instant::now();
        self.desk.tell(wire::encode(&GateReport::Stood { number, wholes }).ok()?);
        let stood = tokio::time::timeout(PATIENCE, answered).await;
        self.asking.rests.set(Some(Instant::now() + begun.elapsed() * REST));
        let stood = stood.ok()?.ok()?;
        Some(stood).filter(|stood| !stood.is_empty())
    }
}

/// The parts of a body that may be whole files, each once.
fn wholes(body: &[u8]) -> Vec<Whole> {
    let mut seen = HashSet::new();
    let mut wholes = Vec::new();
    sense::without(body, &mut |part| {
        let hash = hash(part);
        if wholes.len() < MAX_WHOLES && seen.insert(hash) {
            wholes.push(Whole { size: part.len() as u64, sha256: hex(&hash) });
        }
        false
    });
    wholes
}

/// What is left of a body without the parts that have these hashes, and how many bytes those are.
fn without(body: &[u8], known: &HashSet<String>) -> Option<(Vec<Vec<u8>>, usize)> {
    let mut bytes = 0;
    let pieces = sense::without(body, &mut |part| {
        let stood = known.contains(hex(&hash(part)).as_str());
        bytes += if stood { part.len() } else { 0 };
        stood
    })?;
    Some((pieces, bytes))
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
