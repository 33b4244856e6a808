//! `tools`: what a session's models, and its programs by MCP, were told of, and what is concluded of each: concluded again from
//! the record, by the policies that are in force.

use std::collections::BTreeMap;

use policy::{Conjunction, Policy};
use record::conversation::hold::WITHHELD;
use record::conversation::schema;
use record::{EventId, Kind, Verdict};
use sense::meaning::{Tool, effects, role};
use wire::command::{ArgumentInfo, Concluded, Problem, Reply, Select, ToolInfo, ToolsAnswer};

mod requests;

use requests::{Requests, size_of};

use crate::problem::state;
use crate::store::{self, Events, Store};

/// Tools that are told of, and bytes of what is: an answer is one frame.
const MOST: usize = 4096;
const ROOM: usize = 4 << 20;
/// Bytes of an argument's place in an answer beside its words.
const EACH: usize = 64;

/// What the record says of one.
#[derive(Default)]
struct Known {
    told: Option<(EventId, Kind)>,
    ways: u64,
    calls: u64,
    withheld: u64,
}

/// All that were told of or called.
#[derive(Default)]
struct Toolbox {
    /// By server, none first, and name.
    known: BTreeMap<(Option<String>, String), Known>,
    left: u64,
}

/// Answers what is concluded of the tools of a session.
pub(super) fn tools(store: &Store, select: &Select) -> Result<Reply, Problem> {
    let session = store::select(store, select)?;
    let policy = session.policy()?;
    let mut toolbox = Toolbox::default();
    let mut requests = Requests::default();
    let read = Events::of(&session).each(|entry| {
        requests.take(entry.id, &entry.event.kind);
        toolbox.take(entry.id, entry.event.kind);
    });
    read.map_err(|error| state("read", &session.path, &error))?;
    let Toolbox { known, mut left } = toolbox;
    let (requests, more) = requests.told(&policy);
    left += more;
    let (mut tools, mut room) = (Vec::new(), ROOM.saturating_sub(requests.iter().map(size_of).sum()));
    for ((server, name), known) in known {
        let info = info(&policy, server, name, known);
        match room.checked_sub(size(&info)) {
            Some(rest) => room = rest,
            None => {
                left += 1;
                continue;
            }
        }
        tools.push(info);
    }
    Ok(Reply::Tools(Box::new(ToolsAnswer { session: session.record.id, tools, left, requests })))
}

impl Toolbox {
    fn take(&mut self, id: EventId, kind: Kind) {
        match &kind {
            // The gate told of no more.
            Kind::Tool { name, server: None, form, .. } if name == "*" && form.is_empty() => self.left += 1,
            Kind::Tool { name, server, .. } => {
                let (server, name) = (server.clone(), name.clone());
                if let Some(known) = self.of(server, &name) {
                    known.ways += 1;
                    known.told = Some((id, kind));
                }
            }
            // What a program has in the place of a call that was withheld is no tool's.
            Kind::Said { tool: Some(name), .. } if name == WITHHELD => {}
            Kind::Said { form, tool: Some(name), standing, .. } if form == "tool-call" => {
                // What a program puts into its model's mouth is no call of a model's.
                let withheld = match standing.as_str() {
                    "delivered" => false,
                    "withheld" => true,
                    _ => return,
                };
                self.called(None, name, withheld);
            }
            Kind::Mcp { host, port, target, method, name: Some(name), server: false, verdict, .. }
                if method == "tools/call" =>
            {
                let path = target.split('?').next().unwrap_or_default();
                self.called(Some(format!("{host}:{port}{path}")), name, *verdict != Verdict::Allowed);
            }
            _ => {}
        }
    }

    fn called(&mut self, server: Option<String>, name: &str, withheld: bool) {
        if let Some(known) = self.of(server, name) {
            known.calls += 1;
            known.withheld += u64::from(withheld);
        }
    }

