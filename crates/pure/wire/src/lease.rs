//! The lease: all that a gate knows when it starts.

use std::net::{IpAddr, SocketAddr};

use policy::{Amounts, Conjunction, Endorsement, Label, PathPattern, Rule, Target};
use serde::{Deserialize, Serialize};

use crate::suspected::Counted;

/// How many descriptors ride with a lease.
pub const DESCRIPTORS: usize = 11;

/// Version of the lease that this build writes, and the only one it takes.
pub const VERSION: u32 = 11;

/// Most lines to servers in cells of their own that ride behind the descriptors.
pub const MAX_LINES: usize = 16;

/// What the plane hands to a gate. The gate reads no file, so what it needs of the host's files comes along.
///
/// It is one frame on descriptor 0, a stream socket, and with its first byte ride [`DESCRIPTORS`] descriptors in this
/// order: the segment, write-only; the account of what left in drops over all cells of the tree ([`crate::Dropped`]), once
/// write-only and once read-only; then those of `plan::Report::Door`: TCP v4, TCP v6, DNS UDP v4, DNS UDP v6,
/// DNS TCP v4, DNS TCP v6, sock_diag, and the gate's end of the watcher; and behind them as many lines as [`Lease::lines`]
/// says, each a stream socket. The end of the stream ends the gate, once it has recorded what the watcher had still said.
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
    /// Which gate of the session this is, from 1.
    pub incarnation: u32,
    /// Where the segment's chain ends: how many events, and the last hash in hexadecimal; none in an empty segment.
    pub segment: Option<(u64, String)>,
    /// Names that an earlier gate of the session gave synthetic addresses to, in that order.
    pub names: Vec<String>,
    /// The proxy that connections go through, where the host has no other way out.
    pub upstream_proxy: Option<Proxy>,
    /// Credentials that were let in by name: never to stand in the record.
    pub secrets: Vec<Secret>,
    /// The operator let a credential of the program's own in.
    #[serde(default)]
    pub lets_own: bool,
    /// What speaking TLS needs, where requests are decided.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Secrets of the vault that rules of the policy lend to requests.
    #[serde(default)]
    pub credentials: Vec<Lent>,
    /// Texts that carry a label.
    #[serde(default)]
    pub labelled: Vec<Labelled>,
    /// Words of other agents that the session heard.
    #[serde(default)]
    pub heard: Vec<Words>,
    /// Labels that the session begins with, whether or not their texts are known.
    #[serde(default)]
    pub carried: Vec<Label>,
    /// Why the texts are not all that carries a label, where they are not.
    #[serde(default)]
    pub lacking: Option<String>,
    /// What the operator said: the command line.
    #[serde(default)]
    pub intent: Vec<String>,
    /// What of the session's budgets is its children's.
    #[serde(default)]
    pub reserved: Amounts,
    /// What the operator granted so far, beside the policies.
    #[serde(default)]
    pub granted: Vec<Rule>,
    /// What he endorsed so far, for this session.
    #[serde(default)]
    pub endorsed: Vec<Endorsement>,
    /// What spoke for an attack so far and still counts.
    #[serde(default)]
    pub suspected: Vec<Counted>,
    /// Lines to servers in cells of their own, at most [`MAX_LINES`]: what is behind one is begun when the gate asks for it,
    /// by [`GateReport::Server`], and its end is the line's.
    #[serde(default)]
    pub lines: u32,
    /// The session is paused: it begins as after [`GateOrder::Pause`], which it does not answer for.
    #[serde(default)]
    pub paused: bool,
    /// What the gate holds at once.
    pub bounds: Bounds,
}

/// A secret that the gate puts into requests, and where it may go at all, whatever a rule says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lent {
    /// Its name in the vault.
    pub name: String,
    /// The value.
    pub value: String,
    /// The destination that it is bound to.
    pub to: Target,
    /// The paths that it is bound to; empty means every one.
    pub paths: Vec<PathPattern>,
    /// Seconds for which it holds, from when it was derived; none where it was not.
    #[serde(default)]
    pub expires: Option<u64>,
}

impl std::fmt::Debug for Lent {
    /// Without the value.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Lent({} to {})", self.name, self.to)
    }
}

