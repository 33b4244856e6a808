//! Homes that nothing uses any more.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::session::is_id;
use super::{Store, running};

/// Microseconds of a second.
const SECOND: u64 = 1_000_000;

/// Takes the threshold on which sessions begin for itself: none begins as long as it is held.
///
/// # Errors
/// The kernel's error.
pub fn alone(store: &Store) -> io::Result<File> {
    running::judge(store)
}

/// Whether a session began that does not say yet what it uses.
///
/// # Errors
/// The kernel's error.
pub fn half_made(store: &Store) -> io::Result<bool> {
    for entry in fs::read_dir(store.running())? {
        let Ok(id) = entry?.file_name().into_string() else { continue };
        if is_id(&id) && fs::symlink_metadata(store.sessions().join(&id).join("session.json")).is_err() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Private homes in which nothing changed since, as their directories and what lies directly in them say.
///
/// # Errors
/// When they cannot be read.
pub fn homes_before(store: &Store, before: u64) -> io::Result<Vec<PathBuf>> {
    let mut homes = Vec::new();
    for entry in fs::read_dir(store.homes())? {
        let home = entry?.path();
        if newest(&home)?.saturating_mul(SECOND) < before {
            homes.push(home);
        }
    }
    homes.sort_unstable();
    Ok(homes)
}

/// When something there was changed last, in seconds since the Unix epoch. A link is not followed.
fn newest(home: &PathBuf) -> io::Result<u64> {
    let changed = |meta: &fs::Metadata| u64::try_from(meta.ctime()).unwrap_or(0);
    let meta = fs::symlink_metadata(home)?;
    let mut newest = changed(&meta);
    if meta.is_dir() {
        for entry in fs::read_dir(home)? {
            newest = newest.max(changed(&entry?.metadata()?));
        }
    }
    Ok(newest)
}
