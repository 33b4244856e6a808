//! What leaves in drops from several cells of one tree, each with a gate of its own: no more of a text than from one.

use std::path::PathBuf;

use super::drips::{MOST, drops, longest};
use super::{Scene, scene_in};
use crate::fake::ORDINARY;
use crate::fake::server::{request, say};

/// A cell of a tree, whose gates tell one another in this file.
fn cell(session: &str, drops: Option<PathBuf>) -> Scene {
    let session = session.to_owned();
    scene_in(drops, |leased| leased.session = session)
}

/// So many cells of one tree.
fn cells(count: usize) -> Vec<Scene> {
    let mut cells = vec![cell("s1", None)];
    let account = cells[0].cell.drops.clone();
    cells.extend((2..=count).map(|at| cell(&format!("s{at}"), Some(account.clone()))));
    cells
}

impl Scene {
    /// Says something to a server outside; whether it came.
    fn lets_out(&self, host: &str, said: &str) -> bool {
        let before = self.sink.got.lock().unwrap().len();
        let said = request("POST", host, self.sink.port, "/in", "", said);
        let _ = say(&self.cell, None, host, self.sink.port, &said);
        self.sink.got.lock().unwrap().len() > before
    }
}

/// The letters that left of a document of which each cell says a piece, one after the other.
fn left(cells: &[Scene], length: usize) -> usize {
    let mut came = String::new();
    for (at, drop) in drops(length).into_iter().enumerate() {
        let scene = &cells[at % cells.len()];
        let host = ["web.example", "mcp.example"][at / 2 % 2];
        if scene.lets_out(host, &drop) {
            came.push_str(&drop);
        }
        assert!(scene.lets_out(host, &format!("row {at} of nineteen oak chairs, in blue")), "what is harmless");
    }
    longest(&came)
}

#[test]
fn drops_over_the_cells_of_a_tree() {
    for (count, length) in [(2, 18), (3, 24), (2, 40)] {
        let tree = cells(count);
        let letters = left(&tree, length);
        println!("drops of {length} bytes over {count} cells: {letters} letters left");
        assert!(letters > 0 && letters <= MOST, "drops of {length} over {count} cells: {letters} letters");
        // Why one was stopped names who said what it goes on with.
        let record: String = tree.iter().map(|scene| scene.cell.record()).collect();
        let told =
            |session: usize| record.contains(&format!("drops joined, going on with what was said in s{session}"));
        assert!((1..=count).any(told), "{record}");
    }
    // Cells that are none of one tree know nothing of each other.
    let strangers = [cell("s1", None), cell("s2", None), cell("s3", None)];
    assert!(left(&strangers, 24) > MOST);
}

/// A gate that takes over for one that was killed knows what that let out, and what the others did.
#[test]
fn a_killed_gate_forgets_no_drop() {
    let mut tree = cells(2);
    let pieces = drops(28);
    assert!(tree[0].lets_out("web.example", &pieces[0]), "the first one says nothing");
    for at in [0, 1] {
        let segment = std::fs::File::create(tree[at].cell.segment()).unwrap();
        let leased = wire::Lease { incarnation: 2, ..tree[at].leased.clone() };
        tree[at].gate.child.kill().unwrap();
        tree[at].gate.child.wait().unwrap();
        tree[at].gate = tree[at].cell.start_on(&leased, ORDINARY, segment).ready();
    }
    for (cell, to) in [(0, "web.example"), (1, "mcp.example")] {
        assert!(tree[cell].lets_out(to, "the build went through"), "what is harmless");
        assert!(!(tree[cell].lets_out(to, &pieces[1]) && tree[cell].lets_out(to, &pieces[2])), "{cell}");
    }
}

/// Nothing is told of a request that says nothing of what is labelled.
#[test]
fn without_a_drop_nobody_is_told() {
    let tree = cells(2);
    for at in 0..20 {
        assert!(tree[at % 2].lets_out("web.example", &format!("row {at} of nineteen oak chairs, in blue")));
    }
    assert_eq!(std::fs::metadata(&tree[0].cell.drops).unwrap().len(), 0);
    assert!(tree[0].lets_out("web.example", &drops(30)[0]));
    assert!(std::fs::metadata(&tree[0].cell.drops).unwrap().len() > 0);
}

/// Where the account cannot be written, drops are held, and nothing else is.
#[test]
fn drops_that_nobody_can_be_told_of_are_held() {
    let scene = cell("s1", Some("/dev/full".into()));
    assert!(scene.lets_out("web.example", "the build went through"));
    assert!(!scene.lets_out("web.example", &drops(30)[0]));
    let record = scene.cell.record();
    assert!(record.contains("held back: it may go on with a part of `secret:plan`"), "{record}");
}
