//! A graph as a tree of 80 columns: each event once, below what led to it, and what else did so named behind it.

use crate::errors::wrap;
use crate::words;
use record::graph::{Class, Graph, Node};
use record::{Known, Verdict};
use std::collections::HashMap;
use wire::command::GraphAnswer;

/// Columns of a line.
const WIDTH: usize = 80;
/// Levels that are drawn apart: what lies deeper is drawn at the last.
const DEEP: usize = 10;
/// Levels that there are: what lies deeper stands beside the last. A record may be a chain as long as anybody likes.
const LEVELS: usize = 64;
/// Lines, and lines of one kind below one event, unless all is wanted.
const LINES: usize = 200;
const ALIKE: usize = 8;
/// Others that are named behind an event.
const ALSO: usize = 3;

/// The tree, from the operator's words down.
pub(in crate::show) fn tree(answer: &GraphAnswer, all: bool) -> String {
    let graph = &answer.graph;
    let inferred = graph.edges.iter().filter(|edge| edge.known == Known::Inferred).count();
    let mut text = wrap(&format!(
        "session {}: {} events, {} edges observed and {inferred} inferred (~)",
        words::line(&answer.session, 64),
        graph.nodes.len(),
        graph.edges.len() - inferred
    ));
    let drawn = Drawn::of(answer, all);
    text.push_str(&drawn.text);
    if drawn.left > 0 {
        let session = words::line(&answer.session, 64);
        text.push_str(&wrap(&format!("{} events are not shown: `bastide graph {session} --all`", drawn.left)));
    }
    if graph.left > 0 {
        text.push_str(&wrap(&format!("{} more events have no room in the graph", graph.left)));
    }
    text
}

/// The lines so far.
struct Drawn<'g> {
    graph: &'g Graph,
    root: &'g str,
    /// What each event hangs below, and how that is known.
    below: Vec<Option<(usize, Known)>>,
    children: Vec<Vec<usize>>,
    also: Vec<Vec<usize>>,
    all: bool,
    lines: usize,
    left: usize,
    text: String,
}

