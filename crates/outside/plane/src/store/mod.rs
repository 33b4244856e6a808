//! The plane's state on disk: one directory, 0700, of the operator alone.
//!
//! ```text
//! sessions/ID/session.json     what was asked, and how it ended        (SessionRecord)
//!             policy.json      the policies that are in force, or were last (InForce); `policy.N.json` before them
//!             control          the socket of a session that runs (`session/control`)
//!             reviewed.json    digests of what `diff` showed; `reviewed.lost` where a look could not be kept
//!             plane.segment    the plane's part of the record
//!             gate.segment     the gate's part
//!             drops            places of labelled texts that left in drops, of it and of all below it (`wire::Dropped`)
//!             asked            when it and all below it asked the operator, and what he denied (`session/serve/questions/family`)
//!             counts.json      what a session that ended came to, counted (`counts`)
//!             output/N         what its program printed from byte N on, where its own process keeps that (`output`)
//!             streams          the socket where a session that runs hands bytes and descriptors over (`session/streams`)
//!             disk             what it took on disk, and all below it, when that was last looked at (`weight`)
//!             below/ID         that another session is its sub-agent, and counts as its own
//!             lock             held (flock) as long as a plane holds the session
//!             changes/N/       upper, work, journal of tree N; 0 is the workspace
//! ahead/ID                     a directory for the next session, of a plane that waits (`ahead`)
//! newest                       the id of the newest session: the next one's sorts after it, whatever the clock says
//! running/ID                   a session that began and did not leave yet: all that a repair looks at
//! trees/HASH                   a directory that a session's agent could change, by the hash of its path
//! homes/KEY/                   the private home of an agent on a workspace
//! labels/                      which labels that carries, and the changed directories: `labels` draws it
//! trust.json                   files of workspaces that the operator trusted, by hash
//! ledger/                      every session's segments in one order, signed: `ledger` draws it
//! vault/key, vault/NAME.age    secrets, each encrypted under that key; the crate `vault` alone reads and writes them
//! waiting-HASH                 the socket of a plane that waits for the next client, by its programs
//! ```

mod ahead;
mod cgroup;
mod clear;
mod counts;
mod events;
mod find;
mod homes;
mod ledger;
mod order;
mod output;
mod policies;
mod reckoned;
mod repair;
mod running;
mod session;
mod tally;
mod trees;
mod trust;
mod weight;

pub use ahead::DirectoryAhead;
pub(crate) use cgroup::session as cgroup_session;
pub use cgroup::{name as cgroup_name, remove as remove_cgroup};
pub use clear::clear;
pub use counts::{Counted, counts};
pub use events::{Events, Line, Lines};
pub use find::{Found, ids, running_named, select, session, sessions};
pub use homes::{Homes, alone, half_made, homes_before};
pub use ledger::{Ledger, now};
pub use output::{Output, Printed};
pub use policies::{Draft, InForce};
pub use reckoned::{in_the_end, so_far};
pub use repair::{repair, wait_for_ended};
pub use session::{Options, ParentRecord, SessionDirectory, SessionRecord, TreeRecord};
pub use tally::{Tally, tally};
pub use trust::Trust;
pub use weight::{Weight, below, bytes, copy, record, stands_below};

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use wire::command::Problem;

use crate::problem::{NOT_RUN, problem, state};

/// The state directory.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    /// Where that truly lies.
    real: PathBuf,
}

impl Store {
    /// Opens it, made on first use: `$XDG_STATE_HOME/bastide`, else `~/.local/state/bastide`.
    ///
    /// # Errors
    /// When neither variable says where, or it belongs to somebody else, or cannot be made.
    pub fn open(home: Option<&str>, state_home: Option<&str>) -> Result<Store, Problem> {
        let root = wire::waiting::state_directory(home, state_home)
            .ok_or_else(|| problem("E-PLANE-002", "no HOME: there is no place for the state", "set HOME", NOT_RUN))?;
        let store = Store { real: root.clone(), root };
        if fs::symlink_metadata(store.sessions()).is_err() {
            store.make()?;
        }
        store.check()?;
        let real = fs::canonicalize(&store.root).map_err(|error| state("find", &store.root, &error))?;
        Ok(Store { real, ..store })
    }

    /// The one that is there already.
    fn at(root: &Path) -> Store {
        Store { root: root.to_owned(), real: fs::canonicalize(root).unwrap_or_else(|_| root.to_owned()) }
    }

    fn make(&self) -> Result<(), Problem> {
        let base = self.root.parent().unwrap_or(Path::new("/"));
        // Whatever the umask, nobody else puts anything where the state lies.
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(base);
        made.map_err(|error| state("make", base, &error))?;
        let made = |directory: &Path| private_directory(directory).map_err(|error| state("make", directory, &error));
        made(&self.root)?;
        // Nothing is made where somebody else's link leads.
        self.check()?;
        made(&self.sessions())?;
        made(&self.homes())
    }

