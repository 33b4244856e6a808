//! What waits for the operator: a connection or a request that the policy says `ask` of. It is held here, before any permit;
//! who owns the question is the plane. What he lets through once goes with what he was asked about, for as long as the
//! policy stays that he was asked under.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use policy::{Conjunction, Decision, Egress, Rule, decide, suggest};
use record::Verdict;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use wire::GateReport;
use wire::question::{Line, MOST_CHAIN, MOST_WORDS, Ruling, Wanted};

use crate::asked::{Asked, Asks};
use crate::generation::Generation;
use crate::models::hex;
use crate::passage::{Closed, Passage};

/// How long the plane may take to say that something waits.
const MOMENT: Duration = Duration::from_secs(2);

/// What is held, by the number that the plane was told.
#[derive(Debug)]
pub struct Held {
    reports: mpsc::UnboundedSender<GateReport>,
    waiting: RefCell<BTreeMap<u64, mpsc::UnboundedSender<Ruling>>>,
    last: Cell<u64>,
    most: usize,
    patience: Duration,
}

/// Leave for what the operator was asked about, this once.
#[derive(Debug)]
pub struct Consent {
    /// The policy's, that he was asked under.
    serial: u64,
    rule: Rule,
    /// All policies with that rule.
    policy: Conjunction,
}

impl Consent {
    /// Under which policy it was given.
    pub(crate) const fn serial(&self) -> u64 {
        self.serial
    }
}

/// What an agent is told that asked by itself.
#[derive(Debug, PartialEq, Eq)]
pub enum Inquired {
    /// It may do it once, within five minutes.
    Once,
    /// Something changed: whether it may is decided again.
    Again,
    /// Nobody answered so far.
    Waits {
        /// The question's id.
        question: Option<String>,
        /// The same in words.
        words: String,
    },
    /// It may not.
    Refused {
        /// Why.
        why: String,
        /// The operator said so.
        denied: bool,
    },
}

/// What came of waiting.
pub(crate) enum Outcome {
    /// It goes on, this once.
    Once {
        /// The question's id.
        question: String,
        rule: Box<Rule>,
    },
    /// It is decided again.
    Again,
    /// It does not.
    Refused { why: String, denied: bool },
    /// Nobody answered in time; the question's id.
    Late(Option<String>),
    /// There is nobody to ask, or no room to wait.
    Unheld(&'static str),
}

/// A place among what is held. Dropped before it was told what becomes of it, the plane is told so.
struct Place<'a> {
    held: &'a Held,
    number: u64,
    told: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.held.waiting.borrow_mut().remove(&self.number);
        if !self.told {
            let _ = self.held.reports.send(GateReport::Left { number: self.number });
        }
    }
}

impl Default for Held {
    /// Nobody is asked: whatever would have to wait is refused at once.
    fn default() -> Self {
        Held::new(0, Duration::ZERO).0
    }
}

impl Held {
    /// Holds so many at once, each for so long. What it tells the plane comes out at the other end.
    #[must_use]
    pub fn new(most: u32, patience: Duration) -> (Held, mpsc::UnboundedReceiver<GateReport>) {
        let (reports, told) = mpsc::unbounded_channel();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        (Held { reports, waiting: RefCell::default(), last: Cell::new(0), most, patience }, told)
    }

    /// Where else may be told to the plane.
    pub(crate) fn reports(&self) -> mpsc::UnboundedSender<GateReport> {
        self.reports.clone()
    }

    /// The plane says what becomes of one. What is not held any more has told it so.
    pub fn rule(&self, number: u64, ruling: Ruling) {
        let mut waiting = self.waiting.borrow_mut();
        let gone = match &ruling {
            Ruling::Waits { .. } => waiting.get(&number).is_some_and(|one| one.send(ruling).is_err()),
            _ => waiting.remove(&number).is_some_and(|one| one.send(ruling).is_err()),
        };
        if gone {
            waiting.remove(&number);
        }
    }

    /// All that is held is decided again.
    pub fn again(&self) {
        for one in std::mem::take(&mut *self.waiting.borrow_mut()).into_values() {
            let _ = one.send(Ruling::Again);
        }
    }

    /// Whether somebody may be there to be asked.
    pub(crate) const fn asks(&self) -> bool {
        !self.patience.is_zero()
    }

