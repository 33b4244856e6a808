//! What a connection through the door costs: connect, 128 bytes there and back, close. The peer is the least relay
//! that could stand in the gate's place, written in C, behind the same capture, in a cell with the same filter and
//! watcher; both take turns in one run. Two more without any watcher tell what it costs that the program is known.
//!
//! `cargo bench -p bastide-gate` as root, with `bastide-cell` built beside the gate. `-- ROUNDS` for another number
//! than 300; `-- ROUNDS user` for cells, gates and relays of an ordinary user; `-- ROUNDS root gate` for one alone.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/fake/mod.rs"]
mod fake;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fake::walls::{self, Walls};
use fake::{Cell, Gate, ORDINARY, lease};

/// Connections in one turn.
const BATCH: usize = 10;
/// Processes in each cell beside the client.
const PROCESSES: &str = "150";
/// The address that the first name of a session is given.
const FIRST: &str = "198.18.1.0";

type Make = fn(&Bench, &'static str) -> Way;

/// One way through, and what it took.
struct Way {
    name: &'static str,
    stdin: Box<dyn Write>,
    stdout: Box<dyn Read>,
    took: Vec<u64>,
    /// What must live as long.
    _held: (Option<Walls>, Option<Cell>, Vec<Ended>),
    gate: Option<Gate>,
}

/// A child that ends with its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Bench {
    ends: PathBuf,
    port: String,
    uid: u32,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let rounds: usize = words.first().map_or(300, |word| word.parse().unwrap());
    let uid = if words.get(1).is_some_and(|word| word == "user") { ORDINARY } else { 0 };
    let only = words.get(2).map(String::as_str);
    fake::outside();
    let directory = compile();
    let ends = directory.path().join("ends");
    let (_echo, port) = echo(&ends);
    let bench = Bench { ends, port, uid };
    let makers: [(&str, Make); 4] = [
        ("relay", |bench, name| bench.walled(name, false)),
        ("gate", |bench, name| bench.walled(name, true)),
        ("relay, no watcher", |bench, name| bench.bare(name, false)),
        ("gate, no watcher", |bench, name| bench.bare(name, true)),
    ];
    let wanted = makers.into_iter().filter(|(name, _)| only.is_none_or(|only| only == *name));
    let mut ways: Vec<Way> = wanted.map(|(name, make)| make(&bench, name)).collect();
    for round in 0..rounds + 20 {
        for way in &mut ways {
            way.turn(round >= 20);
        }
    }
    report(&mut ways, uid);
}

fn report(ways: &mut [Way], uid: u32) {
    println!("microseconds from connect to close, as uid {uid}");
    println!("{:<18} {:>8} {:>8} {:>8} {:>8}", "", "count", "min", "median", "p99");
    let mut figures = Vec::new();
    for way in &mut *ways {
        way.took.sort_unstable();
        let at = |share: usize| way.took[(way.took.len() - 1) * share / 100] as f64 / 1000.0;
        println!("{:<18} {:>8} {:>8.1} {:>8.1} {:>8.1}", way.name, way.took.len(), at(0), at(50), at(99));
        figures.push([at(0), at(50), at(99)]);
    }
    if let [relay, gate, bare_relay, bare_gate] = figures[..] {
        println!(
            "gate to relay: min {:.2}, median {:.2}, p99 {:.2}",
            gate[0] / relay[0],
            gate[1] / relay[1],
            gate[2] / relay[2]
        );
        println!("program known: min {:+.1}, median {:+.1}", gate[0] - bare_gate[0], gate[1] - bare_gate[1]);
        println!(
            "  of it the watcher's: min {:+.1}, median {:+.1}",
            relay[0] - bare_relay[0],
            relay[1] - bare_relay[1]
        );
    }
    for way in ways {
        if let Some(gate) = &mut way.gate {
            println!("{}: {} descriptors, {} KiB resident", way.name, gate.descriptors(), gate.status("VmRSS:"));
            assert_eq!(gate.end(), Some(0));
        }
    }
}

/// The ends where everybody can run them.
fn compile() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::Builder::new().prefix("bastide-door-").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/door.c");
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-static", "-Wall", "-Wextra", "-o"]).arg(directory.path().join("ends")).arg(source);
    assert!(cc.status().unwrap().success());
    directory
}

fn echo(ends: &Path) -> (Ended, String) {
    let mut child = Command::new(ends).arg("echo").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Ended(child), line.trim().into())
}

impl Bench {
    /// Between a real cell and the outside.
    fn walled(&self, name: &'static str, by_gate: bool) -> Way {
        let words = ["/bound", "client", FIRST, &self.port, &BATCH.to_string(), PROCESSES];
        let mut walls = walls::start(self.uid == 0, Some(&self.ends), &words);
        let mut cell = Cell::empty();
        cell.door = std::mem::take(&mut walls.door);
        let (gate, relay) = self.between(&cell, by_gate, true);
        let [stdin, stdout] = [0, 1].map(|at| File::from(walls.stdio[at].try_clone().unwrap()));
        let held = (Some(walls), Some(cell), relay.into_iter().collect());
        Way { name, stdin: Box::new(stdin), stdout: Box::new(stdout), took: Vec::new(), _held: held, gate }
    }

    /// The same without filter and watcher: no program is known.
    fn bare(&self, name: &'static str, by_gate: bool) -> Way {
        let cell = Cell::new();
        let (gate, relay) = self.between(&cell, by_gate, false);
        let mut command = Command::new(&self.ends);
        command.args(["client", FIRST, &self.port, &BATCH.to_string(), PROCESSES]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut client = cell.inside(move || command.spawn().unwrap());
        let (stdin, stdout) = (client.stdin.take().unwrap(), client.stdout.take().unwrap());
        let held = (None, Some(cell), relay.into_iter().chain([Ended(client)]).collect());
        Way { name, stdin: Box::new(stdin), stdout: Box::new(stdout), took: Vec::new(), _held: held, gate }
    }

    fn between(&self, cell: &Cell, by_gate: bool, watched: bool) -> (Option<Gate>, Option<Ended>) {
        if by_gate {
            let mut lease =
                lease(&[&format!("web.example:{}", self.port), &format!("{}:{}", fake::OUTSIDE, self.port)]);
            lease.names = vec!["web.example".into()];
            return (Some(cell.start(&lease, self.uid).ready()), None);
        }
        let (listener, watcher) = (cell.door[0].try_clone().unwrap(), cell.door[7].try_clone().unwrap());
        let mut command = Command::new(&self.ends);
        command.args(["relay", if watched { "watched" } else { "alone" }]).uid(self.uid).gid(self.uid);
        let child = command.stdin::<OwnedFd>(listener).stdout::<OwnedFd>(watcher).spawn().unwrap();
        (None, Some(Ended(child)))
    }
}

impl Way {
    fn turn(&mut self, counts: bool) {
        self.stdin.write_all(b"x").unwrap();
        self.stdin.flush().unwrap();
        let mut bytes = [0; 8 * BATCH];
        self.stdout.read_exact(&mut bytes).unwrap();
        if counts {
            self.took.extend(bytes.as_chunks::<8>().0.iter().map(|took| u64::from_ne_bytes(*took)));
        }
    }
}
