//! What happened: events, the hash chain that binds them, and the questions asked of them afterwards.
//!
//! A session has two segments, one written by the plane and one by the gate. Each is a text of one event
//! a line, chained by hashes. This crate turns events into lines and lines into answers; it opens no file,
//! reads no clock and holds no secret longer than a [`Redactor`] lives. What agent and model say to each other is read by
//! [`conversation`].
//!
//! A chain proves that nothing inside it was changed. It cannot prove that its end was not cut off, or that
//! it was not rewritten as a whole: that takes a head kept elsewhere (see [`Verified::head`]).

mod bodies;
pub mod children;
pub mod conversation;
pub mod event;
pub mod graph;
pub mod join;
pub mod ledger;
pub mod lineage;
pub mod metrics;
pub mod ocsf;
pub mod read;
pub mod redact;
pub mod replay;
pub mod segment;
pub mod summary;
pub mod why;

pub use bodies::{Bodies, MAX_BODIES, MAX_BODY};
pub use children::{Child, Children, Full};
pub use event::{Argument, Cause, Cost, Event, EventId, Kind, Known, Segment, Verdict, Wall};
pub use join::Join;
pub use lineage::{Asking, Lineage};
pub use read::{Entry, decode};
pub use redact::Redactor;
pub use segment::{Broken, Head, Origin, Verified, Verifier, Writer, resume, verify};
pub use summary::{Summary, Target, summarise};
pub use why::{Explanation, brief, describe, why};
