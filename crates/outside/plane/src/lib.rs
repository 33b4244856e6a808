//! To be written.
pub mod workspace;
