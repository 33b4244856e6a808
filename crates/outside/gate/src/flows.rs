//! What may not leave: labelled text is looked for in what a request says, whatever it is wrapped in, before the request
//! goes out. What cannot be looked into is held back where something labelled might be in it.

mod anybody;
mod places;
mod tree;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use policy::{Conjunction, Flow, Label, SYSTEM_PROMPT, Sink};
use record::EventId;
use record::join::UNTRUSTED;
use sense::{Bounds, Corpus, Drops, Found, Fresh, Scan, Window};
use sha2::{Digest, Sha256};
use wire::Labelled;

pub(crate) use anybody::{Heard, Hears, zone};
pub use tree::Tree;

/// Destinations whose last requests are looked at together.
const DESTINATIONS: usize = 256;
/// Bytes of new text that are kept of each.
const KEPT: usize = 4 << 10;
/// The shortest text that is labelled as a whole: less stands in ordinary words.
const SHORT: usize = sense::LEAST;

/// What is in everybody's documents and says nothing of where it comes from.
const COMMON: [&str; 2] = [
    include_str!("../../../../blueprints/common/licences.txt"),
    include_str!("../../../../blueprints/common/skeletons.txt"),
];

/// What is labelled in this session, and the rules about it.
pub struct Flows {
    rules: RefCell<Vec<Flow>>,
    /// Whoever looks into something long has what was known when he began.
    corpus: RefCell<Arc<Corpus>>,
    /// How often something was added to it that may be found, or hides what is found.
    grown: Cell<u64>,
    labels: RefCell<Vec<Label>>,
    /// By the numbers that the corpus gives.
    sources: RefCell<HashMap<u32, Source>>,
    windows: RefCell<HashMap<String, Window>>,
    /// What of the texts left in drops, to whomever, and from whichever cell of a tree.
    tree: RefCell<Tree>,
    /// Why the corpus does not hold all that is labelled; nothing is let out then.
    lacking: RefCell<Option<String>>,
    /// Why it does not hold what an earlier gate knew.
    forgotten: RefCell<Option<String>>,
    /// Texts that were labelled from outside, by their hash.
    given: RefCell<HashSet<[u8; 32]>>,
    /// Whether all that models were told is labelled.
    all: Cell<bool>,
    /// Whether what everybody's documents have in common counts for nothing already.
    common: Cell<bool>,
    active: Cell<bool>,
    /// Bytes that each zone was told; none where that is not known from the beginning, under the same rules.
    told: RefCell<Option<HashMap<String, usize>>>,
    /// Shared with the answers that are heard now.
    hearing: Rc<()>,
}

/// Where a labelled text stands.
#[derive(Debug, Clone)]
struct Source {
    name: String,
    event: Option<EventId>,
}

/// Why a request does not leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stopped {
    /// The rule; none where nothing was found and it is held back.
    pub(crate) rule: Option<String>,
    /// In words.
    pub(crate) reason: String,
    /// What speaks against it.
    pub(crate) evidence: Vec<Carried>,
    /// It is stopped for nothing but what of it cannot be looked into.
    pub(crate) unread: bool,
}

/// A labelled text that a request carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) label: String,
    pub(crate) source: String,
    pub(crate) event: Option<EventId>,
    pub(crate) how: String,
    pub(crate) quoted: String,
}

/// What one request is looked at with.
pub(crate) struct Look {
    pub(crate) corpus: Arc<Corpus>,
    pub(crate) window: Window,
    pub(crate) grown: u64,
}

/// What was found in the parts of a request by themselves.
pub(crate) type Alone = (Scan, Fresh);

/// What was found in a request, before it counts as said.
pub(crate) struct Looked {
    to: String,
    bounds: Bounds,
    scan: Scan,
    fresh: Fresh,
}

impl Stopped {
    /// A call of which programs take two things.
    pub(crate) fn two_ways() -> Stopped {
        let reason = "a name stands twice in its arguments, of which a program may take either".into();
        Stopped { rule: None, reason, evidence: Vec::new(), unread: false }
    }

