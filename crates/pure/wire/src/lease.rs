//! The lease: all that a gate knows when it starts. And what the gate answers.

use std::net::{IpAddr, SocketAddr};

use policy::Conjunction;
use serde::{Deserialize, Serialize};

/// Version of the lease that this build writes, and the only one it takes.
pub const VERSION: u32 = 1;

/// What the plane hands to a gate. The gate reads no file, so what it needs of the host's files comes along.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Version of this message; see [`Lease::check`].
    pub version: u32,
    /// The session that the cell runs.
    pub session: String,
    /// Every policy that must allow.
    pub policy: Conjunction,
    /// The resolvers to ask for names.
    pub nameservers: Vec<SocketAddr>,
    /// Names of the host's own `/etc/hosts`.
    pub hosts: Vec<(String, IpAddr)>,
    /// The proxy that connections go through, where the host has no other way out.
    pub upstream_proxy: Option<Proxy>,
    /// What the gate holds at once.
    pub bounds: Bounds,
}

/// A proxy to go out through, by CONNECT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// Name or address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// How much a gate holds at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Connections at once.
    pub connections: u32,
    /// Names that get a synthetic address, over the session.
    pub names: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { connections: 1024, names: 16 * 1024 }
    }
}

/// Why a lease cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// Another version.
    #[error("the lease has version {0}, this gate takes {VERSION}")]
    Version(u32),
}

impl Lease {
    /// Checks what no type says.
    ///
    /// # Errors
    /// [`LeaseError::Version`] when the lease is of another version.
    pub const fn check(&self) -> Result<(), LeaseError> {
        match self.version {
            VERSION => Ok(()),
            other => Err(LeaseError::Version(other)),
        }
    }
}

/// What a gate answers, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "report", deny_unknown_fields)]
pub enum GateReport {
    /// It accepts connections.
    Ready,
    /// It does not, and ends.
    Failed {
        /// What it could not do.
        what: String,
        /// Why not.
        why: String,
    },
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        Lease {
            version: VERSION,
            session: "s1".into(),
            policy: Conjunction::new(Vec::new()),
            nameservers: vec!["127.0.0.53:53".parse().unwrap()],
            hosts: vec![("build.example".into(), "192.0.2.1".parse().unwrap())],
            upstream_proxy: None,
            bounds: Bounds::default(),
        }
    }

    #[test]
    fn a_lease_survives_the_frame() {
        let frame = crate::encode(&lease()).unwrap();
        let read: Lease = crate::decode(&frame).unwrap();
        assert_eq!(read.check(), Ok(()));
        assert_eq!(crate::encode(&read).unwrap(), frame);
    }

    #[test]
    fn another_version_is_refused() {
        assert_eq!(Lease { version: 2, ..lease() }.check(), Err(LeaseError::Version(2)));
    }

    #[test]
    fn a_failure_survives_the_frame() {
        let report = GateReport::Failed { what: "listen".into(), why: "no descriptor".into() };
        assert_eq!(crate::decode::<GateReport>(&crate::encode(&report).unwrap()).unwrap(), report);
    }
}
