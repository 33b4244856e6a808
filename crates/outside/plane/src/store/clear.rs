//! Removes a directory that a cell filled: whatever its permissions, never through a symbolic link.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Deeper than any tree that a cell can make with a path that still opens, and shallow enough for the stack.
const DEPTH: u32 = 2048;

/// Removes a directory and all in it; one that is gone is no error. Nobody else may be changing it.
///
/// # Errors
/// The kernel's error.
pub fn clear(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // An ordinary user cannot enter a directory that the cell closed, though it is their own.
            open_up(directory, 0)?;
            fs::remove_dir_all(directory)
        }
        other => other,
    }
}

fn open_up(directory: &Path, depth: u32) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if depth < DEPTH && entry.file_type()?.is_dir() {
            open_up(&entry.path(), depth + 1)?;
        }
    }
    Ok(())
}
