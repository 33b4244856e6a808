//! The operator's terminal: what reaches it, its mode, and the relay between it and a cell.

pub mod alternate;
pub mod cells;
pub mod filter;
pub mod flow;
mod judge;
pub mod mode;
pub mod relay;
pub mod signals;
pub mod typed;
