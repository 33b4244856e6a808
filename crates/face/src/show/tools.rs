//! `tools`.

use super::table::table;
use crate::errors::wrap;
use crate::words;
use wire::command::{Concluded, RequestInfo, ToolInfo, ToolsAnswer};

/// Each tool, what it does and why, and its arguments.
pub(super) fn list(answer: &ToolsAnswer) -> String {
    let mut text = String::new();
    if answer.tools.is_empty() {
        text = wrap("no model was told of a tool in this session, as far as a gate knows: models are asked by a route");
    }
    for tool in &answer.tools {
        one(tool, &mut text);
    }
    for request in &answer.requests {
        sent(request, &mut text);
    }
    if answer.left > 0 {
        text.push_str(&wrap(&format!("{} more, which are not told of here", answer.left)));
    }
    text
}

fn one(tool: &ToolInfo, text: &mut String) {
    let by = tool.server.as_ref().map(|server| format!(" of {}", words::quoted(server.as_bytes(), 60)));
    text.push_str(&wrap(&format!("{}{}", words::quoted(tool.name.as_bytes(), 64), by.unwrap_or_default())));
    for concluded in &tool.concluded {
        means(concluded, tool.concluded.len() > 1, text);
    }
    let told = match tool.event {
        Some(event) if tool.ways > 1 => format!("told of in {} ways, last at {event}; ", tool.ways),
        Some(event) => format!("told of at {event}; "),
        None => String::new(),
    };
    let held = if tool.withheld > 0 { format!(", {} of them not let through", tool.withheld) } else { String::new() };
    text.push_str(&wrap(&format!("  record   {told}{} calls{held}", tool.calls)));
    for hint in &tool.hints {
        text.push_str(&wrap(&format!("  hint     {}, says its server", words::line(hint, 100))));
    }
    for unknown in tool.unknown.iter().take(8) {
        text.push_str(&wrap(&format!("  unknown  {}", words::line(unknown, 200))));
    }
    if tool.unknown.len() > 8 {
        text.push_str(&format!("  unknown  {} more: --json\n", tool.unknown.len() - 8));
    }
}

/// Requests that do the same.
fn sent(request: &RequestInfo, text: &mut String) {
    let (method, to) = (words::line(&request.method, 16), words::quoted(request.to.as_bytes(), 80));
    text.push_str(&wrap(&format!("{method} to {to}")));
    text.push_str(&wrap(&format!("  does     {}: {}", request.effects.join(", "), words::line(&request.why, 200))));
    let held = if request.held > 0 { format!(", {} of them not let through", request.held) } else { String::new() };
    let plural = if request.count == 1 { "" } else { "s" };
    text.push_str(&wrap(&format!("  record   {} request{plural}{held}, the last at {}", request.count, request.event)));
}

fn means(concluded: &Concluded, many: bool, text: &mut String) {
    let why = words::line(&concluded.why, 200);
    text.push_str(&wrap(&format!("  does     {}: {why}", concluded.effects.join(", "))));
    if many {
        let names: Vec<String> = concluded.policies.iter().map(|name| words::line(name, 40)).collect();
        text.push_str(&wrap(&format!("  by       policy {}", names.join(", "))));
    }
    let rows: Vec<Vec<String>> = concluded
        .arguments
        .iter()
        .take(32)
        .map(|one| vec![String::new(), words::line(&one.name, 24), one.role.clone(), words::line(&one.why, 60)])
        .collect();
    text.push_str(&table(&rows));
    if concluded.arguments.len() > 32 {
        text.push_str(&format!("  {} more arguments: --json\n", concluded.arguments.len() - 32));
    }
}
