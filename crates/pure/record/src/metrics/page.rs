//! Prometheus' text exposition format, version 0.0.4.

use std::fmt::Write as _;

use super::{Counts, Decisions};

/// How many sessions there are, by how far they came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sessions {
    /// A plane holds them.
    pub running: u64,
    /// They ended in order.
    pub ended: u64,
    /// Their plane was killed.
    pub lost: u64,
    /// Their segments were removed; their counts stay.
    pub pruned: u64,
}

/// All that is told at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// This program's version.
    pub version: String,
    /// Sessions.
    pub sessions: Sessions,
    /// What they came to, those that were pruned among them.
    pub counts: Counts,
    /// Gates that serve, and the bytes that they hold in memory, where the host tells.
    pub gates: Option<(u64, u64)>,
    /// Entries of the ledger, and when the newest was made, in microseconds since the Unix epoch.
    pub ledger: Option<(u64, u64)>,
    /// The ledger is not what was signed last.
    pub damaged: bool,
    /// Segments that could not be read: what they hold is not counted.
    pub unread: u64,
}

/// Labels with their values, and the figure.
type Sample = (Vec<(&'static str, String)>, String);

impl Page {
    /// The text, to be served as `text/plain; version=0.0.4`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::with_capacity(8 * 1024);
        let counts = &self.counts;
        let gauge = &mut |name, help, samples: Vec<Sample>| family(&mut out, name, "gauge", help, &samples);
        gauge("bastide_build_info", "The program that tells this.", vec![labelled("version", &self.version, 1)]);
        gauge("bastide_sessions", "Sessions by how far they came.", self.by_state());
        if let Some((count, bytes)) = self.gates {
            gauge("bastide_gates", "Gates that serve a cell.", vec![plain(count)]);
            gauge("bastide_gate_resident_memory_bytes", "Memory that these gates hold.", vec![plain(bytes)]);
        }
        if let Some((entries, newest)) = self.ledger {
            gauge("bastide_ledger_entries", "Entries of the ledger.", vec![plain(entries)]);
            let time = vec![(Vec::new(), micros(newest))];
            gauge("bastide_ledger_newest_entry_timestamp_seconds", "When its newest entry was made.", time);
        }
        let help = "1 where the ledger is not what this machine signed last.";
        gauge("bastide_ledger_damaged", help, vec![plain(u64::from(self.damaged))]);
        gauge("bastide_unread_sessions", "Sessions whose record could not be read whole.", vec![plain(self.unread)]);
        let counter = &mut |name, help, samples: Vec<Sample>| family(&mut out, name, "counter", help, &samples);
        counter("bastide_events_total", "Events of the record.", vec![plain(counts.events)]);
        counter("bastide_programs_started_total", "Programs that were started.", vec![plain(counts.programs)]);
        for (name, help, decisions) in [
            ("bastide_names_total", "Names that were looked up, by decision.", &counts.names),
            ("bastide_connections_total", "Connections, by decision.", &counts.connections),
            ("bastide_requests_total", "Requests that were read, by decision.", &counts.requests),
            ("bastide_mcp_messages_total", "Messages of MCP, by decision.", &counts.mcp),
            ("bastide_model_requests_total", "Requests to models, by decision.", &counts.models),
        ] {
            counter(name, help, by_decision(decisions));
        }
        let help = "Calls of tools that were taken out of a model's answer.";
        counter("bastide_calls_withheld_total", help, vec![plain(counts.withheld)]);
        let help = "Findings: labels that were carried, words that were followed.";
        counter("bastide_findings_total", help, vec![plain(counts.findings)]);
        let help = "Accesses to files that Landlock refused, where the host's audit tells.";
        counter("bastide_files_refused_total", help, vec![plain(counts.files_refused)]);
        let (sent, received) =
            (labelled("direction", "sent", counts.sent), labelled("direction", "received", counts.received));
        counter("bastide_bytes_total", "Bytes over connections that ended.", vec![sent, received]);
        counter("bastide_model_answers_total", "Answers of models that ended.", vec![plain(counts.answers)]);
        let tokens =
            vec![labelled("direction", "input", counts.tokens_in), labelled("direction", "output", counts.tokens_out)];
        counter("bastide_model_tokens_total", "Tokens, as providers count.", tokens);
        if !counts.cost.is_empty() {
            let spent = counts.cost.iter().map(|cost| (vec![("currency", cost.currency.clone())], micros(cost.micros)));
            counter("bastide_model_cost_total", "What models cost, where the policy has prices.", spent.collect());
        }
        counter("bastide_questions_total", "Questions to the operator.", vec![plain(counts.questions)]);
        let help = "Questions that he answered, or his file of answers.";
        counter("bastide_questions_answered_total", help, vec![plain(counts.questions_answered)]);
        counter("bastide_gates_lost_total", "Gates that died.", vec![plain(counts.gates_lost)]);
        out
    }

    fn by_state(&self) -> Vec<Sample> {
        let Sessions { running, ended, lost, pruned } = self.sessions;
        let states = [("running", running), ("ended", ended), ("lost", lost), ("pruned", pruned)];
        states.map(|(state, count)| labelled("state", state, count)).into()
    }
}

fn plain(count: u64) -> Sample {
    (Vec::new(), count.to_string())
}

fn labelled(label: &'static str, value: &str, count: u64) -> Sample {
    (vec![(label, value.to_owned())], count.to_string())
}

fn by_decision(counts: &Decisions) -> Vec<Sample> {
    let decisions = [("allowed", counts.allowed), ("refused", counts.refused), ("asked", counts.asked)];
    decisions.map(|(decision, count)| labelled("decision", decision, count)).into()
}

/// Millionths as a decimal number.
fn micros(count: u64) -> String {
    let text = format!("{}.{:06}", count / 1_000_000, count % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// One metric with its help, type and samples.
fn family(out: &mut String, name: &str, kind: &str, help: &str, samples: &[Sample]) {
    // Writing to a string cannot fail.
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    for (labels, value) in samples {
        let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(out, "{name}{labels} {value}");
    }
}

/// A currency is a policy's word: nothing in it ends the label.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
