//! Throws changes away: removes entries from the upper layer, so that the original shows through again.

use super::{Change, Error, Tree};
use std::path::PathBuf;

/// Removes from `upper` the changes beneath `paths` (empty: all) and returns the paths given up. The cell must not
/// be running: the kernel does not promise what a mounted overlay shows when its upper layer changes.
pub fn discard(upper: &Tree, changes: &[Change], paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut gone = Vec::new();
    // Deepest first, so that directories are empty when their turn comes.
    for change in changes.iter().rev() {
        if !paths.is_empty() && !paths.iter().any(|path| change.path.starts_with(path)) {
            continue;
        }
        if let Some((fd, stat)) = upper.stat(&change.path)? {
            drop(fd);
            let directory = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory;
            if directory {
                empty(upper, &change.path, 0)?;
            }
            upper.remove(&change.path, directory)?;
        }
        gone.push(change.path.clone());
    }
    gone.reverse();
    Ok(gone)
}

fn empty(upper: &Tree, dir: &std::path::Path, depth: usize) -> Result<(), Error> {
    if depth > 256 {
        return Err(Error::TooDeep(dir.to_owned()));
    }
    for name in upper.names(dir)? {
        let path = dir.join(name);
        let Some((_, stat)) = upper.stat(&path)? else { continue };
        let directory = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory;
        if directory {
            empty(upper, &path, depth + 1)?;
        }
        upper.remove(&path, directory)?;
    }
    Ok(())
}
