//! The Model Context Protocol over HTTP: what a program says is decided message by message, and what a server says is heard
//! before the program has it. Tools are called by name and argument as rules allow; a description is held to what it was when
//! it was first seen; what a server wants of the program goes on only where that is granted.

mod ask;
pub mod events;
mod heard;
mod hearing;
mod refusal;
mod servers;

pub(crate) use ask::is_json;
pub use servers::Servers;

/// Reads the JSON of a message: one value, of bounded size and depth, in which no name stands twice.
///
/// # Errors
/// What is wrong with it, without any of it.
pub fn read(bytes: &[u8]) -> Result<serde_json::Value, String> {
    crate::models::parse(bytes)
}
