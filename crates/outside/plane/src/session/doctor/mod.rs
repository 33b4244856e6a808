//! The boundary, measured in a throwaway cell of the very kind that `run` makes, and attempts from inside it.

mod remedies;

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use policy::WorkspaceMode;
use record::Wall;
use wire::command::{DoctorAnswer, Outcome, Probe, Problem, Run, Stream};

use super::{asked, early, prepare};
use crate::channel::{self, Client};
use crate::problem::state;
use crate::store::{clear, private_directory};

/// Longest output of the probes that is read, in bytes.
const MAX_OUTPUT: u64 = 1 << 20;
/// Seconds after which probes are given up.
const PATIENCE: u64 = 20;

/// Measures and tries.
///
/// # Errors
/// When there is no place for the state, or no cell can be prepared at all.
pub(super) fn examine(run: Run) -> Result<DoctorAnswer, Problem> {
    let room = Room::make()?;
    let host = remedies::host();
    let run = Run {
        command: vec![super::program("bastide-cell")?.into_os_string().into_encoded_bytes(), b"probe".to_vec()],
        workspace: Some(room.0.clone()),
        mode: Some(WorkspaceMode::Review),
        policy: None,
        fresh_home: true,
        streams: [Stream::Pipe; 3],
        terminal: None,
        timeout: Some(PATIENCE),
        name: Some("doctor".into()),
        accept_risks: Vec::new(),
        ..run
    };
    match try_out(run) {
        Ok((outcome, output)) => {
            let probes = probes(&output);
            let remedies = remedies::for_what_is_missing(&outcome.layers, &outcome.limits, None);
            Ok(DoctorAnswer { layers: outcome.layers, limits: outcome.limits, probes, remedies, host })
        }
        Err(problem) if problem.code == "E-CELL-001" => {
            // The layer is named between the first pair of backticks of the cause.
            let layer = problem.cause.split('`').nth(1).unwrap_or_default().to_owned();
            let layers = vec![Wall { name: layer, holds: false, detail: problem.cause.clone() }];
            let remedies = remedies::for_what_is_missing(&layers, &[], Some(&problem.cause));
            Ok(DoctorAnswer { layers, limits: Vec::new(), probes: Vec::new(), remedies, host })
        }
        Err(problem) => Err(problem),
    }
}

/// Runs the probes as a session of its own, and gives what they printed.
fn try_out(run: Run) -> Result<(Outcome, String), Problem> {
    let store = asked::store(&run)?;
    let begun = asked::begin(run, &store)?;
    let early = early::begin(early::cell()?, &begun)?;
    let asked = asked::complete(begun, &store)?;
    let prepared = prepare::prepare(&asked, &store, &early.who, &early.foundation)?;
    let path = prepared.session.path.clone();
    let (ours, theirs) = channel::pair().map_err(|error| state("speak with", &path, &error))?;
    let outcome = super::carry_out(&mut Client::new(theirs), &asked, prepared, early, Vec::new());
    let output = printed(ours);
    // Nothing of a throwaway session is of use later.
    let _ = clear(&path);
    Ok((outcome?, output))
}

/// What the program wrote to its stdout, through the descriptors that a client would have been given.
fn printed(client: OwnedFd) -> String {
    let (mut bytes, mut descriptors) = (Vec::new(), Vec::new());
    while descriptors.is_empty() && matches!(channel::receive(&client, &mut bytes, &mut descriptors), Ok(true)) {}
    let mut text = String::new();
    if let Some(stdout) = descriptors.into_iter().nth(1) {
        // Unreadable output shows as probes that are missing.
        let _ = File::from(stdout).take(MAX_OUTPUT).read_to_string(&mut text);
    }
    text
}

fn probes(output: &str) -> Vec<Probe> {
    output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// An empty directory to work on, removed in the end.
struct Room(PathBuf);

impl Room {
    fn make() -> Result<Room, Problem> {
        let base = ["/dev/shm", "/var/tmp", "/tmp"].map(Path::new);
        let mut last = None;
        for base in base.into_iter().rev() {
            let path = base.join(format!("bastide-doctor-{}", std::process::id()));
            match private_directory(&path) {
                Ok(()) => return Ok(Room(path)),
                Err(error) => last = Some(state("make", &path, &error)),
            }
        }
        Err(last.unwrap_or_else(|| state("make", Path::new("/tmp"), &std::io::ErrorKind::NotFound.into())))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
