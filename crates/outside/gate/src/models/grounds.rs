//! Whether what the operator said speaks for a call of a model's, by each policy that wants that judged. What he is known to have
//! said is his; all else that stands in the conversation was read, but for what the model itself said and its instructions.

use std::cell::OnceCell;
use std::collections::HashMap;

use policy::{Conjunction, Grounding, Intent, Policy};
use record::EventId;
use record::conversation::{Block, Content, Conversation, Speaker};
use sense::meaning::{Finding, Given, Judgement, Scene, Stands, Tool};
use serde_json::Value;

use super::Models;
use crate::mcp::Servers;

/// Findings of one call that are told.
const MOST_FINDINGS: usize = 8;

/// The conversation that one answer belongs to.
pub(super) struct Grounds<'c> {
    policies: Vec<&'c Policy>,
    conversation: &'c Conversation,
    models: &'c Models,
    servers: &'c Servers,
    /// Read when the first call comes, and not where none does.
    scenes: OnceCell<Vec<(Grounding, Read<'c>)>>,
}

/// A conversation as one policy has it read.
struct Read<'c> {
    scene: Scene<'c>,
    /// Where each result stands among the blocks.
    places: Vec<usize>,
}

/// A call that nothing the operator said speaks for.
#[derive(Debug, Clone)]
pub(crate) struct Ungrounded<'c> {
    /// The strictest that a policy says.
    pub(crate) grounding: Grounding,
    pub(super) judgement: Judgement,
    /// For each finding the block that it stands in, where there is one.
    pub(super) sources: Vec<Option<&'c Block>>,
}

impl<'c> Grounds<'c> {
    /// Nothing where no policy wants calls judged.
    pub(super) fn of(
        policy: &'c Conjunction,
        conversation: &'c Conversation,
        models: &'c Models,
        servers: &'c Servers,
    ) -> Option<Grounds<'c>> {
        let policies: Vec<&Policy> = policy.policies().filter(|one| one.grounding != Grounding::Off).collect();
        let scenes = OnceCell::new();
        (!policies.is_empty()).then_some(Grounds { policies, conversation, models, servers, scenes })
    }

    /// What speaks against a call; nothing where it may go on.
    pub(super) fn judge(&self, call: &Block) -> Option<Ungrounded<'c>> {
        let (name, arguments) = match &call.content {
            Content::ToolCall { name, arguments, .. } => (name.as_str(), arguments.as_str()),
            Content::Unknown { kind, json } => (kind.as_str(), json.as_str()),
            _ => return None,
        };
        let declared = self.conversation.tools.iter().find(|tool| tool.name == name);
        let tool = Tool {
            name,
            description: declared.map_or("", |tool| &tool.description),
            schema: declared.map_or(&Value::Null, |tool| &tool.schema),
        };
        let hints = self.servers.hinted(name);
        let judge = |read: &Read<'_>| read.scene.judge_with(&tool, arguments, &hints);
        let judged = self.scenes().iter().map(|(grounding, read)| (*grounding, read, judge(read)));
        let (grounding, read, judgement) =
            judged.filter(|(.., judgement)| !judgement.passes()).max_by_key(|(grounding, ..)| *grounding)?;
        let source = |finding: &Finding| match finding.stands {
            Stands::Given(at, _) => read.places.get(at).and_then(|at| self.conversation.blocks.get(*at)),
            Stands::Nowhere => None,
        };
        let sources = judgement.against.iter().map(source).collect();
        Some(Ungrounded { grounding, judgement, sources })
    }

    fn scenes(&self) -> &[(Grounding, Read<'c>)] {
        self.scenes.get_or_init(|| {
            let read = |(at, policy): (usize, &&'c Policy)| (policy.grounding, self.read(at, policy));
            self.policies.iter().enumerate().map(read).collect()
        })
    }

    fn read(&self, at: usize, policy: &'c Policy) -> Read<'c> {
        let blocks = &self.conversation.blocks;
        let called: HashMap<&str, (&str, &Block)> = blocks.iter().filter_map(called).collect();
        let (mut said, mut given, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (at, block) in blocks.iter().enumerate() {
            let own = policy.intent == Intent::UserRole || self.models.attests(block);
            match (block.speaker, &block.content) {
                (Speaker::User, Content::Text(text)) if own => {
                    said.push(text.as_str());
                    continue;
                }
                (Speaker::System | Speaker::Assistant, _) => continue,
                (Speaker::Tool, Content::ToolResult { id, text, .. }) => {
                    // A wire without ids names the tool.
                    let call = called.get(id.as_str());
                    let tool = call.map_or(id.as_str(), |(name, _)| *name);
                    // What was withheld, or nobody delivered, went nowhere.
                    let went = call.filter(|(_, call)| self.models.delivered(call));
                    given.push(Given { tool, text, asked: went.map_or("", |(_, call)| arguments(call)) });
                }
                (_, Content::Text(text) | Content::Unknown { json: text, .. }) => given.push(nobodys(text)),
                (_, Content::Attachment { url, .. }) => {
                    given.push(nobodys(url.as_deref().unwrap_or_default()));
                }
                _ => continue,
            }
            places.push(at);
        }
        let scene = self.models.remembering(at, |memory| Scene::remembering(&said, given, &policy.tools, memory));
        Read { scene, places }
    }
}

/// What no tool is known to have given.
const fn nobodys(text: &str) -> Given<'_> {
    Given { tool: "", text, asked: "" }
}

fn called(block: &Block) -> Option<(&str, (&str, &Block))> {
    match &block.content {
        Content::ToolCall { id, name, .. } if !id.is_empty() => Some((id, (name, block))),
        _ => None,
    }
}

fn arguments(call: &Block) -> &str {
    match &call.content {
        Content::ToolCall { arguments, .. } => arguments,
        _ => "",
    }
}

impl Ungrounded<'_> {
    /// In words, for the model: why, and what to do instead.
    pub(crate) fn why(&self) -> String {
        let whys: Vec<String> = self.judgement.against.iter().take(3).map(line).collect();
        whys.join("; ")
    }

    /// Each finding for the record: what it is, where that stands, and the words there.
    pub(crate) fn evidence(&self, models: &Models) -> Vec<(String, (String, Option<EventId>), String)> {
        let found = self.judgement.against.iter().zip(&self.sources).take(MOST_FINDINGS);
        let one = |(finding, source): (&Finding, &Option<&Block>)| {
            let event = source.and_then(|block| models.given(block));
            let place = match (event, source) {
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
        found.map(one).collect()
    }
}

/// One finding, in words.
pub(super) fn line(finding: &Finding) -> String {
    match &finding.argument {
        None => finding.why.clone(),
        Some(argument) => format!("`{}` as `{}`: {}", shown(&finding.value), shown(argument), finding.why),
    }
}

/// Somebody else's words within ours.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control() && *letter != '`').take(160).collect()
}
