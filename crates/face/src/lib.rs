//! The operator's command: parses, asks the plane, shows. Holds no cell, no policy decision and no secret.

pub mod args;
pub mod errors;
pub mod exit;
pub mod summary;
pub mod terminal;
pub mod verbs;
pub mod words;
