//! Homes that nothing uses any more.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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

/// Private homes, as what lies directly in them says.
#[derive(Debug, Default)]
pub struct Homes {
    /// Those in which nothing changed since.
    pub unused: Vec<PathBuf>,
    /// Those of which that is not known.
    pub unread: Vec<(PathBuf, io::Error)>,
}

/// Private homes in which nothing changed since, as their directories and what lies directly in them say.
///
/// # Errors
/// When they cannot be listed.
pub fn homes_before(store: &Store, before: u64) -> io::Result<Homes> {
    let mut homes = Homes::default();
    for entry in fs::read_dir(store.homes())? {
        let home = entry?.path();
        match newest(&home) {
            Ok(newest) if newest.saturating_mul(SECOND) < before => homes.unused.push(home),
            Ok(_) => {}
            Err(error) => homes.unread.push((home, error)),
        }
    }
    homes.unused.sort_unstable();
    Ok(homes)
}

/// When something there was changed last, in seconds since the Unix epoch. A link is not followed.
fn newest(home: &Path) -> io::Result<u64> {
    let changed = |meta: &fs::Metadata| u64::try_from(meta.ctime()).unwrap_or(0);
    let meta = fs::symlink_metadata(home)?;
    let within = || -> io::Result<u64> {
        fs::read_dir(home)?.try_fold(0, |newest, entry| Ok(changed(&entry?.metadata()?).max(newest)))
    };
    match if meta.is_dir() { within() } else { Ok(0) } {
        Ok(newest) => Ok(newest.max(changed(&meta))),
        // Closed by its agent: nothing was made or removed there since, or it would be open.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(changed(&meta)),
        Err(error) => Err(error),
    }
}
