//! The `servers` section: servers of MCP in cells of their own, and rules about what may be said to them.

use serde_saphyr::{Location as Mark, Spanned};

use super::layer::{denying, limits, rule};
use super::raw::{RawRule, RawSaid, RawServer, Text};
use super::value::Scope;
use super::{Diagnostic, code};
use crate::mcp::Grant;
use crate::print::visible;
use crate::{
    Default as Fallback, HostPattern, MAX_SERVERS, Network, Protocol, Rule, SERVER_PORT, SERVERS, Server, Tls,
};

/// Most words of a command, and bytes of one.
const MAX_WORDS: usize = 256;
const MAX_WORD: usize = 4096;

/// Rules about one, each with whether it denies and where it stands.
type Rules = Vec<(Rule, bool, Mark)>;

/// Reads the section.
pub(super) fn all(scope: &Scope<'_>, raw: &[Spanned<RawServer>]) -> Result<Vec<(Spanned<Server>, Rules)>, Diagnostic> {
    if let Some(more) = raw.get(MAX_SERVERS) {
        let message = format!("more than {MAX_SERVERS} servers");
        return Err(scope.fail(more.referenced, code::SERVER, message, "name those that a session needs"));
    }
    let mut read: Vec<(Spanned<Server>, Rules)> = Vec::new();
    for raw in raw {
        let (server, rules) = one(scope, &raw.value)?;
        let name = &raw.value.name;
        if read.iter().any(|(other, _)| other.value.name == server.name) {
            let message = format!("two servers are called `{}`", server.name);
            return Err(scope.fail(name.referenced, code::SERVER, message, "call one of them something else"));
        }
        read.push((Spanned { value: server, ..respan(name) }, rules));
    }
    Ok(read)
}

/// The place of a text, for something else that stands there.
fn respan(text: &Text) -> Spanned<Server> {
    Spanned { value: Server::default(), referenced: text.referenced, defined: text.defined }
}

fn one(scope: &Scope<'_>, raw: &RawServer) -> Result<(Server, Rules), Diagnostic> {
    let name = &raw.name.value;
    if !Server::is_name(name) {
        let message = format!("bad name of a server `{}`", visible(name));
        let hint = "write 1 to 32 small letters, digits and `-`, such as `github`";
        return Err(scope.fail(raw.name.referenced, code::SERVER, message, hint));
    }
    let read = raw.read.iter().map(|text| scope.path(text)).collect::<Result<_, _>>()?;
    let mut server = Server { name: name.clone(), command: command(scope, raw)?, read, ..Server::default() };
    for (name, value) in &raw.env {
        let read = scope.variable(name, value)?;
        server.environment.insert(name.clone(), read);
    }
    // Where each of its values stands is where the server does.
    server.limits = limits(scope, &raw.limits, &mut Vec::new())?;
    if let Some(default) = raw.network.default.as_ref().filter(|default| default.value != Fallback::Deny.name()) {
        let message = "a server reaches what is listed, and nobody is asked about anything else".into();
        return Err(scope.fail(default.referenced, code::SERVER, message, "leave `default` out"));
    }
    let allow = raw.network.allow.iter().map(|raw| own(scope, raw, rule(scope, raw)?)).collect::<Result<_, _>>()?;
    let deny = raw.network.deny.iter().map(|raw| own(scope, raw, denying(scope, raw)?)).collect::<Result<_, _>>()?;
    server.network = Network { default: Fallback::Deny, allow, deny };
    let mut rules = Vec::new();
    for (said, denies) in raw.allow.iter().map(|said| (said, false)).chain(raw.deny.iter().map(|said| (said, true))) {
        let raw = about(scope, &raw.name, said)?;
        let rule = if denies { denying(scope, &raw)? } else { rule(scope, &raw)? };
        rules.push((rule, denies, said.referenced));
    }
    Ok((server, rules))
}

