//! What speaks for an attack: detectors look at what enters and at what leaves, and what they find is recorded and counted.
//! Once the policy's threshold is reached the gate narrows what it decides by, at once, and tells the session's process,
//! which makes a revision of it. Detectors never let anything through, and by themselves stop nothing.

mod overheard;
mod untold;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Instant;

use policy::{Conjunction, Decision, Host, Level, MOST_KNOWN, Narrowed, decide};
use record::conversation::{Block, Content, Conversation, Speaker, plain};
use record::{Cause, EventId, Kind, Known};
use sense::detect::{Evidence, Name, Secrets, incoming, outgoing};
use sense::risk::Risk;
use sha2::{Digest, Sha256};
use wire::{Counted, GateReport, Suspected};

use crate::asked::Asked;
use crate::passage::Passage;
use overheard::Overheard;
pub(crate) use overheard::Overhears;
use untold::Untold;

/// Evidence that is recorded one by one in one gate's life. More still counts.
const MOST_RECORDED: u32 = 4096;
/// Tools whose descriptions are known, and descriptions of one.
const MOST_TOOLS: usize = 1024;
const MOST_WORDINGS: usize = 64;
/// What the clock shows when a gate begins: evidence of before is older.
const BEGAN: u64 = 1 << 40;

/// What a gate knows of its session's risk.
#[derive(Debug)]
pub struct Risks {
    risk: RefCell<Risk>,
    began: Instant,
    /// Where something was let out.
    reached: RefCell<HashSet<(Host, u16)>>,
    /// What each tool of a model was said to be. Both are hashes: whoever names a tool may do so at any length.
    tools: RefCell<HashMap<[u8; 32], HashSet<[u8; 32]>>>,
    /// By what secrets are known, made ready when something leaves first under the policies.
    secrets: RefCell<Option<Rc<Secrets>>>,
    recorded: Cell<u32>,
    untold: RefCell<Untold>,
    /// Requests can be read within TLS.
    reads: bool,
}

impl Risks {
    /// With what was counted before by gates that are gone.
    #[must_use]
    pub fn new(before: &[Counted], reads: bool) -> Risks {
        let mut risk = Risk::default();
        for one in before {
            if let Some(name) = Name::of(&one.name) {
                risk.count(BEGAN.saturating_sub(one.age), name, one.weight);
            }
        }
        Risks {
            risk: RefCell::new(risk),
            began: Instant::now(),
            reached: RefCell::default(),
            tools: RefCell::default(),
            secrets: RefCell::default(),
            recorded: Cell::new(0),
            untold: RefCell::default(),
            reads,
        }
    }