    /// Held back without a rule: nobody could look at it.
    pub(crate) fn unseen(why: &str) -> Stopped {
        Stopped { rule: None, reason: format!("held back: {why}"), evidence: Vec::new(), unread: false }
    }
}

impl std::fmt::Debug for Flows {
    /// Without the texts.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Flows({} rules)", self.rules.borrow().len())
    }
}

impl Flows {
    /// The rules of every policy, and what is labelled from the start; `first` says that no gate came before, `tree` what left in
    /// drops.
    #[must_use]
    pub fn new(policy: &Conjunction, labelled: &[Labelled], first: bool, tree: Tree) -> Flows {
        let flows = Flows {
            rules: RefCell::default(),
            corpus: RefCell::new(Arc::new(Corpus::new())),
            grown: Cell::new(0),
            labels: RefCell::default(),
            sources: RefCell::default(),
            windows: RefCell::default(),
            tree: RefCell::new(tree),
            given: RefCell::default(),
            lacking: RefCell::default(),
            forgotten: RefCell::default(),
            all: Cell::new(first),
            common: Cell::new(false),
            active: Cell::new(false),
            told: RefCell::default(),
            hearing: Rc::default(),
        };
        flows.replace(policy, labelled);
        flows.told.replace((first && flows.active.get()).then(HashMap::new));
        flows
    }

    /// The same under other rules. What was labelled stays so.
    pub(crate) fn replace(&self, policy: &Conjunction, labelled: &[Labelled]) {
        let rules: Vec<Flow> = policy.policies().flat_map(|policy| policy.flows.iter().cloned()).collect();
        let ruled = |one: &&Labelled| {
            // Whose words a text is, is no reason to look for it where no rule says so.
            !one.label.as_str().starts_with(UNTRUSTED) || rules.iter().any(|rule| rule.deny.takes(one.label.as_str()))
        };
        let labelled: Vec<&Labelled> = labelled.iter().filter(ruled).collect();
        let any = !labelled.is_empty() || !self.labels.borrow().is_empty() || policy.routes_models();
        let active = !rules.is_empty() && any;
        let prompt = |rule: &Flow| Sink::ALL.iter().any(|sink| rule.refuses(SYSTEM_PROMPT, *sink));
        if active && !self.all.get() && policy.routes_models() && rules.iter().any(prompt) {
            // What was told to a model before is told again with the next request to one.
            let why = "what models were told before is not known to this gate until one is asked again";
            *self.forgotten.borrow_mut() = Some(why.to_owned());
        }
        if self.rules.replace(rules) != *self.rules.borrow() || !active {
            // What rules kept in that are no more may have left since.
            self.told.replace(None);
        }
        self.active.set(active);
        for one in labelled {
            let digest = Sha256::digest([one.label.as_str(), &one.source, &one.text].join("\0"));
            if self.given.borrow_mut().insert(digest.into()) {
                self.add(&one.label, one.text.as_bytes(), one.exact, Source { name: one.source.clone(), event: None });
            }
        }
    }

    /// The session carries these labels already; `lacking` says why the texts that were labelled are not all that does.
    pub fn begin_with(&self, carried: &[Label], lacking: Option<&str>) {
        let mut labels = self.labels.borrow_mut();
        for label in carried {
            if !labels.contains(label) {
                labels.push(label.clone());
            }
        }
        if let Some(why) = lacking {
            *self.lacking.borrow_mut() = Some(format!("not all that carries a label could be read: {why}"));
            self.active.set(!self.rules.borrow().is_empty());
        }
    }

    /// Whether anything is looked for in this session.
    #[must_use]
    pub(crate) fn is_active(&self) -> bool {
        self.active.get()
    }

    /// Whether a rule is about what goes there, by its name.
    pub(crate) fn guards(&self, sink: Sink) -> bool {
        self.active.get() && self.rules.borrow().iter().any(|rule| rule.to == Some(sink))
    }

