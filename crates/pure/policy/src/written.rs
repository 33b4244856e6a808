//! Answers that the operator wrote down before, for where he is not there to be asked. They say how a question is answered;
//! what is then allowed is the question's own smallest rule, never more.

use std::fmt;

use crate::mcp::TextPattern;
use crate::{Doubted, Effect, Role, Rule};

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// What waits, or one that follows; the line is then used up.
    Once,
    /// All like it, until the session ends.
    Session,
    /// The source that a call is led by, until the session ends.
    Source,
    /// None.
    Deny,
}

/// One line: what it is about, and what is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Which questions.
    pub about: About,
    /// The answer to them.
    pub say: Say,
}

/// What a line is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// Questions whose smallest rule allows nothing else than this one.
    Rule(Box<Rule>),
    /// Questions about calls.
    Call(CallLine),
}

/// Calls that a line is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLine {
    /// Names of tools.
    pub tool: TextPattern,
    /// All that they may do; none is whatever they do.
    pub effects: Vec<Effect>,
    /// All that they may name as targets without ground; none is whatever they name.
    pub targets: Vec<TextPattern>,
}

impl fmt::Display for About {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            About::Rule(rule) => rule.fmt(formatter),
            About::Call(CallLine { tool, effects, targets }) => {
                write!(formatter, "tool: {tool}")?;
                effects.iter().try_for_each(|effect| write!(formatter, ", effect: {}", effect.name()))?;
                targets.iter().try_for_each(|target| write!(formatter, ", target: {target}"))
            }
        }
    }
}

/// Which line answers a question with this smallest rule: one that denies wins, then the first that takes all of it. What no
/// line takes is denied.
#[must_use]
pub fn written(lines: &[Written], asked: &Rule) -> Option<usize> {
    let find = |takes: &dyn Fn(&Rule, Say) -> bool| {
        lines.iter().position(|line| match &line.about {
            About::Rule(rule) => takes(rule, line.say),
            About::Call(_) => false,
        })
    };
    find(&|rule, say| say == Say::Deny && touches(rule, asked))
        .or_else(|| find(&|rule, say| say != Say::Deny && rule.grants(asked)))
}

/// The same for a question about a call.
#[must_use]
pub fn written_call(lines: &[Written], call: &Doubted) -> Option<usize> {
    let find = |takes: &dyn Fn(&CallLine, Say) -> bool| {
        lines.iter().position(|line| match &line.about {
            About::Call(about) => about.tool.takes(&call.tool, false) && takes(about, line.say),
            About::Rule(_) => false,
        })
    };
    let needs = call.needs();
    let targets = || call.doubts.iter().filter(|doubt| doubt.effect.is_none() && doubt.role == Some(Role::Target));
    let denies = |about: &CallLine| {
        let one = |value: &str| about.targets.iter().any(|pattern| pattern.takes(value, true));
        (about.effects.is_empty() || about.effects.iter().any(|effect| needs.contains(effect)))
            && (about.targets.is_empty() || targets().any(|doubt| !doubt.whole || one(&doubt.value)))
    };
    let takes = |about: &CallLine| {
        let one = |value: &str| about.targets.iter().any(|pattern| pattern.takes(value, false));
        (about.effects.is_empty() || needs.iter().all(|effect| about.effects.contains(effect)))
            && (about.targets.is_empty() || targets().all(|doubt| doubt.whole && one(&doubt.value)))
    };
    find(&|about, say| say == Say::Deny && denies(about))
        .or_else(|| find(&|about, say| say != Say::Deny && takes(about)))
}

/// Whether some of what is asked may be meant. A connection may carry any request.
fn touches(deny: &Rule, asked: &Rule) -> bool {
    let methods = deny.methods.is_empty()
        || asked.methods.is_empty()
        || asked.methods.iter().any(|method| deny.methods.contains(method));
    let paths = deny.paths.is_empty()
        || asked.paths.is_empty()
        || asked.paths.iter().any(|path| deny.paths.iter().any(|own| own.covers(path)));
    deny.to.covers(&asked.to) && methods && paths
}