    /// Asks what an agent asks by itself, before it does it, and waits for the answer that long. One of `once` is kept for when
    /// it does: this one has left by then.
    pub async fn inquire(&self, wanted: Wanted, until: Instant) -> Inquired {
        match self.wait_for(wanted, until, false).await {
            Outcome::Once { .. } => Inquired::Once,
            Outcome::Again => Inquired::Again,
            Outcome::Late(question) => Inquired::Waits { words: late(question.as_deref()), question },
            Outcome::Refused { why, denied } => Inquired::Refused { why, denied },
            Outcome::Unheld(why) => Inquired::Refused { why: why.to_owned(), denied: false },
        }
    }

    /// Until when what begins to wait now waits.
    pub(crate) fn until(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// Waits for what becomes of it; what is let through once goes on now.
    pub(crate) async fn wait(&self, wanted: Wanted, until: Instant) -> Outcome {
        self.wait_for(wanted, until, true).await
    }

    /// `uses`: what is let through once goes out now.
    async fn wait_for(&self, wanted: Wanted, until: Instant, uses: bool) -> Outcome {
        if self.waiting.borrow().len() >= self.most {
            return Outcome::Unheld("as much waits for the operator as may");
        }
        let number = self.last.get() + 1;
        self.last.set(number);
        let (says, mut heard) = mpsc::unbounded_channel();
        self.waiting.borrow_mut().insert(number, says);
        let mut place = Place { held: self, number, told: false };
        if self.reports.send(GateReport::Held { number, wanted: Box::new(wanted) }).is_err() {
            return Outcome::Unheld("nobody is there to ask");
        }
        let mut known = None;
        loop {
            // What becomes of it, if only that it waits, the plane says in a moment, however short the wait is to be.
            let until = if known.is_none() { until.max(Instant::now() + MOMENT) } else { until };
            match timeout_at(until, heard.recv()).await {
                Ok(Some(Ruling::Waits { question })) => known = Some(question),
                Ok(Some(Ruling::Once { question, rule })) => {
                    place.told = uses;
                    return Outcome::Once { question, rule };
                }
                Ok(Some(Ruling::Again) | None) => {
                    place.told = true;
                    return Outcome::Again;
                }
                Ok(Some(Ruling::Refused { why, denied })) => {
                    place.told = true;
                    return Outcome::Refused { why, denied };
                }
                Err(_) => return Outcome::Late(known),
            }
        }
    }
}

/// What a program is told that waited long enough.
pub(crate) fn late(question: Option<&str>) -> String {
    let question = question.and_then(|id| id.get(..8)).map(|id| format!(" ({id})")).unwrap_or_default();
    format!(
        "the operator was asked{question} and has not answered yet; the same again within five minutes is the same \
         question, so do something else meanwhile and then try again"
    )
}

impl Generation {
    /// What decides on this: with what the operator let through once, as long as the policy is the one of then.
    pub(crate) fn by<'a>(&'a self, asked: &'a Asked) -> &'a Conjunction {
        match asked.consent.as_deref() {
            Some(consent) if consent.serial == self.serial => &consent.policy,
            _ => &self.policy,
        }
    }

    /// The same for a connection that was let out before: a policy that came since may end it, and need not be asked again.
    pub(crate) fn still(&self, asked: &Asked) -> Cow<'_, Conjunction> {
        match asked.consent.as_deref() {
            Some(consent) => Cow::Owned(self.granting(&consent.rule)),
            None => Cow::Borrowed(&self.policy),
        }
    }

    fn granting(&self, rule: &Rule) -> Conjunction {
        let rules: Vec<Rule> = self.granted.iter().chain([rule]).cloned().collect();
        self.policy.granting(&rules)
    }
}

impl Passage {
    /// What the operator would be asked about this, with what the agent says to it; nothing where he need not be asked, or no
    /// answer of his could allow it.
    #[must_use]
    pub fn wanted(&self, asked: &Asked, words: &str) -> Option<Wanted> {
        let (now, named) = (self.now(), self.named(asked.clone()));
        let asks = matches!(decide(now.by(&named), &named.egress()), Decision::Ask(_));
        let wanted = if asks { wanted(&now, &named, None)? } else { return None };
        let words = match (&wanted.request, named.asks.as_deref()) {
            // Whatever it then says there: that it would be this, is its word.
            (None, Some(asks)) => format!("for {} {}: {words}", asks.request.method().as_str(), asks.target),
            _ => words.to_owned(),
        };
        Some(Wanted { words: words.chars().take(MOST_WORDS / 4).collect(), ..wanted })
    }

    /// Whether the operator would be asked about this request now.
    pub(crate) fn asks_about(&self, asked: &Asked) -> bool {
        let now = self.now();
        let asks = |named: &Asked| matches!(decide(now.by(named), &named.egress()), Decision::Ask(_));
        now.asks && self.held.asks() && asks(&self.named(asked.clone()))
    }

