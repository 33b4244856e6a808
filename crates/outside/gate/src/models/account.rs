//! What a session has said to models and heard from them: which blocks are known, what it cost.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::rc::Rc;

use policy::provider::Held;
use policy::{Amounts, Conjunction, Money, left_under_risk};
use record::conversation::{Block, Content, Conversation, History, Speaker, Standing, Tool, plain, told};
use record::{Cause, Cost, EventId, Kind, Known};
use sense::meaning::{Memory, Order, Others};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use wire::Labelled;

use super::origin::Origins;
use super::thoughts::Thoughts;
use super::told::Told;
use super::withheld::Kept;
use super::{Ended, Failure, Heard, Purse, Taken};
use crate::ledger::Ledger;

/// Most blocks of one request that are told as causes of it: the newest.
const TOLD: usize = 24;

/// Most sealed items that are known.
const MOST_SEALED: usize = 65_536;

/// Most results of tools of which the place in the record is known.
const MOST_GIVEN: usize = 65_536;

/// Bytes of texts of which is remembered what they order.
const MOST_ORDERED: usize = 8 << 20;

/// Most descriptions of tools that are recorded.
const MOST_TOOLS: usize = 4096;

/// Most texts of the operator's that are known. Later ones are nobody's.
const MOST_ATTESTED: usize = 4096;

/// Bytes of new blocks that are recorded before everybody else has a turn, and what each counts beside its words.
const AT_ONCE: usize = 256 << 10;
const EACH: usize = 256;

type Ordered = HashMap<[u8; 32], Rc<Vec<Order>>>;

/// One session's account.
#[derive(Debug, Default)]
pub struct Models {
    history: RefCell<History>,
    /// Held by the request of which is recorded what is new in it.
    recording: Mutex<()>,
    /// SHA-256 of what was delivered and is no text: sealed thoughts, signatures.
    sealed: RefCell<HashSet<[u8; 32]>>,
    /// What an earlier gate counted is not known: every budget counts as used up.
    spent: bool,
    tokens: Cell<u64>,
    requests: Cell<u64>,
    /// What is the session's children's: tokens and requests.
    held: Cell<(u64, u64)>,
    /// To what both budgets are cut under risk, with what is its children's.
    cut: Cell<Option<(Option<u64>, Option<u64>)>>,
    /// What was spent.
    pub(super) purse: Purse,
    /// What was signed, of thoughts that a program has in other words.
    pub(super) thoughts: Thoughts,
    /// Calls that a program has one of nobody's tool for.
    pub(super) kept: Kept,
    /// Where the record holds what tools gave, by its hash.
    given: RefCell<HashMap<[u8; 32], EventId>>,
    /// Tools that models were told of, by the hash of all that was told.
    tools: RefCell<HashSet<String>>,
    /// What others' texts order, by their hash, and bytes of those texts.
    orders: RefCell<(Ordered, usize)>,
    /// What was read of results, for each policy that has calls judged.
    read: RefCell<Vec<Memory>>,
    /// The tools that the last request told of.
    listed: RefCell<Vec<Tool>>,
    /// What the operator really said, [normal].
    attested: RefCell<BTreeSet<String>>,
    /// Bytes of the longest of them.
    longest: Cell<usize>,
    /// The same of all conversations of the session.
    pub(crate) told: Told,
    /// Whose words are said as the user's.
    origins: Origins,
}

/// Nothing that a provider holds is this session's: the gate sends what a conversation says, whole.
impl Held for Models {
    fn response(&self, _id: &str) -> bool {
        false
    }

    fn encrypted(&self, item: &str) -> bool {
        self.sealed.borrow().contains(&<[u8; 32]>::from(Sha256::digest(item)))
    }
}

impl Models {
    /// With what the operator said before the session began.
    #[must_use]
    pub fn new(intent: &[String], first: bool) -> Models {
        let models = Models { spent: !first, purse: Purse::new(first), ..Models::default() };
        intent.iter().for_each(|words| models.attest(words));
        models
    }

    /// Under these policies from here on, with what others wrote before the session, or why not all of that is known.
    #[must_use]
    pub fn knowing(self, policy: &Conjunction, labelled: &[Labelled], lacking: Option<&str>) -> Models {
        self.under(policy, labelled, lacking, !self.spent);
        self.attested.borrow().iter().for_each(|words| self.origins.own(words));
        self
    }

    /// The same in a session that goes on.
    pub(crate) fn under(&self, policy: &Conjunction, labelled: &[Labelled], lacking: Option<&str>, first: bool) {
        self.origins.under(policy, first);
        self.origins.wrote(labelled, lacking);
    }

