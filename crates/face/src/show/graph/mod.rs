//! `graph`: as a tree from the operator's words down, or in Graphviz's language.

mod dot;
mod tree;

pub(super) use dot::dot;
pub(super) use tree::tree;
