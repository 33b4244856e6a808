//! Whether what the operator said speaks for a call of a model's, by each policy that wants that judged. What he is known to have
//! said is his; all else that stands in the conversation was read, but for what the model itself said and its instructions.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use policy::{Day, Doubted, Endorsement, Grounding, Intent, Policy};
use record::EventId;
use record::conversation::{Block, Content, Conversation, Speaker, Whose};
use sense::meaning::{Came, Finding, Given, Judgement, Others, Scene, Stands, Tool};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Models;
use super::asking::hex;
use crate::generation::Generation;
use crate::mcp::Servers;

/// Findings of one call that are told.
const MOST_FINDINGS: usize = 8;
/// Blocks that were taken from the operator and are told.
const MOST_OTHERS: usize = 4;
/// Most things of a call's arguments that its result is known by, and bytes of one.
const MOST_PLACES: (usize, usize) = (8, 1024);

/// The conversation that one answer belongs to.
pub(super) struct Grounds<'c> {
    policies: Vec<&'c Policy>,
    /// What the operator endorsed for this session.
    endorsed: &'c [Endorsement],
    conversation: &'c Conversation,
    models: &'c Models,
    servers: &'c Servers,
    /// Read when the first call comes, and not where none does.
    scenes: OnceCell<Vec<Read<'c>>>,
}

/// A conversation as one policy has it read.
struct Read<'c> {
    policy: &'c Policy,
    scene: Scene<'c>,
    /// Where each result stands among the blocks.
    places: Vec<usize>,
    /// What each was asked for by.
    came: Vec<Came>,
    /// What the operator's own words delegate.
    delegated: OnceCell<Vec<Endorsement>>,
    /// Who else wrote what is said as the operator's words, and where in the record those stand.
    others: Vec<(Rc<Others>, Option<EventId>)>,
}

/// What is to be said of a call.
// One at a time, and only where a call comes.
#[allow(clippy::large_enum_variant)]
pub(super) enum Found<'c> {
    /// Nothing: it may go on.
    Nothing,
    /// It may go on by what the operator endorsed, in words.
    Endorsed(String),
    Against(Ungrounded<'c>),
}

/// A call that nothing the operator said speaks for.
#[derive(Debug, Clone)]
pub(crate) struct Ungrounded<'c> {
    /// The strictest that a policy says.
    pub(crate) grounding: Grounding,
    pub(super) judgement: Judgement,
    /// For each finding the block that it stands in, where there is one.
    pub(super) sources: Vec<Option<&'c Block>>,
    /// All that speaks against it by any policy, and where that stands.
    pub(super) doubted: Doubted,
    /// What was said as the operator's words and is not his.
    pub(super) others: Vec<(Rc<Others>, Option<EventId>)>,
}

