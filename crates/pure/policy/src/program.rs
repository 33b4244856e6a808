//! Which executables a rule means.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::http::wild;
use crate::{CanonicalPath, PathError};

/// An absolute path, with `*` for any text within a name and `**` for any number of directories.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProgramPattern(String);

impl ProgramPattern {
    /// A pattern such as `/usr/bin/python3*`.
    ///
    /// # Errors
    /// [`PathError`] for what is no path, and for `**` within a name.
    pub fn parse(text: &str) -> Result<ProgramPattern, PathError> {
        let path = CanonicalPath::parse(text)?;
        if path.as_str().split('/').any(|name| name != "**" && name.contains("**")) {
            return Err(PathError::Stars);
        }
        Ok(ProgramPattern(path.as_str().into()))
    }

    /// The pattern that means this executable and no other; none where its path holds a star.
    #[must_use]
    pub fn of(executable: &str) -> Option<ProgramPattern> {
        ProgramPattern::parse(executable).ok().filter(|pattern| pattern.0 == executable && !pattern.is_wild())
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_wild(&self) -> bool {
        self.0.contains('*')
    }

    /// Whether it means this executable. Allocates nothing.
    #[must_use]
    pub fn takes(&self, executable: &str) -> bool {
        match (self.0.strip_prefix('/'), executable.strip_prefix('/')) {
            (Some(pattern), Some(path)) if self.is_wild() => lies(pattern, path),
            _ => self.0 == executable,
        }
    }

    /// Whether it means whatever the other does; not seen where it takes more than a look.
    pub(crate) fn covers(&self, other: &ProgramPattern) -> bool {
        self == other || self.0 == "/**" || !other.is_wild() && self.takes(&other.0)
    }
}

/// Names one by one, going back to the last `**` only: a later one can take over whatever an earlier one would.
fn lies(pattern: &str, path: &str) -> bool {
    let first = |text: &'_ str| -> (usize, Option<usize>) {
        text.find('/').map_or((text.len(), None), |at| (at, Some(at + 1)))
    };
    let (mut own, mut rest) = (Some(pattern), Some(path));
    let mut back: Option<(Option<&str>, &str)> = None;
    while let Some(here) = rest {
        let (length, next) = first(here);
        if let Some(text) = own {
            let (end, after) = first(text);
            let after = after.map(|at| &text[at..]);
            if &text[..end] == "**" {
                (back, own) = (Some((after, here)), after);
                continue;
            }
            if named(&text[..end], &here[..length]) {
                (own, rest) = (after, next.map(|at| &here[at..]));
                continue;
            }
        }
        let Some((after, from)) = back else { return false };
        let from = first(from).1.map(|at| &from[at..]);
        (own, rest) = (after, from);
        back = from.map(|from| (after, from));
    }
    own.is_none_or(|text| text.split('/').all(|name| name == "**"))
}

fn named(pattern: &str, name: &str) -> bool {
    wild(pattern.as_bytes(), name.as_bytes(), |byte| *byte == b'*', |one, two| one == two)
}

impl TryFrom<String> for ProgramPattern {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        ProgramPattern::parse(&text)
    }
}

impl From<ProgramPattern> for String {
    fn from(pattern: ProgramPattern) -> String {
        pattern.0
    }
}

impl fmt::Display for ProgramPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_text_in_a_name_and_for_directories() {
        for (pattern, path, takes) in [
            ("/usr/bin/git", "/usr/bin/git", true),
            ("/usr/bin/git", "/usr/bin/git2", false),
            ("/usr/bin/python3*", "/usr/bin/python3", true),
            ("/usr/bin/python3*", "/usr/bin/python3.12", true),
            ("/usr/bin/python3*", "/usr/bin/python3/x", false),
            ("/opt/*/bin/java", "/opt/jdk/bin/java", true),
            ("/opt/*/bin/java", "/opt/a/b/bin/java", false),
            ("/opt/**", "/opt/a/b", true),
            ("/opt/**", "/opt", true),
            ("/opt/**", "/optic", false),
            ("/opt/*/**", "/opt", false),
            ("/opt/**/bin/x", "/opt/bin/x", true),
            ("/opt/**/bin/x", "/opt/bin/bin/a/bin/x", true),
            ("/opt/**/bin/x", "/opt/bin/x/y", false),
            ("/**/a/**/b", "/a/x/a/b", true),
            ("/**/a/**/b", "/b/a", false),
            ("/**", "/x", true),
            ("/**/a", "/b/c", false),
        ] {
            assert_eq!(ProgramPattern::parse(pattern).expect(pattern).takes(path), takes, "{pattern} {path}");
        }
        for bad in ["", "git", "/a/../b", "/a**", "/a//b"] {
            assert!(ProgramPattern::parse(bad).is_err(), "{bad}");
        }
        assert!(ProgramPattern::of("/a*b").is_none() && ProgramPattern::of("/a/").is_none());
    }

    #[test]
    fn a_wider_pattern_covers_a_narrower_one() {
        let covers = |wide: &str, narrow: &str| {
            ProgramPattern::parse(wide).expect(wide).covers(&ProgramPattern::parse(narrow).expect(narrow))
        };
        assert!(covers("/**", "/a/*") && covers("/a/*", "/a/b") && covers("/a/*", "/a/*"));
        assert!(!covers("/a/b", "/a/*") && !covers("/a/*", "/a/**"));
    }
}
