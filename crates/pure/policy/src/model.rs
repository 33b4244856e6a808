//! A compiled policy: every name canonical, every default chosen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::mcp::Mcp;
use crate::{
    Agents, Answers, Bodies, CanonicalPath, Cidr, Credential, Data, Endorsement, Example, Flow, Foreign, Grounding,
    HostPattern, Inference, Intent, Method, Narrowed, PathPattern, ProgramPattern, Risk, SecretRules, Server, Target,
    ToolRule, ValuePattern, print,
};

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
    /// Which models may be used, and who serves them.
    #[serde(default)]
    pub inference: Inference,
    /// Which data carries a label.
    #[serde(default)]
    pub data: Vec<Data>,
    /// Which label may not flow where.
    #[serde(default)]
    pub flows: Vec<Flow>,
    /// What tools do, and what their arguments are.
    #[serde(default)]
    pub tools: Vec<ToolRule>,
    /// What becomes of a call that nothing the operator said speaks for.
    #[serde(default)]
    pub grounding: Grounding,
    /// What its operator endorses, each until a day.
    #[serde(default)]
    pub endorse: Vec<Endorsement>,
    /// Whose words are his.
    #[serde(default)]
    pub intent: Intent,
    /// What becomes of what a model repeats from others' words.
    #[serde(default)]
    pub foreign: Foreign,
    /// How much of what was said stands in the record.
    #[serde(default)]
    pub bodies: Bodies,
    /// What is done at which risk.
    #[serde(default)]
    pub risk: Risk,
    /// What secrets look like, beside the forms that are known anyway.
    #[serde(default)]
    pub secrets: Vec<SecretRules>,
    /// What it is narrowed to under risk. No file says so: a session does, and its operator takes it back.
    #[serde(default)]
    pub narrowed: Option<Narrowed>,
    /// What sub-agents may come to; none lets there be none.
    #[serde(default)]
    pub agents: Option<Agents>,
    /// Servers of MCP in cells of their own.
    #[serde(default)]
    pub servers: Vec<Server>,
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

/// Most seconds that a limit of time may say, about a hundred years: what is added to a clock must not overflow it.
pub const MOST_TIME: u64 = 876_600 * 3600;

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

impl Network {
    /// Whether any rule has requests decided.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.allow.iter().chain(&self.deny).any(|rule| rule.protocol.reads())
    }
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
    pub programs: Vec<ProgramPattern>,
    /// Where its name may lead; empty means to every public address. What stands here is thereby named.
    #[serde(default)]
    pub addresses: Vec<Cidr>,
    /// The protocol.
    #[serde(default)]
    pub protocol: Protocol,
    /// Methods of requests; empty means every one. Only where HTTP is spoken, as with [`Rule::paths`].
    #[serde(default)]
    pub methods: Vec<Method>,
    /// Paths of requests; empty means every one.
    #[serde(default)]
    pub paths: Vec<PathPattern>,
    /// Fields that a request's query has.
    #[serde(default)]
    pub query: BTreeMap<String, ValuePattern>,
    /// Headers that a request has, by their names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, ValuePattern>,
    /// Which messages, where MCP is spoken.
    #[serde(default)]
    pub mcp: Mcp,
    /// How much may be asked by an allow rule.
    #[serde(default)]
    pub bounds: Bounds,
    /// What the answers to what it allows may be.
    #[serde(default)]
    pub answers: Answers,
    /// What becomes of TLS.
    #[serde(default)]
    pub tls: Tls,
    /// The secret that goes with the requests it allows.
    #[serde(default)]
    pub credential: Option<Credential>,
    /// It was made from a route of [`Inference`]: what it allows is asked of a model, and goes by that route.
    #[serde(default)]
    pub inference: bool,
}

/// What becomes of TLS to a rule's destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, std::default::Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// It is read where requests are decided.
    #[default]
    Read,
    /// It passes as it is, whatever has requests decided there; nothing but TLS to that very name does.
    Pass,
}