impl<'c> Grounds<'c> {
    /// Nothing where no policy wants calls judged.
    pub(super) fn of(
        now: &'c Generation,
        conversation: &'c Conversation,
        (models, servers): (&'c Models, &'c Servers),
    ) -> Option<Grounds<'c>> {
        let policies: Vec<&Policy> = now.policy.policies().filter(|one| one.grounding != Grounding::Off).collect();
        let (endorsed, scenes) = (now.endorsed.as_slice(), OnceCell::new());
        (!policies.is_empty()).then_some(Grounds { policies, endorsed, conversation, models, servers, scenes })
    }

    /// Whether the operator may be asked: what one policy denies no answer allows.
    pub(super) fn asks(&self) -> bool {
        self.policies.iter().any(|policy| policy.grounding == Grounding::Ask)
    }

    /// What speaks against a call.
    pub(super) fn judge(&self, call: &Block) -> Found<'c> {
        let (name, arguments) = match &call.content {
            Content::ToolCall { name, arguments, .. } => (name.as_str(), arguments.as_str()),
            Content::Unknown { kind, json } => (kind.as_str(), json.as_str()),
            _ => return Found::Nothing,
        };
        let declared = self.conversation.tools.iter().find(|tool| tool.name == name);
        let tool = Tool {
            name,
            description: declared.map_or("", |tool| &tool.description),
            schema: declared.map_or(&Value::Null, |tool| &tool.schema),
        };
        let (mut found, mut by) = (None::<Ungrounded<'c>>, Vec::new());
        let hints = self.servers.hinted(name);
        for read in self.scenes() {
            let judgement = read.scene.judge_with(&tool, arguments, &hints);
            if judgement.passes() {
                continue;
            }
            let doubted = read.scene.doubted(&judgement, (name, arguments), &read.came, &sha256);
            match self.lifted(read, &doubted) {
                Some(lifted) => by.push(lifted),
                None => found = Some(self.against(read, judgement, doubted, found)),
            }
        }
        match (found, by.is_empty()) {
            (Some(against), _) => Found::Against(against),
            (None, true) => Found::Nothing,
            (None, false) => Found::Endorsed(by.join(", ")),
        }
    }

    /// What lifts all that speaks against a call, in words: the policy's own endorsements, the operator's words, and his answers
    /// where the policy says `ask`.
    fn lifted(&self, read: &Read<'c>, doubted: &Doubted) -> Option<String> {
        let delegated = read.delegated.get_or_init(|| read.scene.delegated(&read.came, &sha256));
        let answered: &[Endorsement] = if read.policy.grounding == Grounding::Ask { self.endorsed } else { &[] };
        let all = read.policy.endorse.iter().chain(delegated).chain(answered);
        let by = doubted.lifted(all, today())?;
        let words = by.iter().map(|one| match delegated.contains(one) {
            true => format!("the operator's own words, {one}"),
            false => one.to_string(),
        });
        Some(words.collect::<Vec<_>>().join(", "))
    }

    /// The strictest that any policy says, and what speaks against it by all of them.
    fn against(
        &self,
        read: &Read<'c>,
        judgement: Judgement,
        doubted: Doubted,
        before: Option<Ungrounded<'c>>,
    ) -> Ungrounded<'c> {
        let source = |finding: &Finding| match finding.stands {
            Stands::Given(at, _) => read.places.get(at).and_then(|at| self.conversation.blocks.get(*at)),
            Stands::Nowhere => None,
        };
        let sources = judgement.against.iter().map(source).collect();
        let others = read.others.clone();
        let new = Ungrounded { grounding: read.policy.grounding, judgement, sources, doubted, others };
        let Some(before) = before else { return new };
        let (mut kept, other) = if before.grounding >= new.grounding { (before, new) } else { (new, before) };
        kept.doubted.effects.extend(other.doubted.effects);
        for doubt in other.doubted.doubts {
            if !kept.doubted.doubts.contains(&doubt) {
                kept.doubted.doubts.push(doubt);
            }
        }
        kept
    }

    fn scenes(&self) -> &[Read<'c>] {
        self.scenes.get_or_init(|| {
            let mut all = Vec::new();
            for (at, policy) in self.policies.iter().enumerate() {
                let read = self.read(at, policy, false);
                // A call has to pass with others' words taken from the operator and with them left to him: who writes what he
                // said, so that it is taken from him, must not do away with what he asked not to be done.
                let doubtful = !read.others.is_empty();
                all.push(read);
                if doubtful {
                    all.push(self.read(self.policies.len() + at, policy, true));
                }
            }
            all
        })
    }

    /// A conversation as a policy has it read; `all` leaves to the operator what others wrote and the program says as his.
    fn read(&self, place: usize, policy: &'c Policy, all: bool) -> Read<'c> {
        let blocks = &self.conversation.blocks;
        let calls = Calls::of(blocks);
        let (mut said, mut given, mut places, mut came) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut met, mut taken) = (HashMap::new(), Vec::new());
        for (at, block) in blocks.iter().enumerate() {
            let others = self.models.others(block);
            let mut own = self.models.attests(block);
            if policy.intent == Intent::UserRole && !own {
                own = all || others.is_none();
                if let (Speaker::User, Some(others)) = (block.speaker, &others) {
                    taken.push((Rc::clone(others), self.models.given(block)));
                }
            }
            let mut from = Came::default();
            match (block.whose(own), &block.content) {
                // Instructions that an earlier session left in a file were read; so was what a program resumes of one.
                (Whose::Neither, Content::Text(text)) if others.is_some() => given.push(nobodys(text)),
                (Whose::Neither, _) => continue,
                (Whose::Operators(text), _) => {
                    said.push(text);
                    continue;
                }
                (Whose::Others(text), Content::ToolResult { id, .. }) => {
                    // A wire without ids names the tool.
                    let (tool, call) = calls.answered(id, met.entry(id.as_str()).or_insert(0));
                    from.places = call.map(|call| named(arguments(call))).unwrap_or_default();
                    // What was withheld, or nobody delivered, went nowhere.
                    let went = call.filter(|call| self.models.delivered(call));
                    given.push(Given { tool, text, asked: went.map_or("", arguments) });
                }
                (Whose::Others(text), _) => given.push(nobodys(text)),
            }
            places.push(at);
            came.push(from);
        }
        let scene = self.models.remembering(place, |memory| Scene::remembering(&said, given, &policy.tools, memory));
        // Nobody knows of a program's own tools who wrote what it says of them.
        let tools = &self.conversation.tools;
        let foreign = tools.iter().any(|tool| self.servers.describe(&tool.name));
        let mut described: Vec<&str> = tools.iter().map(|tool| tool.description.as_str()).collect();
        tools.iter().for_each(|tool| words(&tool.schema, &mut described));
        let scene = scene.describing(described, foreign);
        Read { policy, scene, places, came, delegated: OnceCell::new(), others: taken }
    }
}

/// What no tool is known to have given.
const fn nobodys(text: &str) -> Given<'_> {
    Given { tool: "", text, asked: "" }
}