    fn now(&self) -> u64 {
        BEGAN.saturating_add(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// How high it is.
    pub(crate) fn score(&self) -> u32 {
        self.risk.borrow().score(self.now())
    }

    /// The operator looked at what was counted so far.
    pub(crate) fn forgive(&self) {
        self.risk.borrow_mut().forgive();
    }

    /// Other policies are in force, whose rules of secrets may be others.
    pub(crate) fn begin_anew(&self) {
        self.secrets.replace(None);
    }

    /// Something was let out there.
    pub(crate) fn reach(&self, asked: &Asked) {
        let mut reached = self.reached.borrow_mut();
        let place = (asked.host.clone(), asked.port);
        if reached.len() < MOST_KNOWN && !reached.contains(&place) {
            reached.insert(place);
        }
    }

    fn has_reached(&self, asked: &Asked) -> bool {
        self.reached.borrow().iter().any(|(host, port)| *host == asked.host && *port == asked.port)
    }

    fn narrowed(&self, score: u32) -> Narrowed {
        let mut known: Vec<(Host, u16)> = self.reached.borrow().iter().cloned().collect();
        known.sort();
        Narrowed { score, known, reads: self.reads, inherited: false, left: Vec::new() }
    }

    /// Whether this description of a tool is another one than before.
    fn differs(&self, tool: &str, digest: [u8; 32]) -> bool {
        let tool = <[u8; 32]>::from(Sha256::digest(tool));
        let mut tools = self.tools.borrow_mut();
        if tools.len() >= MOST_TOOLS && !tools.contains_key(&tool) {
            return false;
        }
        let known = tools.entry(tool).or_default();
        let first = known.is_empty();
        known.len() < MOST_WORDINGS && known.insert(digest) && !first
    }
}

impl Passage {
    /// Looks at what came in from somebody else, which the record holds already.
    pub(crate) fn look_at(&self, text: &str, source: &str, event: EventId) {
        for evidence in incoming(text) {
            self.suspect(&evidence, source, Some(event));
        }
    }

    /// Looks at the beginning of what a host answered.
    pub(crate) fn look_at_answer(&self, asked: &Asked, heard: Overheard, request: Option<EventId>) {
        if let (Some(text), Some(event)) = (heard.text(), request) {
            self.look_at(&text, &format!("the answer of {}:{} to {event}", asked.host, asked.port), event);
        }
    }

    /// Whether any policy has something done at a risk. Elsewhere what models are told and call is looked at alone.
    pub(crate) fn acts_on_risk(&self) -> bool {
        self.now().policy.risk() != policy::Risk::default()
    }

    /// Looks at what leaves.
    pub(crate) fn look_for_secrets(&self, text: &str, source: &str, event: Option<EventId>) {
        let made = self.risks.secrets.borrow().clone();
        let secrets = made.unwrap_or_else(|| {
            let now = self.now();
            let made = Rc::new(Secrets::with(now.policy.policies().flat_map(|policy| &policy.secrets)));
            self.risks.secrets.replace(Some(Rc::clone(&made)));
            made
        });
        for evidence in outgoing(text, &secrets) {
            self.suspect(&evidence, source, event);
        }
    }

    /// Looks at a new block of a conversation: results of tools are what comes in.
    pub(crate) fn look_at_block(&self, block: &Block, event: EventId) {
        if block.speaker == Speaker::Tool {
            self.look_at(&plain(block), &format!("a result of a tool, {event}"), event);
        }
    }

    /// Looks at what a model called.
    pub(crate) fn look_at_calls(&self, blocks: &[Block], model: EventId) {
        for block in blocks {
            if let Content::ToolCall { name, arguments, .. } = &block.content {
                self.look_for_secrets(arguments, &format!("a call of `{}`", shown(name)), Some(model));
            }
        }
    }

    /// Looks at what a request says of its tools: one that is described anew in one session is suspect.
    pub(crate) fn look_at_tools(&self, conversation: &Conversation) {
        for tool in &conversation.tools {
            let schema = tool.schema.to_string();
            let digest = Sha256::digest([tool.description.as_str(), &schema].join("\0"));
            if self.risks.differs(&tool.name, digest.into()) {
                self.suspect_described(&tool.name, &tool.description, None);
            }
        }
    }

    /// A tool says something else of itself than it did.
    pub(crate) fn suspect_described(&self, tool: &str, words: &str, event: Option<EventId>) {
        let evidence = of(Name::ChangedDescription, "a tool is described in another way than before", words);
        self.suspect(&evidence, &format!("the description of `{}`", shown(tool)), event);
    }

    /// A call was withheld that nothing the operator said speaks for.
    pub(crate) fn suspect_drift(&self, why: &str, words: &str, event: EventId) {
        self.suspect(&of(Name::Drift, why, words), "a call of the model", Some(event));
    }

    /// Something is about to go where nothing went before, while there is other evidence.
    pub(crate) fn suspect_place(&self, asked: &Asked) {
        if self.risks.has_reached(asked) {
            return;
        }
        let now = self.now();
        let goes = match decide(now.by(asked), &asked.egress()) {
            Decision::Allow(permit) => !permit.is_inference(),
            _ => false,
        };
        if goes {
            let place = format!("{}:{}", asked.host, asked.port);
            self.suspect(&of(Name::NewDestination, "nothing went there before", &place), &place, None);
        }
    }

    /// A sub-agent's evidence counts for the session that asked for it.
    pub(crate) fn suspect_child(&self, child: &Suspected) {
        if let Some(name) = Name::of(&child.name) {
            let evidence = Evidence { weight: child.weight, ..of(name, "it was found in a sub-agent", &child.event) };
            self.suspect(&evidence, &child.source, None);
        }
    }

    /// Records evidence that is new, counts it, and does what the policy says of the risk.
    fn suspect(&self, evidence: &Evidence, source: &str, event: Option<EventId>) {
        let (at, content) = (self.risks.now(), content(evidence, source));
        if !self.risks.risk.borrow_mut().add(at, evidence.name, evidence.weight, content) {
            return;
        }
        let score = self.risks.score();
        let recorded = self.risks.recorded.get();
        if recorded >= MOST_RECORDED {
            return self.act(score, evidence, source, None);
        }
        self.risks.recorded.set(recorded + 1);
        let kind = Kind::Risk {
            name: evidence.name.as_str().into(),
            why: evidence.why.clone(),
            source: source.to_owned(),
            from: u64::try_from(evidence.span.start).unwrap_or(u64::MAX),
            to: u64::try_from(evidence.span.end).unwrap_or(u64::MAX),
            quoted: evidence.quoted.clone(),
            weight: evidence.weight,
            score,
        };
        let cause = event.map(|id| Cause { id, known: Known::Observed });
        // What cannot be recorded counts all the same, and nothing else goes out then.
        let id = self.ledger.borrow_mut().write_after(cause, kind).ok();
        self.act(score, evidence, source, id);
    }

    fn act(&self, score: u32, evidence: &Evidence, source: &str, event: Option<EventId>) {
        let now = self.now();
        let level = now.policy.risk().level(score);
        let narrows = level >= Level::Ask && !now.policy.is_narrowed();
        let narrowed = narrows.then(|| self.narrow(self.risks.narrowed(score)));
        let told = Suspected {
            name: evidence.name.as_str().into(),
            weight: evidence.weight,
            score,
            level,
            source: source.to_owned(),
            event: event.map(|id| id.to_string()).unwrap_or_default(),
            narrowed,
        };
        let next = self.risks.untold.borrow_mut().add(told);
        self.tell_suspected(next);
    }

    /// Evidence that was handed on is about to be told to the session's process.
    pub(crate) fn suspected_told(&self) {
        let next = self.risks.untold.borrow_mut().told();
        self.tell_suspected(next);
    }

    fn tell_suspected(&self, told: Option<Suspected>) {
        if let Some(told) = told {
            let _ = self.held.reports().send(GateReport::Suspected(Box::new(told)));
        }
    }

    /// Narrows again what another policy widened, where the risk still wants that.
    pub(crate) fn keep_narrow(&self) {
        let (now, score) = (self.now(), self.risks.score());
        if now.policy.risk().level(score) >= Level::Ask && !now.policy.is_narrowed() {
            let narrowed = self.narrow(self.risks.narrowed(score));
            let _ = self.held.reports().send(GateReport::Narrowed(Box::new(narrowed)));
        }
    }

    /// Narrows it for its parent's risk; gives what to, where it was not narrowed itself.
    pub(crate) fn narrow_with_parent(&self, score: u32) -> Option<Narrowed> {
        let inherited = |narrowed: Narrowed| Narrowed { inherited: true, ..narrowed };
        let narrows = !self.now().policy.is_cut();
        narrows.then(|| self.narrow(inherited(self.risks.narrowed(score))))
    }
}

fn of(name: Name, why: &str, words: &str) -> Evidence {
    let quoted: String = words.chars().filter(|letter| !letter.is_control()).take(160).collect();
    Evidence { name, span: 0..words.len(), weight: name.weight(), why: why.to_owned(), quoted }
}

/// What tells one piece of evidence from another: what stands there, and of what has no words where.
fn content(evidence: &Evidence, source: &str) -> u64 {
    let text = match evidence.name {
        Name::Secret => format!("{source}\0{}\0{}", evidence.why, evidence.quoted),
        _ => evidence.quoted.clone(),
    };
    let digest = Sha256::digest(text);
    u64::from_le_bytes([digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7]])
}

fn shown(name: &str) -> String {
    name.chars().filter(|letter| letter.is_ascii_graphic() && *letter != '`').take(64).collect()
}

/// Whether any policy is narrowed or wants the operator asked.
pub(crate) fn asks(policy: &Conjunction) -> bool {
    policy.is_narrowed() || policy.policies().any(|policy| policy.network.default == policy::Default::Ask)
}