/// How much may be asked by one rule, in one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, std::default::Default, Serialize, Deserialize)]
pub struct Bounds {
    /// Bytes of one request's body.
    pub body: Option<u64>,
    /// Requests in a time.
    pub rate: Option<Rate>,
    /// Bytes of all requests, heads and bodies.
    pub budget: Option<u64>,
}

/// So many in so many seconds: at once, and again as time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Rate {
    pub count: u64,
    pub seconds: u64,
}

impl Bounds {
    /// Whether there are any.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        self.body.is_some() || self.rate.is_some() || self.budget.is_some()
    }

    /// Whether they let pass whatever the others do. A rate and a budget are those of one rule: beside it, another one
    /// with the same would let as much through again.
    fn covers(&self, other: &Bounds) -> bool {
        let body = self.body.is_none_or(|own| other.body.is_some_and(|other| own >= other));
        body && self.rate.is_none() && self.budget.is_none()
    }
}

impl Rate {
    /// No faster than either, and no more at once.
    #[must_use]
    pub fn and(self, other: Rate) -> Rate {
        Rate { count: self.count.min(other.count), seconds: self.seconds.max(other.seconds) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.seconds {
            3600 => "h",
            60 => "m",
            _ => "s",
        };
        write!(formatter, "{}/{unit}", self.count)
    }
}

/// The protocol of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, std::default::Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Bytes over TCP. They are looked into where a session watches what leaves it, and requests are then read.
    #[default]
    Detect,
    /// Bytes over TCP, never looked into.
    Tcp,
    /// HTTP: every request is read and decided by itself.
    Http,
    /// The same, and the rule is about requests that make their connection a WebSocket, whose messages are read then.
    Websocket,
    /// The same, and what the rule is about is the Model Context Protocol: every message is read and decided by itself.
    Mcp,
}

impl Protocol {
    /// Whether a rule with it has requests read and decided one by one.
    #[must_use]
    pub const fn reads(self) -> bool {
        matches!(self, Protocol::Http | Protocol::Websocket | Protocol::Mcp)
    }
}

impl Rule {
    /// A rule for every program.
    #[must_use]
    pub const fn to(to: Target) -> Rule {
        Rule {
            to,
            programs: Vec::new(),
            addresses: Vec::new(),
            protocol: Protocol::Detect,
            methods: Vec::new(),
            paths: Vec::new(),
            query: BTreeMap::new(),
            headers: BTreeMap::new(),
            mcp: Mcp {
                tools: None,
                arguments: BTreeMap::new(),
                resources: None,
                prompts: None,
                grant: BTreeSet::new(),
            },
            bounds: Bounds { body: None, rate: None, budget: None },
            answers: Answers { size: None, types: None },
            tls: Tls::Read,
            credential: None,
            inference: false,
        }
    }

    /// Whether it means some requests and not others.
    #[must_use]
    pub fn is_about_requests(&self) -> bool {
        let kind = matches!(self.protocol, Protocol::Websocket | Protocol::Mcp);
        let some = !self.methods.is_empty() || !self.paths.is_empty() || kind;
        some || !self.query.is_empty() || !self.headers.is_empty()
    }

    /// Whether the rule holds for a program chain, executable first. An unknown program matches no list.
    #[must_use]
    pub fn takes(&self, program: Option<&[String]>) -> bool {
        let executable = program.and_then(<[String]>::first);
        self.programs.is_empty() || executable.is_some_and(|name| self.programs.iter().any(|path| path.takes(name)))
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
            || (!other.programs.is_empty()
                && other.programs.iter().all(|path| self.programs.iter().any(|own| own.covers(path))));
        // Addresses bound where a name leads, and name special ones: either may be more.
        let addresses = self.addresses == other.addresses
            || !other.addresses.is_empty() && other.addresses.iter().all(|network| self.addresses.contains(network));
        programs && addresses && self.to.covers(&other.to) && self.takes_requests_of(other)
    }

