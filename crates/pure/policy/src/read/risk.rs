//! The `risk` section: what is done at which risk.

use serde::Deserialize;
use serde_saphyr::{Location as Mark, Spanned};

use super::raw::Text;
use super::value::Scope;
use super::{Diagnostic, code};
use crate::Risk;
use crate::risk::MOST_RISK;

/// As it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRisk {
    ask: Option<Text>,
    freeze: Option<Text>,
}

/// Reads the section; `places` is told where each value stands.
pub(super) fn said(
    scope: &Scope<'_>,
    raw: Option<&Spanned<RawRisk>>,
    places: &mut Vec<(String, String, Mark)>,
) -> Result<Option<Risk>, Diagnostic> {
    let Some(raw) = raw else { return Ok(None) };
    let mut score = |key: &str, text: &Option<Text>| {
        let Some(text) = text else { return Ok(None) };
        let read = scope.quantity(text, &[("", 1)])?;
        let Some(score) = u32::try_from(read).ok().filter(|score| *score <= MOST_RISK) else {
            let message = format!("`{key}` is more than {MOST_RISK}, which no risk comes to");
            return Err(scope.fail(text.referenced, code::RISK, message, "write a whole number from 1 to 100"));
        };
        places.push((format!("risk.{key}"), score.to_string(), text.referenced));
        Ok(Some(score))
    };
    let (ask, freeze) = (score("ask", &raw.value.ask)?, score("freeze", &raw.value.freeze)?);
    let risk = Risk { ask, freeze };
    if risk.is_none() {
        let hint = "write for example `risk: {ask: 60, freeze: 80}`";
        return Err(scope.fail(raw.referenced, code::RISK, "`risk` does nothing at any risk".into(), hint));
    }
    if let (Some(ask), Some(freeze), Some(text)) = (ask, freeze, &raw.value.freeze)
        && freeze < ask
    {
        let message = format!("a session that is paused at {freeze} asks nothing more at {ask}");
        let hint = "write a `freeze` that is not less than `ask`, or leave `ask` out";
        return Err(scope.fail(text.referenced, code::RISK, message, hint));
    }
    Ok(Some(risk))
}