fn arguments(call: &Block) -> &str {
    match &call.content {
        Content::ToolCall { arguments, .. } => arguments,
        _ => "",
    }
}

/// The calls of a conversation: by id, and in order by name where the wire has none.
struct Calls<'c> {
    by_id: HashMap<&'c str, (&'c str, &'c Block)>,
    by_name: HashMap<&'c str, Vec<&'c Block>>,
}

impl<'c> Calls<'c> {
    fn of(blocks: &'c [Block]) -> Calls<'c> {
        let mut calls = Calls { by_id: HashMap::new(), by_name: HashMap::new() };
        for block in blocks {
            match &block.content {
                Content::ToolCall { id, name, .. } if id.is_empty() => {
                    calls.by_name.entry(name).or_default().push(block);
                }
                Content::ToolCall { id, name, .. } => drop(calls.by_id.insert(id, (name, block))),
                _ => {}
            }
        }
        calls
    }

    /// The call that a result answers; `met` counts those of the same name.
    fn answered(&self, id: &'c str, met: &mut usize) -> (&'c str, Option<&'c Block>) {
        if let Some((name, call)) = self.by_id.get(id) {
            return (name, Some(call));
        }
        let call = self.by_name.get(id).and_then(|all| all.get(*met)).copied();
        *met += 1;
        (id, call)
    }
}

/// Every text in a schema, but the names of its fields.
fn words<'v>(schema: &'v Value, out: &mut Vec<&'v str>) {
    match schema {
        Value::String(text) => out.push(text),
        Value::Array(items) => items.iter().for_each(|item| words(item, out)),
        Value::Object(fields) => fields.values().for_each(|field| words(field, out)),
        _ => {}
    }
}

/// What a call names in its arguments.
fn named(arguments: &str) -> Vec<String> {
    let mut found = Vec::new();
    let read: Value = serde_json::from_str(arguments).unwrap_or_else(|_| Value::String(arguments.to_owned()));
    gather(&read, &mut found);
    found
}

fn gather(value: &Value, found: &mut Vec<String>) {
    let mut push = |text: String| {
        if found.len() < MOST_PLACES.0 && text.len() <= MOST_PLACES.1 {
            found.push(text);
        }
    };
    match value {
        Value::String(text) => push(text.clone()),
        Value::Number(number) => push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| gather(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| gather(field, found)),
        Value::Null | Value::Bool(_) => {}
    }
}

pub(crate) fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}

pub(crate) fn today() -> Day {
    Day::of(SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs()))
}

impl Ungrounded<'_> {
    /// In words, for the model: why, and what to do instead.
    pub(crate) fn why(&self) -> String {
        let whys: Vec<String> = self.judgement.against.iter().take(3).map(line).collect();
        let mut why = whys.join("; ");
        if let Some((others, _)) = self.others.first() {
            let names: Vec<String> = others.names.iter().map(|name| shown(name)).collect();
            why += &format!(
                "; what is said as the user's words is not the operator's where it stands in {}",
                names.join(", ")
            );
        }
        why
    }

    /// Events that the record holds what speaks against it in.
    pub(super) fn events<'m>(&'m self, models: &'m Models) -> impl Iterator<Item = EventId> + 'm {
        self.sources.iter().flatten().filter_map(move |block| models.given(block))
    }

    /// Each finding for the record: what it is, where that stands, and the words there.
    pub(crate) fn evidence(&self, models: &Models) -> Vec<(String, (String, Option<EventId>), String)> {
        let found = self.judgement.against.iter().zip(&self.sources).take(MOST_FINDINGS);
        let one = |(finding, source): (&Finding, &Option<&Block>)| {
            let event = source.and_then(|block| models.given(block));
            let others = source.and_then(|block| models.others(block));
            let place = match (event, source) {
                (_, Some(_)) if others.is_some() => others.map_or_else(String::new, |others| others.names.join(", ")),
                (Some(id), _) => format!("what a tool gave, {id}"),
                (None, Some(_)) => "what a tool gave".into(),
                (None, None) => "nothing that was read".into(),
            };
            let words = match &finding.stands {
                Stands::Given(_, around) => around.clone(),
                Stands::Nowhere => finding.value.clone(),
            };
            (line(finding), (place, event), words)
        };
        let others = self.others.iter().take(MOST_OTHERS).map(|(others, event)| {
            let what = "said as the user's words, and others'".to_owned();
            (what, (others.names.join(", "), *event), others.quoted.clone())
        });
        found.map(one).chain(others).collect()
    }
}

/// One finding, in words.
pub(crate) fn line(finding: &Finding) -> String {
    match &finding.argument {
        None => finding.why.clone(),
        Some(argument) => format!("`{}` as `{}`: {}", shown(&finding.value), shown(argument), finding.why),
    }
}

/// Somebody else's words within ours.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control() && *letter != '`').take(160).collect()
}
