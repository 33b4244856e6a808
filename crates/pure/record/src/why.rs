//! Why one event came out as it did: what, by which rule, by which program, and what led there.

mod file;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::bodies::marked;
use crate::event::{Event, EventId, Kind, Known, Verdict};
use crate::read::Entry;
use crate::redact::visible;
use crate::summary::Target;

pub use file::option as file_option;

/// How many causes are told. A chain that is longer is not read by anyone.
pub const MAX_CAUSES: usize = 64;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The event that was asked about.
    pub id: EventId,
    /// When, in microseconds since the Unix epoch.
    pub at: u64,
    /// What happened, in one line.
    pub what: String,
    /// What was decided, where something was.
    pub verdict: Option<Verdict>,
    /// The rule or layer that decided.
    pub rule: Option<String>,
    /// In words, why it was not allowed.
    pub reason: Option<String>,
    /// The program and its ancestors, nearest first; empty when unknown.
    pub program: Vec<String>,
    /// The smallest rule that would allow it.
    pub suggestion: Option<String>,
    /// What led to it, nearest first.
    pub causes: Vec<Because>,
}

/// One event that led to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Because {
    /// The earlier event.
    pub id: EventId,
    /// Inferred as soon as one edge on the way is.
    pub known: Known,
    /// What it is to the event.
    pub part: Part,
    /// What it was; absent if the record does not hold it.
    pub what: Option<String>,
}

/// What an earlier event is to a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// It tells what the later one carries, or whose words it follows.
    Evidence,
    /// A model called a tool.
    Call,
    /// It was said to a model, or by one.
    Said,
    /// Anything else: mostly the start of a program.
    Before,
}

impl Part {
    fn of(kind: &Kind) -> Part {
        match kind {
            Kind::Evidence { .. } | Kind::Risk { .. } => Part::Evidence,
            Kind::Said { form, .. } if form == "tool-call" => Part::Call,
            Kind::Said { .. } => Part::Said,
            _ => Part::Before,
        }
    }
}

/// Explains an event, or `None` if the entries do not hold it. They may come from both segments.
pub fn why(entries: &[Entry], id: EventId) -> Option<Explanation> {
    let event = find(entries, id)?;
    let mut answer = Explanation {
        id,
        at: event.at,
        what: describe(&event.kind),
        verdict: None,
        rule: None,
        reason: None,
        program: Vec::new(),
        suggestion: None,
        causes: causes(entries, id, event),
    };
    answer.judge(&event.kind);
    Some(answer)
}

impl Explanation {
    fn judge(&mut self, kind: &Kind) {
        match kind {
            Kind::Connect { verdict, rule, reason, program, suggestion, .. }
            | Kind::Request { verdict, rule, reason, program, suggestion, .. }
            | Kind::Mcp { verdict, rule, reason, program, suggestion, .. } => {
                self.verdict = Some(*verdict);
                self.rule = rule.as_deref().map(shown);
                self.reason = reason.as_deref().map(shown);
                self.suggestion = suggestion.as_deref().map(shown);
                self.program = program.iter().take(MAX_CAUSES).map(|name| shown(&word(name))).collect();
            }
            Kind::Model { verdict, rule, reason, program, .. }
            | Kind::Petition { verdict, rule, reason, program, .. } => {
                self.verdict = Some(*verdict);
                self.rule = rule.as_deref().map(shown);
                self.reason = reason.as_deref().map(shown);
                self.program = program.iter().take(MAX_CAUSES).map(|name| shown(&word(name))).collect();
            }
            Kind::Resolve { verdict, reason, .. } => {
                self.verdict = Some(*verdict);
                self.reason = reason.as_deref().map(shown);
            }
            Kind::PetitionAnswered { verdict, reason, .. } => {
                self.verdict = Some(*verdict);
                self.reason = Some(shown(reason));
            }
            Kind::FileRefused { path: Some(_), program, .. } => {
                self.verdict = Some(Verdict::Refused);
                self.rule = Some(file::LAYER.into());
                self.reason = Some(shown(&file::reason(kind)));
                self.suggestion = file::option(kind);
                self.program = program.iter().map(|name| shown(&word(name))).collect();
            }
            Kind::Exec { by, claimed, .. } => self.program = vec![shown(&word(claimed)), shown(&word(by))],
            Kind::Ended { reason, .. }
            | Kind::PolicyNotTaken { reason, .. }
            | Kind::ChildEnded { reason, .. }
            | Kind::ServerEnded { reason, .. } => self.reason = Some(shown(reason)),
            _ => {}
        }
    }
}

