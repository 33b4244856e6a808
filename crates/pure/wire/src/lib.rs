//! What the planes say to each other: frames, the operator's command and the same as an HTTP API, the lease of a gate, a
//! session's control, and the agent's petition.
//!
//! Values only: whoever holds the descriptor reads and writes.

pub mod api;
mod broker;
pub mod command;
pub mod control;
mod dropped;
mod frame;
mod lease;
pub mod petition;
pub mod question;
mod secret;
mod stood;
pub mod streams;
mod suspected;
pub mod waiting;

pub use broker::{TokenAnswer, TokenRequest};
pub use dropped::{DROPS, Dropped, ENTRY, MAX_DROPS};
pub use frame::{Decoder, FrameError, MAX_FRAME, decode, encode};
pub use lease::{
    Bounds, DESCRIPTORS, GateOrder, GateReport, Labelled, Lease, LeaseError, Lent, MAX_LINES, Proxy, Secret, Tls,
    VERSION, Words,
};
pub use secret::looks_secret;
pub use stood::{MAX_WHOLES, Stood, Whole};
pub use suspected::{Counted, Suspected};
