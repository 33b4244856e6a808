//! What an event belongs to beside the causes that it names: by the ids in it, else by a process, a name, or time.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::event::{Event, EventId, Kind, Known};

/// How many of each kind are remembered.
const MANY: usize = 65_536;
/// Calls whose results did not come yet.
const OPEN: usize = 256;

/// What was seen of one session so far.
#[derive(Debug, Default)]
pub(super) struct Links {
    start: Option<EventId>,
    programs: HashMap<u32, EventId>,
    names: HashMap<String, EventId>,
    questions: HashMap<String, EventId>,
    /// Answers, by the rule that they grant.
    granted: HashMap<String, EventId>,
    tools: HashMap<String, EventId>,
    children: HashMap<u32, EventId>,
    servers: HashMap<String, EventId>,
    /// Calls that a model made, oldest first.
    calls: VecDeque<EventId>,
}

type From = (EventId, Known);

impl Links {
    /// What led to an event, and keeps what later ones may belong to.
    pub(super) fn of(&mut self, id: EventId, event: &Event) -> Vec<From> {
        let mut from: Vec<From> = event.cause.iter().map(|cause| (cause.id, cause.known)).collect();
        let observed = |one: Option<EventId>| one.map(|id| (id, Known::Observed));
        let inferred = |one: Option<EventId>| one.map(|id| (id, Known::Inferred));
        match &event.kind {
            Kind::SessionStart { .. } => self.start = Some(id),
            Kind::Exec { pid, parent, .. } => {
                if from.is_empty() {
                    let before = self.programs.get(pid).or_else(|| self.programs.get(parent)).copied();
                    from.extend(inferred(before.or(self.start)));
                }
                keep(&mut self.programs, *pid, id);
            }
            Kind::Resolve { name, .. } => keep(&mut self.names, name.clone(), id),
            Kind::Connect { pid, host, rule, .. } | Kind::Request { pid, host, rule, .. } => {
                from.extend(inferred(self.names.get(host).copied()));
                from.extend(inferred(self.answer(rule.as_deref())));
                self.by_process(*pid, &mut from);
            }
            Kind::Mcp { pid, host, port, target, name, rule, server: false, .. } => {
                let path = target.split('?').next().unwrap_or_default();
                let place = name.as_ref().map(|name| format!("{host}:{port}{path} {name}"));
                from.extend(inferred(place.and_then(|place| self.tools.get(&place).copied())));
                from.extend(inferred(self.answer(rule.as_deref())));
                self.by_process(*pid, &mut from);
            }
            Kind::Model { pid, .. } | Kind::FileRefused { pid, .. } | Kind::Petition { pid, .. } => {
                self.by_process(*pid, &mut from);
            }
            Kind::PetitionAnswered { petition, .. } => from.push((*petition, Known::Observed)),
            Kind::Tool { name, server, .. } => {
                let place = server.as_ref().map_or_else(|| name.clone(), |server| format!("{server} {name}"));
                keep(&mut self.tools, place, id);
            }
            Kind::Said { form, tool, .. } if form == "tool-call" => {
                from.extend(inferred(tool.as_ref().and_then(|name| self.tools.get(name).copied())));
                self.calls.push_back(id);
                if self.calls.len() > OPEN {
                    self.calls.pop_front();
                }
            }
            // Results come in the order of the calls, as far as nothing says more.
            Kind::Said { form, .. } if form == "tool-result" && from.is_empty() => {
                from.extend(inferred(self.calls.pop_front()));
            }
            Kind::Question { question, pid, .. } => {
                self.by_process(*pid, &mut from);
                keep(&mut self.questions, question.clone(), id);
            }
            Kind::Ruled { question, rule, .. } => {
                from.extend(observed(self.questions.get(question).copied()));
                if let Some(rule) = rule {
                    keep(&mut self.granted, rule.clone(), id);
                }
            }
            Kind::ChildReserved { child, .. } => keep(&mut self.children, *child, id),
            Kind::ChildBegan { child, .. } | Kind::ChildEnded { child, .. } => {
                from.extend(observed(self.children.get(child).copied()));
            }
            Kind::ServerBegins { server, .. } => keep(&mut self.servers, server.clone(), id),
            Kind::ServerBegan { server, .. } | Kind::ServerEnded { server, .. } => {
                from.extend(observed(self.servers.get(server).copied()));
            }
            Kind::WorkspaceChange { .. }
            | Kind::Merge { .. }
            | Kind::Ended { .. }
            | Kind::Ordered { .. }
            | Kind::Carried { .. }
            | Kind::Left { .. }
            | Kind::Declassified { .. } => {
                from.extend(inferred(self.start));
            }
            _ => {}
        }
        from
    }

    /// The answer that granted this rule.
    fn answer(&self, rule: Option<&str>) -> Option<EventId> {
        self.granted.get(rule?).copied()
    }

    /// Where nothing else is known: the last start of the process. Numbers are used again.
    fn by_process(&self, pid: Option<u32>, from: &mut Vec<From>) {
        if from.iter().all(|(_, known)| *known == Known::Inferred) {
            from.extend(pid.and_then(|pid| self.programs.get(&pid)).map(|id| (*id, Known::Inferred)));
        }
    }
}

fn keep<K: Eq + Hash>(map: &mut HashMap<K, EventId>, key: K, id: EventId) {
    if map.len() < MANY || map.contains_key(&key) {
        map.insert(key, id);
    }
}
