//! Secrets at rest: each encrypted in a file of its own, and bound to one destination and paths.
//!
//! It never speaks to anybody, never prints, and puts no value into an error. What may be done with a secret, and by
//! whom, is decided elsewhere.

mod directory;
mod entry;
mod error;
mod key;
mod store;

pub use entry::{Entry, EntryError, Name, Value};
pub use error::{Damage, Exposure, VaultError};
pub use store::{Bound, Listed, Vault};
