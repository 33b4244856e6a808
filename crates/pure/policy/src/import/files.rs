//! Files, Landlock and the process.

use serde_saphyr::{Location as Mark, Spanned};

use super::note::{NoteKind, Notes, shown};
use super::raw::{RawFiles, RawLandlock, RawProcess, Text};
use crate::{CanonicalPath, Files, MADE, SCRATCH, WorkspaceMode};

/// What belongs to the one tree of programs where a system has merged them: links, which count as paths of their own.
const LINKS: [&str; 5] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64"];
/// The working directory of an image.
const IMAGE: &str = "/sandbox";

/// Lays the section over what there is; `networked` says that the file has rules of the network.
pub(super) fn read(raw: &Spanned<RawFiles>, files: &mut Files, networked: bool, notes: &mut Notes) {
    let mark = raw.referenced;
    let raw = &raw.value;
    // The cell makes some files of /etc itself, and others hold what belongs to nobody inside.
    let etc = files.read.iter().filter(|path| path.as_str().starts_with("/etc/")).cloned().collect::<Vec<_>>();
    files.read = paths(raw.read_only.as_deref().unwrap_or_default(), &etc, notes);
    files.write = paths(raw.read_write.as_deref().unwrap_or_default(), &[], notes);
    let image = files.write.iter().any(|path| path.as_str() == IMAGE);
    if raw.include_workdir.as_ref().is_some_and(|said| said.value) || image {
        files.workspace = WorkspaceMode::Review;
    } else {
        files.workspace = WorkspaceMode::ReadOnly;
        let what = "without `include_workdir`, the working directory is closed";
        notes.lost(mark, what, "it is read-only; start in an empty directory where nothing is to be seen");
    }
    if files.workspace == WorkspaceMode::Review {
        let what = "what changes in the working directory is changed at once";
        notes.once(mark, NoteKind::Reported, what, "it waits for `bastide apply`, and some names are held back");
    }
    notes.once(
        mark,
        NoteKind::NotExpressed,
        "paths are those of an image",
        "they are those of this host; what it does not have is passed over",
    );
    if networked {
        let what = "beside rules of the network, /usr, /lib, /etc, /app, /var/log and others are added";
        notes.once(mark, NoteKind::Reported, what, "only what is listed can be read");
    }
    if files.read.iter().any(|path| path.as_str() == "/usr") {
        for link in LINKS.iter().filter_map(|link| CanonicalPath::parse(link).ok()) {
            if !files.read.contains(&link) {
                files.read.push(link);
            }
        }
        let what = "a link counts by what it leads to";
        notes.once(
            mark,
            NoteKind::NotExpressed,
            what,
            "it counts by itself: /bin, /sbin, /lib, /lib32 and /lib64 are named beside /usr",
        );
    }
}

/// Where the file says nothing of files.
pub(super) fn missing(mark: Mark, files: &mut Files, notes: &mut Notes) {
    files.workspace = WorkspaceMode::Review;
    let what = "without `filesystem_policy`, paths of the system are chosen";
    notes.once(mark, NoteKind::Reported, what, "they are those of `hardened`");
}

/// The paths; `etc` stands for all of `/etc`.
fn paths(texts: &[Text], etc: &[CanonicalPath], notes: &mut Notes) -> Vec<CanonicalPath> {
    let mut paths = Vec::new();
    for text in texts {
        let mark = text.referenced;
        let path = match CanonicalPath::parse(&text.value) {
            Ok(path) => path,
            Err(error) => {
                notes.lost(mark, format!("the path {}: {error}", shown(&text.value)), "it is absent");
                continue;
            }
        };
        let within =
            |trees: &[&str]| trees.iter().any(|tree| CanonicalPath::parse(tree).is_ok_and(|tree| tree.covers(&path)));
        if path.as_str() == "/" {
            notes.lost(mark, "all of an image", "nothing of this host is named by it; name what is to be read");
        } else if path.as_str() == "/etc" {
            notes.lost(mark, "all of /etc", "what `hardened` reads of it; name what else is to be read");
            let new: Vec<CanonicalPath> = etc.iter().filter(|path| !paths.contains(*path)).cloned().collect();
            paths.extend(new);
        } else if within(MADE) {
            notes.lost(
                mark,
                "a path in /proc, /dev or /sys, or a file such as /etc/passwd",
                "the cell has its own there",
            );
        } else if within(SCRATCH) {
            notes.lost(mark, "a path in /tmp or /var/tmp", "the cell has scratch space of its own there");
        } else if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// Best effort is what is left out means.
pub(super) fn landlock(mark: Mark, raw: Option<&Spanned<RawLandlock>>, notes: &mut Notes) {
    let said = raw.and_then(|raw| raw.value.compatibility.as_ref());
    let now = "where a layer of the boundary is missing, nothing runs";
    match said.map(|text| (text.value.as_str(), text.referenced)) {
        Some(("hard_requirement", _)) => {}
        Some(("best_effort" | "", mark)) => {
            notes.reported(
                mark,
                "`compatibility: best_effort` runs without the rules for files where they cannot be applied",
                now,
            );
        }
        Some((other, mark)) => notes.reported(mark, format!("`compatibility` is {}", shown(other)), now),
        None => {
            notes.reported(
                mark,
                "without `landlock`, the rules for files are left out where they cannot be applied",
                now,
            );
        }
    }
}

pub(super) fn process(raw: &RawProcess, notes: &mut Notes) {
    for text in [&raw.run_as_user, &raw.run_as_group].into_iter().flatten() {
        notes.lost(
            text.referenced,
            "`run_as_user` and `run_as_group` choose who it is",
            "a cell has a user of its own, never root",
        );
    }
}
