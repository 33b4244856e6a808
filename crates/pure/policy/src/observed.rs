//! The smallest policy of a whole run: what was observed, without widening it and without judging it.

use std::collections::{BTreeMap, BTreeSet};

use crate::mcp::{Mcp, TextPattern};
use crate::suggest::smallest;
use crate::{
    Egress, Host, Method, Outcome, PathPattern, ProgramPattern, Protocol, Request, Rule, Target, print, special,
};

/// One request that a run made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The destination as the program named it.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// The executable, then its parents'; empty when unknown.
    pub program: Vec<String>,
    /// What was asked there, where requests were read; none is the connection.
    pub request: Option<Request>,
    /// What became of it.
    pub outcome: Outcome,
}

/// The smallest policy, as text of the language, that allows every request of a run.
///
/// Requests to one host and port become one rule with all their programs, or where they were read one for each method,
/// with all its paths; hosts and paths are never joined into a wildcard nor ports left out. A request of an unknown program needs a rule for every program: a comment says
/// so, as it says what the run was refused. Requests whose executable cannot be written, and those to an address that
/// no rule opens, are listed and left out.
#[must_use]
pub fn suggest_policy(name: &str, requests: &[Observed]) -> String {
    let mut rules: BTreeMap<Place, Found> = BTreeMap::new();
    let place = |request: &Observed| (request.host.to_string(), request.port);
    let read: BTreeSet<_> = requests.iter().filter(|request| request.request.is_some()).map(place).collect();
    let spoken: BTreeSet<_> = requests
        .iter()
        .filter_map(|request| {
            let asked = request.request.as_ref().filter(|asked| asked.message().is_some())?;
            Some((place(request), asked.path()))
        })
        .collect();
    let (mut left, mut closed, mut own) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for request in requests {
        let program = (!request.program.is_empty()).then_some(request.program.as_slice());
        if let Host::Address(address) = request.host
            && special(address).is_some_and(|found| found.range.is_closed())
        {
            closed.insert(format!("{}:{}", request.host, request.port));
            continue;
        }
        let asked = request.request.as_ref();
        if let Host::Name(name) = &request.host
            && name.is_the_doors_own()
            && asked.and_then(Request::message).is_none()
        {
            own.insert(format!("{}:{}", request.host, request.port));
            continue;
        }
        // The connection was made for the sake of requests, which stand for themselves.
        if asked.is_none() && read.contains(&place(request)) {
            continue;
        }
        // What says nothing goes where messages go.
        let mcp = asked.is_some_and(|asked| spoken.contains(&(place(request), asked.path())));
        match smallest(&Egress { host: &request.host, port: request.port, program, request: asked }, mcp) {
            Some(rule) => {
                let mcp = (rule.protocol == Protocol::Mcp).then_some(rule.mcp);
                let Rule { to, protocol, methods, paths, .. } = rule;
                let place = Place { to, protocol, methods, mcp, paths };
                rules.entry(place).or_default().add(rule.programs, request.outcome);
            }
            None => {
                let program: String =
                    request.program.first().into_iter().flat_map(|path| path.chars().take(200)).collect();
                left.insert(format!("{}:{} by {}", request.host, request.port, print::quoted(&program)));
            }
        }
    }
    let mut text = String::from("# observed, not judged: what one run asked for, whatever made it ask\n");
    text += &format!("bastide: 1\nname: {}\nnetwork:\n  default: deny\n", print::quoted(&named(name)));
    let rules = joined(needed(rules));
    if !rules.is_empty() {
        text += "  allow:\n";
    }
    for (place, found) in rules {
        text += &found.line(place);
    }
    for request in left {
        text += &format!("# left out, no rule can name the executable: {request}\n");
    }
    for request in own {
        text += &format!("# left out, it is the door's own: {request}\n");
    }
    for request in closed {
        text += &format!("# left out, no rule opens the address: {request}\n");
    }
    text
}

