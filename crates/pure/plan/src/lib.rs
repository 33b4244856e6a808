//! What a cell is told, and what it reports back.
//!
//! Everything here is already compiled: no name is left to interpret, no default left to choose. The cell
//! executes a [`Plan`] step by step and reports in [`Report`]s; the plane speaks [`Order`]s afterwards. Before the plan
//! it is told its [`Foundation`], which is known before any policy is read, so that both work side by side; one that is
//! made ahead of its session also gets the [`Ground`] that most sessions stand on.
//! One message is one frame: a little-endian `u32` length, then that many bytes of postcard.

mod content;
mod entry;
mod foundation;
mod frame;
mod layer;
mod root;

pub use content::Content;
pub use entry::{Entry, Errand};
pub use foundation::{Foundation, Ground, Likely};
pub use frame::{Frame, FrameError, MAX_FRAME};
pub use layer::{Layer, LayerSet};
pub use root::{Access, Owner, PathRule, Step};

use serde::{Deserialize, Serialize};

/// The version of this vocabulary. A cell refuses a plan of another version.
pub const VERSION: u32 = 9;

/// Everything a cell is told before its command starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Always [`VERSION`].
    pub version: u32,
    /// Who the agent is, inside and to the kernel.
    pub identity: Identity,
    /// Boundary layers that the operator switched off by name (`--accept-risk`).
    pub without: LayerSet,
    /// The private root, built in this order. To a cell with ground, what comes after it.
    pub root: Vec<Step>,
    /// What Landlock grants, by path inside; everything else is refused. With ground as `root`.
    pub landlock: Vec<PathRule>,
    /// Where the door's sockets are bound inside the cell's network namespace.
    pub door: Door,
    /// How each of stdin, stdout and stderr is made.
    pub stdio: Stdio,
    /// Resource limits that the cell itself sets (cgroups are joined, rlimits lowered).
    pub limits: Limits,
    /// The program to start.
    pub command: Command,
}

impl Plan {
    /// The foundation that this plan stands on, where nothing was made ahead.
    #[must_use]
    pub fn foundation(&self) -> Foundation {
        let Plan { version, identity, without, door, .. } = self;
        let inside = (!identity.privileged).then_some((identity.inside_uid, identity.inside_gid));
        Foundation { version: *version, inside, without: *without, door: door.clone(), ground: None }
    }

    /// Whether it stands on this foundation: a cell that was told another one refuses the plan.
    #[must_use]
    pub fn stands_on(&self, foundation: &Foundation) -> bool {
        let Foundation { version, inside, without, door, ground: _ } = self.foundation();
        let same = version == foundation.version && inside == foundation.inside && without == foundation.without;
        same && door == foundation.door
    }
}

/// Who the agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The uid and gid that the agent sees; never 0.
    pub inside_uid: u32,
    /// See `inside_uid`.
    pub inside_gid: u32,
    /// The kernel's uid and gid of everything in the cell. For an ordinary user his own; started by root,
    /// one that belongs to this cell alone.
    pub host_uid: u32,
    /// See `host_uid`.
    pub host_gid: u32,
    /// The launcher is root in the host's user namespace and must map and set ids for the cell.
    pub privileged: bool,
    /// The hostname inside.
    pub hostname: String,
}

/// The door's sockets inside the cell: made there, handed out, served by the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// TCP port to which every connection that is not loopback's own is redirected (v4 and v6).
    pub tcp_port: u16,
    /// UDP and TCP port that answers DNS (v4 and v6).
    pub dns_port: u16,
}

/// How stdin, stdout and stderr are made, in this order.
///
/// Where [`Layer::RelayedStdio`] was switched off, nothing is made and no [`Report::Stdio`] comes: three descriptors
/// ride with the plan's first byte (SCM_RIGHTS) and become the agent's stdin, stdout and stderr as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stdio {
    /// Each stream: the pty, or a pipe of our own making.
    pub streams: [Stream; 3],
    /// Size of the pty when any stream is one.
    pub size: WindowSize,
}

/// One standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// The cell's pty.
    Terminal,
    /// A pipe made by the cell's pid 1.
    Pipe,
}

/// Rows and columns of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct WindowSize {
    /// Characters per column.
    pub rows: u16,
    /// Characters per row.
    pub columns: u16,
}

/// Limits that the cell sets on itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Limits {
    /// `cgroup.procs` files (v2) or `tasks` files (v1) that the launcher writes itself into.
    pub join: Vec<String>,
    /// rlimits by kernel number (`RLIMIT_*`) and value; only ever lowered.
    pub rlimits: Vec<(u32, u64)>,
    /// `oom_score_adj` of the agent, so that it dies before the host's own work.
    pub oom_score_adj: i16,
}

/// The program to start, resolved.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Absolute path inside the cell.
    pub program: String,
    /// Arguments, the first being the name it is called by. Bytes, since Unix arguments are bytes.
    pub arguments: Vec<Vec<u8>>,
    /// The whole environment, `K=V` each.
    pub environment: Vec<Vec<u8>>,
    /// Working directory inside.
    pub directory: String,
}

