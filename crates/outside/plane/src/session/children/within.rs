//! What of the host a session sees: a sub-agent of it sees no more.

use std::path::{Path, PathBuf};

/// Trees and files that are visible, and what in them is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::session) struct Within {
    pub(in crate::session) shown: Vec<PathBuf>,
    pub(in crate::session) hidden: Vec<PathBuf>,
}

impl Within {
    /// Whether all of a path is seen, or the part of it that is no further down.
    pub(in crate::session) fn allows(&self, path: &Path) -> bool {
        let plain = !path.components().any(|part| matches!(part, std::path::Component::ParentDir));
        plain
            && self.shown.iter().any(|shown| path.starts_with(shown))
            && !self.hidden.iter().any(|hidden| path.starts_with(hidden))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_or_climbs_is_not_seen() {
        let within = Within { shown: vec!["/usr".into()], hidden: vec!["/usr/secret".into()] };
        for (path, seen) in [
            ("/usr", true),
            ("/usr/bin/env", true),
            ("/usr/secret", false),
            ("/usr/secret/key", false),
            ("/usr/../etc/shadow", false),
            ("/usrx", false),
            ("/", false),
        ] {
            assert_eq!(within.allows(Path::new(path)), seen, "{path}");
        }
    }
}
