//! The plane's state on disk: one directory, 0700, of the operator alone.
//!
//! ```text
//! sessions/ID/session.json     what was asked, and how it ended        (SessionRecord)
//!             policy.json      the policies that are in force, or were last (InForce); `policy.N.json` before them
//!             control          the socket of a session that runs (`session/control`)
//!             reviewed.json    digests of what `diff` showed
//!             plane.segment    the plane's part of the record
//!             gate.segment     the gate's part
//!             counts.json      what a session that ended came to, counted (`counts`)
//!             output/N         what its program printed from byte N on, where its own process keeps that (`output`)
//!             streams          the socket where a session that runs hands bytes and descriptors over (`session/streams`)
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

pub use ahead::DirectoryAhead;
pub(crate) use cgroup::session as cgroup_session;
pub use cgroup::{name as cgroup_name, remove as remove_cgroup};
pub use clear::clear;
pub use counts::{Counted, counts};
pub use events::{Events, Line, Lines};
pub use find::{Found, ids, select, session, sessions};
pub use homes::{alone, half_made, homes_before};
pub use ledger::{Ledger, now};
pub use output::{Output, Printed};
pub use policies::{Draft, InForce};
pub use reckoned::{in_the_end, so_far};
pub use repair::repair;
pub use session::{Options, ParentRecord, SessionDirectory, SessionRecord, TreeRecord};
pub use tally::{Tally, tally};
pub use trust::Trust;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use wire::command::Problem;

use crate::problem::{NOT_RUN, problem, state};

/// The state directory.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Opens it, made on first use: `$XDG_STATE_HOME/bastide`, else `~/.local/state/bastide`.
    ///
    /// # Errors
    /// When neither variable says where, or it belongs to somebody else, or cannot be made.
    pub fn open(home: Option<&str>, state_home: Option<&str>) -> Result<Store, Problem> {
        let root = wire::waiting::state_directory(home, state_home)
            .ok_or_else(|| problem("E-PLANE-002", "no HOME: there is no place for the state", "set HOME", NOT_RUN))?;
        let store = Store { root };
        if fs::symlink_metadata(store.sessions()).is_err() {
            store.make()?;
        }
        store.check()?;
        Ok(store)
    }

    fn make(&self) -> Result<(), Problem> {
        let base = self.root.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(base).map_err(|error| state("make", base, &error))?;
        for directory in [self.root.clone(), self.sessions(), self.homes()] {
            private_directory(&directory).map_err(|error| state("make", &directory, &error))?;
        }
        Ok(())
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

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
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

/// The same, and on disk when it returns.
///
/// # Errors
/// The kernel's error.
pub fn replace_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    put(path, bytes, true)?;
    sync_directory(path)
}

fn put(path: &Path, bytes: &[u8], durable: bool) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let fresh = path.with_extension("new");
    let mut file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(&fresh, path)
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}
