//! A graph in Graphviz's language. Whatever an agent said stands in a quoted string, in which nothing is obeyed.

use crate::words;
use record::graph::{Graph, Node};
use record::{Known, Verdict};
use std::fmt::Write as _;

/// Characters of one node's label.
const LABEL: usize = 120;

/// All of it. Inferred edges are dashed; what did not go through has a double border.
pub(in crate::show) fn dot(graph: &Graph) -> String {
    let mut text = String::from("digraph bastide {\n  rankdir=LR;\n  node [shape=box, fontname=\"monospace\"];\n");
    for node in &graph.nodes {
        let refused = matches!(node.verdict, Some(Verdict::Refused | Verdict::Asked));
        let border = if refused { ", peripheries=2" } else { "" };
        let label = format!("{} {}: {}", node.id, node.class.name(), node.what);
        let _ = writeln!(text, "  {} [label={}{border}];", name(node), quoted(&label, LABEL));
    }
    for edge in &graph.edges {
        let style = if edge.known == Known::Inferred { " [style=dashed]" } else { "" };
        let _ = writeln!(text, "  {} -> {}{style};", quoted(&edge.from, LABEL), quoted(&edge.to, LABEL));
    }
    if graph.left > 0 {
        let _ = writeln!(text, "  label={};", quoted(&format!("{} more events are left out", graph.left), LABEL));
    }
    text + "}\n"
}

fn name(node: &Node) -> String {
    quoted(&node.node, LABEL)
}

/// A string of the language. In a label a backslash is obeyed, so each is two; what is hidden is written out before.
fn quoted(text: &str, limit: usize) -> String {
    let shown = words::line(text, limit);
    format!("\"{}\"", shown.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::graph::{Class, Edge};

    fn node(name: &str, what: &str) -> Node {
        Node {
            node: name.into(),
            session: "s".into(),
            id: "g1".parse().expect("an event"),
            at: 0,
            class: Class::Words,
            what: what.into(),
            verdict: None,
            rule: None,
        }
    }

    /// The statements of a graph as its grammar has them: each quoted string is one, whatever it holds.
    fn statements(text: &str) -> Vec<String> {
        let (mut found, mut now, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
        for letter in text.chars() {
            match letter {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => {
                    quoted = !quoted;
                    now.push('"');
                    continue;
                }
                _ => {}
            }
            match letter {
                _ if quoted => {}
                ';' | '{' | '}' => found.push(std::mem::take(&mut now).trim().to_owned()),
                other => now.push(other),
            }
        }
        assert!(!quoted && now.trim().is_empty(), "{text}");
        found
    }

    #[test]
    fn no_word_of_an_agents_ends_its_string() {
        proptest::proptest!(|(what: String, end in "[\"\\\\;}\n\u{9b}\u{202e}]{0,6}")| {
            let what = format!("{what}{end}");
            let edge = Edge { from: "s/g1".into(), to: what.clone(), known: Known::Inferred };
            let graph = Graph { nodes: vec![node("s/g1", &what), node(&what, "x")], edges: vec![edge], left: 1 };
            let found = statements(&dot(&graph));
            let shape: Vec<&str> = found.iter().map(String::as_str).collect();
            proptest::prop_assert_eq!(shape, [
                "digraph bastide", "rankdir=LR", "node [shape=box, fontname=\"\"]", "\"\" [label=\"\"]", "\"\" [label=\"\"]",
                "\"\" -> \"\" [style=dashed]", "label=\"\"", "",
            ]);
        });
    }
}
