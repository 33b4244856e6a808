//! The second socket of a running session: where bytes and descriptors are handed over, which [`crate::control`] has no
//! words for. One connection is one thing: somebody who watches, a program that is started in the cell, a file, a port.
//!
//! A connection begins with one [`Call`]; then [`Told`] goes one way and [`Say`] the other. Descriptors ride with the frame
//! that speaks of them. The two ends may be of two builds: what is said is read strictly, what is told may grow.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::command::{CopyWay, Problem, SecretText, Stream, Terminal};

/// The socket's name in the session's directory.
pub const NAME: &str = "streams";
/// The version that this build speaks. A session of another refuses in the form of [`Told::Refused`], which stays.
pub const VERSION: u32 = 1;

/// The first message of who comes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Always [`VERSION`].
    pub version: u32,
    /// What is wanted.
    pub wants: Wants,
}

/// What is wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "wants", deny_unknown_fields)]
pub enum Wants {
    /// To watch.
    Attach {
        /// And to type.
        types: bool,
        /// The terminal's size.
        size: Option<Terminal>,
    },
    /// To start a program in the cell.
    Execute(Box<Start>),
    /// To open a file in the cell.
    Open {
        /// Inside, absolute, or relative to where the session's program began.
        path: PathBuf,
        /// Which way bytes will go.
        way: CopyWay,
    },
    /// Connections to a port of the cell's loopback.
    Reach {
        /// Which.
        port: u16,
    },
}

/// A program for the cell.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Program and arguments.
    pub command: Vec<Vec<u8>>,
    /// Directory to start in, inside; that of the session when absent.
    pub workdir: Option<PathBuf>,
    /// Variables to set, beside those of the session.
    pub environment: Vec<(String, String)>,
    /// How its stdio is made.
    pub streams: [Stream; 3],
    /// The terminal's size.
    pub terminal: Option<Terminal>,
}

impl std::fmt::Debug for Start {
    /// Values of variables may be secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Start").field("arguments", &self.command.len()).finish_non_exhaustive()
    }
}

/// What is said after the [`Call`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "say", deny_unknown_fields)]
pub enum Say {
    /// Send this signal to the program that was started, or to the session's where it is watched.
    Signal {
        /// The signal's number.
        number: u8,
    },
    /// The terminal has another size.
    Size(Terminal),
    /// The operator typed this line.
    Typed {
        /// The line.
        line: SecretText,
    },
    /// One more connection to the port; answered by [`Told::Connected`].
    Connect,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "told")]
pub enum Told {
    /// Nothing is done, or no more.
    Refused(Box<Problem>),
    /// The stream of what the program prints from `from` on rides with this frame; what is written to it is typed.
    Attached {
        /// How many bytes the program printed before.
        from: u64,
        /// It has a terminal, which had these sizes, each since so many bytes.
        sizes: Vec<(u64, Terminal)>,
    },
    /// The outer ends of the program's stdio ride with this frame, as with [`crate::command::Reply::Stdio`].
    Stdio {
        /// How each was made.
        streams: [Stream; 3],
    },
    /// The program runs.
    Started,
    /// It was stopped by this signal.
    Stopped {
        /// The signal's number.
        signal: u8,
    },
    /// The file rides with this frame.
    File,
    /// Connections can be asked for.
    Reachable,
    /// One more rides with this frame; none where nothing listens there.
    Connected {
        /// The kernel's error number, 0 where a connection rides.
        errno: i32,
    },
    /// It is over.
    Ended {
        /// The exit code.
        exit: u8,
        /// Why.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_survives_its_frame_and_another_version_is_still_read() {
        let call = Call { version: VERSION, wants: Wants::Attach { types: true, size: None } };
        let read: Call = crate::decode(&crate::encode(&call).expect("said")).expect("read");
        assert!(matches!(read.wants, Wants::Attach { types: true, size: None }));
        let later = br#"{"version":9,"wants":{"wants":"reach","port":80}}"#;
        assert!(serde_json::from_slice::<Call>(later).is_ok_and(|call| call.version == 9));
        let wider = br#"{"version":1,"wants":{"wants":"reach","port":80,"uid":0}}"#;
        assert!(serde_json::from_slice::<Call>(wider).is_err());
    }
}
