//! The lines after a session: warnings, risks and what models cost where there are any, then allowed, refused, changed.

use super::refused::CREDENTIAL_INSIDE;
use super::say;
use crate::errors::wrap;
use crate::words;
use record::Wall;
use wire::command::{Counted, Outcome};

/// The most items that one line names.
const NAMED: usize = 3;

/// Tells on stderr; `secret` is the variable that was let in by name.
pub(super) fn tell(outcome: &Outcome, secret: Option<&str>, as_json: bool) {
    say(&if as_json { json(outcome) } else { lines(outcome, secret) });
}

/// The outcome as one line, with nothing in it that a terminal obeys.
pub(super) fn json(outcome: &Outcome) -> String {
    words::json(&serde_json::to_string(outcome).unwrap_or_default()) + "\n"
}

fn lines(outcome: &Outcome, secret: Option<&str>) -> String {
    let mut text = String::new();
    for warning in &outcome.warnings {
        text.push_str(&wrap(&format!("warning: {}", words::line(warning, 1000))));
    }
    for risk in &outcome.accepted_risks {
        let name = secret.filter(|_| risk == CREDENTIAL_INSIDE);
        let name = name.map(|name| format!(" ({})", words::line(name, 60))).unwrap_or_default();
        text.push_str(&format!("risk accepted: {}{name}\n", words::line(risk, 60)));
    }
    text.push_str(&missing("does not hold", &outcome.layers));
    text.push_str(&missing("limited in part", &outcome.limits));
    if let Some(models) = &outcome.models {
        text.push_str(&format!("models: {}\n", words::line(&models.to_string(), 120)));
    }
    let changed: Vec<_> = outcome.changed.iter().map(|path| (path.as_str(), 1)).collect();
    // Of a list that was cut the last line tells so.
    let listed = outcome.changed.len() as u64;
    let unlisted = outcome.changed_count.map_or(0, |count| count.saturating_sub(listed));
    let why = outcome
        .last_refusal
        .as_ref()
        .map(|event| format!("; `bastide why {} {}`", words::line(event, 24), words::line(&outcome.session, 24)));
    text.push_str(&line("allowed", &counted(&outcome.allowed), 0));
    text.push_str(&format!("\n{}{}", line("refused", &counted(&outcome.refused), 0), why.unwrap_or_default()));
    let merged = if outcome.merged > 0 { format!("; merged: {}", outcome.merged) } else { String::new() };
    text.push_str(&format!("\n{}{merged}\n", line("changed", &changed, unlisted)));
    text
}

fn missing(label: &str, walls: &[Wall]) -> String {
    let names: Vec<_> = walls.iter().filter(|wall| !wall.holds).map(|wall| words::line(&wall.name, 40)).collect();
    if names.is_empty() { String::new() } else { wrap(&format!("{label}: {}", names.join(", "))) }
}

fn counted(counts: &[Counted]) -> Vec<(&str, u64)> {
    counts.iter().map(|count| (count.what.as_str(), count.times)).collect()
}

fn line(label: &str, items: &[(&str, u64)], unlisted: u64) -> String {
    if items.is_empty() {
        return format!("{label}: nothing");
    }
    let total = items.iter().fold(unlisted, |sum, (_, times)| sum.saturating_add(*times));
    let named: Vec<String> = items.iter().take(NAMED).map(item).collect();
    let more = (items.len().saturating_sub(NAMED) as u64).saturating_add(unlisted);
    let more = if more > 0 { format!(", {more} more") } else { String::new() };
    format!("{label}: {total}: {}{more}", named.join(", "))
}

fn item((what, times): &(&str, u64)) -> String {
    let quoted = words::quoted(what.as_bytes(), 60);
    if *times > 1 { format!("{quoted} x{times}") } else { quoted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_lines_whatever_the_agent_named_things() {
        let outcome = Outcome {
            refused: vec![Counted { what: "evil.test:443\nallowed: 9".into(), times: 2 }],
            changed: ["a", "b", "c", "d\u{1b}[2J"].map(String::from).to_vec(),
            last_refusal: Some("g12".into()),
            session: "s1".into(),
            ..Outcome::default()
        };
        let expected = "allowed: nothing\nrefused: 2: 'evil.test:443\\nallowed: 9' x2; `bastide why g12 s1`\n\
                        changed: 4: 'a', 'b', 'c', 1 more\n";
        assert_eq!(lines(&outcome, None), expected);
        let names = ["a", "b", "c", "d", "(4996 more)"].map(String::from).to_vec();
        let cut = Outcome { changed: names, changed_count: Some(5000), ..outcome.clone() };
        assert_eq!(lines(&cut, None), expected.replace("4: 'a', 'b', 'c', 1 more", "5000: 'a', 'b', 'c', 4997 more"));
        let merged = Outcome { merged: 3, ..outcome.clone() };
        assert_eq!(lines(&merged, None), expected.replace("1 more", "1 more; merged: 3"));
        let cost = vec![record::Cost { micros: 1_250_000, currency: "USD".into(), estimated: false }];
        let models = Some(wire::command::ModelsInfo { answers: 2, input: 40, output: 3, cost });
        let asked = lines(&Outcome { models, ..outcome.clone() }, None);
        assert_eq!(asked, format!("models: 2 answers, 40 tokens asked, 3 answered, 1.25 USD\n{expected}"));
        let read: Outcome = serde_json::from_str(&json(&outcome)).expect("valid");
        assert_eq!(read, outcome);
        assert_eq!(json(&outcome).lines().count(), 1);
    }

    #[test]
    fn what_is_missing_or_accepted_comes_first() {
        let wall = |name: &str, holds| Wall { name: name.into(), holds, detail: String::new() };
        let outcome = Outcome {
            layers: vec![wall("landlock", false), wall("seccomp", true)],
            limits: vec![wall("disk", false), wall("memory", true)],
            accepted_risks: vec!["landlock".into(), "credential-inside".into()],
            warnings: vec!["merge\npending".into()],
            ..Outcome::default()
        };
        let expected = "warning: merge\\npending\nrisk accepted: landlock\nrisk accepted: credential-inside (TOKEN)\n\
                        does not hold: landlock\nlimited in part: disk\n\
                        allowed: nothing\nrefused: nothing\nchanged: nothing\n";
        assert_eq!(lines(&outcome, Some("TOKEN")), expected);
    }
}
