//! The gate's program. Until the lease's channel is there it serves no cell, and says so: no gate means no
//! network, which is the safe end.

use std::process::ExitCode;

/// Nothing was run.
const REFUSED: u8 = 125;

fn main() -> ExitCode {
    eprintln!("bastide-gate: no lease: this build cannot take one yet, so the cell has no network");
    ExitCode::from(REFUSED)
}
