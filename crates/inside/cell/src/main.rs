//! To be written.
#[allow(dead_code)]
mod net;

fn main() {}
