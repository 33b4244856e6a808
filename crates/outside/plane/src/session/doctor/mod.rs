//! The boundary, measured in a throwaway cell of the very kind that `run` makes, and attempts from inside it.

pub(super) mod host;
pub(super) mod remedies;

use std::fs::{self, DirBuilder, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use policy::WorkspaceMode;
use record::Wall;
use wire::command::{DoctorAnswer, Outcome, Probe, Problem, Run, Stream};

use super::early::{self, Ahead};
use super::outcome::Unrun;
use super::{asked, prepare};
use crate::channel::{self, Client};
use crate::problem::state;
use crate::store::{Store, clear};

/// Longest output of the probes that is read, in bytes.
const MAX_OUTPUT: u64 = 1 << 20;
/// Seconds after which probes are given up.
const PATIENCE: u64 = 20;

/// Measures and tries.
///
/// # Errors
/// When there is no place for the state, or no cell can be prepared at all.
pub(super) fn examine(run: Run) -> Result<DoctorAnswer, Problem> {
    let store = asked::store(&run)?;
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
    let tried = try_out(run, &store);
    let workspace = room.0.clone();
    drop(room);
    // Where it stays, it names a directory that nobody can guess to make again.
    let _ = store.forget_tree(&workspace);
    match tried {
        Ok((outcome, output)) => {
            let probes = probes(&output);
            let remedies = remedies::for_what_is_missing(&outcome.layers, &outcome.limits, None);
            Ok(DoctorAnswer { layers: outcome.layers, limits: outcome.limits, probes, remedies, host })
        }
        Err(Unrun { problem, layer: Some(layer) }) => {
            let layers = vec![Wall { name: layer.name().into(), holds: false, detail: problem.cause.clone() }];
            let remedies = remedies::for_what_is_missing(&layers, &[], Some(&problem.cause));
            Ok(DoctorAnswer { layers, limits: Vec::new(), probes: Vec::new(), remedies, host })
        }
        Err(unrun) => Err(unrun.problem),
    }
}

/// Runs the probes as a session of its own, and gives what they printed.
fn try_out(run: Run, store: &Store) -> Result<(Outcome, String), Unrun> {
    let begun = asked::begin(Box::new(run), store)?;
    let mut early = early::begin(&begun, Ahead::start()?)?;
    let asked = asked::complete(begun, store, None)?;
    let prepared = prepare::prepare(&asked, store, &mut early)?;
    let path = prepared.0.path.clone();
    let (ours, theirs) = channel::pair().map_err(|error| state("speak with", &path, &error))?;
    let ended = super::carry_out(&mut Client::new(theirs), &asked, prepared, early, (Vec::new(), None, store, None));
    let output = printed(ours);
    let outcome = ended.and_then(|ended| {
        ended.afterwards.settle_untold();
        ended.outcome
    });
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
        let mut last = state("make", Path::new("/tmp"), &std::io::ErrorKind::NotFound.into());
        for base in ["/tmp", "/var/tmp", "/dev/shm"].map(Path::new) {
            match Room::within(base) {
                Ok(room) => return Ok(room),
                Err(error) => last = state("make", base, &error),
            }
        }
        Err(last)
    }

    /// Makes it fresh, under a name that nobody knew before: where everybody may write, what is there already may be
    /// another's.
    fn within(base: &Path) -> std::io::Result<Room> {
        let mut word = [0; 8];
        rustix::rand::getrandom(&mut word, rustix::rand::GetRandomFlags::empty())?;
        // The notes of trees are by real paths.
        let path = fs::canonicalize(base)?.join(format!("bastide-doctor-{:016x}", u64::from_ne_bytes(word)));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Room(path))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_room_is_fresh_private_and_goes_again() {
        let base = tempfile::tempdir().expect("a directory");
        let (one, other) = (Room::within(base.path()).expect("made"), Room::within(base.path()).expect("made"));
        assert_ne!(one.0, other.0);
        assert_eq!(fs::metadata(&one.0).expect("there").permissions().mode() & 0o777, 0o700);
        let paths = [one.0.clone(), other.0.clone()];
        drop((one, other));
        assert!(paths.iter().all(|path| !path.exists()));
    }
}
