//! Servers of MCP that run in cells of their own, beside the agent's: what each is made of, and the name by which an agent
//! reaches it. What may be said to one is a matter of rules, like for a server elsewhere.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

use crate::print::quoted;
use crate::{CanonicalPath, Conjunction, Default as Fallback, DnsName, Host, Limits, Network, Policy, Rule, print};

/// What the name of a server is followed by, where an agent reaches it.
pub const SERVERS: &str = ".mcp.bastide.internal";
/// The port that it is reached at.
pub const SERVER_PORT: u16 = 80;
/// The path.
pub const SERVER_PATH: &str = "/mcp";
/// Most servers of one policy.
pub const MAX_SERVERS: usize = 16;
/// Longest name.
const MAX_NAME: usize = 32;

/// A server that speaks MCP on its standard input and output.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Server {
    /// What it is called: one label of a DNS name.
    pub name: String,
    /// Its program, by its absolute path or as it is found in `PATH`, and its arguments.
    pub command: Vec<String>,
    /// Trees that it sees beside the system's, read-only.
    pub read: Vec<CanonicalPath>,
    /// Its variables.
    pub environment: BTreeMap<String, String>,
    /// Its limits; what is not stated is that of its policy's ground.
    pub limits: Limits,
    /// What it may reach; nothing else, and nobody is asked.
    pub network: Network,
}

impl Server {
    /// Whether something may be a server's name.
    #[must_use]
    pub fn is_name(text: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let ends = |byte: Option<&u8>| byte.is_some_and(|byte| *byte != b'-');
        let bytes = text.as_bytes();
        bytes.len() <= MAX_NAME && ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(|byte| plain(*byte))
    }

    /// The policy of its cell, on the ground of one that lets the system's programs be read and nothing be reached or written.
    /// `held` are those under which it is spoken with: what may not flow from there may not from here.
    #[must_use]
    pub fn policy(&self, ground: Policy, held: &Conjunction) -> Policy {
        let Policy { mut files, limits, .. } = ground;
        files.read.extend(self.read.iter().filter(|path| !files.read.contains(path)).cloned().collect::<Vec<_>>());
        files.write.clear();
        let (own, base) = (self.limits.clone(), limits);
        let mut policy = Policy {
            name: format!("server {}", self.name),
            files,
            environment: self.environment.clone(),
            limits: Limits {
                memory: own.memory.or(base.memory),
                pids: own.pids.or(base.pids),
                cpu: own.cpu.or(base.cpu),
                time: own.time,
                disk: own.disk.or(base.disk),
                required: own.required,
            },
            network: Network { default: Fallback::Deny, ..self.network.clone() },
            ..Policy::default()
        };
        policy.bodies = held.bodies();
        for of in held.policies() {
            policy
                .flows
                .extend(of.flows.iter().filter(|flow| !policy.flows.contains(flow)).cloned().collect::<Vec<_>>());
        }
        policy
    }
}

impl Host {
    /// The name of the server in a cell of its own that this host stands for.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        if let Host::Name(name) = self { name.server() } else { None }
    }
}

impl DnsName {
    /// As [`Host::server`].
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.as_str().strip_suffix(SERVERS).filter(|label| !label.contains('.'))
    }
}

impl Conjunction {
    /// The server that every policy calls so, where all mean the same one.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&Server> {
        let mut all = self.policies().map(|policy| policy.servers.iter().find(|server| server.name == name));
        let first = all.next()??;
        all.all(|other| other == Some(first)).then_some(first)
    }

    /// Whether any policy has servers at all.
    #[must_use]
    pub fn has_servers(&self) -> bool {
        self.policies().any(|policy| !policy.servers.is_empty())
    }
}

