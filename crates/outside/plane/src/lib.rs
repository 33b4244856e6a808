//! The authority: starts cells and gates, holds sessions and their record, merges workspaces.

pub mod answer;
pub mod audit;
pub mod channel;
pub mod checksum;
pub mod codes;
pub mod daemon;
pub mod labels;
pub mod ledger;
pub mod named_file;
pub mod peer;
pub mod policy_file;
pub mod problem;
pub mod session;
pub mod store;
pub mod verbs;
pub mod waiting;
pub mod workspace;
