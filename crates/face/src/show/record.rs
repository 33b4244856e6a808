//! `log`, `log verify` and `why`.

use super::Verified;
use super::table::{table, time};
use crate::errors::wrap;
use crate::words;
use record::why::{Because, Part};
use record::{Known, Verdict};
use std::fmt::Write as _;
use wire::command::{FileAnswer, LogLine, Standing, WhyAnswer};

/// One event in one line.
pub(super) fn line(line: &LogLine) -> String {
    format!("{}  {:<5} {}\n", time(line.event.at), line.id.to_string(), words::line(&line.text, 1000))
}

/// What the chains prove, and what they cannot.
pub(super) fn verified(answer: &Verified) -> String {
    let mut text = String::new();
    for one in &answer.segments {
        let name = words::line(&one.segment, 24);
        match &one.broken {
            None => {
                let _ =
                    write!(text, "{name}: {} events, unbroken\n  head {}\n", one.events, words::line(&one.head, 64));
            }
            Some(broken) => text.push_str(&wrap(&format!("{name}: broken, {}", words::line(broken, 300)))),
        }
    }
    if let Some(Standing { entries, events, faults }) = &answer.ledger {
        for fault in faults {
            text.push_str(&wrap(&format!("ledger: FAULT {}", words::line(fault, 300))));
        }
        match entries {
            0 => text.push_str(&wrap("ledger: it says nothing of this session")),
            _ => text.push_str(&wrap(&format!("ledger: {events} events are under {entries} of its entries"))),
        }
    }
    let proves = "a chain proves that nothing inside it was changed; that its end was not cut off and that it was not \
                  rewritten as a whole is proved only by what is kept elsewhere: `bastide log checkpoint`";
    text + &wrap(proves)
}

/// Causes that are shown: more would not fit on a screen.
const SHOWN: usize = 8;

/// One screen: what, by which rule, by which program, what led there, and what would allow it.
pub(super) fn why(answer: &WhyAnswer) -> String {
    let told = &answer.explanation;
    let mut text = wrap(&format!("{}  {}  {}", told.id, time(told.at), words::line(&told.what, 300)));
    let mut row = |label: &str, value: &str| text.push_str(&wrap(&format!("  {label:<8} {value}")));
    row("session", &words::line(&answer.session, 64));
    if let Some(task) = &answer.task {
        row("task", &words::quoted(task.as_bytes(), 200));
    }
    if let Some(verdict) = told.verdict {
        row("verdict", &verdict.to_string());
    }
    for (label, value) in [("rule", &told.rule), ("reason", &told.reason)] {
        if let Some(value) = value {
            row(label, &words::line(value, 300));
        }
    }
    row("program", &chain(&told.program));
    // What it carries comes before what led there, and that before whose child a program is.
    let evident = told.causes.iter().any(|cause| cause.part == Part::Evidence);
    // Evidence quotes what was said.
    let mut causes: Vec<&Because> = told.causes.iter().filter(|cause| !(evident && cause.part == Part::Said)).collect();
    causes.sort_by_key(|cause| cause.part);
    for cause in causes.iter().take(SHOWN) {
        let label = match cause.part {
            Part::Evidence => "evidence",
            Part::Call => "call",
            Part::Said => "said",
            Part::Before => "after",
        };
        row(label, &cause_line(cause));
    }
    if causes.len() > SHOWN {
        row("after", &format!("{} earlier events", causes.len() - SHOWN));
    }
    for above in answer.above.iter().take(SHOWN) {
        row("above", &format!("{} of {}: {}", above.event, above.session, words::line(&above.what, 200)));
        // Of what led there, the call of a model and whose task it was; the rest is `why` in that session.
        for cause in above.causes.iter().filter(|cause| cause.part == Part::Call).take(1) {
            row("  call", &cause_line(cause));
        }
        if let Some(task) = &above.task {
            row("  task", &words::quoted(task.as_bytes(), 200));
        }
    }
    if told.verdict != Some(Verdict::Allowed) {
        text.push_str(&remedy(told.suggestion.as_deref(), answer.option.as_deref()));
        if answer.running {
            let session = words::line(&answer.session, 64);
            text.push_str(&format!(
                "\nwhile it runs, with that rule in its policy:\n  bastide policy apply {session} FILE\n"
            ));
        }
    }
    text
}

fn cause_line(cause: &Because) -> String {
    let known = if cause.known == Known::Inferred { " (inferred)" } else { "" };
    format!("{} {}{known}", cause.id, words::line(cause.what.as_deref().unwrap_or("not in this record"), 200))
}

/// What becomes of a path inside.
pub(super) fn file(answer: &FileAnswer) -> String {
    let mut rows = vec![
        vec!["path".to_owned(), words::quoted(answer.path.as_bytes(), 66)],
        vec!["inside".to_owned(), words::line(&answer.access, 66)],
    ];
    if let Some(means) = means(&answer.access) {
        rows.push(vec!["so".to_owned(), means.to_owned()]);
    }
    if let Some(rule) = &answer.rule {
        rows.push(vec!["rule".to_owned(), words::line(rule, 66)]);
    }
    rows.push(vec!["policy".to_owned(), words::line(&answer.policy, 66)]);
    table(&rows) + &remedy(None, answer.option.as_deref())
}

/// What a program meets at a path.
fn means(access: &str) -> Option<&'static str> {
    Some(match access {
        "absent" => "nothing is there: no rule lets it in",
        "hidden" => "nothing is there: a rule hides it",
        "private" => "in the session's own home, which is not yours",
        "made" => "the cell's own, and not the host's",
        "scratch" => "the cell's own, empty when it begins",
        "passage" => "a directory that leads to what may be read, and shows no more",
        "foreign" => "as on the host, and cannot be changed: it is another's",
        "read-only" => "as on the host, and cannot be changed",
        "reviewed" => "may be changed, and is merged when you say so",
        "live" => "may be changed, and is merged as it goes on",
        "guarded" => "may be changed, and is merged where you name it itself",
        _ => return None,
    })
}

fn chain(program: &[String]) -> String {
    if program.is_empty() {
        return "unknown".to_owned();
    }
    let names: Vec<String> = program.iter().take(8).map(|name| words::quoted(name.as_bytes(), 60)).collect();
    let more = if program.len() > 8 { " < …" } else { "" };
    format!("{}{more}", names.join(" < "))
}

/// Not wrapped: an option is there to be copied.
fn remedy(rule: Option<&str>, option: Option<&str>) -> String {
    let rule = rule.map(|rule| format!("\nsmallest rule that would allow it:\n  {}\n", words::line(rule, 1000)));
    let option = option.map(|option| format!("\nhint: `bastide run {} -- CMD`\n", words::line(option, 1000)));
    rule.unwrap_or_default() + &option.unwrap_or_default()
}
