//! The private root as a list of steps, and what Landlock grants in it.

use serde::{Deserialize, Serialize};

use crate::Content;

/// One step of building the private root. `at` is absolute inside; parents that are missing are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// A fresh tmpfs of at most `bytes` bytes and `inodes` inodes.
    Tmpfs {
        /// Where.
        at: String,
        /// Size limit in bytes.
        bytes: u64,
        /// Limit on the number of inodes.
        inodes: u64,
        /// Permission bits of its root.
        mode: u32,
    },
    /// An empty directory of the root's own.
    Directory {
        /// Where.
        at: String,
        /// Permission bits.
        mode: u32,
    },
    /// A file of the root's own.
    File {
        /// Where.
        at: String,
        /// Its bytes.
        content: Content,
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link of the root's own.
    Symlink {
        /// Where.
        at: String,
        /// What it says.
        target: String,
    },
    /// A host tree or file, bound: system trees read-only, devices and the private home writable.
    Bind {
        /// Absolute path on the host.
        source: String,
        /// Where.
        at: String,
        /// Writable inside.
        writable: bool,
        /// Programs in it may be executed.
        executable: bool,
        /// Device nodes in it work (only for nodes of the minimal /dev).
        devices: bool,
        /// Whose files these are, when the cell's kernel uid is not the host user's.
        owner: Owner,
    },
    /// A host tree seen through an overlay: read-only without `changes`, else copy-on-write.
    Overlay {
        /// Absolute path on the host.
        source: String,
        /// Where.
        at: String,
        /// Directory on the host that holds `upper` and `work`, made by the plane.
        changes: Option<String>,
        /// Whose files these are, when the cell's kernel uid is not the host user's.
        owner: Owner,
    },
    /// The cell's own /proc, with what is the host's masked.
    Proc,
    /// The cell's own devpts at /dev/pts with /dev/ptmx.
    Terminals {
        /// Highest number of ptys.
        max: u32,
    },
    /// An empty, unreadable thing laid over a path that exists (a deny inside an allow). Missing is fine.
    Hide {
        /// Where.
        at: String,
    },
    /// A tmpfs that an earlier step made, and that nobody has written to yet, gets another bound.
    Resize {
        /// Where.
        at: String,
        /// Size limit in bytes.
        bytes: u64,
    },
}

impl Step {
    /// What makes this one, once it was made, the other: nothing, or another bound. None where nothing does.
    #[expect(clippy::option_option, reason = "whether it can, and whether anything is to be done")]
    pub(crate) fn becomes(&self, wanted: &Step) -> Option<Option<Step>> {
        if self == wanted {
            return Some(None);
        }
        let Step::Tmpfs { at, bytes, .. } = wanted else { return None };
        let mut like = self.clone();
        if let Step::Tmpfs { bytes: own, .. } = &mut like {
            *own = *bytes;
        }
        (like == *wanted).then(|| Some(Step::Resize { at: at.clone(), bytes: *bytes }))
    }
}

/// Whose files a source tree holds, for the idmapped mount of a cell that root started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// As they are: the cell reads what everybody may read.
    Everybody,
    /// Files of this host uid and gid appear as the agent's own.
    Agent {
        /// Host uid whose files become the agent's.
        uid: u32,
        /// Host gid likewise.
        gid: u32,
    },
}

/// What Landlock grants beneath a path inside the cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathRule {
    /// Absolute path inside.
    pub at: String,
    /// The grant.
    pub access: Access,
}

/// Classes of access to a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Read files and list directories.
    Read,
    /// Read and execute.
    Execute,
    /// The same, for a tree that only the host's root changes and that is bound read-only. Its rule stands for the right
    /// to truncate as well, which both of these refuse: the kernel asks for it at every open, and walks on to the top of
    /// the root where no rule answers.
    System,
    /// Read, execute, write, create, remove, rename, link.
    Write,
    /// Read, write and ioctl of device nodes; no creation.
    Device,
}
