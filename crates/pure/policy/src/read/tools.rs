//! The `tools` section, `grounding` and `intent`.

use std::collections::BTreeMap;

use super::raw::{RawTool, Text};
use super::value::Scope;
use super::{Diagnostic, code};
use crate::mcp::TextPattern;
use crate::print::visible;
use crate::{Effect, Role, ToolRule};

/// Longest name of an argument or a field.
const MAX_NAME: usize = 256;

impl Scope<'_> {
    pub(super) fn tool(&self, raw: &RawTool) -> Result<ToolRule, Diagnostic> {
        let at = raw.matches.referenced;
        let effects: Vec<_> = Effect::ALL.iter().map(|effect| (effect.name(), *effect)).collect();
        let effect = self.choice(raw.effect.as_ref(), &effects)?;
        let (roles, returns) = (self.roles(&raw.roles)?, self.roles(&raw.returns)?);
        let mut ground = BTreeMap::new();
        for (name, values) in &raw.ground {
            let first = values.first().map(|text| text.referenced);
            self.named(name, first.unwrap_or(at))?;
            if values.is_empty() {
                let message = format!("`ground` of `{}` is empty, and would say nothing", visible(name));
                return Err(self.fail(at, code::TOOL, message, "write the values, or leave the argument out"));
            }
            ground.insert(name.clone(), values.iter().map(|text| self.text(text)).collect::<Result<_, _>>()?);
        }
        if effect.is_none() && roles.is_empty() && ground.is_empty() && returns.is_empty() {
            let hint = "write `effect`, `roles`, `ground` or `returns`, or remove the entry";
            return Err(self.fail(at, code::TOOL, "an entry of `tools` says nothing".into(), hint));
        }
        Ok(ToolRule { matches: self.text(&raw.matches)?, effect, roles, ground, returns })
    }

    fn roles(&self, raw: &BTreeMap<String, Text>) -> Result<BTreeMap<String, Role>, Diagnostic> {
        let known: Vec<_> = Role::ALL.iter().map(|role| (role.name(), *role)).collect();
        let mut roles = BTreeMap::new();
        for (name, text) in raw {
            self.named(name, text.referenced)?;
            roles.extend(self.choice(Some(text), &known)?.map(|role| (name.clone(), role)));
        }
        Ok(roles)
    }

    fn named(&self, name: &str, at: serde_saphyr::Location) -> Result<(), Diagnostic> {
        if !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control) {
            return Ok(());
        }
        let message = format!("bad argument `{}`", visible(name));
        Err(self.fail(at, code::TOOL, message, "write the name of the argument as the tool has it"))
    }

    pub(super) fn text(&self, text: &Text) -> Result<TextPattern, Diagnostic> {
        TextPattern::parse(&text.value).map_err(|error| {
            let message = format!("bad pattern `{}`: {error}", visible(&text.value));
            self.fail(text.referenced, code::TOOL, message, "write for example `send_*` or `ops@acme.example`")
        })
    }
}