    /// Labels what a conversation's system prompt says.
    pub(crate) fn system_prompt(&self, text: &str, event: Option<EventId>) {
        self.forgotten.borrow_mut().take();
        self.all.set(self.active.get());
        // A line or two of a harness is what everybody knows.
        if self.active.get() && text.len() >= SHORT {
            let name = "the conversation's system prompt".to_owned();
            self.add(&Label::system_prompt(), text.as_bytes(), false, Source { name, event });
        }
    }

    /// Labels that there are in this session.
    pub(crate) fn known(&self) -> Vec<Label> {
        self.labels.borrow().clone()
    }

    /// Labels what came in as a message.
    pub(crate) fn told(&self, label: &Label, text: &[u8], name: &str, event: EventId) {
        if self.rules.borrow().is_empty() {
            return;
        }
        self.active.set(true);
        self.add(label, text, false, Source { name: name.to_owned(), event: Some(event) });
    }

    fn add(&self, label: &Label, text: &[u8], exact: bool, source: Source) {
        let mut labels = self.labels.borrow_mut();
        let known = labels.iter().position(|other| other == label).unwrap_or_else(|| {
            labels.push(label.clone());
            labels.len() - 1
        });
        let number = sense::Label(u16::try_from(known).unwrap_or(u16::MAX));
        let mut corpus = self.corpus.borrow_mut();
        if corpus.knows(number, text, exact) {
            return;
        }
        let corpus = Arc::make_mut(&mut corpus);
        let added = if exact { corpus.add_secret(number, text) } else { corpus.add(number, text) };
        self.grown.set(self.grown.get() + 1);
        match added {
            Ok(id) => {
                self.sources.borrow_mut().entry(id.0).or_insert(source);
            }
            Err(full) => *self.lacking.borrow_mut() = Some(full.to_string()),
        }
    }

    /// Judges what a request says, part by part. What is not stopped counts as said.
    pub(crate) fn judge(&self, to: &str, sink: Sink, parts: &[&[u8]], bounds: &Bounds) -> Option<Stopped> {
        self.settle(sink, self.look(to, parts, bounds)?)
    }

    /// Judges a name that is looked up: as a whole, and what stands before the zone without its dots, together with what
    /// stood before the same zone of late. A gate that does not know all that is labelled still lets names be looked up:
    /// the requests behind them are held.
    pub(crate) fn judge_name(&self, name: &str) -> Option<Stopped> {
        if !self.active.get() {
            return None;
        }
        let carries = |scan: &Scan| self.carries(scan, Sink::Network);
        carries(&self.scan(name.as_bytes())).or_else(|| {
            let (at, _) = name.rmatch_indices('.').nth(1)?;
            let before = name[..at].replace('.', "");
            self.tells(name, before.len());
            let zone = format!("names of {}", &name[at + 1..]);
            let looked = self.look(&zone, &[before.as_bytes()], &Bounds::USUAL)?;
            self.settle_by(Sink::Network, looked, carries)
        })
    }

    /// Looks at parts with what was said there of late; none where nothing is looked for.
    pub(crate) fn look(&self, to: &str, parts: &[&[u8]], bounds: &Bounds) -> Option<Looked> {
        let look = || {
            let (windows, first) = (self.windows.borrow(), Window::new(KEPT));
            let window = windows.get(to).unwrap_or(&first);
            let alone = window.scan_alone(&self.corpus.borrow(), parts, bounds);
            self.join(to, alone, self.grown.get(), bounds)
        };
        // Again where what is common begins to count for nothing: that it does once.
        if self.active.get() { look().or_else(look) } else { None }
    }

    /// What a request is looked at with, wherever that is done; none where nothing is looked for.
    pub(crate) fn begin(&self, to: &str) -> Option<Look> {
        let window = || self.windows.borrow().get(to).cloned().unwrap_or_else(|| Window::new(KEPT));
        let look = || Look { corpus: Arc::clone(&self.corpus.borrow()), window: window(), grown: self.grown.get() };
        self.active.get().then(look)
    }