/// The most characters of one answer's line.
const MAX_SHOWN: usize = 4096;

/// A segment's writer may be the one that was taken over: its lines are made visible once more, and bounded.
fn shown(text: &str) -> String {
    let text = visible(text);
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

/// One word of an agent's within a line. Only a line's own marks delimit: a word that holds one, or what is drawn like
/// one, would go on as if it were the record speaking.
fn word(text: &str) -> String {
    let mark = |letter: char| matches!(letter, '`' | '\u{2cb}' | '\u{1fef}' | '\u{ff40}');
    let mut out = String::with_capacity(text.len());
    for letter in text.chars().take(MAX_SHOWN) {
        if mark(letter) {
            out.extend(letter.escape_unicode());
        } else {
            out.push(letter);
        }
    }
    out
}

fn find(entries: &[Entry], id: EventId) -> Option<&Event> {
    entries.iter().find(|entry| entry.id == id).map(|entry| &entry.event)
}

/// Breadth first, so that the nearest come first; each once, so that a forged cycle ends.
fn causes(entries: &[Entry], id: EventId, event: &Event) -> Vec<Because> {
    let mut seen = HashSet::from([id]);
    let mut found = Vec::new();
    follow(event, Known::Observed, &mut seen, &mut found);
    let mut at = 0;
    while at < found.len() {
        let Because { id, known, .. } = found[at];
        if let Some(event) = find(entries, id) {
            found[at].what = Some(describe(&event.kind));
            found[at].part = Part::of(&event.kind);
            follow(event, known, &mut seen, &mut found);
        }
        at += 1;
    }
    found
}

fn follow(event: &Event, so_far: Known, seen: &mut HashSet<EventId>, found: &mut Vec<Because>) {
    for cause in event.cause.iter().chain(opened(&event.kind).as_ref()) {
        let stronger = so_far == Known::Observed && cause.known == Known::Observed;
        if let Some(found) = found.iter_mut().find(|found| found.id == cause.id).filter(|_| stronger) {
            // Two ways lead there: what is known by one of them is known.
            found.known = Known::Observed;
        }
        if found.len() < MAX_CAUSES && seen.insert(cause.id) {
            let known = if so_far == Known::Inferred { so_far } else { cause.known };
            found.push(Because { id: cause.id, known, part: Part::Before, what: None });
        }
    }
}

/// A close names its connection even where it names no cause.
fn opened(kind: &Kind) -> Option<crate::event::Cause> {
    match kind {
        Kind::Answered { model, .. } => Some(crate::event::Cause { id: *model, known: Known::Observed }),
        Kind::Close { connect, .. } => Some(crate::event::Cause { id: *connect, known: Known::Observed }),
        Kind::PetitionAnswered { petition, .. } => Some(crate::event::Cause { id: *petition, known: Known::Observed }),
        _ => None,
    }
}

/// The event in one line.
pub fn describe(kind: &Kind) -> String {
    let line = match kind {
        Kind::SessionStart { session, command, .. } => {
            format!("session `{}`: `{}`", word(session), word(&command.join(" ")))
        }
        Kind::Walls { layers } => {
            let holding = layers.iter().filter(|layer| layer.holds).count();
            format!("walls: {holding} of {} layers hold", layers.len())
        }
        Kind::Limits { limits } => {
            let holding = limits.iter().filter(|limit| limit.holds).count();
            format!("limits: {holding} of {} enforced in full", limits.len())
        }
        Kind::Exec { pid, claimed, by, .. } => {
            format!("start of `{}` as process {pid} by `{}`", word(claimed), word(by))
        }
        Kind::Resolve { name, verdict, .. } => format!("look-up of `{}` {verdict}", word(name)),
        Kind::Connect { host, port, verdict, program, .. } => {
            let target = word(&Target::new(host, Some(*port)).to_string());
            let by = program.first().map(|program| format!(" of `{}`", word(program))).unwrap_or_default();
            format!("connection{by} to `{target}` {verdict}")
        }
        Kind::Request { host, port, method, target, websocket, verdict, program, does, .. } => {
            // Why that is so is told by `tools`.
            let does = does.as_deref().and_then(|does| does.split(':').next());
            let does = does.map(|does| format!(" ({})", word(does))).unwrap_or_default();
            let by = program.first().map(|program| format!(" of `{}`", word(program))).unwrap_or_default();
            let at = word(&Target::new(host, Some(*port)).to_string());
            let asked = if method.is_empty() { String::new() } else { format!(" `{} {}`", word(method), word(target)) };
            let kind = if *websocket { " for a WebSocket" } else { "" };
            format!("request{kind}{asked}{does}{by} to `{at}` {verdict}")
        }
        Kind::Mcp { host, port, method, name, words, server, verdict, program, .. } => {
            let by = program.first().map(|program| format!(" of `{}`", word(program))).unwrap_or_default();
            let at = word(&Target::new(host, Some(*port)).to_string());
            let name = name.as_ref().map(|name| format!(" `{}`", word(&beginning(name)))).unwrap_or_default();
            let with = if words.is_empty() { String::new() } else { format!(" with `{}`", word(&beginning(words))) };
            let what = if method.is_empty() { "answer".into() } else { format!("`{}`", word(method)) };
            match server {
                true => format!("{what}{name} by `{at}`{by} {verdict}"),
                false => format!("{what}{name}{with}{by} to `{at}` {verdict}"),
            }
        }
        Kind::Petition { verb, words, verdict, program, .. } => {
            let by = program.first().map(|program| format!(" of `{}`", word(program))).unwrap_or_default();
            let what = if verb.is_empty() { String::new() } else { format!(" `{}`", word(verb)) };
            // The agent's words come last.
            let with = if words.is_empty() { String::new() } else { format!(": {}", quote(&beginning(words))) };
            format!("petition{what}{by} {verdict}{with}")
        }
        Kind::PetitionAnswered { petition, verdict, reason } => {
            format!("answer to petition {petition}: {verdict}, {}", word(reason))
        }
        Kind::Said { speaker, form, tool, words, standing, .. } => {
            let who = match (speaker.as_str(), form.as_str()) {
                (_, "tool-call") => format!("call of `{}`", word(tool.as_deref().unwrap_or_default())),
                (_, "tool-result") | ("tool", _) => "result of a tool".into(),
                ("system", "text") => "system prompt".into(),
                ("user", "text") if standing == "attested" => "the operator's words".into(),
                ("server", "description") => match tool {
                    Some(tool) => format!("description of `{}`", word(tool)),
                    None => "instructions of a server".into(),
                },
                (speaker, "text") => word(speaker),
                (speaker, form) => format!("{}, {}", word(speaker), word(form)),
            };
            let doubt = match standing.as_str() {
                "unmatched" => ", which no model said",
                "withheld" => ", which no program had",
                _ => "",
            };
            let said = marked(words).unwrap_or_else(|| said(form, words));
            format!("{who}{doubt}: {said}")
        }
        Kind::Tool { name, server, description, .. } => {
            let by = server.as_ref().map(|server| format!(" of `{}`", word(server))).unwrap_or_default();
            let told = match (description.is_empty(), marked(description)) {
                (true, _) => "nothing".to_owned(),
                (_, Some(mark)) => mark,
                (_, None) => said("text", description),
            };
            format!("tool `{}`{by} is told of: {told}", word(name))
        }
        Kind::Model { host, asked, model, provider, verdict, program, .. } => {
            let by = program.first().map(|program| format!(" of `{}`", word(program))).unwrap_or_default();
            let to = provider.as_ref().map(|provider| format!(" by {}", word(provider))).unwrap_or_default();
            format!("`{}`{by} to `{}` for model `{}`{to} {verdict}", word(asked), word(host), word(model))
        }
        Kind::Answered { model, input, output, whole, error, complaint, cost, .. } => {
            let count = |count: &Option<u64>| count.map_or("?".into(), |count| count.to_string());
            let end = if *whole { "" } else { ", broken off" };
            let error = error.as_ref().map(|error| format!("; {}", word(error))).unwrap_or_default();
            let said = complaint.as_ref().map(|said| format!("; it says {}", quote(said))).unwrap_or_default();
            let cost = cost.as_ref().map(|cost| format!(", {}", word(&cost.to_string()))).unwrap_or_default();
            let tokens = format!("{} tokens asked, {} answered", count(input), count(output));
            format!("answer to {model}: {tokens}{cost}{end}{error}{said}")
        }
        Kind::Evidence { what, source, how, quoted } => {
            let how = if how.is_empty() { String::new() } else { format!(" ({})", word(how)) };
            let quoted = if quoted.is_empty() { String::new() } else { format!(": {}", quote(quoted)) };
            format!("{}{how} from {}{quoted}", word(what), word(source))
        }
        Kind::Risk { name, why, source, quoted, weight, score, .. } => {
            let quoted = if quoted.is_empty() { String::new() } else { format!(": {}", quote(quoted)) };
            format!(
                "risk {score} of 100, {weight} of it for `{}` in {}: {}{quoted}",
                word(name),
                word(source),
                word(why)
            )
        }
        Kind::Close { connect, sent, received, address, note } => {
            let at = address.as_ref().map(|address| format!(" at {}", word(address))).unwrap_or_default();
            // A server that ends a connection may say why, in words of its own.
            let note = note.as_ref().map(|note| format!("; {}", word(note))).unwrap_or_default();
            format!("end of connection {connect}{at}: {sent} bytes sent, {received} received{note}")
        }
        Kind::FileRefused { .. } => file::describe(kind),
        Kind::GateStarted { incarnation } => format!("gate {incarnation} started"),
        Kind::GateLost => "gate lost: no network until the next".to_owned(),
        Kind::Policy { revision, name, changes, undoes } => {
            let undoes = undoes.map(|undone| format!(", which undoes revision {undone}")).unwrap_or_default();
            format!("policy `{}`, revision {revision}{undoes}: {}", word(name), changed(changes))
        }
        Kind::DecidesBy { revision } => format!("the gate decides by policy revision {revision} from here on"),
        Kind::PolicyNotTaken { revision, reason } => {
            format!("policy revision {revision} not taken, the one before stays: {}", word(reason))
        }
        Kind::Ordered { order, who } if who.starts_with("a risk of ") => format!("{}, for {}", word(order), word(who)),
        Kind::Ordered { order, who } if who == "its parent" => format!("{}, with its parent", word(order)),
        Kind::Ordered { order, who } => format!("the operator's {}, by {}", word(order), word(who)),
        Kind::ChildOf { session, child, event, task, .. } => {
            format!("sub-agent {child} of session {}, asked for at {event}: {}", word(session), quote(task))
        }
        Kind::Carried { labels, values, from } => {
            let from = if from.is_empty() { String::new() } else { format!(", from {}", some(from)) };
            format!("what it may read carries {}{from}", some(&joined(labels, values)))
        }
        Kind::Left { place, paths, labels, values } => {
            format!("left in {}: {}", place_of(place, paths), some(&joined(labels, values)))
        }
        Kind::Declassified { place, paths, labels, who, reason, .. } => {
            let reason = reason.as_ref().map(|reason| format!(": {}", quote(reason))).unwrap_or_default();
            format!("the operator, {}, took {} from {}{reason}", word(who), some(labels), place_of(place, paths))
        }
        Kind::ChildReserved { child, task, budget, cut, .. } => {
            let cut = if cut.is_empty() { String::new() } else { format!("; not given: {}", some(cut)) };
            format!("sub-agent {child} may use up {budget}{cut}; its task: {}", quote(task))
        }
        Kind::ChildBegan { child, session } => format!("sub-agent {child} is session {}", word(session)),
        Kind::ChildEnded { child, reason, used, .. } => {
            format!("sub-agent {child} ended, and used up {used}: {}", word(reason))
        }
        Kind::ServerOf { session, server, event } => {
            format!("server `{}` of session {}, begun at {event}", word(server), word(session))
        }
        Kind::ServerBegins { server, command } => {
            format!("server `{}` is begun in a cell of its own: {}", word(server), quote(&command.join(" ")))
        }
        Kind::ServerBegan { server, session } => format!("server `{}` is session {}", word(server), word(session)),
        Kind::ServerEnded { server, reason, .. } => format!("server `{}` ended: {}", word(server), word(reason)),
        Kind::Question { question, program, host, port, does, .. } => {
            let by = program.first().map(|program| format!(" of `{}`", word(program))).unwrap_or_default();
            let at = word(&Target::new(host, Some(*port)).to_string());
            let what =
                does.as_ref().map_or_else(|| "connection".into(), |does| format!("`{}`", word(&beginning(does))));
            format!("question {}: {what}{by} to `{at}`?", called(question))
        }
        Kind::Ruled { question, answer, who, rule, seconds, waiting } => {
            let rule = rule.as_ref().map(|rule| format!(", by `{}`", word(rule))).unwrap_or_default();
            let lasts = seconds.map(|seconds| format!(" for {seconds} s")).unwrap_or_default();
            format!("question {}: {}{lasts}, {}; {waiting} waited{rule}", called(question), word(answer), word(who))
        }
        Kind::WorkspaceChange { path, change } => format!("`{}` {}", word(path), word(change)),
        Kind::Merge { paths, state } => format!("merge of {}: {}", some(paths), word(state)),
        Kind::Ended { exit, reason } => format!("end with exit code {exit}: {}", word(reason)),
        Kind::Unknown => "something that a later version recorded".to_owned(),
    };
    shown(&line)
}

/// What was said, as it is told: the words, or their length and hash where no more is kept.
#[must_use]
pub fn brief(body: &str) -> String {
    marked(body).unwrap_or_else(|| body.to_owned())
}

/// The same within a line.
fn quote(body: &str) -> String {
    marked(body).unwrap_or_else(|| format!("`{}`", word(body)))
}

/// Labels of texts and of secrets, as one list.
fn joined(labels: &[String], values: &[String]) -> Vec<String> {
    labels.iter().chain(values).cloned().collect()
}

/// A place that something was left in, and which paths of it.
fn place_of(place: &str, paths: &[String]) -> String {
    if paths.is_empty() { format!("`{}`", word(place)) } else { format!("`{}`, {}", word(place), some(paths)) }
}

/// The beginning of a block's words.
fn said(form: &str, words: &str) -> String {
    // A record holds the ends of lines written out. What is called stands on a line of its own.
    let words = words.replace("\\n", " ");
    let words = if form == "tool-call" { words.split_once(' ').map_or("", |(_, rest)| rest) } else { &words };
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("`{}`", word(&beginning(&words)))
}

/// What is shown of a question's id, here as wherever it is typed.
fn called(question: &str) -> String {
    const SHOWN: usize = 8;
    word(&question.chars().take(SHOWN).collect::<String>())
}

/// What one line shows of a longer text.
fn beginning(text: &str) -> String {
    const SHOWN: usize = 160;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn changed(changes: &[String]) -> String {
    if changes.is_empty() { "no other rules".into() } else { some(changes) }
}

/// The first few of a list, and how many more there are.
fn some(paths: &[String]) -> String {
    const SHOWN: usize = 3;
    let named: Vec<_> = paths.iter().take(SHOWN).map(|path| format!("`{}`", word(path))).collect();
    match paths.len().saturating_sub(SHOWN) {
        0 if paths.is_empty() => "nothing".into(),
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests;
