//! Memory and processes of a session, split with its children: its own control group is bound to what is left. Where the
//! host gives none, that is said, as of every limit that is not enforced.

use std::fs;
use std::path::{Path, PathBuf};

use policy::{Amounts, Good};

/// The files of both versions that bound a kind.
const BOUNDS: [(Good, [&str; 2]); 2] =
    [(Good::Memory, ["memory.max", "memory.limit_in_bytes"]), (Good::Pids, ["pids.max", "pids.max"])];
/// Those that tell how much of it is held.
const HELD: [&str; 2] = ["memory.current", "memory.usage_in_bytes"];

/// What became of a split.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::session) struct Split {
    /// Kinds that this host does not bind, and so cannot split.
    pub(in crate::session) unbound: Vec<Good>,
    /// So much memory is held already, more than would be left.
    pub(in crate::session) held: Option<u64>,
}

/// Whether a session that may have `whole` can do with what is left beside `gone`.
pub(in crate::session) fn fits(groups: &[PathBuf], whole: &Amounts, gone: &Amounts) -> Split {
    let mut split = Split::default();
    for (good, files) in BOUNDS {
        let (Some(all), Some(gone)) = (whole.get(good), gone.get(good)) else { continue };
        if find(groups, &files).is_none() {
            split.unbound.push(good);
        } else if good == Good::Memory
            && let Some(held) = find(groups, &HELD).and_then(|file| number(&file))
            && held > all.saturating_sub(gone)
        {
            // To bind it to less would have the kernel end a program.
            split.held = Some(held);
        }
    }
    split
}

/// Binds a session that may have `whole` to what is left beside `gone`. What cannot be set stays as it is: less is never
/// needed for a child to be bound itself.
pub(in crate::session) fn bind(groups: &[PathBuf], whole: &Amounts, gone: &Amounts) {
    for (good, files) in BOUNDS {
        let Some(all) = whole.get(good) else { continue };
        let left = all.saturating_sub(gone.get(good).unwrap_or(0)).max(1);
        if let Some(file) = find(groups, &files) {
            let _ = fs::write(file, left.to_string());
        }
    }
}

fn find(groups: &[PathBuf], files: &[&str]) -> Option<PathBuf> {
    let named = |group: &PathBuf| files.iter().map(|file| group.join(file)).find(|path| path.is_file());
    groups.iter().find_map(named)
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_bound_to_what_is_left_and_never_below_what_it_holds() {
        let group = tempfile::tempdir().expect("a directory");
        let groups = [group.path().to_owned()];
        let amounts = |memory, pids| Amounts { memory: Some(memory), pids: Some(pids), ..Amounts::default() };
        let whole = amounts(1000, 10);
        assert_eq!(fits(&groups, &whole, &amounts(1, 1)).unbound, [Good::Memory, Good::Pids]);
        for (file, text) in [("memory.max", "1000"), ("pids.max", "10"), ("memory.current", "600\n")] {
            fs::write(group.path().join(file), text).expect("written");
        }
        assert_eq!(fits(&groups, &whole, &amounts(400, 9)), Split::default());
        assert_eq!(fits(&groups, &whole, &amounts(401, 9)).held, Some(600));
        let read = |file: &str| fs::read_to_string(group.path().join(file)).expect("read");
        bind(&groups, &whole, &amounts(400, 4));
        assert_eq!((read("memory.max"), read("pids.max")), ("600".into(), "6".into()));
        bind(&groups, &whole, &Amounts::default());
        assert_eq!((read("memory.max"), read("pids.max")), ("1000".into(), "10".into()));
        bind(&groups, &Amounts::default(), &amounts(1, 1));
        assert_eq!(read("memory.max"), "1000");
    }
}
