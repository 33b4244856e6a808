//! A change as a unified diff for the operator's eyes: bounded, and with control and bidi characters made visible.

use super::stamp::digest_of;
use super::{Change, Error, Node, Stamp, Tree, Unit, io, seal};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Larger files are named, not shown.
const LARGEST: u64 = 1 << 20;
/// Paths of one kind that a git directory's lines name.
const SHOWN: usize = 500;

/// The unified diff of one change. What the cell left is hashed as it is shown: what was swapped since it was stamped is
/// an error, for it would not be what is merged.
pub(super) fn diff(upper: &Tree, lower: &Tree, change: &Change) -> Result<String, Error> {
    let name = record::redact::visible(&change.path.to_string_lossy()).into_owned();
    if let Some(unit) = &change.git {
        return Ok(visible(&git(&name, unit)));
    }
    let before = side(lower, &change.path, change.before.as_ref(), Checked::Not)?;
    let after = side(upper, &change.path, change.after.as_ref(), Checked::Against)?;
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
    let from = if change.before.is_some() { format!("a/{name}") } else { "/dev/null".into() };
    let into = if change.after.is_some() { format!("b/{name}") } else { "/dev/null".into() };
    text += &lines(&before, &after, (&from, &into));
    Ok(visible(&text))
}

/// Bounded in time: a hostile pair of files can be made to cost the square of its length.
fn lines(before: &str, after: &str, (from, into): (&str, &str)) -> String {
    let lines = similar::TextDiff::configure().timeout(std::time::Duration::from_millis(500)).diff_lines(before, after);
    lines.unified_diff().header(from, into).to_string()
}

/// The same of a change that is in conflict: from what stands outside now, hashed as it is shown too, to what the cell
/// made. What stood there before is known of a copy alone, its `base`.
pub(super) fn contested(upper: &Tree, outside: &Tree, base: Option<&Tree>, change: &Change) -> Result<String, Error> {
    if change.git.is_some() {
        return diff(upper, outside, change);
    }
    let stood = change.before.as_ref().map(|stamp| {
        let hash = stamp.sha256.as_ref().map(|sha256| format!(", {}", seal::hex(sha256)));
        format!("mode {:o}{}", stamp.mode, hash.unwrap_or_default())
    });
    let stands = stood.as_deref().unwrap_or("nothing");
    let mut text = format!("in conflict; outside stands now: {stands}\n");
    if let Some(base) = base {
        let was = Stamp::take(base, &change.path, true)?;
        let both = |tree: &Tree, stamp: Option<&Stamp>| side(tree, &change.path, stamp, Checked::Against);
        text += "what was changed outside since the copy was made:\n";
        text += &match (both(base, was.as_ref())?, both(outside, change.before.as_ref())?) {
            (Some(was), Some(is)) => lines(&was, &is, ("a/copy", "b/outside")),
            _ => "binary, large or special: not shown\n".to_owned(),
        };
    }
    text += "from what stands outside to what the session made:\n";
    side(outside, &change.path, change.before.as_ref(), Checked::Against)?;
    Ok(visible(&text) + &diff(upper, outside, change)?)
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

/// Whether a side's content must be what its stamp is of. The original's may be stamped without one, and is no cell's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Checked {
    Against,
    Not,
}

/// One side's text; `None` if it cannot be shown as text.
fn side(tree: &Tree, path: &Path, stamp: Option<&Stamp>, checked: Checked) -> Result<Option<String>, Error> {
    let Some(stamp) = stamp else { return Ok(Some(String::new())) };
    let same = |bytes: &[u8]| stamp.sha256 == Some(digest_of(bytes));
    match stamp.node {
        Node::Directory => Ok(Some(String::new())),
        Node::Special => Ok(None),
        Node::Symlink => {
            let target = tree.link(path)?;
            if checked == Checked::Against && !same(target.as_os_str().as_bytes()) {
                return Err(Error::Unsettled);
            }
            Ok(Some(format!("link to {}\n", target.display())))
        }
        Node::File => {
            let mut bytes = Vec::new();
            tree.file(path)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(io("read", path))?;
            let small = bytes.len() as u64 <= LARGEST;
            // What is too large to be merged has no hash. What is too large to be shown is none other than was said.
            let known = stamp.sha256.is_none() || if small { same(&bytes) } else { stamp.size > LARGEST };
            if checked == Checked::Against && !known {
                return Err(Error::Unsettled);
            }
            let shown = small && !bytes.contains(&0);
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