/// A name that the reader takes.
fn named(name: &str) -> String {
    let name: String = name.chars().filter(|character| !character.is_control()).take(64).collect();
    if name.trim().is_empty() { "observed".into() } else { name }
}

/// What a rule is about: one destination, and one request where they were read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    to: Target,
    protocol: Protocol,
    methods: Vec<Method>,
    /// What was said, where that was MCP.
    mcp: Option<Mcp>,
    paths: Vec<PathPattern>,
}

/// Without what is allowed with another request anyway: one that may be read as `/a/b` brings that along.
fn needed(rules: BTreeMap<Place, Found>) -> BTreeMap<Place, Found> {
    let brings = |wide: &Place, place: &Place| {
        (&wide.to, wide.protocol, &wide.methods, &wide.mcp) == (&place.to, place.protocol, &place.methods, &place.mcp)
            && wide.paths.len() > place.paths.len()
            && place.paths.iter().all(|path| wide.paths.contains(path))
    };
    let mut needed = BTreeMap::new();
    for (place, found) in &rules {
        let wider = || rules.iter().filter(|(wide, _)| brings(wide, place)).map(|(_, found)| found);
        if wider().any(|wide| wide.unknown) {
            continue;
        }
        let known: BTreeSet<_> =
            found.known.iter().filter(|program| !wider().any(|wide| wide.known.contains(*program))).cloned().collect();
        if found.unknown || !known.is_empty() {
            needed.insert(place.clone(), Found { known, ..*found });
        }
    }
    needed
}

/// Paths that the same programs asked for in the same way, in one rule.
fn joined(rules: BTreeMap<Place, Found>) -> Vec<(Place, Found)> {
    let mut joined: Vec<(Place, Found)> = Vec::new();
    for (place, found) in rules {
        match joined.last_mut() {
            Some((last, same)) if *same == found && last.goes_on_with(&place) => {
                if let (Some(mcp), Some(more)) = (&mut last.mcp, place.mcp) {
                    add(&mut mcp.tools, more.tools);
                    add(&mut mcp.resources, more.resources);
                    add(&mut mcp.prompts, more.prompts);
                    mcp.grant.extend(more.grant);
                }
                let new = place.paths.into_iter().filter(|path| !last.paths.contains(path)).collect::<Vec<_>>();
                last.paths.extend(new);
            }
            _ => joined.push((place, found)),
        }
    }
    joined
}

impl Place {
    /// Whether both stand in one rule: of one path every message does.
    fn goes_on_with(&self, other: &Place) -> bool {
        let same = (&self.to, self.protocol, &self.methods) == (&other.to, other.protocol, &other.methods);
        match (&self.mcp, &other.mcp) {
            (Some(_), Some(_)) => same && self.paths == other.paths,
            (None, None) => same,
            _ => false,
        }
    }
}

fn add(list: &mut Option<Vec<TextPattern>>, more: Option<Vec<TextPattern>>) {
    if let Some(more) = more {
        let list = list.get_or_insert_default();
        list.extend(more);
        list.dedup();
    }
}

/// Who asked for it, and what came of it.
#[derive(Default, PartialEq, Eq)]
struct Found {
    known: BTreeSet<ProgramPattern>,
    unknown: bool,
    refused: bool,
}

impl Found {
    fn add(&mut self, programs: Vec<ProgramPattern>, outcome: Outcome) {
        self.unknown |= programs.is_empty();
        self.refused |= outcome != Outcome::Allow;
        self.known.extend(programs);
    }

    fn line(self, Place { to, protocol, methods, mcp, paths }: Place) -> String {
        let mut said = Vec::new();
        if self.refused {
            said.push("refused in the run");
        }
        if self.unknown {
            said.push("program unknown: every program may");
        }
        let programs = if self.unknown { Vec::new() } else { self.known.into_iter().collect() };
        let said = if said.is_empty() { String::new() } else { format!(" # {}", said.join("; ")) };
        let mcp = mcp.unwrap_or_default();
        format!("    - {}{said}\n", Rule { programs, protocol, methods, paths, mcp, ..Rule::to(to) })
    }
}
