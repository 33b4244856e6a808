//! How a session ends: three lines for the operator, and the same as JSON for `--outcome`.

use crate::words;
use serde::Serialize;

/// The most items that one line names.
const NAMED: usize = 3;

/// What became of a session. The field names are those of the JSON.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// Exit code of the program.
    pub exit: u8,
    /// Layers as measured from inside the cell.
    pub layers: Vec<Layer>,
    /// Destinations that were allowed.
    pub allowed: Vec<Count>,
    /// Requests that were refused.
    pub refused: Vec<Count>,
    /// Workspace paths that were changed.
    pub changed: Vec<String>,
}

/// One layer, and whether it holds.
#[derive(Debug, Clone, Serialize)]
pub struct Layer {
    /// The layer's name.
    pub name: String,
    /// Whether it was measured to hold.
    pub holds: bool,
}

/// Something that happened, and how often.
#[derive(Debug, Clone, Serialize)]
pub struct Count {
    /// What it was; may be an agent's word.
    pub what: String,
    /// How often.
    pub times: u64,
}

impl Outcome {
    /// The three lines: allowed, refused, changed.
    #[must_use]
    pub fn lines(&self) -> String {
        let changed = self.changed.iter().map(|path| (path.as_str(), 1)).collect::<Vec<_>>();
        format!(
            "{}\n{}\n{}\n",
            line("allowed", &counted(&self.allowed)),
            line("refused", &counted(&self.refused)),
            line("changed", &changed),
        )
    }

    /// The JSON for `--outcome`, one line. Serde escapes what JSON must; bidi characters stay data.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self).map(|text| text + "\n")
    }
}

fn counted(counts: &[Count]) -> Vec<(&str, u64)> {
    counts.iter().map(|count| (count.what.as_str(), count.times)).collect()
}

fn line(label: &str, items: &[(&str, u64)]) -> String {
    if items.is_empty() {
        return format!("{label}: nothing");
    }
    let total = items.iter().fold(0_u64, |sum, (_, times)| sum.saturating_add(*times));
    let named: Vec<String> = items.iter().take(NAMED).map(item).collect();
    let more = items.len().saturating_sub(NAMED);
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
            refused: vec![Count { what: "evil.test:443\nallowed: 9".into(), times: 2 }],
            changed: ["a", "b", "c", "d\u{1b}[2J"].map(String::from).to_vec(),
            ..Outcome::default()
        };
        let expected =
            "allowed: nothing\nrefused: 2: 'evil.test:443\\nallowed: 9' x2\nchanged: 4: 'a', 'b', 'c', 1 more\n";
        assert_eq!(outcome.lines(), expected);
        let json: serde_json::Value = serde_json::from_str(&outcome.json().expect("json")).expect("valid");
        assert_eq!(json["changed"][3], "d\u{1b}[2J");
        assert_eq!(json["exit"], 0);
    }
}
