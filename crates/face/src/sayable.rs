//! Paths as the request carries them: it is JSON, which has no room for a name that is not UTF-8.

use crate::errors::Error;
use crate::words;
use std::path::{Path, PathBuf};

/// `path`, against `directory`.
///
/// # Errors
/// When the whole is not UTF-8; names the nearest directory above that is.
pub(crate) fn absolute(path: &Path, directory: &Path) -> Result<PathBuf, Error> {
    sayable(directory.join(path))
}

/// The same path.
///
/// # Errors
/// When it is not UTF-8.
pub(crate) fn sayable(path: PathBuf) -> Result<PathBuf, Error> {
    if path.to_str().is_some() {
        return Ok(path);
    }
    let above = path.ancestors().find(|above| above.to_str().is_some()).unwrap_or(Path::new("/"));
    Err(Error::NotText { path: words::name(&path), above: words::name(above) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_name_that_is_not_utf_8_is_shown_with_the_directory_above() {
        let name = Path::new(std::ffi::OsStr::from_bytes(b"a/\xff/b\xfe"));
        let error = absolute(name, Path::new("/w")).expect_err("refused").render(false);
        assert!(error.starts_with(r"error[E-FACE-005]: '/w/a/\xff/b\xfe' cannot be passed on"), "{error}");
        assert!(error.ends_with("\nhint: name the directory above it: '/w/a'\n"), "{error}");
        assert_eq!(absolute(Path::new("é"), Path::new("/w")).expect("said"), Path::new("/w/é"));
    }
}
