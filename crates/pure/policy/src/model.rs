//! A compiled policy: every name canonical, every default chosen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CanonicalPath, Example, HostPattern, Method, PathPattern, Target, print};

/// One compiled policy. The default allows nothing.
#[derive(Debug, Clone, PartialEq, Eq, std::default::Default, Serialize, Deserialize)]
pub struct Policy {
    /// The name given in the file.
    pub name: String,
    /// What of the file system exists inside.
    pub files: Files,
    /// Variables set inside.
    pub environment: BTreeMap<String, String>,
    /// Resource limits.
    pub limits: Limits,
    /// What may be reached through the door.
    pub network: Network,
    /// What the policy itself says must come out, see [`crate::run_tests`].
    #[serde(default)]
    pub tests: Vec<Example>,
}

/// What of the file system exists inside.
#[derive(Debug, Clone, PartialEq, Eq, std::default::Default, Serialize, Deserialize)]
pub struct Files {
    /// How the workspace's changes come out.
    pub workspace: WorkspaceMode,
    /// Trees that are visible, read-only.
    pub read: Vec<CanonicalPath>,
    /// Trees whose changes are merged like the workspace's.
    pub write: Vec<CanonicalPath>,
    /// Trees inside the others that are absent.
    pub hide: Vec<CanonicalPath>,
    /// Relative names held back from merging, since the host later runs or trusts them.
    pub guard: Vec<String>,
}

/// How the workspace's changes come out, narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, std::default::Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkspaceMode {
    /// Nothing is written.
    #[default]
    ReadOnly,
    /// Merged when the operator says so.
    Review,
    /// Merged continuously, guarded names held back.
    Live,
}

impl WorkspaceMode {
    /// The name as written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            WorkspaceMode::ReadOnly => "read-only",
            WorkspaceMode::Review => "review",
            WorkspaceMode::Live => "live",
        }
    }
}

/// Resource limits; none is the host's own.
#[derive(Debug, Clone, PartialEq, Eq, std::default::Default, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Processors, in thousandths.
    pub cpu: Option<u64>,
    /// Wall-clock seconds.
    pub time: Option<u64>,
    /// Bytes of changed files.
    pub disk: Option<u64>,
    /// Limits that the host must enforce, or nothing runs.
    #[serde(default)]
    pub required: BTreeSet<Limit>,
}

/// One kind of limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // As in [`Limits`].
pub enum Limit {
    Memory,
    Pids,
    Cpu,
    Time,
    Disk,
}

impl Limit {
    /// Every kind, in the order of the language.
    pub const ALL: [Limit; 5] = [Limit::Memory, Limit::Pids, Limit::Cpu, Limit::Time, Limit::Disk];

    /// The name as written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Limit::Memory => "memory",
            Limit::Pids => "pids",
            Limit::Cpu => "cpu",
            Limit::Time => "time",
            Limit::Disk => "disk",
        }
    }
}

impl Limits {
    /// The value of one kind, in its base unit.
    #[must_use]
    pub const fn get(&self, limit: Limit) -> Option<u64> {
        match limit {
            Limit::Memory => self.memory,
            Limit::Pids => self.pids,
            Limit::Cpu => self.cpu,
            Limit::Time => self.time,
            Limit::Disk => self.disk,
        }
    }
}

/// What may be reached through the door.
#[derive(Debug, Clone, PartialEq, Eq, std::default::Default, Serialize, Deserialize)]
pub struct Network {
    /// What happens to a destination that no rule names.
    pub default: Default,
    /// What is allowed.
    pub allow: Vec<Rule>,
    /// What is denied, whatever is allowed. Such a rule holds for every program.
    pub deny: Vec<Rule>,
}

/// What happens to a destination that no rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, std::default::Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Default {
    /// Refused.
    #[default]
    Deny,
    /// The operator is asked.
    Ask,
}