    /// Who else wrote what a block says as the user's words, as instructions, or as a model's that none said.
    pub(super) fn others(&self, block: &Block) -> Option<Rc<Others>> {
        if self.attests(block) || block.speaker == Speaker::Assistant && self.delivered(block) {
            return None;
        }
        self.origins.of(block)
    }

    /// Takes what the operator said. One word is a confirmation, and says nothing by itself.
    pub(crate) fn attest(&self, words: &str) {
        let words = normal(words);
        let mut attested = self.attested.borrow_mut();
        if words.contains(' ') && attested.len() < MOST_ATTESTED {
            self.origins.own(&words);
            self.longest.set(self.longest.get().max(words.len()));
            attested.insert(words);
        }
    }

    /// What the operator is known to have said.
    pub(crate) fn attested(&self) -> Vec<String> {
        self.attested.borrow().iter().cloned().collect()
    }

    /// Whether a block says what the operator did.
    pub(super) fn attests(&self, block: &Block) -> bool {
        let Content::Text(text) = &block.content else { return false };
        let is_one =
            || normal_within(text, self.longest.get()).is_some_and(|words| self.attested.borrow().contains(&words));
        block.speaker == Speaker::User && is_one()
    }

    /// What one of the session's policies, by its number, remembers of results.
    pub(super) fn remembering<T>(&self, policy: usize, read: impl FnOnce(&mut Memory) -> T) -> T {
        let mut known = self.read.borrow_mut();
        if known.len() <= policy {
            known.resize_with(policy + 1, Memory::default);
        }
        read(&mut known[policy])
    }

    /// What a text of somebody else's orders. A conversation says the same texts again and again: each is looked at once.
    pub(super) fn orders(&self, text: &str) -> Rc<Vec<Order>> {
        let digest = <[u8; 32]>::from(Sha256::digest(text));
        let mut known = self.orders.borrow_mut();
        let (orders, bytes) = &mut *known;
        if let Some(orders) = orders.get(&digest) {
            return Rc::clone(orders);
        }
        if orders.len() >= MOST_GIVEN || *bytes >= MOST_ORDERED {
            orders.clear();
            *bytes = 0;
        }
        let found = Rc::new(Order::all_of(text));
        *bytes += if found.is_empty() { 0 } else { text.len() };
        orders.insert(digest, Rc::clone(&found));
        found
    }

    /// Whether a model's block went to the program as it is.
    pub(super) fn delivered(&self, block: &Block) -> bool {
        self.history.borrow().was_delivered(block)
    }

    /// Leaves so much to the session's children; gives whether it was still there, of what the policies allow.
    pub(crate) fn hold(&self, held: &Amounts, policy: &Conjunction) -> bool {
        let (tokens, requests) = (held.tokens.unwrap_or(0), held.requests.unwrap_or(0));
        let before = self.held.replace((tokens, requests));
        if let Some((most, asked)) = self.cut.get() {
            // What comes back under risk is cut as what was left.
            let less = |cut: Option<u64>, before: u64, now: u64| {
                let back = before.saturating_sub(now);
                cut.map(|cut| cut.saturating_sub(back - left_under_risk(back)))
            };
            self.cut.set(Some((less(most, before.0, tokens), less(asked, before.1, requests))));
        }
        let fits = |held: u64, used: u64, limit: Option<u64>| {
            held == 0 || limit.is_none_or(|limit| !self.spent && used.saturating_add(held) <= limit)
        };
        let (most, asked) = self.within(policy.model_budget());
        let money = self.purse.hold(held.money, money(policy));
        fits(tokens, self.tokens.get(), most) && fits(requests, self.requests.get(), asked) && money
    }

    /// Cuts what is left of each budget, or gives back what was cut; gives what stays, in words.
    pub(crate) fn cut(&self, policy: &Conjunction, cut: bool) -> Vec<String> {
        let money = self.purse.cut(money(policy), cut);
        if !cut {
            self.cut.set(None);
            return Vec::new();
        }
        if self.cut.get().is_some() {
            return Vec::new();
        }
        let (most, asked) = policy.model_budget();
        let (held, asking) = self.held.get();
        let stays = |limit: Option<u64>, gone: u64| {
            let limit = limit?;
            let gone = if self.spent { limit } else { gone };
            Some((gone, left_under_risk(limit.saturating_sub(gone))))
        };
        let tokens = stays(most, self.tokens.get().saturating_add(held));
        let requests = stays(asked, self.requests.get().saturating_add(asking));
        let all = |one: Option<(u64, u64)>| one.map(|(gone, left)| gone.saturating_add(left));
        self.cut.set(Some((all(tokens), all(requests))));
        let words = [
            tokens.map(|(_, left)| format!("{left} tokens")),
            requests.map(|(_, left)| format!("{left} requests to models")),
            money.map(|money| money.to_string()),
        ];
        words.into_iter().flatten().collect()
    }