/// Its program and arguments. A program in a directory of whoever asks would be whatever lies there at that moment.
fn command(scope: &Scope<'_>, raw: &RawServer) -> Result<Vec<String>, Diagnostic> {
    let fail = |mark: Mark, message: &str, hint: &str| Err(scope.fail(mark, code::SERVER, message.into(), hint));
    let Some(first) = raw.command.first() else {
        return fail(
            raw.name.referenced,
            "a server without a command",
            "write for example `command: [/opt/mcp/github]`",
        );
    };
    let odd = |text: &&Text| text.value.len() > MAX_WORD || text.value.contains('\0');
    if raw.command.len() > MAX_WORDS {
        return fail(first.referenced, "the command has more than 256 words", "write a script that says them");
    }
    if let Some(word) = raw.command.iter().find(odd) {
        return fail(word.referenced, "a word of the command is too long, or holds a NUL", "write it into a file");
    }
    if first.value.starts_with('~') {
        let program = scope.path(first)?.to_string();
        return Ok(std::iter::once(program).chain(raw.command[1..].iter().map(|word| word.value.clone())).collect());
    }
    if first.value.is_empty() || first.value.contains('/') && !first.value.starts_with('/') {
        let hint = "write its absolute path, or its name alone where it is found in PATH";
        return fail(first.referenced, "a relative path names no program here", hint);
    }
    Ok(raw.command.iter().map(|word| word.value.clone()).collect())
}

/// A rule of a server's own network: it reaches no other server.
fn own(scope: &Scope<'_>, raw: &RawRule, rule: Rule) -> Result<Rule, Diagnostic> {
    match &rule.to.host {
        HostPattern::Exact(name) if name.server().is_some() => {
            let message = "a server speaks to no other server".into();
            Err(scope.fail(raw.to.referenced, code::SERVER, message, "let whoever is inside speak to both"))
        }
        _ => Ok(rule),
    }
}

/// What is said of messages, as a rule to where the server is.
fn about(scope: &Scope<'_>, name: &Text, said: &Spanned<RawSaid>) -> Result<RawRule, Diagnostic> {
    let RawSaid { programs, tools, arguments, resources, prompts, grant, body, rate, budget } = said.value.clone();
    let lists = [&tools, &resources, &prompts, &grant];
    if arguments.is_none() && lists.into_iter().all(Option::is_none) {
        let message = "it says nothing of messages".into();
        let hint = "write for example `{tools: [\"get_*\"]}`; `{tools: [\"*\"]}` is all of them";
        return Err(scope.fail(said.referenced, code::SERVER, message, hint));
    }
    let to = format!("{}{SERVERS}:{SERVER_PORT}", name.value);
    Ok(RawRule {
        to: Spanned { value: to, referenced: said.referenced, defined: said.defined },
        programs,
        addresses: None,
        protocol: Some(Spanned { value: "mcp".into(), referenced: said.referenced, defined: said.defined }),
        methods: None,
        paths: None,
        query: None,
        headers: None,
        tools,
        arguments,
        resources,
        prompts,
        grant,
        body,
        rate,
        budget,
        answers: None,
        tls: None,
        credential: None,
    })
}

/// Refuses what no rule to a server can say. Where one is, MCP is spoken and nothing else; it asks for nothing of a program's,
/// since nothing would carry that back.
pub(super) fn spoken_with(scope: &Scope<'_>, raw: &RawRule, rule: &Rule) -> Result<(), Diagnostic> {
    let HostPattern::Exact(name) = &rule.to.host else { return Ok(()) };
    let Some(server) = name.server() else { return Ok(()) };
    let amiss = if rule.protocol != Protocol::Mcp {
        "MCP is spoken there, and nothing else"
    } else if rule.to.port.is_some_and(|port| port != SERVER_PORT) {
        "a server is reached at port 80"
    } else if rule.credential.is_some() {
        "a credential is lent where the server's own requests go out"
    } else if !rule.addresses.is_empty() || rule.tls != Tls::Read {
        "no address is looked up there, and no TLS is spoken"
    } else if rule.mcp.grant.iter().any(|grant| *grant != Grant::Changes) {
        "a server in a cell of its own asks for nothing of a program's: only `changes` can be granted"
    } else {
        return Ok(());
    };
    let hint = format!("say what may be called: `{{to: {server}{SERVERS}, protocol: mcp, tools: [\"get_*\"]}}`");
    Err(scope.fail(raw.to.referenced, code::SERVER, amiss.into(), &hint))
}