impl Default {
    /// The name as written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Default::Deny => "deny",
            Default::Ask => "ask",
        }
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    /// Hosts and port.
    pub to: Target,
    /// Executables that may; empty means every program, known or not.
    #[serde(default)]
    pub programs: Vec<CanonicalPath>,
    /// The protocol.
    #[serde(default)]
    pub protocol: Protocol,
    /// Methods of requests; empty means every one. Only where HTTP is spoken, as with [`Rule::paths`].
    #[serde(default)]
    pub methods: Vec<Method>,
    /// Paths of requests; empty means every one.
    #[serde(default)]
    pub paths: Vec<PathPattern>,
}

/// The protocol of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, std::default::Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Bytes over TCP, not looked into.
    #[default]
    Tcp,
    /// HTTP: every request is read and decided by itself.
    Http,
}

impl Rule {
    /// A rule for every program.
    #[must_use]
    pub const fn to(to: Target) -> Rule {
        Rule { to, programs: Vec::new(), protocol: Protocol::Tcp, methods: Vec::new(), paths: Vec::new() }
    }

    /// Whether it means some requests and not others.
    #[must_use]
    pub const fn is_about_requests(&self) -> bool {
        !self.methods.is_empty() || !self.paths.is_empty()
    }

    /// Whether the rule holds for a program chain, executable first. An unknown program matches no list.
    #[must_use]
    pub fn takes(&self, program: Option<&[String]>) -> bool {
        let executable = program.and_then(<[String]>::first);
        self.programs.is_empty()
            || executable.is_some_and(|name| self.programs.iter().any(|path| path.as_str() == name))
    }

    /// Whether the other rule allows nothing that this one does not. Unlike [`Rule::covers`] it counts that a
    /// network names a special address only when it is no wider than the range: naming one inside grants more.
    #[must_use]
    pub fn grants(&self, other: &Rule) -> bool {
        let names = match (&self.to.host, &other.to.host) {
            (wide, narrow) if wide == narrow => true,
            (HostPattern::Network(wide), HostPattern::Address(address)) => {
                crate::special(*address).is_none_or(|found| wide.prefix() >= found.prefix)
            }
            // Some range may lie inside both: only a network that can name no less counts as the same.
            (HostPattern::Network(_), HostPattern::Network(_)) => false,
            _ => true,
        };
        names && self.covers(other) && self.to.opens(&other.to)
    }

    /// Whether every request that the other rule takes is taken by this one.
    #[must_use]
    pub fn covers(&self, other: &Rule) -> bool {
        let programs = self.programs.is_empty()
            || (!other.programs.is_empty() && other.programs.iter().all(|path| self.programs.contains(path)));
        programs && self.to.covers(&other.to) && self.takes_requests_of(other)
    }

    /// Whether it takes every request that the other one takes, destinations left aside.
    fn takes_requests_of(&self, other: &Rule) -> bool {
        let methods = self.methods.is_empty()
            || (!other.methods.is_empty() && other.methods.iter().all(|method| self.methods.contains(method)));
        let covered = |path: &PathPattern| self.paths.iter().any(|own| own.covers(path));
        methods && (self.paths.is_empty() || (!other.paths.is_empty() && other.paths.iter().all(covered)))
    }
}

impl fmt::Display for Rule {
    /// The rule as it stands in a policy.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{to: \"{}\"", self.to)?;
        if !self.programs.is_empty() {
            let quoted: Vec<String> = self.programs.iter().map(|path| print::quoted(path.as_str())).collect();
            write!(formatter, ", programs: [{}]", quoted.join(", "))?;
        }
        if self.protocol == Protocol::Http && !self.is_about_requests() {
            formatter.write_str(", protocol: http")?;
        }
        if !self.methods.is_empty() {
            let names: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
            write!(formatter, ", methods: [{}]", names.join(", "))?;
        }
        if !self.paths.is_empty() {
            let quoted: Vec<String> = self.paths.iter().map(|path| print::quoted(path.as_str())).collect();
            write!(formatter, ", paths: [{}]", quoted.join(", "))?;
        }
        formatter.write_str("}")
    }
}
