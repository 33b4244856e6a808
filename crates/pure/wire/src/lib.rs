//! What the planes say to each other: frames, the operator's command, and the lease of a gate.
//!
//! Values only: whoever holds the descriptor reads and writes.

pub mod command;
mod frame;
mod lease;
mod secret;
pub mod waiting;

pub use frame::{Decoder, FrameError, MAX_FRAME, decode, encode};
pub use lease::{
    Bounds, DESCRIPTORS, GateOrder, GateReport, Labelled, Lease, LeaseError, Lent, Proxy, Secret, Tls, VERSION,
};
pub use secret::looks_secret;
