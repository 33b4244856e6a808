//! What each file of a git directory is for. What is not known to be data is held.

use super::{Fault, Held};
use std::path::Path;

/// The duty of one file in a git directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A loose object and its name.
    Loose(String),
    /// A pack: its name without an extension, and whether this is the index.
    Pack { name: String, index: bool },
    /// Made from other parts, or left over: neither imported nor missed.
    Derived,
    /// A ref, or a HEAD.
    Ref(String),
    /// All refs that are not loose.
    PackedRefs,
    /// A reflog.
    Log,
    /// The index.
    Index,
    /// One value or message of an operation in progress: goes when it is over, and never comes.
    State,
    /// Never merged by itself.
    Held(Held),
    /// Makes the whole unit refused.
    Unsafe(Fault),
}

const STATE: &[&str] = &[
    "FETCH_HEAD",
    "MERGE_HEAD",
    "MERGE_MSG",
    "MERGE_MODE",
    "MERGE_RR",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "SQUASH_MSG",
    "AUTO_MERGE",
];

/// The duty of a path relative to the git directory.
pub(super) fn part(path: &Path) -> Part {
    let Some(text) = path.to_str() else {
        return if path.starts_with("refs") { Part::Unsafe(Fault::RefName) } else { Part::Held(Held::Unknown) };
    };
    let parts: Vec<&str> = text.split('/').collect();
    if parts.last().is_some_and(|name| name.ends_with(".lock")) {
        return Part::Derived;
    }
    match parts.as_slice() {
        ["objects", rest @ ..] => object(rest),
        ["refs", "replace", ..] | ["shallow"] | ["info", "grafts"] => Part::Unsafe(Fault::FalseHistory),
        ["reftable", ..] => Part::Unsafe(Fault::RefFormat),
        ["refs", "bisect" | "rewritten" | "worktree", ..] => Part::Held(Held::Todo),
        ["refs", ..] | ["HEAD"] | ["worktrees", _, "HEAD"] => Part::Ref(text.to_owned()),
        ["packed-refs"] => Part::PackedRefs,
        ["logs", ..] | ["worktrees", _, "logs", "HEAD"] => Part::Log,
        // What `git gc` writes for a plain web server to show.
        ["info", "refs"] => Part::Derived,
        ["index"] | ["worktrees", _, "index"] => Part::Index,
        ["ORIG_HEAD" | "COMMIT_EDITMSG"] | ["worktrees", _, "ORIG_HEAD" | "COMMIT_EDITMSG"] => Part::Derived,
        [name] | ["worktrees", _, name] if STATE.contains(name) => Part::State,
        ["hooks", ..] => Part::Held(Held::Hook),
        ["modules", ..] => Part::Held(Held::Submodule),
        [name] | [.., name] if ["gitdir", "commondir", ".git"].contains(name) => Part::Held(Held::Gitdir),
        ["config" | "config.worktree"] | ["worktrees", _, "config.worktree"] | ["info", ..] => Part::Held(Held::Config),
        ["rebase-merge" | "rebase-apply" | "sequencer", ..] => Part::Held(Held::Todo),
        ["worktrees", _, "rebase-merge" | "rebase-apply" | "sequencer", ..] => Part::Held(Held::Todo),
        ["gc.log" | "gc.pid" | "description"] | ["branches", ..] | ["worktrees", _, "refs"] => Part::Derived,
        _ => Part::Held(Held::Unknown),
    }
}

fn object(rest: &[&str]) -> Part {
    match rest {
        ["info", "packs" | "commit-graph"] | ["info", "commit-graphs", ..] => Part::Derived,
        ["info", ..] => Part::Unsafe(Fault::FalseHistory),
        ["pack", name] if name.ends_with(".promisor") => Part::Unsafe(Fault::FalseHistory),
        ["pack", name] => match name.rsplit_once('.') {
            Some((stem, "pack" | "idx")) if stem.strip_prefix("pack-").is_some_and(is_name) => {
                Part::Pack { name: stem.to_owned(), index: name.ends_with(".idx") }
            }
            _ => Part::Derived,
        },
        [two, more] if two.len() == 2 && is_name(&format!("{two}{more}")) => Part::Loose(format!("{two}{more}")),
        _ => Part::Derived,
    }
}

/// Whether a text is an object's name: SHA-1 or SHA-256 in lower-case hexadecimal.
pub(super) fn is_name(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart() {
        let hex = "ab".repeat(20);
        for (path, want) in [
            (format!("objects/{}/{}", &hex[..2], &hex[2..]), Part::Loose(hex.clone())),
            (format!("objects/pack/pack-{hex}.idx"), Part::Pack { name: format!("pack-{hex}"), index: true }),
            ("objects/info/alternates".into(), Part::Unsafe(Fault::FalseHistory)),
            (format!("objects/pack/pack-{hex}.promisor"), Part::Unsafe(Fault::FalseHistory)),
            ("shallow".into(), Part::Unsafe(Fault::FalseHistory)),
            (format!("refs/replace/{hex}"), Part::Unsafe(Fault::FalseHistory)),
            ("hooks/post-checkout".into(), Part::Held(Held::Hook)),
            ("config".into(), Part::Held(Held::Config)),
            ("info/attributes".into(), Part::Held(Held::Config)),
            ("worktrees/w/commondir".into(), Part::Held(Held::Gitdir)),
            ("modules/m/hooks/x".into(), Part::Held(Held::Submodule)),
            ("rebase-merge/git-rebase-todo".into(), Part::Held(Held::Todo)),
            ("refs/heads/main.lock".into(), Part::Derived),
            ("reftable/tables.list".into(), Part::Unsafe(Fault::RefFormat)),
            ("info/refs".into(), Part::Derived),
            ("surprise".into(), Part::Held(Held::Unknown)),
        ] {
            assert_eq!(part(Path::new(&path)), want, "{path}");
        }
    }
}
