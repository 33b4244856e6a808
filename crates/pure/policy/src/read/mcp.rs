//! What a rule says of messages of MCP.

use std::collections::{BTreeMap, BTreeSet};

use super::raw::{RawRule, Text};
use super::value::Scope;
use super::{Diagnostic, code};
use crate::mcp::{Grant, Mcp, TextPattern};
use crate::print::visible;
use crate::{Credential, Position, Protocol};

/// Longest name of an argument.
const MAX_NAME: usize = 256;

/// Whether a rule says anything of messages.
pub(super) fn is_said(raw: &RawRule) -> bool {
    let lists = [&raw.tools, &raw.resources, &raw.prompts, &raw.grant];
    raw.arguments.is_some() || lists.into_iter().any(Option::is_some)
}

/// Reads it, beside the protocol that the rule is about.
pub(super) fn rule(
    scope: &Scope<'_>,
    raw: &RawRule,
    protocol: Protocol,
    credential: Option<&Credential>,
) -> Result<Mcp, Diagnostic> {
    let fail = |message: &str, hint: &str| Err(scope.fail(raw.to.referenced, code::MCP, message.into(), hint));
    if protocol != Protocol::Mcp {
        return match is_said(raw) {
            true => {
                fail("a rule about messages of MCP says another protocol", "write `protocol: mcp`, or leave it out")
            }
            false => Ok(Mcp::default()),
        };
    }
    if credential.is_some_and(|credential| matches!(credential.position, Position::Field { .. })) {
        return fail("a message of MCP has no field for a credential", "put it into a header, by its name alone");
    }
    let lists = [
        ("arguments", raw.arguments.as_ref().is_some_and(BTreeMap::is_empty)),
        ("grant", raw.grant.as_ref().is_some_and(Vec::is_empty)),
    ];
    if let Some((key, _)) = lists.iter().find(|(_, empty)| *empty) {
        return fail(&format!("`{key}` is empty, and would say nothing"), "write what it means, or leave the key out");
    }
    let mut arguments = BTreeMap::new();
    for (name, values) in raw.arguments.iter().flatten() {
        let plain = !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control);
        if !plain || values.is_empty() {
            let message = format!("bad argument `{}`", visible(name));
            let hint = "write its name and a list of what it may be, as in `{path: [\"/repo/**\"]}`";
            return Err(scope.fail(raw.to.referenced, code::MCP, message, hint));
        }
        arguments.insert(name.clone(), patterns(scope, values)?);
    }
    let list = |list: &Option<Vec<Text>>| list.as_ref().map(|list| patterns(scope, list)).transpose();
    let (tools, resources, prompts) = (list(&raw.tools)?, list(&raw.resources)?, list(&raw.prompts)?);
    let names = Grant::ALL.map(|grant| (grant.name(), grant));
    let mut grant = BTreeSet::new();
    for text in raw.grant.iter().flatten() {
        grant.extend(scope.choice(Some(text), &names)?);
    }
    Ok(Mcp { tools, arguments, resources, prompts, grant })
}

/// What a deny rule does not say.
pub(super) fn denied(scope: &Scope<'_>, raw: &RawRule) -> Result<(), Diagnostic> {
    let message = match (&raw.grant, [&raw.tools, &raw.resources, &raw.prompts]) {
        (Some(_), _) => "a deny rule grants nothing",
        (None, lists) if lists.into_iter().flatten().any(Vec::is_empty) => "a deny rule that names none denies none",
        _ => return Ok(()),
    };
    Err(scope.fail(raw.to.referenced, code::MCP, message.into(), "name what is denied, or leave the key out"))
}

fn patterns(scope: &Scope<'_>, texts: &[Text]) -> Result<Vec<TextPattern>, Diagnostic> {
    let one = |text: &Text| {
        TextPattern::parse(&text.value).map_err(|error| {
            let message = format!("bad pattern `{}`: {error}", visible(&text.value));
            scope.fail(text.referenced, code::MCP, message, "write for example `search_*` or `/repo/**`")
        })
    };
    texts.iter().map(one).collect()
}