    /// Somebody else's state, or one that others may read, is not used.
    fn check(&self) -> Result<(), Problem> {
        let meta = fs::symlink_metadata(&self.root).map_err(|error| state("read", &self.root, &error))?;
        let mine = meta.uid() == rustix::process::geteuid().as_raw();
        if !mine || !meta.is_dir() {
            return Err(problem(
                "E-PLANE-003",
                format!("the state directory `{}` belongs to somebody else", self.root.display()),
                "set XDG_STATE_HOME to a directory of your own",
                NOT_RUN,
            ));
        }
        if meta.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(&self.root, fs::Permissions::from_mode(0o700))
                .map_err(|error| state("close", &self.root, &error))?;
        }
        Ok(())
    }

    /// The directory itself, as the operator's variables spell it: sockets in it are found by that name.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where it truly lies. By this it is kept out of cells: trees come in by their real paths.
    #[must_use]
    pub fn real(&self) -> &Path {
        &self.real
    }

    /// Where sessions lie.
    #[must_use]
    pub fn sessions(&self) -> PathBuf {
        self.root.join("sessions")
    }

    /// Where the id of the newest session is noted.
    fn newest(&self) -> PathBuf {
        self.root.join("newest")
    }

    /// Where private homes lie.
    #[must_use]
    pub fn homes(&self) -> PathBuf {
        self.root.join("homes")
    }

    /// Where labels are noted of what sessions left behind.
    #[must_use]
    pub fn labels(&self) -> PathBuf {
        self.root.join("labels")
    }

    /// Where the sessions are marked that did not leave yet.
    #[must_use]
    pub fn running(&self) -> PathBuf {
        self.root.join("running")
    }

    /// Where the directories are noted that agents could change.
    #[must_use]
    pub fn trees(&self) -> PathBuf {
        self.root.join("trees")
    }

    /// The hashes that the operator trusted.
    #[must_use]
    pub fn trust(&self) -> PathBuf {
        self.root.join("trust.json")
    }

    /// Where the ledger lies.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }

    /// Where secrets lie.
    #[must_use]
    pub fn vault(&self) -> PathBuf {
        self.root.join("vault")
    }
}

/// Takes a session off the list of those that may need repair: to be called when nothing is left of it.
///
/// # Errors
/// The kernel's error.
pub fn unmark(store: &Store, id: &str) -> std::io::Result<()> {
    running::unmark(store.root(), id)
}

/// Makes a directory that only its owner enters; one that is there already serves.
///
/// # Errors
/// The kernel's error.
pub fn private_directory(path: &Path) -> std::io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Replaces a file whole or not at all, readable by its owner alone. A power cut may still take it: only on the way to
/// a start, where a wait for the disk costs more than all else, and where what is lost is refused later.
///
/// # Errors
/// The kernel's error.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    put(path, bytes, false)
}

/// The same, for what a start or an end waits for and [`sync`] follows soon: where a name gets another file, ext4 brings that to
/// the disk at once, but not where two names exchange theirs.
///
/// # Errors
/// The kernel's error.
pub fn replace_soon(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let fresh = write_beside(path, bytes, false)?;
    match renameat_with(CWD, &fresh, CWD, path, RenameFlags::EXCHANGE) {
        Ok(()) => fs::remove_file(&fresh),
        // There is none yet, or the file system cannot.
        Err(_) => fs::rename(&fresh, path),
    }
}

/// Brings a file to the disk; one that is gone needs nothing.
///
/// # Errors
/// The kernel's error.
pub fn sync(path: &Path) -> std::io::Result<()> {
    match fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other?.sync_all(),
    }
}

/// The same as [`replace`], and on disk when it returns.
///
/// # Errors
/// The kernel's error.
pub fn replace_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    put(path, bytes, true)?;
    sync(path.parent().unwrap_or(Path::new("/")))
}

fn put(path: &Path, bytes: &[u8], durable: bool) -> std::io::Result<()> {
    fs::rename(write_beside(path, bytes, durable)?, path)
}

/// Writes what a file is to hold into another beside it; gives that one.
fn write_beside(path: &Path, bytes: &[u8], durable: bool) -> std::io::Result<PathBuf> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let fresh = path.with_extension("new");
    let mut file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    if durable {
        file.sync_all()?;
    }
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state behind a link was known by a name that nothing inside has.
    #[test]
    fn a_state_behind_a_link_is_known_by_where_it_lies() {
        let room = tempfile::tempdir().expect("a directory");
        let room = room.path().canonicalize().expect("real");
        fs::create_dir(room.join("real")).expect("made");
        std::os::unix::fs::symlink("real", room.join("link")).expect("linked");
        let store = Store::open(None, room.join("link").to_str()).expect("made");
        assert_eq!((store.root(), store.real()), (&*room.join("link/bastide"), &*room.join("real/bastide")));
    }

    /// Whoever may write in a home could have its next user make directories anywhere.
    #[test]
    fn nothing_is_made_where_a_link_leads_in_the_states_place() {
        let room = tempfile::tempdir().expect("a directory");
        fs::create_dir(room.path().join("elsewhere")).expect("made");
        std::os::unix::fs::symlink("elsewhere", room.path().join("bastide")).expect("linked");
        let refused = Store::open(None, room.path().to_str()).expect_err("a link");
        assert_eq!(refused.code, "E-PLANE-003");
        assert_eq!(fs::read_dir(room.path().join("elsewhere")).expect("there").count(), 0);
    }

    /// Under a umask of 000 anybody could put another state in the place of one that was moved away.
    #[test]
    fn what_is_made_above_the_state_is_the_operators_alone() {
        let room = tempfile::tempdir().expect("a directory");
        let above = room.path().join("local/state");
        Store::open(None, above.to_str()).expect("made");
        for made in [&above, &room.path().join("local")] {
            let mode = fs::metadata(made).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", made.display());
        }
    }

    #[test]
    fn a_file_changes_places_with_the_one_before() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("note.json");
        for bytes in ["first", "second", "3"] {
            replace_soon(&path, bytes.as_bytes()).expect("replaced");
            assert_eq!(fs::read(&path).expect("there"), bytes.as_bytes());
            assert_eq!(fs::read_dir(directory.path()).expect("read").count(), 1, "nothing is left beside it");
        }
        // Whoever was killed before the old one went left it, and the next one writes over it.
        fs::write(directory.path().join("note.new"), "older and longer").expect("written");
        replace_soon(&path, b"4").expect("replaced");
        assert_eq!(fs::read(&path).expect("there"), b"4");
    }
}