impl std::fmt::Debug for Command {
    /// The environment may hold an accepted credential: only names are shown.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Command")
            .field("program", &self.program)
            .field("arguments", &self.arguments.len())
            .field("environment", &self.environment.len())
            .field("directory", &self.directory)
            .finish()
    }
}

/// What the cell tells the plane. File descriptors ride with the frame's first byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The door's descriptors, in this order: TCP v4, TCP v6, DNS UDP v4, DNS UDP v6, DNS TCP v4,
    /// DNS TCP v6, sock_diag netlink, and the gate's end of the watcher socket pair. Without a network namespace of
    /// its own a cell has neither door nor watcher, and this does not come.
    Door,
    /// Pid 1 was made; its pid as the plane sees it, whose child it is. The launcher says so, beside what pid 1 itself
    /// reports meanwhile. The cell's mount namespace rides on it: while somebody holds it, the end of the cell does not
    /// wait for its mounts to be taken down.
    Born {
        /// Pid in the plane's pid namespace.
        pid: u32,
    },
    /// The outer ends of stdio: the pty master first if any stream is a terminal (once), then for each
    /// piped stream its outer end, in order.
    Stdio,
    /// What was measured from inside, after the walls stood and before the command ran. What overlays were made of rides
    /// on it: letting go of a mount takes the kernel a while, which nobody in the cell has.
    Walls(Vec<Measured>),
    /// The command was started; its pid inside the cell.
    Started {
        /// Pid in the cell's pid namespace.
        pid: u32,
    },
    /// The command was stopped by this signal (job control); `Order::Signal(SIGCONT)` goes on.
    Stopped(u8),
    /// A wall could not be built or the command not started. Nothing was run.
    Failed(Failure),
    /// The command ended (the cell ends every other process right after).
    Ended(Ending),
    /// What [`Order::Pause`] came to: whether every process was told to stop. One without a pid namespace cannot tell its
    /// processes from others.
    Paused(bool),
    /// What it takes to enter the cell rides on it, in this order: the agent's Landlock ruleset, then its namespaces: user,
    /// mount, pid, network, IPC, UTS, cgroup. Answers [`Order::Enter`].
    Namespaces,
    /// Of a process that entered: the listener of its watcher rides on it, and is pid 1's to serve.
    Watcher,
    /// Of a process that entered: the file rides on it.
    File,
    /// Of a process that entered: a connection rides on it where the kernel's error number is 0.
    Connected(i32),
}

/// A layer as measured from inside the cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Which layer.
    pub layer: Layer,
    /// It holds.
    pub holds: bool,
    /// What was read to say so, for example `ABI 7, scopes` or `uid_map 1000 1610612737 1`.
    pub detail: String,
}

/// Why nothing was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The layer that could not be built; none when the command itself could not start.
    pub layer: Option<Layer>,
    /// What was being done, for example "mount `/usr`".
    pub doing: String,
    /// The kernel's error number, 0 if none.
    pub errno: i32,
    /// The exit code to pass on: 125 walls not built, 126 not executable, 127 not found.
    pub exit: u8,
}

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// It exited with this code.
    Exited(u8),
    /// It was ended by this signal.
    Signalled(u8),
}

/// What the plane tells a running cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// The session is recorded: let the command begin. Comes first, once; until then nothing of the agent's runs.
    Begin,
    /// Send this signal to the command's process group.
    Signal(u8),
    /// End everything at once.
    Kill,
    /// Stop every process of the cell but pid 1; [`Report::Paused`] answers.
    Pause,
    /// Let them go on.
    Resume,
    /// Hand out what it takes to enter the cell; [`Report::Namespaces`] answers.
    Enter,
    /// Serve one more watcher, whose listener rides on this.
    Watch,
    /// To a process that entered: connect once more; [`Report::Connected`] answers.
    Connect,
}

/// What the connect watcher (pid 1) tells the gate, one `SOCK_SEQPACKET` message each, postcard without a
/// length prefix, at most [`MAX_SIGHTING`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sighting {
    /// A process is about to connect a TCP socket.
    Connect {
        /// The client socket's cookie.
        cookie: u64,
        /// Pid inside the cell.
        pid: u32,
        /// Executables, confirmed by /proc: the connecting program first, then its ancestors up to pid 1, which is
        /// left out. At most 16; one that could not be told is empty.
        chain: Vec<String>,
    },
    /// A process is about to execute a program.
    Execute {
        /// Pid inside the cell.
        pid: u32,
        /// Parent's pid inside the cell.
        parent: u32,
        /// The executable before the call: who executes.
        by: String,
        /// The path as claimed (the process may change it under our eyes).
        claimed: String,
        /// Arguments as claimed, cut to a bound.
        arguments: Vec<String>,
    },
}

/// Longest sighting message, in bytes. The watcher cuts what is longer.
pub const MAX_SIGHTING: usize = 8 * 1024;
