//! Why the vault did not do what it was asked. No text holds a value, a key, or a byte of a file.

use std::io;
use std::path::PathBuf;

/// Why the vault did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The directory, or a file in it, is not the owner's alone.
    #[error("`{}` {}", path.display(), how)]
    Exposed {
        /// Which.
        path: PathBuf,
        /// How.
        how: Exposure,
    },
    /// The kernel refused.
    #[error("cannot {what} `{}`: {cause}", path.display())]
    Host {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
    /// The file of the key holds none.
    #[error("`{}` holds no key", .0.display())]
    Key(PathBuf),
    /// Secrets are there, and no key.
    #[error("the key `{}` is gone, and nothing in the vault can be read without it", .0.display())]
    KeyGone(PathBuf),
    /// There is no such secret.
    #[error("there is no secret of that name")]
    Absent,
    /// The file of a secret does not hold it.
    #[error("the secret cannot be used: {0}")]
    Damaged(Damage),
    /// No more secrets are kept.
    #[error("the vault holds {0} secrets, which is the most")]
    Full(usize),
}

/// Who else comes near.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exposure {
    /// It is owned by somebody else.
    #[error("belongs to another user")]
    Owner,
    /// Group or others have some right.
    #[error("is open to its group or to others")]
    Mode,
    /// It is a link, a pipe, or whatever else.
    #[error("is not what it should be: no link, no pipe, no device")]
    Kind,
}

/// What is wrong with the file of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It is not what was written, or was written under another key.
    #[error("it was changed, or encrypted under another key")]
    Sealed,
    /// It was written for another name, or by another version.
    #[error("it holds another secret, or is of another version")]
    Content,
    /// It is not the owner's alone.
    #[error("its file {0}")]
    Exposed(Exposure),
}
