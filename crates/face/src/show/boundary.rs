//! `doctor`.

use super::sessions::walls;
use super::table::table;
use crate::errors::wrap;
use crate::words;
use wire::command::DoctorAnswer;

/// The limit that no host enforces: the plane looks at how much was written from time to time.
const LOOKED_AT: &str = "disk";

/// Whether every layer holds and every probe was stopped; limits decide only if asked.
pub(super) fn holds(answer: &DoctorAnswer, limits: bool) -> bool {
    boundary(answer) && (!limits || partial(answer).next().is_none())
}

fn boundary(answer: &DoctorAnswer) -> bool {
    let layers = !answer.layers.is_empty() && answer.layers.iter().all(|layer| layer.holds);
    layers && answer.probes.iter().all(|probe| probe.stopped)
}

/// Limits that this host could enforce and does not.
fn partial(answer: &DoctorAnswer) -> impl Iterator<Item = &str> {
    let missing = answer.limits.iter().filter(|limit| !limit.holds && limit.name != LOOKED_AT);
    missing.map(|limit| limit.name.as_str())
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
    text.push_str(if boundary(answer) { "the boundary holds" } else { "the boundary does not hold" });
    let missing: Vec<String> = partial(answer).filter(|_| limits).map(|name| words::line(name, 24)).collect();
    if !missing.is_empty() {
        text.push_str(&format!("; this host does not enforce: {}", missing.join(", ")));
    }
    text.push('\n');
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