/// A text that carries a label: a file of the workspace, or one value in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labelled {
    /// The label.
    pub label: Label,
    /// What it is, for people: the file's path, and the name of the value.
    pub source: String,
    /// The text.
    pub text: String,
    /// It is one short secret, which counts whole and wherever it stands.
    pub exact: bool,
}

impl std::fmt::Debug for Labelled {
    /// Without the text.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Labelled({} of {})", self.label.as_str(), self.source)
    }
}

/// Words of another agent, and all labels that they carry.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The text.
    pub text: String,
    /// What it carries.
    pub labels: Vec<Label>,
    /// Whose they are, for people.
    pub source: String,
    /// They are so short that they count whole and wherever they stand.
    pub exact: bool,
}

impl Words {
    /// The same as labelled texts, one for each label.
    pub fn labelled(&self) -> impl Iterator<Item = Labelled> {
        let one = |label: &Label| Labelled {
            label: label.clone(),
            source: self.source.clone(),
            text: self.text.clone(),
            exact: self.exact,
        };
        self.labels.iter().map(one)
    }
}

impl std::fmt::Debug for Words {
    /// Without the text.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Words({} labels, {})", self.labels.len(), self.source)
    }
}

/// The authority of one cell, and what its host trusts. It lives in the memory of the plane and of the session's gate.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Its name: the common name of its certificate, which is in the cell.
    pub name: String,
    /// Its private key: PKCS #8 as PEM.
    pub key: String,
    /// The certificates by which servers are checked, as PEM.
    pub roots: String,
}

impl std::fmt::Debug for Tls {
    /// Without the key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Tls({})", self.name)
    }
}

/// A value that is known to be secret, and what it is called.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// The name, which may be shown.
    pub name: String,
    /// The value, which may not.
    pub value: String,
}

impl std::fmt::Debug for Secret {
    /// Without the value.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Secret({})", self.name)
    }
}

/// A proxy to go out through, by CONNECT.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// Name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The value of `Proxy-Authorization`, where the proxy wants one. It never enters the cell or the record.
    pub authorization: Option<String>,
    /// Destinations that are reached without it: names, `.suffixes`, addresses, networks, and `*` for all. A plain name
    /// covers what is below it too; a `.suffix` only that.
    pub bypass: Vec<String>,
}

impl std::fmt::Debug for Proxy {
    /// Without the credential.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Proxy({}:{})", self.host, self.port)
    }
}

/// How much a gate holds at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Connections at once.
    pub connections: u32,
    /// Names that get a synthetic address, over the session.
    pub names: u32,
    /// Seconds after which a connection that carries nothing is closed.
    pub idle: u32,
    /// Connections and requests that wait for the operator at once.
    pub held: u32,
    /// Seconds for which each of them waits, until its program is told that it may ask again; none waits where nobody is there
    /// to be asked.
    pub patience: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { connections: 2560, names: 16 * 1024, idle: 3600, held: 256, patience: 60 }
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
            incarnation: 1,
            segment: None,
            names: Vec::new(),
            upstream_proxy: None,
            secrets: vec![Secret { name: "KEY".into(), value: "value".into() }],
            lets_own: true,
            tls: Some(Tls { name: "cell".into(), key: "key".into(), roots: String::new() }),
            credentials: vec![Lent {
                name: "github".into(),
                value: "value".into(),
                to: Target::parse("api.github.com:443").unwrap(),
                paths: vec![PathPattern::parse("/repos/**").unwrap()],
                expires: None,
            }],
            carried: Vec::new(),
            lacking: None,
            heard: Vec::new(),
            labelled: vec![Labelled {
                label: Label::parse("secret:env").unwrap(),
                source: ".env".into(),
                text: "value".into(),
                exact: true,
            }],
            intent: vec!["do it".into()],
            reserved: Amounts::default(),
            granted: vec![Rule::to(Target::parse("a.example:443").unwrap())],
            endorsed: Vec::new(),
            suspected: vec![Counted { name: "secret".into(), weight: 40, age: 5 }],
            lines: 2,
            paused: true,
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
        assert_eq!(Lease { version: 1, ..lease() }.check(), Err(LeaseError::Version(1)));
    }
}
