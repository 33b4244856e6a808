//! What is allowed: canonical names, matching, deciding, explaining, suggesting.
//!
//! Only [`decide`] makes a [`Permit`], and only a permit can be pinned to addresses. Nothing here does I/O
//! or resolves a name: the caller brings the addresses, and [`Permit::pin`] judges them.

mod cidr;
mod decide;
mod diff;
mod explain;
mod host;
mod index;
mod model;
mod path;
mod pattern;
#[cfg(feature = "read")]
pub mod read;
mod special;
mod suggest;

pub use cidr::Cidr;
pub use decide::{Conjunction, Decision, Egress, Permit, Pinned, Reason, Refusal, decide};
pub use diff::{Change, diff};
pub use explain::{Explanation, MemberExplanation, Outcome, explain};
pub use host::{DnsName, HOST_BASTIDE, Host, HostError};
pub use model::{Default, Files, Limits, Network, Policy, Protocol, Rule, WorkspaceMode};
pub use path::{CanonicalPath, PathError};
pub use pattern::{HostPattern, Target};
pub use special::{Special, SpecialRange, special};
pub use suggest::{Suggestion, suggest};
