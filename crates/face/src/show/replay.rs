//! `replay`.

use crate::errors::wrap;
use crate::words;
use wire::command::ReplayAnswer;

/// What comes out otherwise, then what was decided again and what was not.
pub(super) fn differences(answer: &ReplayAnswer) -> String {
    let mut text = String::new();
    for one in &answer.differences {
        let at = if one.session == answer.session {
            String::new()
        } else {
            format!(" of {}", words::line(&one.session, 64))
        };
        text.push_str(&wrap(&format!(
            "{}{at}  {} -> {}: {}",
            one.event,
            one.before,
            one.after,
            words::line(&one.what, 200)
        )));
        let row = |label: &str, value: &str| wrap(&format!("  {label:<6} {}", words::line(value, 300)));
        match &one.rule {
            Some(rule) => text.push_str(&row("rule", rule)),
            None => text.push_str(&row("rule", "none that matches")),
        }
        if let Some(reason) = &one.reason {
            text.push_str(&row("reason", reason));
        }
    }
    if answer.more > 0 {
        text.push_str(&wrap(&format!("{} more come out otherwise", answer.more)));
    }
    let by = match &answer.policy {
        Some(policy) => format!("by policy `{}`", words::line(policy, 64)),
        None => "by the policies that were in force".to_owned(),
    };
    let differ = answer.differences.len() as u64 + answer.more;
    let differ = if differ == 0 { "none differs".to_owned() } else { format!("{differ} differ") };
    let below = if answer.sessions > 1 { format!(" in {} sessions", answer.sessions) } else { String::new() };
    text.push_str(&wrap(&format!("{} decisions{below}, made again {by}: {differ}", answer.decided)));
    if answer.beside > 0 {
        text.push_str(&wrap(&format!(
            "{} refusals were no policy's: limits, times, what cannot be read",
            answer.beside
        )));
    }
    for left in &answer.left {
        text.push_str(&wrap(&format!("{} not made again: {}", left.times, words::line(&left.what, 200))));
    }
    text
}
