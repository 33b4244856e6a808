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
mod gate;
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
pub use gate::{GateOrder, GateReport};
pub use lease::{
    Bounds, DESCRIPTORS, Labelled, Lease, LeaseError, Lent, MAX_LINES, Proxy, Secret, Tls, VERSION, Words,
};
pub use secret::looks_secret;
pub use stood::{MAX_WHOLES, Stood, Whole};
pub use suspected::{Counted, Suspected};

/// The variable that every plane is started with, whatever the operator's is: it tells the C library to give back what a start
/// needed, since a plane may then hold its session for weeks. What is as large as a page is mapped and unmapped by itself, what
/// is free joins its neighbours at once, and the heap grows by little. No other program is started with it.
pub const ALLOCATOR: (&str, &str) =
    ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=4096:glibc.malloc.top_pad=4096:glibc.malloc.tcache_count=0");
