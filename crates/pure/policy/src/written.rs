//! Answers that the operator wrote down before, for where he is not there to be asked. They say how a question is answered;
//! what is then allowed is the question's own smallest rule, never more.

use crate::Rule;

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// What waits, or one that follows.
    Once,
    /// All like it, until the session ends.
    Session,
    /// None.
    Deny,
}

/// One line: what it is about, and what is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Questions whose smallest rule allows nothing else than this one.
    pub rule: Rule,
    /// The answer to them.
    pub say: Say,
}

/// What is answered to a question with this smallest rule: a line that denies wins, then the first that takes all of it.
/// What no line takes is denied.
#[must_use]
pub fn written(lines: &[Written], asked: &Rule) -> Say {
    if lines.iter().any(|line| line.say == Say::Deny && touches(&line.rule, asked)) {
        return Say::Deny;
    }
    let takes = |line: &&Written| line.say != Say::Deny && line.rule.grants(asked);
    lines.iter().find(takes).map_or(Say::Deny, |line| line.say)
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
