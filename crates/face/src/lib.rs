//! The operator's command: parses, asks the plane, shows. Holds no cell, no policy decision and no secret.

mod approve;
pub mod args;
mod ask;
mod columns;
mod copy;
mod detach;
pub mod errors;
pub mod exit;
mod first;
mod given;
mod kept;
mod listen;
mod login;
pub mod plane;
mod sayable;
mod secret;
pub mod session;
mod show;
pub mod terminal;
mod tour;
pub mod usage;
pub mod verbs;
pub mod waiting;
mod watch;
pub mod words;
