//! `why`: what came out as it did, by which rule and program, and the smallest rule that would change it. The rule is
//! computed from the session's policy now: what the record suggests is only its writer's word.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use policy::mcp::{Grant, Message};
use policy::{Conjunction, Egress, Host, Request, Rule, Target, suggest, suggest_address};
use record::{Cause, Entry, EventId, Kind, Known, Verdict};
use wire::command::{Problem, Reply, Select, SessionState, WhyAnswer};

use super::{family, gone};
use crate::channel::Client;
use crate::problem::{NO, problem, quoted, shell, state};
use crate::store::{self, Events, SessionDirectory, Store};

/// Most starts of programs that are remembered on the way to an event, and most ancestors that are told.
const MOST_STARTS: usize = 65_536;
const MOST_ANCESTORS: usize = 16;

/// Explains an event, or the last refusal.
pub(super) fn why(store: &Store, client: &mut Client, select: &Select, event: Option<&str>) -> Result<Reply, Problem> {
    let session = store::select(store, select)?;
    let wanted = event.map(parse).transpose()?;
    gone::tell(store, client, &session);
    let Around { entries, task } = around(&session, wanted).map_err(|error| state("read", &session.path, &error))?;
    let Some(target) = entries.first() else { return Err(missing(&session, wanted)) };
    let Some(mut explanation) = record::why(&entries, target.id) else { return Err(missing(&session, wanted)) };
    let (mut option, mut running) = (None, false);
    match (session.policy(), target.event.is_refusal()) {
        // What Landlock refused is no matter of the door: the record's answer stands, checked by `why --file`.
        (_, true) if matches!(target.event.kind, Kind::FileRefused { .. }) => {
            explanation.suggestion = explanation.suggestion.filter(|_| !is_the_cells_own(&target.event.kind));
            option.clone_from(&explanation.suggestion);
        }
        (Ok(policy), true) => {
            if let Some(text) = allowed_now(&session, &policy, &target.event.kind) {
                client.reply(&Reply::Notice { text });
            }
            let rule = rule(&policy, &target.event.kind);
            explanation.suggestion = rule.as_ref().map(Rule::to_string);
            running = rule.is_some() && session.state() == SessionState::Running;
            option = rule.as_ref().filter(|rule| !rule.is_about_requests()).map(allow);
            option = option.or_else(|| loopback(&policy, &target.event.kind));
        }
        (Err(problem), true) => {
            explanation.suggestion = None;
            let text = format!("no rule can be computed: {}", quoted(&problem.cause));
            client.reply(&Reply::Notice { text });
        }
        _ => explanation.suggestion = None,
    }
    let above = family::above(store, &session);
    Ok(Reply::Why(Box::new(WhyAnswer { session: session.record.id, task, explanation, option, running, above })))
}

fn parse(text: &str) -> Result<EventId, Problem> {
    text.parse().map_err(|_| {
        problem(
            "E-PLANE-015",
            format!("`{}` is no event", quoted(text)),
            "an event is `p` or `g` and a number, as in `g12`; `bastide log` names them",
            NO,
        )
    })
}

fn missing(session: &SessionDirectory, wanted: Option<EventId>) -> Problem {
    let id = &session.record.id;
    match wanted {
        Some(event) => problem(
            "E-PLANE-016",
            format!("session `{id}` has no event `{event}`"),
            &format!("`bastide log {id}` lists its events"),
            NO,
        ),
        // What the policy let out and what failed then is the network's matter, and looks the same from inside.
        None if let Some(failed) = failed(session) => problem(
            "E-PLANE-017",
            format!("nothing was refused in session `{id}`, but what was let out came to nothing: {failed}"),
            "no rule changes that: look at the network, at the resolver, or at the proxy that the host goes out by",
            NO,
        ),
        None => problem(
            "E-PLANE-017",
            format!("nothing was refused in session `{id}`"),
            "refused file accesses are recorded only where the host's audit is on: `bastide why --file PATH` computes one",
            NO,
        ),
    }
}

/// The last connection that was let out and could not be made.
fn failed(session: &SessionDirectory) -> Option<String> {
    let mut last = None;
    let read = Events::of(session).each(|entry| {
        if let Kind::Close { sent: 0, received: 0, address: None, note: Some(_), .. } = &entry.event.kind {
            last = Some(format!("{}, {}", entry.id, record::describe(&entry.event.kind)));
        }
    });
    last.filter(|_| read.is_ok()).map(|words| quoted(&words))
}

/// An event, and what its explanation needs.
#[derive(Default)]
pub(super) struct Around {
    pub(super) entries: Vec<Entry>,
    pub(super) task: Option<String>,
}

