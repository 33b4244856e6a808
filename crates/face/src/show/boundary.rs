//! `doctor`.

use super::sessions::walls;
use super::table::table;
use crate::errors::wrap;
use crate::words;
use wire::command::DoctorAnswer;

/// Whether every layer holds and every probe was stopped; limits decide only if asked.
pub(super) fn holds(answer: &DoctorAnswer, limits: bool) -> bool {
    let boundary = !answer.layers.is_empty() && answer.layers.iter().all(|layer| layer.holds);
    let probed = answer.probes.iter().all(|probe| probe.stopped);
    boundary && probed && (!limits || answer.limits.iter().all(|limit| limit.holds))
}

/// Host, layers, limits, probes, what to do, and the verdict last.
pub(super) fn doctor(answer: &DoctorAnswer, limits: bool) -> String {
    let host = answer.host.iter().map(|(name, value)| vec![words::line(name, 24), words::line(value, 80)]);
    let mut text = table(&host.collect::<Vec<_>>());
    text.push_str(&walls("layers", &answer.layers, "DOES NOT HOLD"));
    text.push_str(&walls("limits", &answer.limits, "in part"));
    text.push_str(&probes(answer));
    text.push('\n');
    for remedy in &answer.remedies {
        text.push_str(&wrap(&format!("missing: {}", words::line(&remedy.missing, 300))));
        text.push_str(&wrap(&format!("hint: {}", words::plain(&remedy.hint))));
    }
    text.push_str(if holds(answer, limits) { "the boundary holds\n" } else { "the boundary does not hold\n" });
    text
}

fn probes(answer: &DoctorAnswer) -> String {
    if answer.probes.is_empty() {
        return String::new();
    }
    let rows = answer.probes.iter().map(|probe| {
        let stopped = if probe.stopped { "stopped" } else { "NOT STOPPED" };
        let cells = [&probe.probe, &probe.layer, &probe.detail].map(|cell| words::line(cell, 40));
        let [what, layer, detail] = cells;
        vec![format!("  {what}"), stopped.to_owned(), layer, detail]
    });
    format!("\nprobes\n{}", table(&rows.collect::<Vec<_>>()))
}
