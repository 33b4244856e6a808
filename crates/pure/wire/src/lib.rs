//! What the planes say to each other: frames, and the lease of a gate.
//!
//! Values only: whoever holds the descriptor reads and writes.

mod frame;
mod lease;

pub use frame::{Decoder, FrameError, MAX_FRAME, decode, encode};
pub use lease::{Bounds, DESCRIPTORS, GateReport, Lease, LeaseError, Proxy, VERSION};
