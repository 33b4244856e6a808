//! The order of sessions, which is that of their ids: the newest is meant where none is named, and stays where old ones go. So an
//! id sorts after all before it, also when the clock was set back in between.
//!
//! Two that begin at once may take either order. What is noted is a hint: where it is gone or damaged, the ids that are
//! there are looked at.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use super::Store;
use super::session::{is_id, moment};

/// Moments from here on are no clock's, and not followed: ids of what is made ahead begin there.
const NONE: u64 = 1 << 53;

/// The moment for the next id: the clock's, or one after the newest session's. To be asked on the threshold.
pub(super) fn after(store: &Store, clock: u64) -> io::Result<u64> {
    let newest = match noted(store)? {
        Some(newest) => Some(newest),
        None => newest_there(store)?,
    };
    Ok(newest.map_or(clock, |newest| clock.max(newest + 1)))
}

/// Notes a session that began, by its id.
pub(super) fn note(store: &Store, id: &str) -> io::Result<()> {
    let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(store.newest())?;
    file.write_all_at(id.as_bytes(), 0)
}

fn noted(store: &Store) -> io::Result<Option<u64>> {
    let mut id = Vec::new();
    match File::open(store.newest()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?.take(64).read_to_end(&mut id)?,
    };
    Ok(std::str::from_utf8(&id).ok().and_then(read))
}

fn newest_there(store: &Store) -> io::Result<Option<u64>> {
    let mut newest = None;
    for entry in std::fs::read_dir(store.sessions())? {
        newest = newest.max(entry?.file_name().to_str().and_then(read));
    }
    Ok(newest)
}

fn read(id: &str) -> Option<u64> {
    Some(id).filter(|id| is_id(id)).and_then(moment).filter(|moment| *moment < NONE)
}
