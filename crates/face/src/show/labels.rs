//! `labels` and `declassify`.

use super::table::{table, time};
use crate::errors::wrap;
use crate::words;
use std::collections::BTreeMap;
use wire::command::{LabelsAnswer, MarkInfo, PlaceInfo};

/// Paths of one label that are shown; `--json` has all.
const SHOWN: usize = 3;
/// Characters of a name.
const NAME: usize = 200;

/// Each place, its labels with who left them and why, and what was taken away.
pub(super) fn list(answer: &LabelsAnswer) -> String {
    let mut text = String::new();
    if let Some(taken) = &answer.taken {
        let files = if taken.contents == 1 { "1 file".into() } else { format!("{} files", taken.contents) };
        let recorded = match taken.recorded.len() {
            0 => String::new(),
            _ => format!("; recorded in session {}", taken.recorded.join(", ")),
        };
        let labels = words::line(&taken.labels.join(", "), NAME);
        text.push_str(&wrap(&format!("taken away: {labels}, from {files} as they stand{recorded}")));
    } else if answer.places.is_empty() {
        return wrap("nothing that sessions left behind carries a label");
    }
    for place in &answer.places {
        one(place, &mut text);
    }
    text
}

fn one(place: &PlaceInfo, text: &mut String) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&wrap(&words::line(&place.place, NAME)));
    let mut labels: BTreeMap<&str, Vec<&MarkInfo>> = BTreeMap::new();
    for mark in &place.marks {
        labels.entry(&mark.label).or_default().push(mark);
    }
    let rows = labels.iter().filter_map(|(label, marks)| {
        let first = marks.iter().min_by_key(|mark| mark.since)?;
        let last = marks.iter().map(|mark| mark.last.as_str()).max().unwrap_or_default();
        let by = if last == first.session { first.session.clone() } else { format!("{}, {last}", first.session) };
        let since = if first.since == 0 { "-".to_owned() } else { time(first.since) };
        Some(vec![format!("  {}", words::line(label, 128)), since, words::line(&by, 60)])
    });
    let heads = ["  label", "since", "session, and the last one"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = rows.collect();
    if !rows.is_empty() {
        text.push_str(&table(&[vec![heads], rows].concat()));
    }
    for (label, marks) in &labels {
        let why = marks.first().map_or("", |mark| mark.why.as_str());
        text.push_str(&wrap(&format!("  {}: {}; {}", words::line(label, 128), words::line(why, NAME), paths(marks))));
    }
    if place.left > 0 {
        text.push_str(&wrap(&format!("  {} more paths, which are not told of here", place.left)));
    }
    for session in &place.open {
        text.push_str(&wrap(&format!("  session {} may be writing there", words::line(session, 60))));
    }
    for release in &place.releases {
        let reason = release.reason.as_ref().map(|reason| format!(": {}", words::quoted(reason.as_bytes(), NAME)));
        let paths = if release.paths.is_empty() { "all of it".to_owned() } else { release.paths.join(", ") };
        text.push_str(&wrap(&format!(
            "  taken away {} by {}: {} of {}{}",
            time(release.at),
            words::line(&release.who, 60),
            words::line(&release.labels.join(", "), NAME),
            words::line(&paths, NAME),
            reason.unwrap_or_default()
        )));
    }
}

fn paths(marks: &[&MarkInfo]) -> String {
    if marks.iter().any(|mark| mark.path.is_none()) {
        return "all of it".into();
    }
    let shown = marks.iter().filter_map(|mark| mark.path.as_ref()).take(SHOWN);
    let shown: Vec<String> = shown.map(|path| words::quoted(path.as_bytes(), NAME)).collect();
    match marks.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more paths", shown.join(", ")),
    }
}