    /// Joins what was found in parts with what was said there by now. None where it has to be looked at again: something else is
    /// to be found since.
    pub(crate) fn join(&self, to: &str, (mut scan, fresh): Alone, grown: u64, bounds: &Bounds) -> Option<Looked> {
        if grown != self.grown.get() {
            return None;
        }
        if let Some(window) = self.windows.borrow().get(to) {
            window.join(&self.corpus.borrow(), bounds, &mut scan, &fresh);
        }
        let common = self.may_be_common(&scan);
        (!common).then(|| Looked { to: to.to_owned(), bounds: *bounds, scan, fresh })
    }

    /// What stops it where that is nothing but what of it cannot be looked into.
    pub(crate) fn unread(&self, sink: Sink, looked: &Looked) -> Option<Stopped> {
        self.stops(&looked.scan, sink).filter(|stopped| stopped.unread)
    }

    /// Judges what was looked at. It counts as said unless it is stopped, and so do the drops in it, wherever it goes.
    pub(crate) fn settle(&self, sink: Sink, looked: Looked) -> Option<Stopped> {
        self.settle_by(sink, looked, |scan| self.stops(scan, sink))
    }

    fn settle_by(&self, sink: Sink, looked: Looked, stops: impl FnOnce(&Scan) -> Option<Stopped>) -> Option<Stopped> {
        let Looked { to, bounds, mut scan, fresh } = looked;
        let guarded = |label: sense::Label| self.refuses(label, sink);
        let drops = Drops::of(&self.corpus.borrow(), &fresh, &bounds, guarded);
        let untold = if drops.is_empty() { None } else { self.tell(&drops, &mut scan).err() };
        let stopped = stops(&scan).or_else(|| self.holds_drops(&drops, sink, &untold?));
        let mut windows = self.windows.borrow_mut();
        if windows.len() >= DESTINATIONS && !windows.contains_key(&to) {
            windows.clear();
        }
        let window = windows.entry(to).or_insert_with(|| Window::new(KEPT));
        match stopped {
            None => window.keep(fresh),
            Some(_) => window.keep_end(&scan, &fresh),
        }
        stopped
    }

    /// Tells all gates of the tree of drops, and adds what those come to with what was told before. Then it is too late to go
    /// another way: what goes on with one that was stopped is to be stopped as well.
    fn tell(&self, drops: &Drops, scan: &mut Scan) -> Result<(), String> {
        let mut tree = self.tree.borrow_mut();
        tree.tell(drops)?;
        tree.evidence(drops, &self.corpus.borrow(), scan);
        Ok(())
    }

    /// Holds drops that nobody could be told of.
    fn holds_drops(&self, drops: &Drops, sink: Sink, why: &str) -> Option<Stopped> {
        let (labels, rules) = (self.labels.borrow(), self.rules.borrow());
        let label = self.corpus.borrow().label_of(drops.first()?)?;
        let label = labels.get(usize::from(label.0)).map_or(SYSTEM_PROMPT, Label::as_str);
        let rule = rules.iter().find(|rule| rule.refuses(label, sink))?;
        let reason = format!("held back: it may go on with a part of `{label}` that was said before, and {why}");
        Some(Stopped { rule: Some(rule.to_string()), reason, evidence: Vec::new(), unread: false })
    }

    fn scan(&self, text: &[u8]) -> Scan {
        let scan = self.corpus.borrow().scan(text, &Bounds::USUAL);
        if self.may_be_common(&scan) { self.corpus.borrow().scan(text, &Bounds::USUAL) } else { scan }
    }

    /// Whether to look again at where text was found, now that what is common counts for nothing. Most sessions never come
    /// to that, and it costs memory.
    fn may_be_common(&self, scan: &Scan) -> bool {
        let text = |found: &Found| !found.quoted.is_empty();
        if !scan.found.iter().any(text) || self.common.replace(true) {
            return false;
        }
        // Where there is no room it counts as evidence, and more is held than has to be.
        let mut corpus = self.corpus.borrow_mut();
        let corpus = Arc::make_mut(&mut corpus);
        COMMON.iter().for_each(|text| drop(corpus.make_public(text.as_bytes())));
        self.grown.set(self.grown.get() + 1);
        true
    }

