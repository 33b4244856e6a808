//! What is never merged, whatever the operator says.

use super::overlay::Marks;
use super::{Node, Refusal, Stamp, Tree};
use std::path::{Component, Path};

/// Why an entry of the upper layer is never merged.
pub(super) fn refusal(upper: &Tree, path: &Path, after: &Stamp, marks: &Marks) -> Option<Refusal> {
    let name = |wanted: &str| path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
    let alternates = name("alternates") || name("http-alternates");
    if after.node == Node::Special {
        Some(Refusal::Special)
    } else if git_alias(path) && (after.node != Node::Directory || !name(".git")) {
        Some(Refusal::Gitfile)
    } else if alternates && path.parent().is_some_and(|dir| dir.ends_with("objects/info")) {
        Some(Refusal::Alternates)
    } else if after.mode & 0o6000 != 0 && after.node == Node::File {
        Some(Refusal::Setuid)
    } else if marks.redirected() {
        Some(Refusal::Redirect)
    } else if marks.has("security.capability") {
        Some(Refusal::Capabilities)
    } else if after.node == Node::Symlink {
        match upper.link(path) {
            Ok(target) => escapes(path, &target).then_some(Refusal::EscapingLink),
            Err(_) => Some(Refusal::Unreadable),
        }
    } else {
        None
    }
}

/// Whether some file system would take the last name for `.git`: case, ignored code points, trailing dots and
/// spaces, streams, and the short name.
pub(super) fn git_alias(path: &Path) -> bool {
    let Some(name) = path.file_name() else { return false };
    let ignored = |c: &char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let text: String = name.to_string_lossy().to_lowercase().chars().filter(|c| !ignored(c)).collect();
    let text = text.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    text == ".git" || text == "git~1"
}

/// Whether a link's target is absolute, or its words ever climb above the workspace.
pub(super) fn escapes(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    // Climbing after descending is refused too: what was descended into may itself be a link elsewhere.
    let mut descended = false;
    for part in target.components() {
        match part {
            Component::Normal(_) => descended = true,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 && !descended => depth -= 1,
            _ => return true,
        }
    }
    false
}
