//! Where a waiting plane is found: a socket in the operator's state directory whose name says which programs it is of.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a waiting plane says first, when it takes a client.
pub const WELCOME: u8 = 1;

/// How long it may take to say so: less than starting another.
pub const PATIENCE: Duration = Duration::from_millis(5);

/// The plane's programs, which lie in one directory. A plane that waits serves only a client beside the same.
pub const PROGRAMS: [&str; 3] = ["bastided", "bastide-cell", "bastide-gate"];

/// What tells a program from one that replaced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The device that it lies on.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// When the inode was last changed: seconds and nanoseconds.
    pub changed: (i64, i64),
}

/// The operator's state directory, by his variables: `$XDG_STATE_HOME/bastide`, else `~/.local/state/bastide`.
#[must_use]
pub fn state_directory(home: Option<&str>, state_home: Option<&str>) -> Option<PathBuf> {
    let base = match (state_home, home) {
        (Some(directory), _) if directory.starts_with('/') => PathBuf::from(directory),
        (_, Some(home)) if home.starts_with('/') => Path::new(home).join(".local/state"),
        _ => return None,
    };
    Some(base.join("bastide"))
}

/// The socket at which a plane of these programs waits.
#[must_use]
pub fn socket(state: &Path, programs: &[Stamp; PROGRAMS.len()]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    programs.hash(&mut hasher);
    state.join(format!("waiting-{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_program_waits_elsewhere() {
        let stamp = |inode| Stamp { device: 1, inode, changed: (5, 6) };
        let (one, other) = ([stamp(1), stamp(2), stamp(3)], [stamp(1), stamp(2), stamp(4)]);
        let state = state_directory(Some("/home/u"), None).expect("there");
        assert_eq!(socket(&state, &one), socket(&state, &one));
        assert_ne!(socket(&state, &one), socket(&state, &other));
        assert!(socket(&state, &one).starts_with("/home/u/.local/state/bastide"));
        assert_eq!(state_directory(Some("/h"), Some("/s")), Some("/s/bastide".into()));
        assert_eq!(state_directory(Some("relative"), Some("relative")), None);
    }
}