    /// Budgets, as far as they are not cut.
    fn within(&self, (tokens, requests): (Option<u64>, Option<u64>)) -> (Option<u64>, Option<u64>) {
        let (most, asked) = self.cut.get().unwrap_or_default();
        let least = |limit: Option<u64>, cut: Option<u64>| limit.map(|limit| cut.map_or(limit, |cut| cut.min(limit)));
        (least(tokens, most), least(requests, asked))
    }

    /// Counts one request, if the policy leaves room for it.
    ///
    /// # Errors
    /// [`Failure`]: what the program is told.
    pub(crate) fn admit(&self, budget: (Option<u64>, Option<u64>)) -> Result<(), Failure> {
        let (tokens, requests) = self.within(budget);
        let cut = if self.cut.get().is_some() { ", which was cut under risk," } else { "" };
        let spent = |what: &str, limit: u64| {
            let why = format!("the session's budget of {limit} {what}{cut} is used up");
            Err(Failure { status: "429 Too Many Requests", why, model: None })
        };
        let (held, asked) = self.held.get();
        if let Some(limit) = tokens.filter(|limit| self.spent || self.tokens.get().saturating_add(held) >= *limit) {
            return spent("tokens", limit);
        }
        if let Some(limit) = requests.filter(|limit| self.spent || self.requests.get().saturating_add(asked) >= *limit)
        {
            return spent("requests", limit);
        }
        self.requests.set(self.requests.get() + 1);
        Ok(())
    }

    fn seal(&self, digests: impl Iterator<Item = [u8; 32]>) {
        let mut sealed = self.sealed.borrow_mut();
        sealed.extend(digests);
        if sealed.len() > MOST_SEALED {
            // What is forgotten is refused when it comes back.
            sealed.clear();
        }
    }

    /// Records what is new in a request; gives the events, the newest last. One request after the other: what one of them
    /// records, none that says the same goes out before.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub(crate) async fn asked(
        &self,
        conversation: &Conversation,
        ledger: &RefCell<Ledger>,
        mut label: impl FnMut(&Block, EventId),
    ) -> std::io::Result<Vec<Cause>> {
        let _turn = self.recording.lock().await;
        self.told_of(&conversation.tools, ledger)?;
        let mut causes = Vec::new();
        let (sorted, seen) = self.history.borrow_mut().standings(conversation);
        let mut written = 0;
        for (block, standing) in sorted {
            if !standing.is_new() {
                continue;
            }
            if written >= AT_ONCE {
                written = 0;
                tokio::task::yield_now().await;
            }
            written += plain(block).len() + EACH;
            let attested = self.attests(block);
            let mut kind = said(block, standing, attested);
            let others = self.others(block).filter(|_| block.speaker == Speaker::User).is_some();
            if let (true, Kind::Said { standing, .. }) = (others, &mut kind) {
                *standing = "untrusted".into();
            }
            let id = ledger.borrow_mut().write(kind)?;
            label(block, id);
            self.told.take(block, attested, others, id);
            if matches!(block.speaker, Speaker::Tool | Speaker::User) {
                self.keep(block, id);
            }
            causes.push(Cause { id, known: Known::Observed });
        }
        // Not before all of it is recorded: who leaves in between has said nothing yet.
        self.history.borrow_mut().remember(seen);
        Ok(causes.split_off(causes.len().saturating_sub(TOLD)))
    }

    /// Records the tools that models were not told of before, or in other words. One that says something new each time must
    /// not fill the record.
    fn told_of(&self, tools: &[Tool], ledger: &RefCell<Ledger>) -> std::io::Result<()> {
        if !self.has_others(tools) {
            return Ok(());
        }
        let mut known = self.tools.borrow_mut();
        for tool in tools {
            let kind = told(tool);
            let Kind::Tool { digest, .. } = &kind else { continue };
            if known.len() > MOST_TOOLS || !known.insert(digest.clone()) {
                continue;
            }
            let kind = if known.len() > MOST_TOOLS { no_more() } else { kind };
            ledger.borrow_mut().write(kind)?;
        }
        *self.listed.borrow_mut() = tools.to_vec();
        Ok(())
    }

    /// Whether these are other tools than the request before told of: most say the same ones again.
    pub(crate) fn has_others(&self, tools: &[Tool]) -> bool {
        *self.listed.borrow() != tools
    }

    fn keep(&self, block: &Block, id: EventId) {
        let mut given = self.given.borrow_mut();
        if given.len() >= MOST_GIVEN {
            // What is forgotten is told of without its place.
            given.clear();
        }
        given.insert(block.digest(), id);
    }

    /// Where the record holds what a tool gave.
    pub(super) fn given(&self, block: &Block) -> Option<EventId> {
        self.given.borrow().get(&block.digest()).copied()
    }

    /// Sets right what was taken out for a request; gives what it cost.
    pub(super) fn settle(&self, taken: Option<Taken>, ended: Ended) -> Option<Cost> {
        taken.map(|taken| self.purse.settle(taken, ended))
    }

    /// Records what a model answered to a request.
    pub(crate) fn answered(&self, model: EventId, heard: &Heard, cost: Option<Cost>, ledger: &RefCell<Ledger>) {
        let Heard { delivered, fault, .. } = heard;
        self.history.borrow_mut().delivered(&delivered.blocks);
        self.origins.said(&delivered.blocks);
        let sealed = delivered.blocks.iter().filter_map(|block| match &block.content {
            Content::Attachment { digest, .. } => Some(*digest),
            _ => None,
        });
        self.seal(sealed);
        let usage = delivered.usage;
        // A provider may say any number.
        let used = usage.input.unwrap_or(0).saturating_add(usage.output.unwrap_or(0));
        self.tokens.set(self.tokens.get().saturating_add(used));
        let mut ledger = ledger.borrow_mut();
        let because = Cause { id: model, known: Known::Observed };
        for block in &delivered.blocks {
            // It was delivered already: if this is lost, the ledger refuses whatever comes next.
            let _ = ledger.write_after([because], said(block, Standing::Delivered, false));
        }
        let _ = ledger.write(Kind::Answered {
            model,
            input: usage.input,
            output: usage.output,
            stop: delivered.stop.clone(),
            whole: delivered.whole,
            error: fault.clone(),
            complaint: delivered.error.clone(),
            cost,
        });
    }
}