    /// Whether it takes every request that the other one takes, destinations left aside.
    fn takes_requests_of(&self, other: &Rule) -> bool {
        let methods = self.methods.is_empty()
            || (!other.methods.is_empty() && other.methods.iter().all(|method| self.methods.contains(method)));
        let covered = |path: &PathPattern| self.paths.iter().any(|own| own.covers(path));
        let paths = self.paths.is_empty() || (!other.paths.is_empty() && other.paths.iter().all(covered));
        let said = |own: &BTreeMap<String, ValuePattern>, other: &BTreeMap<String, ValuePattern>| {
            own.iter().all(|(name, value)| other.get(name) == Some(value))
        };
        let fields = said(&self.query, &other.query) && said(&self.headers, &other.headers);
        // What passes unread passes beside what is denied about requests, so nothing else covers it.
        let same = self.tls == other.tls && self.credential == other.credential && self.inference == other.inference;
        let unread = other.protocol != Protocol::Tcp || self.protocol == Protocol::Tcp;
        // A WebSocket is allowed by what names it, and by nothing else. So is what is said where MCP is spoken.
        let own = |rule: &Rule| (rule.protocol == Protocol::Websocket, rule.protocol == Protocol::Mcp);
        let kind = own(self) == own(other) && self.mcp.covers(&other.mcp);
        let bounds = self.bounds.covers(&other.bounds) && self.answers.covers(&other.answers);
        methods && paths && fields && bounds && same && unread && kind
    }
}

impl fmt::Display for Rule {
    /// The rule as it stands in a policy.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{to: \"{}\"", self.to)?;
        print::listed(formatter, "programs", self.programs.iter().map(|path| print::Quoted(path.as_str())))?;
        print::listed(formatter, "addresses", self.addresses.iter().map(|network| format!("\"{network}\"")))?;
        let bounds = self.bounds.is_some() || self.answers.is_some();
        let said = self.is_about_requests() || bounds || self.credential.is_some();
        if self.protocol == Protocol::Tcp {
            formatter.write_str(", protocol: tcp")?;
        }
        if self.protocol == Protocol::Http && !said {
            formatter.write_str(", protocol: http")?;
        }
        if self.protocol == Protocol::Websocket {
            formatter.write_str(", protocol: websocket")?;
        }
        if self.protocol == Protocol::Mcp {
            formatter.write_str(", protocol: mcp")?;
        }
        print::listed(formatter, "methods", self.methods.iter().map(Method::as_str))?;
        print::listed(formatter, "paths", self.paths.iter().map(|path| print::Quoted(path.as_str())))?;
        for (key, fields) in [("query", &self.query), ("headers", &self.headers)] {
            let said = |(name, value): (&String, &ValuePattern)| {
                format!("{}: {}", print::quoted(name), print::quoted(value.as_str()))
            };
            if !fields.is_empty() {
                let said: Vec<String> = fields.iter().map(said).collect();
                write!(formatter, ", {key}: {{{}}}", said.join(", "))?;
            }
        }
        self.mcp.fmt(formatter)?;
        let Bounds { body, rate, budget } = self.bounds;
        let size = |value: u64| print::quantity(Limit::Memory, value);
        let bounds =
            [("body", body.map(size)), ("rate", rate.map(|rate| rate.to_string())), ("budget", budget.map(size))];
        for (key, value) in bounds {
            if let Some(value) = value {
                write!(formatter, ", {key}: {value}")?;
            }
        }
        if self.answers.is_some() {
            write!(formatter, ", answers: {}", self.answers)?;
        }
        if let Some(credential) = &self.credential {
            write!(formatter, ", credential: {credential}")?;
        }
        if self.tls == Tls::Pass {
            formatter.write_str(", tls: pass")?;
        }
        formatter.write_str("}")
    }
}
