//! The operator's command: parses, asks the plane, shows. Holds no cell, no policy decision and no secret.

pub mod args;
mod ask;
pub mod errors;
pub mod exit;
pub mod plane;
pub mod session;
mod show;
pub mod terminal;
pub mod verbs;
pub mod words;
