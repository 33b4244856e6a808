//! A change as a unified diff for the operator's eyes: bounded, and with control and bidi characters made visible.

use super::{Change, Error, Node, Tree, Unit, io};
use std::io::Read;
use std::path::Path;

/// Larger files are named, not shown.
const LARGEST: u64 = 1 << 20;
/// Paths of one kind that a git directory's lines name.
const SHOWN: usize = 500;

/// The unified diff of one change.
pub(super) fn diff(upper: &Tree, lower: &Tree, change: &Change) -> Result<String, Error> {
    let name = record::redact::visible(&change.path.to_string_lossy()).into_owned();
    if let Some(unit) = &change.git {
        return Ok(visible(&git(&name, unit)));
    }
    let before = side(lower, &change.path, change.before.as_ref().map(|stamp| stamp.node))?;
    let after = side(upper, &change.path, change.after.as_ref().map(|stamp| stamp.node))?;
    let (Some(before), Some(after)) = (before, after) else {
        return Ok(format!("binary, large or special: {name} differs\n"));
    };
    let mut text = String::new();
    if let (Some(a), Some(b)) = (&change.before, &change.after)
        && a.mode != b.mode
    {
        text = format!("old mode {:o}\nnew mode {:o}\n", a.mode, b.mode);
    }
    if let (None, Some(b)) = (&change.before, &change.after)
        && b.node == Node::File
    {
        text = format!("new mode {:o}\n", b.mode);
    }
    // Bounded in time: a hostile pair of files can be made to cost the square of its length.
    let lines =
        similar::TextDiff::configure().timeout(std::time::Duration::from_millis(500)).diff_lines(&before, &after);
    let from = if change.before.is_some() { format!("a/{name}") } else { "/dev/null".into() };
    let into = if change.after.is_some() { format!("b/{name}") } else { "/dev/null".into() };
    text += &lines.unified_diff().header(&from, &into).to_string();
    Ok(visible(&text))
}

/// A git directory in a few lines, not in hundreds of objects.
fn git(name: &str, unit: &Unit) -> String {
    let mut text = format!("{name}: {}\n", unit.summary());
    if let Some(fault) = unit.fault {
        text += &format!("  refused: {}\n", word(&fault));
    }
    for moved in &unit.moves {
        let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        text += &format!("  {} {} -> {}\n", moved.name, side(&moved.old), side(&moved.new));
    }
    for change in unit.data.iter().take(SHOWN) {
        text += &format!("  state: {}\n", shown(&change.path));
    }
    for change in unit.logs.iter().take(SHOWN) {
        text += &format!("  reflog: {}\n", shown(&change.path));
    }
    for (path, mode) in unit.paths.iter().take(SHOWN) {
        let mode = if *mode == 0 { "removed".to_owned() } else { format!("{mode:06o}") };
        text += &format!("  {mode} {}\n", record::redact::visible(path));
    }
    if unit.paths.len() > SHOWN || unit.partial {
        text += "  and more paths than are shown or were looked at\n";
    }
    for (path, held) in unit.held.iter().take(100) {
        text += &format!("  held: {} ({})\n", record::redact::visible(path), word(held));
    }
    text
}

fn shown(path: &Path) -> String {
    record::redact::visible(&path.to_string_lossy()).into_owned()
}

/// A reason in the word that JSON has for it.
fn word(reason: &impl serde::Serialize) -> String {
    let word = serde_json::to_value(reason).ok();
    word.as_ref().and_then(serde_json::Value::as_str).unwrap_or("unknown").to_owned()
}

/// One side's text; `None` if it cannot be shown as text.
fn side(tree: &Tree, path: &Path, node: Option<Node>) -> Result<Option<String>, Error> {
    match node {
        None | Some(Node::Directory) => Ok(Some(String::new())),
        Some(Node::Symlink) => Ok(Some(format!("link to {}\n", tree.link(path)?.display()))),
        Some(Node::Special) => Ok(None),
        Some(Node::File) => {
            let mut bytes = Vec::new();
            tree.file(path)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(io("read", path))?;
            let shown = bytes.len() as u64 <= LARGEST && !bytes.contains(&0);
            Ok(if shown { String::from_utf8(bytes).ok() } else { None })
        }
    }
}

/// Writes characters that would steer a terminal, hide, or reorder what it shows, as their code points. The client and
/// the record know the same list.
fn visible(text: &str) -> String {
    let line = |line: &str| line.split('\t').map(record::redact::visible).collect::<Vec<_>>().join("\t");
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}