    /// Waits for the operator where the policy wants him asked, and somebody may be there: about a request with its body, where
    /// that is known. What he lets through once goes with it from here on. Else a request that acts has to serve what he said.
    ///
    /// # Errors
    /// [`Closed`], when he did not let it through; it is recorded.
    pub(crate) async fn consent(&self, asked: &mut Asked, body: Option<&[u8]>) -> Result<(), Closed> {
        if self.risks.score() > 0 {
            self.suspect_place(&self.named(asked.clone()));
        }
        if self.now().asks && self.held.asks() {
            let until = Instant::now() + self.held.patience;
            // On the heap: most connections never wait.
            Box::pin(self.consent_until(asked, body, until)).await?;
        }
        self.serves(asked).await
    }

    async fn consent_until(&self, asked: &mut Asked, body: Option<&[u8]>, until: Instant) -> Result<(), Closed> {
        loop {
            let now = self.now();
            let named = self.named(asked.clone());
            let egress = named.egress();
            let refusal = match decide(now.by(&named), &egress) {
                // Requests are asked about one by one.
                Decision::Ask(_) if named.asks.is_none() && now.policy.reads(&egress) => return Ok(()),
                Decision::Ask(refusal) => refusal,
                _ => return Ok(()),
            };
            let Some(wanted) = wanted(&now, &named, body) else {
                return Err(self.not_let(&named, Verdict::Asked, (&refusal, "no answer of his could allow it"), None));
            };
            let rule = wanted.rule.to_string();
            match self.held.wait(wanted, until).await {
                Outcome::Once { rule, .. } if self.now().serial == now.serial => {
                    let policy = now.granting(&rule);
                    asked.consent = Some(Rc::new(Consent { serial: now.serial, rule: *rule, policy }));
                    return Ok(());
                }
                Outcome::Once { .. } | Outcome::Again => {}
                Outcome::Late(question) => {
                    let why = late(question.as_deref());
                    return Err(self.not_let(&named, Verdict::Asked, (&refusal, &why), Some(rule)));
                }
                Outcome::Refused { why, denied } => {
                    let verdict = if denied { Verdict::Refused } else { Verdict::Asked };
                    return Err(self.not_let(&named, verdict, (&refusal, &why), Some(rule)));
                }
                Outcome::Unheld(why) => {
                    return Err(self.not_let(&named, Verdict::Asked, (&refusal, why), Some(rule)));
                }
            }
        }
    }
}

/// What the operator is asked; nothing where no rule could allow it, or where it is too long for him to be shown.
fn wanted(now: &Generation, asked: &Asked, body: Option<&[u8]>) -> Option<Wanted> {
    let egress = asked.egress();
    let rule = suggest(&now.policy, &egress)?.rule;
    // Where no request is read an answer lets through whatever is said there, and is to be asked for as that.
    let asks = asked.asks.as_deref().filter(|_| rule.is_about_requests());
    let wanted = Wanted {
        pid: asked.who.as_ref().map(|seen| seen.pid),
        program: egress.program.unwrap_or_default().iter().take(MOST_CHAIN).cloned().collect(),
        host: asked.host.clone(),
        port: asked.port,
        request: asks.map(|asks| line(asks, body)),
        rule,
        causes: asked.causes().take(MOST_CHAIN).map(|cause| cause.id.to_string()).collect(),
        call: None,
        words: words(&egress),
    };
    wanted.fits().then_some(wanted)
}

fn line(asks: &Asks, body: Option<&[u8]>) -> Line {
    let request = &asks.request;
    let body = match request.message() {
        None => body.map(hash),
        // Messages that ask the same have numbers of their own.
        Some(message) => message.arguments().and_then(|with| serde_json::to_vec(with).ok()).map(|with| hash(&with)),
    };
    let message = request.message().map(|message| match message.name() {
        Some(name) => format!("{} {name}", message.method()),
        None => message.method().to_owned(),
    });
    Line {
        method: request.method().as_str().to_owned(),
        target: asks.target.clone(),
        websocket: request.is_websocket(),
        message,
        body,
    }
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// What a tool would be called with: the agent's words.
fn words(egress: &Egress<'_>) -> String {
    let arguments = egress.request.and_then(policy::Request::message).and_then(policy::mcp::Message::arguments);
    let mut text = match arguments.filter(|arguments| !arguments.is_empty()) {
        Some(arguments) => serde_json::to_string(arguments).unwrap_or_default(),
        None => String::new(),
    };
    while text.len() > MOST_WORDS {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests;
