//! `bastide-cell probe`: run inside a cell as the agent, tries each wall and prints one JSON object per line:
//! what was tried, which layer is to stop it, whether it was stopped, and what the kernel answered.
//!
//! It changes nothing that a wall would not have kept from it: what gets through is undone or harmless.

mod attempts;

use attempts::{Answer, PROBES};
use std::io::Write;

/// Runs every probe. Exit code 0 when each was stopped, 1 otherwise.
pub(crate) fn run() -> u8 {
    let mut through = 0;
    let mut out = std::io::stdout().lock();
    for probe in PROBES {
        let Answer { stopped, detail } = (probe.attempt)();
        through += u8::from(!stopped);
        let line = format!(
            "{{\"probe\":{},\"layer\":{},\"stopped\":{stopped},\"detail\":{}}}",
            quoted(probe.name),
            quoted(probe.layer.name()),
            quoted(&detail)
        );
        if writeln!(out, "{line}").is_err() {
            return 1;
        }
    }
    u8::from(through > 0)
}

/// Text as a JSON string. By hand: a JSON library does not enter the cell.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_json_wants_it() {
        assert_eq!(quoted("a\"b\\c\n\u{1}é"), "\"a\\\"b\\\\c\\u000a\\u0001é\"");
    }

    #[test]
    fn every_layer_has_a_probe() {
        let missing: Vec<_> =
            plan::Layer::ALL.into_iter().filter(|layer| PROBES.iter().all(|probe| probe.layer != *layer)).collect();
        assert_eq!(missing, []);
    }
}