    /// Whether what has a label may not flow there.
    fn refuses(&self, label: sense::Label, sink: Sink) -> bool {
        let labels = self.labels.borrow();
        let label = labels.get(usize::from(label.0)).map_or(SYSTEM_PROMPT, Label::as_str);
        self.rules.borrow().iter().any(|rule| rule.refuses(label, sink))
    }

    /// The first of what was found that may not flow there.
    fn refused<'f>(&self, found: &'f [Found], sink: Sink) -> Option<&'f Found> {
        let (labels, rules) = (self.labels.borrow(), self.rules.borrow());
        let label = |found: &Found| labels.get(usize::from(found.label.0)).map_or(SYSTEM_PROMPT, Label::as_str);
        found.iter().find(|found| rules.iter().any(|rule| rule.refuses(label(found), sink)))
    }

    /// What of it may not flow there.
    fn carries(&self, scan: &Scan, sink: Sink) -> Option<Stopped> {
        let (labels, rules) = (self.labels.borrow(), self.rules.borrow());
        let label = |found: &Found| labels.get(usize::from(found.label.0)).map_or(SYSTEM_PROMPT, Label::as_str);
        let refusing = |found: &Found| rules.iter().find(|rule| rule.refuses(label(found), sink));
        let rule = scan.found.iter().find_map(refusing)?;
        let against = scan.found.iter().filter(|found| refusing(found).is_some());
        let evidence: Vec<Carried> = against.map(|found| self.carried(label(found), found)).collect();
        let first = evidence.first().map_or(String::new(), |one| format!("`{}` of {}", one.label, one.source));
        let reason = format!("it carries {first}, and a flow rule keeps that from the {}", sink.name());
        Some(Stopped { rule: Some(rule.to_string()), reason, evidence, unread: false })
    }

    /// What of it may not flow there, or why it is held back.
    fn stops(&self, scan: &Scan, sink: Sink) -> Option<Stopped> {
        self.carries(scan, sink).or_else(|| self.holds(scan, sink))
    }

    fn holds(&self, scan: &Scan, sink: Sink) -> Option<Stopped> {
        let (labels, rules) = (self.labels.borrow(), self.rules.borrow());
        // Only what is labelled could be in what nobody can look into.
        let known = labels.iter().map(Label::as_str);
        let forgotten = self.forgotten.borrow().clone();
        let any = known
            .chain(forgotten.as_ref().map(|_| SYSTEM_PROMPT))
            .find_map(|label| rules.iter().find(|rule| rule.refuses(label, sink)))?;
        let (why, unread) = match held(scan) {
            Some(why) => (why, true),
            None => (self.lacking.borrow().clone().or(forgotten)?, false),
        };
        let reason = format!("held back: {why}, in a session that holds what may not leave");
        Some(Stopped { rule: Some(any.to_string()), reason, evidence: Vec::new(), unread })
    }

    fn carried(&self, label: &str, found: &Found) -> Carried {
        let sources = self.sources.borrow();
        let source = sources.get(&found.source.0);
        let mut how: Vec<String> = found.how.iter().map(ToString::to_string).collect();
        if !found.by.is_empty() {
            let tree = self.tree.borrow();
            let others: Vec<&str> = found.by.iter().map(|cell| tree.name(*cell)).collect();
            how.push(format!("going on with what was said in {}", others.join(", ")));
        }
        Carried {
            label: label.to_owned(),
            source: source.map_or_else(|| "what is labelled".into(), |source| source.name.clone()),
            event: source.and_then(|source| source.event),
            how: how.join(", "),
            quoted: found.quoted.clone(),
        }
    }
}

fn held(scan: &Scan) -> Option<String> {
    if let Some(beyond) = scan.beyond {
        return Some(format!("what it says cannot be looked into ({})", format!("{beyond:?}").to_lowercase()));
    }
    let opaque = scan.opaque.as_ref()?;
    Some(format!("{} bytes of it cannot be looked into ({})", opaque.size, opaque.seal))
}
