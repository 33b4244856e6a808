//! A compiled policy as text that the strict reader takes and compiles to the same policy again.

use std::fmt::{self, Write};

use crate::{Bodies, Grounding, Inference, Intent, Limit, Limits, Policy};

impl Policy {
    /// The policy as YAML: nothing extended, every path absolute.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut text = format!("bastide: 1\nname: {}\n", quoted(&self.name));
        let files = &self.files;
        text += &format!("files:\n  workspace: {}\n", files.workspace.name());
        for (key, paths) in [("read", &files.read), ("write", &files.write), ("hide", &files.hide)] {
            list(&mut text, 2, key, paths.iter().map(|path| quoted(path.as_str())));
        }
        list(&mut text, 2, "guard", files.guard.iter().map(|name| quoted(name)));
        if !self.environment.is_empty() {
            text += "env:\n";
            for (name, value) in &self.environment {
                text += &format!("  {}: {}\n", quoted(name), quoted(value));
            }
        }
        limits(&mut text, &self.limits);
        text += &format!("network:\n  default: {}\n", self.network.default.name());
        list(&mut text, 2, "allow", self.network.allow.iter().filter(|rule| !rule.inference).map(ToString::to_string));
        list(&mut text, 2, "deny", self.network.deny.iter().map(ToString::to_string));
        inference(&mut text, &self.inference);
        list(&mut text, 0, "data", self.data.iter().map(ToString::to_string));
        list(&mut text, 0, "flows", self.flows.iter().map(ToString::to_string));
        list(&mut text, 0, "tools", self.tools.iter().map(ToString::to_string));
        if self.grounding != Grounding::default() {
            let _ = writeln!(text, "grounding: {}", self.grounding.name());
        }
        list(&mut text, 0, "endorse", self.endorse.iter().map(ToString::to_string));
        if self.intent != Intent::default() {
            let _ = writeln!(text, "intent: {}", self.intent.name());
        }
        if self.foreign.looks() {
            let _ = writeln!(text, "foreign: {}", self.foreign);
        }
        if self.bodies != Bodies::default() {
            text += &format!("record: {{bodies: {}}}\n", self.bodies.name());
        }
        if let Some(agents) = &self.agents {
            let _ = writeln!(text, "agents: {agents}");
        }
        if !self.risk.is_none() {
            let _ = writeln!(text, "risk: {}", self.risk);
        }
        if let Some(narrowed) = &self.narrowed {
            let _ = writeln!(text, "# narrowed under risk, until `bastide policy undo`: {narrowed}");
        }
        list(&mut text, 0, "secrets", self.secrets.iter().map(ToString::to_string));
        list(&mut text, 0, "servers", self.servers.iter().map(ToString::to_string));
        list(&mut text, 0, "tests", self.tests.iter().map(ToString::to_string));
        text
    }
}

fn inference(text: &mut String, inference: &Inference) {
    if inference.is_empty() {
        return;
    }
    *text += "inference:\n";
    if !inference.providers.is_empty() {
        *text += "  providers:\n";
        for provider in &inference.providers {
            let _ = writeln!(text, "    {}: {provider}", quoted(&provider.name));
        }
    }
    list(text, 2, "routes", inference.routes.iter().map(ToString::to_string));
    list(text, 2, "grant", inference.grant.iter().cloned());
    list(text, 2, "fields", inference.fields.iter().map(|field| quoted(field)));
    list(text, 2, "prices", inference.prices.iter().map(ToString::to_string));
    let budget = [
        ("tokens", inference.tokens.map(|tokens| tokens.to_string())),
        ("requests", inference.requests.map(|requests| requests.to_string())),
        ("money", inference.money.map(|money| money.to_string())),
    ];
    let said: Vec<String> =
        budget.into_iter().filter_map(|(key, value)| value.map(|value| format!("{key}: {value}"))).collect();
    if !said.is_empty() {
        let _ = writeln!(text, "  budget: {{{}}}", said.join(", "));
    }
}

fn list(text: &mut String, indent: usize, key: &str, items: impl Iterator<Item = String>) {
    let mut items = items.peekable();
    if items.peek().is_some() {
        let _ = writeln!(text, "{:indent$}{key}:", "");
        items.for_each(|item| {
            let _ = writeln!(text, "{:indent$}  - {item}", "");
        });
    }
}

fn limits(text: &mut String, limits: &Limits) {
    if *limits == Limits::default() {
        return;
    }
    *text += "limits:\n";
    for limit in Limit::ALL {
        if let Some(value) = limits.get(limit) {
            *text += &format!("  {}: {}\n", limit.name(), quantity(limit, value));
        }
    }
    if !limits.required.is_empty() {
        let names: Vec<_> = limits.required.iter().map(|limit| limit.name()).collect();
        *text += &format!("  required: [{}]\n", names.join(", "));
    }
}

/// The same within a line; empty where there are none.
pub(crate) fn limits_within(limits: &Limits) -> String {
    let values = Limit::ALL.into_iter().filter_map(|limit| Some((limit, limits.get(limit)?)));
    let mut said: Vec<String> =
        values.map(|(limit, value)| format!("{}: {}", limit.name(), quantity(limit, value))).collect();
    if !limits.required.is_empty() {
        let names: Vec<_> = limits.required.iter().map(|limit| limit.name()).collect();
        said.push(format!("required: [{}]", names.join(", ")));
    }
    said.join(", ")
}

/// A limit's value with the largest unit that leaves it whole.
pub(crate) fn quantity(limit: Limit, value: u64) -> String {
    let units: &[(&str, u64)] = match limit {
        Limit::Memory | Limit::Disk => &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)],
        Limit::Time => &[("h", 3600), ("m", 60), ("s", 1)],
        Limit::Cpu => &[("", 1000), ("m", 1)],
        Limit::Pids => &[],
    };
    match units.iter().find(|(_, factor)| value.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", value / factor),
        None => value.to_string(),
    }
}

/// Text as one double-quoted YAML scalar on one line: what is not plainly visible is escaped.
pub(crate) fn quoted(text: &str) -> String {
    Quoted(text).to_string()
}

/// The same as it is written.
pub(crate) struct Quoted<'t>(pub(crate) &'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('"')?;
        let mut rest = self.0;
        // What needs no escape is written as it stands.
        while let Some(at) = rest.find(|letter| !is_plain(letter)) {
            let letter = rest[at..].chars().next().unwrap_or_default();
            formatter.write_str(&rest[..at])?;
            match letter {
                '"' | '\\' => write!(formatter, "\\{letter}")?,
                _ => write!(formatter, "\\U{:08X}", u32::from(letter))?,
            }
            rest = &rest[at + letter.len_utf8()..];
        }
        formatter.write_str(rest)?;
        formatter.write_char('"')
    }
}

fn is_plain(letter: char) -> bool {
    !matches!(letter, '"' | '\\') && (matches!(letter, ' '..='~') || letter.is_alphanumeric())
}

/// A list behind its key, where it has members.
pub(crate) fn listed<M: fmt::Display>(
    formatter: &mut fmt::Formatter<'_>,
    key: &str,
    members: impl Iterator<Item = M>,
) -> fmt::Result {
    let mut some = false;
    for member in members {
        match some {
            true => write!(formatter, ", {member}")?,
            false => write!(formatter, ", {key}: [{member}")?,
        }
        some = true;
    }
    if some { formatter.write_str("]") } else { Ok(()) }
}

/// Text of somebody else for a message: bounded, and nothing in it moves the cursor or turns the direction.
#[cfg(feature = "read")]
pub(crate) fn visible(text: &str) -> String {
    let mut out: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        out.push('…');
    }
    out
}
