//! The `agents` section: what sub-agents may come to.

use serde_saphyr::{Location as Mark, Spanned};

use super::raw::{RawAgents, Text};
use super::value::Scope;
use super::{Diagnostic, code};
use crate::agents::{MAX_CHILDREN, MAX_DEPTH, MAX_TOTAL};
use crate::{Agents, Amounts, Good, Inference, Limit, Rate};

/// What one file says of it; the rest is left to what it extends, and then to [`Agents::default`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said {
    depth: Option<u32>,
    children: Option<u32>,
    total: Option<u32>,
    rate: Option<Rate>,
    most: Amounts,
}

impl Said {
    /// This over what came before.
    pub(super) fn over(self, base: Option<Agents>) -> Agents {
        let base = base.unwrap_or_default();
        Agents {
            depth: self.depth.unwrap_or(base.depth),
            children: self.children.unwrap_or(base.children),
            total: self.total.unwrap_or(base.total),
            rate: self.rate.unwrap_or(base.rate),
            most: self.most.or(base.most),
        }
    }
}

/// Reads the section; `places` is told where each value stands.
pub(super) fn said(
    scope: &Scope<'_>,
    raw: Option<&Spanned<RawAgents>>,
    places: &mut Vec<(String, String, Mark)>,
) -> Result<Option<Said>, Diagnostic> {
    let Some(raw) = raw else { return Ok(None) };
    let (at, raw) = (raw.referenced, &raw.value);
    let counts =
        [("depth", &raw.depth, MAX_DEPTH), ("children", &raw.children, MAX_CHILDREN), ("total", &raw.total, MAX_TOTAL)];
    let mut values = [None; 3];
    for ((key, text, most), value) in counts.into_iter().zip(&mut values) {
        let Some(text) = text else { continue };
        let read = scope.quantity(text, &[("", 1)])?;
        let Some(fits) = u32::try_from(read).ok().filter(|read| *read <= most) else {
            let message = format!("`{key}` is more than {most}");
            return Err(scope.fail(text.referenced, code::QUANTITY, message, "write less"));
        };
        places.push((format!("agents.{key}"), fits.to_string(), text.referenced));
        *value = Some(fits);
    }
    let [depth, children, total] = values;
    let rate = raw.rate.as_ref().map(|text| scope.rate(text)).transpose()?;
    if let (Some(rate), Some(text)) = (rate, &raw.rate) {
        places.push(("agents.rate".into(), rate.to_string(), text.referenced));
    }
    let said = Said { depth, children, total, rate, most: amounts(scope, raw, places)? };
    places.push(("agents".into(), said.over(None).to_string(), at));
    Ok(Some(said))
}

fn amounts(
    scope: &Scope<'_>,
    raw: &RawAgents,
    places: &mut Vec<(String, String, Mark)>,
) -> Result<Amounts, Diagnostic> {
    const MANY: &[(&str, u64)] = &[("k", 1000), ("M", 1_000_000), ("", 1)];
    let quantity = |text: &Option<Text>, units| text.as_ref().map(|text| scope.quantity(text, units)).transpose();
    let limit = |text: &Option<Text>, limit| text.as_ref().map(|text| scope.limit(text, limit)).transpose();
    let money = raw.money.as_ref().map(|text| scope.money(text)).transpose()?;
    if let (Some(text), Some(0)) = (&raw.money, money.map(|money| money.micros)) {
        return Err(scope.fail(text.referenced, code::MONEY, "nothing may be spent".into(), "write more than 0"));
    }
    let most = Amounts {
        tokens: quantity(&raw.tokens, MANY)?,
        requests: quantity(&raw.requests, &[("", 1)])?,
        money,
        time: limit(&raw.time, Limit::Time)?,
        memory: limit(&raw.memory, Limit::Memory)?,
        pids: limit(&raw.pids, Limit::Pids)?,
    };
    let texts = [&raw.tokens, &raw.requests, &raw.money, &raw.time, &raw.memory, &raw.pids];
    for (good, text) in Good::ALL.into_iter().zip(texts) {
        if let (Some(text), Some(value)) = (text, most.shown(good)) {
            places.push((format!("agents.{}", good.name()), value, text.referenced));
        }
    }
    Ok(most)
}

/// What is wrong with it beside what the policy says of models: why, and what to write.
pub(super) fn amiss(agents: &Agents, models: &Inference) -> Option<(String, &'static str)> {
    let money = agents.most.money?;
    let counted = models.money.map(|money| money.currency).or_else(|| Some(models.prices.first()?.currency));
    match counted {
        Some(currency) if currency != money.currency => {
            let message = format!("money is counted in {currency}, and sub-agents may spend {money}");
            Some((message, "write all of them in one currency"))
        }
        None if !models.routes.is_empty() => {
            let message = "a budget of money, and no prices: no sub-agent could ask a model".to_owned();
            Some((message, "say what models cost under `inference.prices`"))
        }
        _ => None,
    }
}