impl<'g> Drawn<'g> {
    fn of(answer: &'g GraphAnswer, all: bool) -> Drawn<'g> {
        let graph = &answer.graph;
        let (below, also) = hung(graph);
        let mut children = vec![Vec::new(); graph.nodes.len()];
        for (at, above) in below.iter().enumerate() {
            if let Some((above, _)) = above {
                children[*above].push(at);
            }
        }
        let (lines, left, text) = (0, 0, String::new());
        let mut drawn = Drawn { graph, root: &answer.session, below, children, also, all, lines, left, text };
        let mut roots: Vec<usize> = (0..graph.nodes.len()).filter(|at| drawn.below[*at].is_none()).collect();
        // What he said comes first, then what nothing is known to have led to.
        roots.sort_by_key(|at| !matches!(graph.nodes[*at].class, Class::Intent | Class::Session));
        drawn.some(&roots, &mut Vec::new());
        drawn
    }

    /// Some events side by side, below what `open` says of the levels above: whether more follows on each.
    fn some(&mut self, events: &[usize], open: &mut Vec<bool>) {
        let mut alike: HashMap<Class, usize> = HashMap::new();
        let mut shown = Vec::new();
        for at in events {
            let seen = alike.entry(self.graph.nodes[*at].class).or_default();
            *seen += 1;
            // What did not go through is always told.
            if self.all || *seen <= ALIKE || is_refused(&self.graph.nodes[*at]) {
                shown.push(*at);
            } else {
                self.left += self.size(*at);
            }
        }
        for (place, at) in shown.iter().enumerate() {
            if !self.all && self.lines >= LINES {
                self.left += self.size(*at);
                continue;
            }
            self.one(*at, open, place + 1 < shown.len());
        }
    }

    fn one(&mut self, at: usize, open: &mut Vec<bool>, more: bool) {
        let line = self.line(at, open, more);
        self.text.push_str(&line);
        self.lines += 1;
        let children = std::mem::take(&mut self.children[at]);
        let root = self.below[at].is_none();
        if !root {
            open.push(more);
        }
        self.some(&children, open);
        if !root {
            open.pop();
        }
    }

    fn line(&self, at: usize, open: &[bool], more: bool) -> String {
        let node = &self.graph.nodes[at];
        let mut line = String::new();
        if let Some((_, known)) = self.below[at] {
            for open in open.iter().take(DEEP) {
                line.push_str(if *open { "│ " } else { "  " });
            }
            line.push(if more { '├' } else { '└' });
            line.push(if known == Known::Inferred { '~' } else { '─' });
        }
        let place = |node: &Node| match node.session == self.root {
            true => node.id.to_string(),
            false => words::line(&node.node, 40),
        };
        let also: Vec<String> = self.also[at].iter().take(ALSO).map(|at| place(&self.graph.nodes[*at])).collect();
        let also = if also.is_empty() { String::new() } else { format!(" [also {}]", also.join(", ")) };
        let head = format!("{line}{} ", place(node));
        let room = WIDTH.saturating_sub(head.chars().count() + also.chars().count() + 1);
        let what = words::line(&node.what, room.max(16));
        let whole = format!("{head}{what}{also}");
        whole.chars().take(WIDTH).collect::<String>() + "\n"
    }

    /// How many events hang below one, itself among them.
    fn size(&self, at: usize) -> usize {
        let (mut count, mut todo) = (0, vec![at]);
        while let Some(at) = todo.pop() {
            count += 1;
            todo.extend(&self.children[at]);
        }
        count
    }
}

fn is_refused(node: &Node) -> bool {
    matches!(node.verdict, Some(Verdict::Refused | Verdict::Asked))
}

type Hung = (Vec<Option<(usize, Known)>>, Vec<Vec<usize>>);

/// What each event is drawn below, and what else led to it. An edge leads forward, so there is no circle.
fn hung(graph: &Graph) -> Hung {
    let places: HashMap<&str, usize> = graph.nodes.iter().enumerate().map(|(at, node)| (&*node.node, at)).collect();
    let mut from: Vec<Vec<(usize, Known)>> = vec![Vec::new(); graph.nodes.len()];
    for edge in &graph.edges {
        if let (Some(above), Some(at)) = (places.get(&*edge.from), places.get(&*edge.to))
            && above < at
        {
            from[*at].push((*above, edge.known));
        }
    }
    let (mut below, mut also): Hung = (vec![None; from.len()], vec![Vec::new(); from.len()]);
    let mut levels = vec![0; from.len()];
    for at in 0..from.len() {
        let told = |above: usize| (rank(graph.nodes[above].class), above);
        let first = from[at].iter().min_by_key(|(above, known)| (*known == Known::Inferred, told(*above)));
        let Some(&(above, known)) = first else { continue };
        also[at] = from[at].iter().map(|(above, _)| *above).filter(|other| *other != above).collect();
        below[at] = Some((above, known));
        // One turn of a model's follows the other: they stand side by side below the words that they serve.
        if graph.nodes[at].class == Class::Model
            && let Some(words) = served(graph, &below, above).filter(|words| *words != above)
        {
            also[at].insert(0, above);
            below[at] = Some((words, known));
        }
        if let Some((above, known)) = below[at] {
            let deep = levels[above] >= LEVELS;
            let above = if deep { below[above].map_or(above, |(above, _)| above) } else { above };
            below[at] = Some((above, known));
            levels[at] = levels[above] + 1;
        }
    }
    (below, also)
}

/// The operator's words that an event hangs below, however deep.
fn served(graph: &Graph, below: &[Option<(usize, Known)>], mut at: usize) -> Option<usize> {
    loop {
        if graph.nodes[at].class == Class::Intent {
            return Some(at);
        }
        at = below[at]?.0;
    }
}

/// What says most of why: the least comes first.
const fn rank(class: Class) -> u8 {
    match class {
        Class::Intent => 0,
        Class::ToolCall => 1,
        Class::Answer | Class::Question => 2,
        Class::Petition | Class::SubAgent | Class::Server => 3,
        Class::Request | Class::Mcp | Class::Connection => 4,
        Class::ToolResult => 5,
        Class::Model => 6,
        Class::Program => 7,
        Class::Session => 8,
        _ => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::graph::Edge;

    fn graph(count: usize, edges: &[(usize, usize)], class: Class) -> GraphAnswer {
        let node = |at: usize| Node {
            node: format!("s/g{at}"),
            session: "s".into(),
            id: format!("g{}", at + 1).parse().expect("an event"),
            at: 0,
            class: if at == 0 { Class::Intent } else { class },
            what: "x\u{9b}".repeat(60),
            verdict: None,
            rule: None,
        };
        let edge = |(from, to): &(usize, usize)| Edge {
            from: format!("s/g{from}"),
            to: format!("s/g{to}"),
            known: Known::Observed,
        };
        let graph = Graph { nodes: (0..count).map(node).collect(), edges: edges.iter().map(edge).collect(), left: 0 };
        GraphAnswer { session: "s".into(), graph }
    }

    #[test]
    fn each_event_stands_once_and_no_line_is_wider() {
        let strategy = proptest::collection::vec((0..60usize, 0..60usize), 0..90);
        proptest::proptest!(|(edges in strategy, class in 0..3usize)| {
            let class = [Class::Model, Class::Program, Class::Words][class];
            let answer = graph(60, &edges, class);
            let text = tree(&answer, true);
            proptest::prop_assert_eq!(text.lines().count(), 61);
            let some = tree(&answer, false);
            proptest::prop_assert!(some.lines().count() <= LINES + 3);
            proptest::prop_assert!(text.lines().chain(some.lines()).all(|line| line.chars().count() <= WIDTH));
        });
    }

    #[test]
    fn a_long_chain_is_drawn_to_its_end() {
        let chain: Vec<(usize, usize)> = (1..150).map(|at| (at - 1, at)).collect();
        for class in [Class::Model, Class::Program] {
            let text = tree(&graph(150, &chain, class), true);
            assert_eq!(text.lines().count(), 151);
        }
    }
}
