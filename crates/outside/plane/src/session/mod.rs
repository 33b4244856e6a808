//! One session: from what the operator asked to what it came to.

use wire::command::{DoctorAnswer, Outcome, Problem, Run};

use crate::channel::Client;
use crate::problem::{NOT_RUN, problem};

/// Runs a program in a cell.
///
/// # Errors
/// Why nothing was run.
pub fn run(_client: &mut Client, _run: Run) -> Result<Outcome, Problem> {
    Err(problem("E-PLANE-099", "this verb is not built yet", "", NOT_RUN))
}

/// Measures the boundary in a throwaway cell.
///
/// # Errors
/// Why nothing was measured.
pub fn doctor(_client: &mut Client, _run: Run) -> Result<DoctorAnswer, Problem> {
    Err(problem("E-PLANE-099", "this verb is not built yet", "", NOT_RUN))
}
