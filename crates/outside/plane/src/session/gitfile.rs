//! A workspace whose `.git` is a file: a worktree of Git's, or a submodule. It leads to a directory outside of the workspace,
//! which is not inside unless it is named, and then no `git` works there. So it is with one that takes objects from another
//! repository. Nothing of that is seen before a `git` fails, so a start says it, and what to do.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use policy::Policy;
use rustix::fs::{Mode, OFlags};

use crate::problem::quoted;
use crate::store::SessionRecord;

/// Longest file that leads somewhere: a path.
const LONGEST: u64 = 8 << 10;

/// Other repositories whose objects are looked for.
const LOOKED_AT: usize = 16;

/// Says which directory `git` lacks inside; nothing where it lacks none.
pub(super) fn lacking(record: &SessionRecord, policy: &Policy) -> Option<String> {
    let workspace = &record.trees.first()?.path;
    let trees = record.trees.iter().map(|tree| tree.path.clone());
    let named = policy.files.read.iter().map(|path| PathBuf::from(path.as_str()));
    let inside: Vec<PathBuf> = trees.chain(named).map(|path| path.canonicalize().unwrap_or(path)).collect();
    let lacks = |path: &PathBuf| !inside.iter().any(|tree| path.starts_with(tree));
    if let Some(common) = leads_to(workspace).filter(lacks) {
        let path = quoted(&common.to_string_lossy());
        return Some(format!(
            "git does not work inside: `.git` leads to `{path}`, which `--write {path}` brings in, under the same review"
        ));
    }
    let other = others(&workspace.join(".git/objects")).into_iter().find(lacks)?;
    let path = quoted(&other.to_string_lossy());
    Some(format!("git lacks objects inside: `.git` takes those in `{path}`, which `--read {path}` brings in"))
}

/// Where a repository that was cloned with `--shared` or `--reference` takes objects from.
fn others(objects: &Path) -> Vec<PathBuf> {
    let text = line(&objects.join("info/alternates")).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).take(LOOKED_AT);
    let found = lines.filter_map(|line| objects.join(line).canonicalize().ok());
    found.filter(|path| path.ends_with("objects") && path.is_dir()).collect()
}

/// The directory that the repository's objects and refs lie in, where `.git` is a file that leads there and that knows of
/// this workspace: the file may be an agent's, and what is named here somebody may let it write to.
fn leads_to(workspace: &Path) -> Option<PathBuf> {
    let line = line(&workspace.join(".git"))?;
    let own = workspace.join(line.strip_prefix("gitdir:")?.trim()).canonicalize().ok()?;
    let back = self::line(&own.join("gitdir")).and_then(|back| own.join(back).canonicalize().ok());
    let worktree = back.is_some() && back == workspace.join(".git").canonicalize().ok();
    let place = workspace.canonicalize().ok()?;
    let submodule = place.ancestors().skip(1).any(|above| own.starts_with(above.join(".git/modules")));
    if !worktree && !submodule {
        return None;
    }
    let common = self::line(&own.join("commondir")).map_or_else(|| own.clone(), |common| own.join(common));
    common.canonicalize().ok().filter(|common| common.join("HEAD").is_file())
}

/// What a small file says, if it is one and is no link: whatever else stands there is not waited for.
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
        for directory in
            ["repo/.git/worktrees/w", "repo/.git/modules/m", "w/objects", "repo/m", "plain/.git", "odd", "none"]
        {
            fs::create_dir_all(at(directory)).expect("made");
        }
        let write = |path: &str, text: &str| fs::write(at(path), text).expect("written");
        write("repo/.git/HEAD", "ref: refs/heads/main\n");
        write("repo/.git/modules/m/HEAD", "ref: refs/heads/main\n");
        write("repo/.git/worktrees/w/commondir", "../..\n");
        write("repo/.git/worktrees/w/gitdir", &format!("{}\n", at("w/.git").display()));
        write("w/.git", &format!("gitdir: {}\n", at("repo/.git/worktrees/w").display()));
        write("repo/m/.git", "gitdir: ../.git/modules/m\n");
        assert_eq!(leads_to(&at("w")), Some(at("repo/.git")));
        assert_eq!(leads_to(&at("repo/m")), Some(at("repo/.git/modules/m")));
        // A repository that knows nothing of it, or knows of another one.
        let foreign = ["repo/.git", "repo/.git/worktrees/w"].map(|path| format!("gitdir: {}\n", at(path).display()));
        let odd = ["gitdir: /none/at/all\n".to_owned(), "gitdir: ..\n".to_owned(), "x".repeat(9000), String::new()];
        for text in foreign.into_iter().chain(odd) {
            write("odd/.git", &text);
            assert_eq!(leads_to(&at("odd")), None, "{text}");
        }
        write("none/HEAD", "");
        fs::create_dir_all(at("plain/.git/objects/info")).expect("made");
        write(
            "plain/.git/objects/info/alternates",
            &format!("# one\n\n{}\n../../../repo/m\n/gone\n../../../w/objects\n", at("w").display()),
        );
        assert_eq!(others(&at("plain/.git/objects")), [at("w/objects")]);
        assert_eq!(others(&at("w")), [] as [PathBuf; 0]);
        // What would be waited for for ever is not.
        fs::remove_file(at("odd/.git")).expect("removed");
        let mode = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("odd/.git"), mode, Mode::RUSR, 0).expect("made");
        for workspace in ["odd", "plain", "none", "gone"] {
            assert_eq!(leads_to(&at(workspace)), None, "{workspace}");
        }
    }
}
