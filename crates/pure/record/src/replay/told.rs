//! What a record says was decided: by a policy, or by something else.

use policy::{Conjunction, Outcome, Reason};

use super::{Again, Left, Replay};
use crate::event::{Event, Kind, Verdict};

/// Whether an event tells of a decision.
pub(super) fn is_decision(kind: &Kind) -> bool {
    match kind {
        Kind::Connect { .. }
        | Kind::Request { .. }
        | Kind::Mcp { .. }
        | Kind::Model { .. }
        | Kind::Petition { .. }
        | Kind::PetitionAnswered { .. }
        | Kind::FileRefused { .. } => true,
        // That one only counts others.
        Kind::Resolve { name, .. } => name != "*",
        // A call that a model made is judged where a policy says so.
        Kind::Said { form, standing, .. } => form == "tool-call" && standing == "delivered",
        _ => false,
    }
}

/// Verdict, rule and reason, where a policy may have said them.
pub(super) fn said(kind: &Kind) -> Option<(Verdict, Option<&str>, &str)> {
    match kind {
        Kind::Connect { verdict, rule, reason, .. }
        | Kind::Request { verdict, rule, reason, .. }
        | Kind::Mcp { verdict, rule, reason, .. }
        | Kind::Model { verdict, rule, reason, .. }
        | Kind::Petition { verdict, rule, reason, .. } => {
            Some((*verdict, rule.as_deref(), reason.as_deref().unwrap_or_default()))
        }
        Kind::Resolve { verdict, reason, .. } => Some((*verdict, None, reason.as_deref().unwrap_or_default())),
        _ => None,
    }
}

/// The rule of a flow that was refused, as written.
pub(super) fn flow(rule: Option<&str>) -> Option<&str> {
    rule?.strip_prefix("flows: ")
}

/// How a model's call is refused for what the operator did not say.
pub(super) fn is_ungrounded(rule: Option<&str>) -> bool {
    rule.is_some_and(|rule| rule.starts_with("grounding: "))
}

/// Whether it was asked about under risk.
pub(super) fn is_narrowed(kind: &Kind) -> bool {
    said(kind)
        .is_some_and(|(verdict, _, reason)| verdict != Verdict::Allowed && Reason::of(reason) == Some(Reason::Narrowed))
}

/// How a name is refused for what it carries, and what would have looked it up.
const CARRIES: &str = "the name is not looked up: ";
/// Why a name does not resolve, where a policy says so.
const UNNAMED: &str = "no rule allows a connection to this name on any port";
/// How a request for a model that nobody serves is refused; the model follows.
pub(super) const UNROUTED: &str = "no route of the policy takes the model `";

impl Replay<'_> {
    /// What the policy in force said.
    pub(super) fn before(&self, event: &Event, recorded: &Conjunction) -> Result<Verdict, Again> {
        match &event.kind {
            Kind::FileRefused { .. } => return Err(Again::Left(Left::Files)),
            Kind::PetitionAnswered { .. } => return Err(Again::Left(Left::Moment)),
            Kind::Said { .. } => return Ok(Verdict::Allowed),
            _ => {}
        }
        let Some((verdict, rule, reason)) = said(&event.kind) else { return Err(Again::None) };
        if verdict == Verdict::Allowed {
            // An answer let through what the policy wanted asked; a policy may have come since that says the same.
            let answered = rule.is_some_and(|rule| self.heard.answered.contains(rule));
            let asks = || self.outcome(event, recorded) == Some(Outcome::Ask);
            return Ok(if answered && asks() { Verdict::Asked } else { verdict });
        }
        if flow(rule).is_some() || is_ungrounded(rule) {
            return Ok(Verdict::Refused);
        }
        match &event.kind {
            _ if reason.starts_with(CARRIES) => Err(Again::Left(Left::Bodies)),
            Kind::Resolve { .. } if verdict == Verdict::Asked => Ok(verdict),
            Kind::Resolve { .. } if reason == UNNAMED => Ok(verdict),
            Kind::Model { .. } if reason.starts_with(UNROUTED) => Ok(Verdict::Refused),
            Kind::Model { .. } => Err(Again::Left(Left::Models)),
            Kind::Resolve { .. } | Kind::Petition { .. } => Err(Again::Beside),
            _ => match Reason::of(reason) {
                // He denied it, or did not answer.
                Some(Reason::AskFirst | Reason::Narrowed) => Ok(Verdict::Asked),
                None | Some(Reason::NoAddress) => Err(Again::Beside),
                Some(_) => Ok(Verdict::Refused),
            },
        }
    }
}
