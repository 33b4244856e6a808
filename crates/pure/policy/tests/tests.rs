//! The policy's tests, one program.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod addresses;
mod allocation;
mod answers;
mod children;
mod hosts;
mod import;
mod import_naive;
mod language;
mod mcp;
mod models;
mod naive;
mod naive_host;
mod naive_rules;
mod presets;
mod risk;
mod servers;
mod websocket;
mod written;
