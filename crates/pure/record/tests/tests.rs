//! The record's tests, one program.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod agents;
mod hold;
mod told;
mod translate;
mod wires;
mod words;
