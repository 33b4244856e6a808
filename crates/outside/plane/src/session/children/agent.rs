//! Agents that a petition may ask for by name: how each is started where nobody sits at a terminal, takes its task on its
//! standard input, and needs no key.

use wire::petition::{Denial, Name, Reason};

/// The petition's server of MCP, for claude.
const CLAUDE_SERVERS: &str = r#"{"mcpServers": {"bastide": {"type": "http", "url": "http://bastide.internal/mcp"}}}"#;
/// The same for codex.
const CODEX_SERVERS: &str = r#"mcp_servers.bastide.url="http://bastide.internal/mcp""#;

const AGENTS: &[Agent] = &[
    Agent {
        name: "claude",
        // Nobody is there to be asked about each call: what it may do is what its cell lets it.
        command: &[
            "claude",
            "-p",
            "--dangerously-skip-permissions",
            "--mcp-config",
            CLAUDE_SERVERS,
            "--strict-mcp-config",
        ],
        variables: &[("IS_SANDBOX", "1"), ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")],
        key: Some("ANTHROPIC_API_KEY"),
    },
    Agent {
        name: "codex",
        // Its own sandbox needs a user namespace, which a cell refuses: every command of its model would fail.
        command: &[
            "codex",
            "exec",
            "--skip-git-repo-check",
            "--dangerously-bypass-approvals-and-sandbox",
            "-c",
            CODEX_SERVERS,
            "-",
        ],
        variables: &[],
        key: None,
    },
    Agent { name: "gemini", command: &["gemini"], variables: &[], key: Some("GEMINI_API_KEY") },
    Agent { name: "opencode", command: &["opencode", "run"], variables: &[], key: None },
    Agent { name: "pi", command: &["pi", "-p"], variables: &[], key: None },
];

/// One of them.
#[derive(Debug)]
pub(super) struct Agent {
    name: &'static str,
    pub(super) command: &'static [&'static str],
    /// What it has to be told of where it runs.
    variables: &'static [(&'static str, &'static str)],
    /// The variable without which it asks no model.
    key: Option<&'static str>,
}

impl Agent {
    /// The one of this name.
    ///
    /// # Errors
    /// In words for who asked: which names there are.
    pub(super) fn named(name: &Name) -> Result<&'static Agent, Denial> {
        AGENTS.iter().find(|agent| agent.name == name.as_str()).ok_or_else(|| {
            let known: Vec<&str> = AGENTS.iter().map(|agent| agent.name).collect();
            let why = format!("no agent is called `{}`: {}", name.as_str(), known.join(", "));
            Denial::new(Reason::Unfit, why, "name one of these, or a `command`")
        })
    }

    /// Its variables. Where models are routed, the gate leaves out whatever key it says and puts in the provider's; some
    /// insist on having one to leave out.
    pub(super) fn variables(&self, routed: bool) -> impl Iterator<Item = (&'static str, &'static str)> {
        let key = self.key.filter(|_| routed).map(|key| (key, "unused"));
        self.variables.iter().copied().chain(key)
    }
}
