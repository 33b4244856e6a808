#![allow(clippy::unwrap_used, missing_docs, dead_code)]
#[path = "../verbs/imports.rs"]
mod imports;
#[path = "../verbs/room.rs"]
mod room;