impl fmt::Display for Server {
    /// As it stands in a policy, whose rules say what may be said to it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Server { name, command, read, environment, limits, network } = self;
        let texts = |texts: &mut dyn Iterator<Item = &str>| texts.map(quoted).collect::<Vec<_>>().join(", ");
        write!(out, "{{name: {}, command: [{}]", quoted(name), texts(&mut command.iter().map(String::as_str)))?;
        if !read.is_empty() {
            write!(out, ", read: [{}]", texts(&mut read.iter().map(CanonicalPath::as_str)))?;
        }
        if !environment.is_empty() {
            let said: Vec<String> =
                environment.iter().map(|(name, value)| format!("{}: {}", quoted(name), quoted(value))).collect();
            write!(out, ", env: {{{}}}", said.join(", "))?;
        }
        let limits = print::limits_within(limits);
        if !limits.is_empty() {
            write!(out, ", limits: {{{limits}}}")?;
        }
        let mut lists = String::new();
        for (key, rules) in [("allow", &network.allow), ("deny", &network.deny)] {
            if !rules.is_empty() {
                let comma = if lists.is_empty() { "" } else { ", " };
                let rules: Vec<String> = rules.iter().map(Rule::to_string).collect();
                write!(lists, "{comma}{key}: [{}]", rules.join(", "))?;
            }
        }
        if !lists.is_empty() {
            write!(out, ", network: {{{lists}}}")?;
        }
        out.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Flow, LabelPattern, Target};

    fn server(command: &str) -> Server {
        Server { name: "files".into(), command: vec![command.into()], ..Server::default() }
    }

    fn policy(servers: Vec<Server>) -> Policy {
        Policy { servers, ..Policy::default() }
    }

    #[test]
    fn a_name_is_one_label_and_a_host_stands_for_one() {
        for good in ["github", "a", "a-b", "0", &"x".repeat(MAX_NAME)] {
            assert!(Server::is_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "ä", &"x".repeat(MAX_NAME + 1)] {
            assert!(!Server::is_name(bad), "{bad}");
        }
        let of = |host: &str| Host::parse(host).expect("a host").server().map(str::to_owned);
        assert_eq!(of("GitHub.mcp.bastide.internal.").as_deref(), Some("github"));
        for none in ["mcp.bastide.internal", "a.b.mcp.bastide.internal", "github.mcp.bastide.internal.x", "127.0.0.1"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn every_policy_must_mean_the_same_server() {
        let of = |policies: Vec<Policy>| Conjunction::new(policies).server("files").cloned();
        let (one, other) = (server("/bin/one"), server("/bin/other"));
        assert_eq!(of(vec![policy(vec![one.clone()])]), Some(one.clone()));
        assert_eq!(of(vec![policy(vec![one.clone()]), policy(vec![one.clone()])]), Some(one.clone()));
        assert_eq!(of(vec![policy(vec![one.clone()]), policy(vec![other])]), None);
        assert_eq!(of(vec![policy(vec![one.clone()]), policy(Vec::new())]), None);
        assert_eq!(of(vec![policy(Vec::new()), policy(vec![one])]), None);
        assert_eq!(of(Vec::new()), None);
    }

    #[test]
    fn its_policy_reaches_what_is_listed_and_keeps_in_what_its_callers_do() {
        let mut ground = policy(vec![server("/bin/x")]);
        ground.network.allow = vec![Rule::to(Target::parse("everything.example").expect("a target"))];
        ground.network.default = Fallback::Ask;
        ground.files.read = vec![CanonicalPath::parse("/usr").expect("a path")];
        ground.files.write = vec![CanonicalPath::parse("/srv").expect("a path")];
        ground.environment.insert("TOKEN".into(), "x".into());
        ground.limits = Limits { memory: Some(7), pids: Some(8), time: Some(9), ..Limits::default() };
        let mut own = server("/bin/one");
        own.read = vec![CanonicalPath::parse("/opt/data").expect("a path")];
        own.limits.pids = Some(3);
        own.network.allow = vec![Rule::to(Target::parse("a.example").expect("a target"))];
        let flow = Flow { deny: LabelPattern::parse("secret:*").expect("a pattern"), to: None };
        let held = Conjunction::new(vec![Policy { flows: vec![flow.clone()], ..Policy::default() }]);
        let made = own.policy(ground, &held);
        assert_eq!((made.name.as_str(), made.network.default), ("server files", Fallback::Deny));
        assert_eq!(made.network.allow, own.network.allow);
        assert_eq!(made.files.read.iter().map(CanonicalPath::as_str).collect::<Vec<_>>(), ["/usr", "/opt/data"]);
        assert!(made.files.write.is_empty() && made.environment.is_empty() && made.servers.is_empty());
        assert_eq!((made.limits.memory, made.limits.pids, made.limits.time), (Some(7), Some(3), None));
        assert_eq!((made.flows, made.agents), (vec![flow], None));
    }
}