    fn of(&mut self, server: Option<String>, name: &str) -> Option<&mut Known> {
        let key = (server, name.to_owned());
        if self.known.len() >= MOST && !self.known.contains_key(&key) {
            self.left += 1;
            return None;
        }
        Some(self.known.entry(key).or_default())
    }
}

fn info(policy: &Conjunction, server: Option<String>, name: String, known: Known) -> ToolInfo {
    let (event, kind) = known.told.unzip();
    let (description, arguments, hints) = match &kind {
        Some(Kind::Tool { description, arguments, hints, .. }) => (description.as_str(), &arguments[..], hints.clone()),
        _ => ("", &[][..], Vec::new()),
    };
    let schema = schema(arguments);
    // Of a text that is kept as a hash nobody can conclude anything.
    let hashed = is_hashed(description);
    let tool = Tool { name: &name, description: if hashed { "" } else { description }, schema: &schema };
    let mut concluded: Vec<Concluded> = Vec::new();
    for one in policy.policies() {
        let found = conclude(&tool, one);
        match concluded.iter_mut().find(|other| Concluded { policies: Vec::new(), ..(*other).clone() } == found) {
            Some(same) => same.policies.push(one.name.clone()),
            None => concluded.push(Concluded { policies: vec![one.name.clone()], ..found }),
        }
    }
    let mut unknown = Vec::new();
    if kind.is_none() {
        unknown.push("it was called, and nobody was told of it: its arguments and its description".to_owned());
    } else if hashed {
        unknown.push("its description: the record keeps a hash of it, and the gate may have concluded more".to_owned());
    } else if description.is_empty() {
        unknown.push("it has no description".to_owned());
    }
    let guessed = |why: &str| why.starts_with("nothing tells what it");
    for found in &concluded {
        if guessed(&found.why) {
            unknown.push("what it does".to_owned());
        }
        let unsaid = found.arguments.iter().filter(|argument| guessed(&argument.why));
        unknown.extend(unsaid.map(|argument| format!("what `{}` is", argument.name)));
    }
    unknown.dedup();
    let Known { ways, calls, withheld, .. } = Known { told: None, ..known };
    ToolInfo { name, server, event, ways, hints, calls, withheld, concluded, unknown }
}

/// Without the policy's name.
fn conclude(tool: &Tool<'_>, policy: &Policy) -> Concluded {
    let found = effects(tool, &policy.tools);
    let names = tool.schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name);
    let arguments = names.map(|name| {
        let (role, why) = role(tool.name, name, tool.schema, &policy.tools);
        ArgumentInfo { name: name.clone(), role: role.name().to_owned(), why }
    });
    Concluded {
        policies: Vec::new(),
        effects: found.effects.into_iter().map(|effect| effect.name().to_owned()).collect(),
        why: found.why,
        arguments: arguments.collect(),
    }
}

fn is_hashed(description: &str) -> bool {
    record::brief(description) != description
}

fn size(info: &ToolInfo) -> usize {
    let of = |one: &Concluded| {
        let arguments = one.arguments.iter().map(|argument| argument.name.len() + argument.why.len() + EACH);
        one.why.len() + EACH + arguments.sum::<usize>()
    };
    let unknown = info.unknown.iter().chain(&info.hints).map(|text| text.len() + EACH).sum::<usize>();
    info.name.len() + EACH + unknown + info.concluded.iter().map(of).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_place_of_a_withheld_call_is_no_tools() {
        let mut toolbox = Toolbox::default();
        for (tool, standing) in [("leak", "withheld"), (WITHHELD, "delivered"), ("read", "delivered")] {
            let said = Kind::Said {
                speaker: "assistant".into(),
                form: "tool-call".into(),
                tool: Some(tool.into()),
                words: String::new(),
                digest: String::new(),
                standing: standing.into(),
            };
            toolbox.take("g1".parse().expect("an event"), said);
        }
        let known: Vec<_> = toolbox.known.iter().map(|((_, name), known)| (name.as_str(), known.withheld)).collect();
        assert_eq!(known, [("leak", 1), ("read", 0)]);
    }
}
