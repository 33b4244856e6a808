//! What may not leave: labelled text is looked for in what a request says, whatever it is wrapped in, before the request
//! goes out. What cannot be looked into is held back where something labelled might be in it.

mod places;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use policy::{Conjunction, Flow, Label, SYSTEM_PROMPT, Sink};
use record::EventId;
use record::join::UNTRUSTED;
use sense::{Bounds, Corpus, Drips, Found, Scan, Window};
use sha2::{Digest, Sha256};
use wire::Labelled;

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
    corpus: RefCell<Corpus>,
    labels: RefCell<Vec<Label>>,
    /// By the numbers that the corpus gives.
    sources: RefCell<HashMap<u32, Source>>,
    windows: RefCell<HashMap<String, Window>>,
    /// What of the texts left in drops, to whomever.
    drips: RefCell<Drips>,
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

impl std::fmt::Debug for Flows {
    /// Without the texts.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Flows({} rules)", self.rules.borrow().len())
    }
}

impl Flows {
    /// The rules of every policy, and what is labelled from the start; `first` says that no gate came before.
    #[must_use]
    pub fn new(policy: &Conjunction, labelled: &[Labelled], first: bool) -> Flows {
        let flows = Flows {
            rules: RefCell::default(),
            corpus: RefCell::new(Corpus::new()),
            labels: RefCell::default(),
            sources: RefCell::default(),
            windows: RefCell::default(),
            drips: RefCell::default(),
            given: RefCell::default(),
            lacking: RefCell::default(),
            forgotten: RefCell::default(),
            all: Cell::new(first),
            common: Cell::new(false),
            active: Cell::new(false),
        };
        flows.replace(policy, labelled);
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
        self.rules.replace(rules);
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
        let added = if exact { corpus.add_secret(number, text) } else { corpus.add(number, text) };
        match added {
            Ok(id) => {
                self.sources.borrow_mut().entry(id.0).or_insert(source);
            }
            Err(full) => *self.lacking.borrow_mut() = Some(full.to_string()),
        }
    }

    /// Judges what a request says, part by part. What is not stopped counts as said.
    pub(crate) fn judge(&self, to: &str, sink: Sink, parts: &[&[u8]], bounds: &Bounds) -> Option<Stopped> {
        if self.active.get() { self.weighs(to, sink, parts, bounds, |scan| self.stops(scan, sink)) } else { None }
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
            let zone = format!("names of {}", &name[at + 1..]);
            self.weighs(&zone, Sink::Network, &[before.as_bytes()], &Bounds::USUAL, carries)
        })
    }

    /// Looks at parts with what was said there of late, which they join unless they are stopped, and with what left of the
    /// same texts in drops, wherever it went.
    fn weighs(
        &self,
        to: &str,
        sink: Sink,
        parts: &[&[u8]],
        bounds: &Bounds,
        stops: impl FnOnce(&Scan) -> Option<Stopped>,
    ) -> Option<Stopped> {
        let mut windows = self.windows.borrow_mut();
        if windows.len() >= DESTINATIONS && !windows.contains_key(to) {
            windows.clear();
        }
        let window = windows.entry(to.to_owned()).or_insert_with(|| Window::new(KEPT));
        let (mut scan, mut fresh) = window.scan(&self.corpus.borrow(), parts, bounds);
        if self.may_be_common(&scan) {
            (scan, fresh) = window.scan(&self.corpus.borrow(), parts, bounds);
        }
        let guarded = |label: sense::Label| self.refuses(label, sink);
        let mut drips = self.drips.borrow_mut();
        let drops = drips.scan(&self.corpus.borrow(), &fresh, bounds, guarded, &mut scan);
        drips.keep(drops);
        let stopped = stops(&scan);
        match stopped {
            None => window.keep(fresh),
            Some(_) => window.keep_end(&scan, &fresh),
        }
        stopped
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
        COMMON.iter().for_each(|text| drop(self.corpus.borrow_mut().make_public(text.as_bytes())));
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
        Some(Stopped { rule: Some(rule.to_string()), reason, evidence })
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
        let why = held(scan).or_else(|| self.lacking.borrow().clone()).or(forgotten)?;
        let reason = format!("held back: {why}, in a session that holds what may not leave");
        Some(Stopped { rule: Some(any.to_string()), reason, evidence: Vec::new() })
    }

    fn carried(&self, label: &str, found: &Found) -> Carried {
        let sources = self.sources.borrow();
        let source = sources.get(&found.source.0);
        let how: Vec<String> = found.how.iter().map(ToString::to_string).collect();
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