/// The event first, then what led to it: its causes, and the starts of the programs it came from.
///
/// # Errors
/// When the record cannot be read.
pub(super) fn around(session: &SessionDirectory, wanted: Option<EventId>) -> std::io::Result<Around> {
    let (mut starts, mut found, mut task) = (HashMap::new(), None, None);
    let mut events = Events::of(session);
    while let Some(next) = events.next_event()? {
        let Ok(entry) = next else { continue };
        let last = || entry.event.is_refusal() && !(found.is_some() && is_a_count(&entry.event.kind));
        if wanted.map_or_else(last, |id| id == entry.id) {
            let ancestors = ancestors(&starts, &entry);
            found = Some((entry.clone(), ancestors, task.clone()));
            if wanted.is_some() {
                break;
            }
        }
        if let Kind::Said { words, standing, .. } = &entry.event.kind
            && standing == "attested"
        {
            task = Some(record::brief(words));
        }
        if let Kind::Exec { pid, .. } = entry.event.kind
            && (starts.len() < MOST_STARTS || starts.contains_key(&pid))
        {
            starts.insert(pid, entry);
        }
    }
    let Some((target, ancestors, task)) = found else { return Ok(Around::default()) };
    let mut entries = vec![target];
    chain(&mut entries, ancestors);
    causes(session, &mut entries)?;
    Ok(Around { entries, task })
}

/// Whether it only says how often something was refused that stands there before.
fn is_a_count(kind: &Kind) -> bool {
    let (Kind::Connect { reason, .. } | Kind::Request { reason, .. } | Kind::Mcp { reason, .. }) = kind else {
        return false;
    };
    reason.as_deref().is_some_and(|reason| reason.ends_with("too fast to be recorded one by one"))
}

/// The last start of the event's process, of its parent, and so on. Numbers are used again, so this is inferred.
fn ancestors(starts: &HashMap<u32, Entry>, entry: &Entry) -> Vec<Entry> {
    let mut next = match &entry.event.kind {
        Kind::Connect { pid, .. }
        | Kind::Request { pid, .. }
        | Kind::Mcp { pid, .. }
        | Kind::Model { pid, .. }
        | Kind::FileRefused { pid, .. } => *pid,
        Kind::Exec { parent, .. } => Some(*parent),
        _ => None,
    };
    let mut found: Vec<Entry> = Vec::new();
    while let Some(start) = next.and_then(|pid| starts.get(&pid)) {
        if found.len() >= MOST_ANCESTORS || found.iter().any(|known| known.id == start.id) {
            break;
        }
        next = match start.event.kind {
            Kind::Exec { pid, parent, .. } if parent != pid => Some(parent),
            _ => None,
        };
        found.push(start.clone());
    }
    found
}

fn chain(entries: &mut Vec<Entry>, ancestors: Vec<Entry>) {
    for start in ancestors {
        if let Some(last) = entries.last_mut() {
            last.event.cause.push(Cause { id: start.id, known: Known::Inferred });
        }
        entries.push(start);
    }
}

/// What the entries name as their causes, from the record, a few steps back.
fn causes(session: &SessionDirectory, entries: &mut Vec<Entry>) -> std::io::Result<()> {
    const STEPS: usize = 4;
    for _ in 0..STEPS {
        let named = entries.iter().flat_map(|entry| {
            let opened = match entry.event.kind {
                Kind::Close { connect, .. } => Some(connect),
                Kind::Answered { model, .. } => Some(model),
                _ => None,
            };
            entry.event.cause.iter().map(|cause| cause.id).chain(opened).collect::<Vec<_>>()
        });
        let mut unknown: Vec<EventId> = named.filter(|id| entries.iter().all(|entry| entry.id != *id)).collect();
        unknown.truncate(record::why::MAX_CAUSES);
        if unknown.is_empty() {
            break;
        }
        let known = entries.len();
        Events::of(session).each(|entry| {
            if unknown.contains(&entry.id) {
                entries.push(entry);
            }
        })?;
        if entries.len() == known {
            break;
        }
    }
    Ok(())
}

/// Of what another policy allows by now that it is so: no rule is missing any more.
fn allowed_now(session: &SessionDirectory, policy: &Conjunction, kind: &Kind) -> Option<String> {
    let (host, port, program, request) = match kind {
        Kind::Connect { host, port, program, .. } => (host, port, program, None),
        Kind::Request { host, port, program, .. } => (host, port, program, Some(request(kind)?)),
        Kind::Mcp { host, port, program, .. } => (host, port, program, Some(message(kind)?)),
        _ => return None,
    };
    let revision = session.revision().filter(|revision| *revision > 1)?;
    let host = Host::parse(host).ok()?;
    let program = (!program.is_empty()).then_some(program.as_slice());
    let egress = Egress { host: &host, port: *port, program, request: request.as_ref() };
    let allowed = policy::explain(policy, &egress).outcome == policy::Outcome::Allow;
    allowed.then(|| format!("the policy that is in force now, revision {revision}, has a rule that allows it"))
}

