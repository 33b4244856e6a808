//! A workspace whose `.git` is a file: a worktree of Git's, or a submodule. It leads to a directory outside of the workspace,
//! which is not inside unless it is named, and then no `git` works there. Nothing of that is seen before one fails, so a start
//! says it, and what to do.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::problem::quoted;
use crate::store::{SessionRecord, TreeRecord};

/// Longest file that leads somewhere: a path.
const LONGEST: u64 = 8 << 10;

/// Says which directory `git` lacks inside; nothing where it lacks none.
pub(super) fn lacking(record: &SessionRecord) -> Option<String> {
    let at = |tree: &TreeRecord| tree.path.clone();
    let common = leads_to(&record.trees.first()?.path)?;
    let inside = record.trees.iter().map(at).any(|tree| common.starts_with(tree.canonicalize().unwrap_or(tree)));
    let path = quoted(&common.to_string_lossy());
    (!inside).then(|| {
        format!("git does not work inside: `.git` leads to `{path}`, which `--write {path}` brings in, under the same review")
    })
}

/// The directory that the repository's objects and refs lie in, where `.git` is a file that leads there.
fn leads_to(workspace: &Path) -> Option<PathBuf> {
    let line = line(&workspace.join(".git"))?;
    let own = workspace.join(line.strip_prefix("gitdir:")?.trim()).canonicalize().ok()?;
    let common = self::line(&own.join("commondir")).map_or_else(|| own.clone(), |common| own.join(common));
    common.canonicalize().ok().filter(|common| common.join("HEAD").is_file())
}

/// What a small file says, if it is one: whatever else stands there is not waited for.
fn line(path: &Path) -> Option<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let mut text = String::new();
    file.metadata().ok().filter(|meta| meta.is_file() && meta.len() <= LONGEST)?;
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text.trim_end_matches('\n').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn worktrees_and_submodules_lead_to_a_directory_and_nothing_else_does() {
        let room = tempfile::tempdir().expect("a directory");
        let at = |path: &str| room.path().canonicalize().expect("there").join(path);
        for directory in ["repo/.git/worktrees/w", "repo/.git/modules/m", "w", "repo/m", "plain/.git", "odd", "none"] {
            fs::create_dir_all(at(directory)).expect("made");
        }
        let write = |path: &str, text: &str| fs::write(at(path), text).expect("written");
        write("repo/.git/HEAD", "ref: refs/heads/main\n");
        write("repo/.git/modules/m/HEAD", "ref: refs/heads/main\n");
        write("repo/.git/worktrees/w/commondir", "../..\n");
        write("w/.git", &format!("gitdir: {}\n", at("repo/.git/worktrees/w").display()));
        write("repo/m/.git", "gitdir: ../.git/modules/m\n");
        assert_eq!(leads_to(&at("w")), Some(at("repo/.git")));
        assert_eq!(leads_to(&at("repo/m")), Some(at("repo/.git/modules/m")));
        for text in ["gitdir: /none/at/all\n".to_owned(), "gitdir: ..\n".to_owned(), "x".repeat(9000), String::new()] {
            write("odd/.git", &text);
            assert_eq!(leads_to(&at("odd")), None, "{text}");
        }
        // What would be waited for for ever is not.
        fs::remove_file(at("odd/.git")).expect("removed");
        let mode = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("odd/.git"), mode, Mode::RUSR, 0).expect("made");
        for workspace in ["odd", "plain", "none", "gone"] {
            assert_eq!(leads_to(&at(workspace)), None, "{workspace}");
        }
    }
}