/// What all policies let a session spend.
fn money(policy: &Conjunction) -> Option<Money> {
    policy.policies().filter_map(|policy| policy.inference.money).min_by_key(|money| money.micros)
}

/// A text in which only the words count.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The same where it comes to no more than so many bytes: whoever says millions of words is not the operator.
fn normal_within(text: &str, most: usize) -> Option<String> {
    let mut words = String::new();
    for word in text.split_whitespace() {
        if words.len() + word.len() >= most.saturating_add(1) {
            return None;
        }
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    }
    (words.len() <= most).then_some(words)
}

/// That the bound of tools is reached.
fn no_more() -> Kind {
    Kind::Tool {
        name: "*".into(),
        server: None,
        form: String::new(),
        description: "models are told of more tools than are recorded".into(),
        arguments: Vec::new(),
        hints: Vec::new(),
        digest: String::new(),
    }
}

/// A call of a model's that no program had.
pub(crate) fn withheld(block: &Block) -> Kind {
    let mut kind = said(block, Standing::Delivered, false);
    if let Kind::Said { standing, .. } = &mut kind {
        *standing = "withheld".into();
    }
    kind
}

fn said(block: &Block, standing: Standing, attested: bool) -> Kind {
    let (form, tool) = match &block.content {
        Content::Text(_) => ("text", None),
        Content::Thinking(_) => ("thinking", None),
        Content::ToolCall { name, .. } => ("tool-call", Some(name.clone())),
        Content::ToolResult { .. } => ("tool-result", None),
        Content::Attachment { kind, .. } | Content::Unknown { kind, .. } => (kind.as_str(), None),
    };
    let speaker = match block.speaker {
        Speaker::System => "system",
        Speaker::User => "user",
        Speaker::Assistant => "assistant",
        Speaker::Tool => "tool",
    };
    let standing = match standing {
        Standing::New | Standing::Known if attested => "attested",
        Standing::New | Standing::Known if block.speaker == Speaker::Tool => "untrusted",
        Standing::New | Standing::Known => "new",
        Standing::Delivered => "delivered",
        Standing::Unmatched => "unmatched",
    };
    Kind::Said {
        speaker: speaker.into(),
        form: form.into(),
        tool,
        words: plain(block).into_owned(),
        digest: block.digest().iter().fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
        standing: standing.into(),
    }
}

#[cfg(test)]
mod tests;
