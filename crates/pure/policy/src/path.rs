//! Paths in one form: absolute, no `.`, `..`, empty component, NUL or trailing slash.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An absolute path in canonical spelling. Symbolic links are the opener's business.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CanonicalPath(String);

/// Text that is no canonical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not start with `/`.
    #[error("a path starts with `/`")]
    Relative,
    /// A `.`, `..` or empty component.
    #[error("a path has no `.`, `..` or empty component")]
    Component,
    /// `**` within a name.
    #[error("`**` stands for whole directories: write `/**`")]
    Stars,
    /// A control character, or longer than 4,095 bytes.
    #[error("a path has no control character and at most 4,095 bytes")]
    Character,
}

impl CanonicalPath {
    /// The path, if it is in canonical form; one trailing slash is dropped.
    ///
    /// # Errors
    /// [`PathError`] otherwise: nothing is resolved away silently.
    pub fn parse(text: &str) -> Result<CanonicalPath, PathError> {
        if text.len() > 4095 || text.chars().any(char::is_control) {
            return Err(PathError::Character);
        }
        let rest = text.strip_prefix('/').ok_or(PathError::Relative)?;
        if rest.is_empty() {
            return Ok(CanonicalPath("/".into()));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(PathError::Component);
        }
        Ok(CanonicalPath(format!("/{rest}")))
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the other path is this one or lies below it.
    #[must_use]
    pub fn covers(&self, other: &CanonicalPath) -> bool {
        self.0 == "/" || other.0.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl TryFrom<String> for CanonicalPath {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        CanonicalPath::parse(&text)
    }
}

impl From<CanonicalPath> for String {
    fn from(path: CanonicalPath) -> String {
        path.0
    }
}

impl fmt::Display for CanonicalPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_paths_are_taken() {
        for text in ["", "a", "/a/../b", "/a//b", "/./a", "/a/..", "//", "/a\0", "~/x"] {
            assert!(CanonicalPath::parse(text).is_err(), "{text}");
        }
        let usr = CanonicalPath::parse("/usr/").expect("a path");
        assert!(usr.covers(&CanonicalPath::parse("/usr/bin").expect("a path")));
        assert!(!usr.covers(&CanonicalPath::parse("/usrlocal").expect("a path")));
    }
}