/// The smallest rule that would let a refused request through, as `decide` takes it; none when nothing short of removing
/// a rule would help.
fn rule(policy: &Conjunction, kind: &Kind) -> Option<Rule> {
    match kind {
        // Where the gate knew of no rule that would help, it was refused for something else than want of one.
        Kind::Connect { suggestion: None, times: 1, .. }
        | Kind::Request { suggestion: None, .. }
        | Kind::Mcp { suggestion: None, .. } => None,
        // No rule about destinations lets out what a rule about data keeps in.
        Kind::Request { rule: Some(rule), .. } | Kind::Mcp { rule: Some(rule), .. } if rule.starts_with("flows: ") => {
            None
        }
        Kind::Connect { host, port, program, rule, .. } => {
            let host = Host::parse(host).ok()?;
            let program = (!program.is_empty()).then_some(program.as_slice());
            let egress = Egress { host: &host, port: *port, program, request: None };
            // Where the name was allowed and its address was not, the event names that address first.
            let address = || rule.as_deref()?.split(' ').next()?.parse::<IpAddr>().ok();
            let found = suggest(policy, &egress).or_else(|| suggest_address(policy, &egress, address()?))?;
            Some(found.rule)
        }
        Kind::Request { host, port, program, .. } => {
            let host = Host::parse(host).ok()?;
            let program = (!program.is_empty()).then_some(program.as_slice());
            let request = request(kind)?;
            Some(suggest(policy, &Egress { host: &host, port: *port, program, request: Some(&request) })?.rule)
        }
        Kind::Mcp { host, port, program, .. } => {
            let host = Host::parse(host).ok()?;
            let program = (!program.is_empty()).then_some(program.as_slice());
            let request = message(kind)?;
            Some(suggest(policy, &Egress { host: &host, port: *port, program, request: Some(&request) })?.rule)
        }
        Kind::Resolve { name, verdict: Verdict::Refused | Verdict::Asked, .. } => {
            let host =
                Host::parse(name).ok().filter(|host| matches!(host, Host::Name(name) if !name.is_host_bastide()))?;
            let found = suggest(policy, &Egress { host: &host, port: 443, program: None, request: None })?;
            // Which port it was for is not known, so the rule names none.
            Some(Rule::to(Target { port: None, ..found.rule.to }))
        }
        _ => None,
    }
}

/// A request as a policy judges it; none of one that could not be read.
pub(super) fn request(kind: &Kind) -> Option<Request> {
    let Kind::Request { method, target, websocket, .. } = kind else { return None };
    let request = Request::new(method, target.split('?').next()?).ok()?;
    Some(if *websocket { request.for_websocket() } else { request })
}

/// A message of MCP as it was said, or as what a server may do is decided.
pub(super) fn message(kind: &Kind) -> Option<Request> {
    let Kind::Mcp { target, method, name, words, server, .. } = kind else { return None };
    // Of what it describes in another way the method tells where.
    let method = if *server && name.is_some() { Grant::Changes.method() } else { method };
    let message = Message::recorded(method, name.as_deref(), words)?;
    Some(Request::new("POST", target.split('?').next()?).ok()?.saying(message))
}

/// Whether it was about what the cell makes itself: no option brings the host's file there.
fn is_the_cells_own(kind: &Kind) -> bool {
    let Kind::FileRefused { path: Some(path), .. } = kind else { return false };
    policy::MADE.iter().any(|made| Path::new(path).starts_with(made))
}

/// The option of `run` for a port of the host's own that was looked up: who wrote the program knows which one, and no
/// rule goes without it.
fn loopback(policy: &Conjunction, kind: &Kind) -> Option<String> {
    let Kind::Resolve { name, .. } = kind else { return None };
    let host = Host::parse(name).ok().filter(|host| matches!(host, Host::Name(name) if name.is_host_bastide()))?;
    // Where a rule denies the name, none allows it.
    suggest(policy, &Egress { host: &host, port: 443, program: None, request: None })?;
    Some(format!("--allow {host}:PORT"))
}

/// The option of `run` that would do the same, for every program: what a rule allows for one, it allows for one of all.
fn allow(rule: &Rule) -> String {
    format!("--allow {}", shell(&rule.to.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_option_brings_what_the_cell_makes_itself() {
        let refused = |path: &str| {
            let access = vec!["write_file".to_owned()];
            is_the_cells_own(&Kind::FileRefused {
                pid: None,
                program: None,
                access,
                path: Some(path.into()),
                untold: 0,
            })
        };
        assert!(["/proc/2/comm", "/dev/null", "/sys", "/etc/hosts"].into_iter().all(refused));
        assert!(!["/process", "/srv/a", "/etc/shadow"].into_iter().any(refused));
    }
}
