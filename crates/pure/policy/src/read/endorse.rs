//! The `endorse` section: sources, effects, targets, and the day that each ends on.

use super::raw::{RawEndorsement, RawOrigin, Text};
use super::value::Scope;
use super::{Diagnostic, code};
use crate::mcp::TextPattern;
use crate::print::visible;
use crate::{Day, Effect, Endorsed, Endorsement, HostPattern, Origin};

/// Longest path or author.
const MOST: usize = 1024;

impl Scope<'_> {
    pub(super) fn endorsement(&self, raw: &RawEndorsement) -> Result<Endorsement, Diagnostic> {
        let at = raw.until.referenced;
        let bad = |message: String, hint: &str| self.fail(at, code::ENDORSE, message, hint);
        let until = Day::parse(&raw.until.value);
        let until = until.ok_or_else(|| {
            let message = format!("bad day `{}`", visible(&raw.until.value));
            bad(message, "write the last day on which it holds, such as `until: 2027-01-31`")
        })?;
        let known: Vec<_> = Effect::ALL.iter().map(|effect| (effect.name(), *effect)).collect();
        let effects = raw.effects.iter().map(|text| self.choice(Some(text), &known));
        let effects: Vec<Option<Effect>> = effects.collect::<Result<_, _>>()?;
        if effects.is_empty() {
            return Err(bad("`effects` is empty, and would endorse nothing".into(), "write for example `[send]`"));
        }
        let targets = raw.targets.as_ref().map(|targets| targets.iter().map(|text| self.meant(text)).collect());
        let targets: Option<Vec<TextPattern>> = targets.transpose()?;
        if targets.as_ref().is_some_and(Vec::is_empty) {
            let hint = "write those it may lead to, or leave `targets` out for all that it names";
            return Err(bad("`targets` is empty".into(), hint));
        }
        let of = Endorsed::Source { source: self.origin(&raw.source, at)?, targets };
        Ok(Endorsement { of, effects: effects.into_iter().flatten().collect(), until: Some(until) })
    }

    fn origin(&self, raw: &RawOrigin, at: serde_saphyr::Location) -> Result<Origin, Diagnostic> {
        if raw.file.is_none() && raw.tool.is_none() && raw.host.is_none() {
            let hint = "write `file`, `tool` or `host`, such as `{file: notes/bills.md}`";
            return Err(self.fail(at, code::ENDORSE, "a source has no place".into(), hint));
        }
        let host =
            raw.host.as_ref().map(|text| HostPattern::parse(&text.value).map_err(|error| self.host_error(text, error)));
        Ok(Origin {
            file: raw.file.as_ref().map(|text| self.said(text)).transpose()?,
            tool: raw.tool.as_ref().map(|text| self.meant(text)).transpose()?,
            host: host.transpose()?,
            sha256: raw.sha256.as_ref().map(|text| self.hash(text)).transpose()?,
            author: raw.author.as_ref().map(|text| self.said(text)).transpose()?,
        })
    }

    fn meant(&self, text: &Text) -> Result<TextPattern, Diagnostic> {
        TextPattern::parse(&text.value).map_err(|error| {
            let message = format!("bad pattern `{}`: {error}", visible(&text.value));
            self.fail(text.referenced, code::ENDORSE, message, "write for example `get_*` or `ops@acme.example`")
        })
    }

    fn said(&self, text: &Text) -> Result<String, Diagnostic> {
        let said = &text.value;
        if !said.trim().is_empty() && said.len() <= MOST && !said.chars().any(char::is_control) {
            return Ok(said.clone());
        }
        let message = format!("bad value `{}`", visible(said));
        Err(self.fail(text.referenced, code::ENDORSE, message, "write one line, such as `notes/bills.md`"))
    }

    fn hash(&self, text: &Text) -> Result<String, Diagnostic> {
        let hash = &text.value;
        if hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(hash.clone());
        }
        let message = format!("bad SHA-256 `{}`", visible(hash));
        Err(self.fail(text.referenced, code::ENDORSE, message, "write 64 digits, 0 to 9 and a to f; a card shows them"))
    }
}
