//! Headers of requests to providers: those that are known go on. By a header a program may switch something on, pick the
//! account that pays, or have a gateway in front of the provider ask another one with the operator's key; so what no list
//! holds is left out, and the request goes on without it. Credentials are not this module's: they are judged where they
//! are known.

use super::{Grants, Hosted, Refused, Wire};

/// What becomes of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on as it is.
    Keep,
    /// It is left out.
    Strip,
    /// It goes on with this value.
    Set(String),
    /// The request is refused.
    Refuse(Refused),
}

/// Anthropic's features that change how a model answers, or how it is paid; by the name without its date.
pub(super) const BETAS: &[&str] = &[
    "advanced-tool-use",
    "afk-mode",
    "auto-mode-classifier",
    "cache-diagnosis",
    "cache-keepalive",
    "claude-code",
    "claude-code-side-query",
    "computer-use",
    "context-1m",
    "context-hint",
    "context-management",
    "compact",
    "dangerous-tool-use",
    "dev-full-thinking",
    "effort",
    "extended-cache-ttl",
    "fast-mode",
    "fine-grained-tool-streaming",
    "inline-tools",
    "interleaved-thinking",
    "max-tokens-3-5-sonnet",
    "mid-conversation-system",
    "mid-conversation-system-clear-at",
    "mid-conversation-tool-changes",
    "model-context-window-exceeded",
    "oauth",
    "output-128k",
    "output-300k",
    "pdfs",
    "per-turn-control",
    "prompt-caching",
    "prompt-caching-evict",
    "prompt-caching-scope",
    "redact-thinking",
    "search-results",
    "structured-outputs",
    "task-budgets",
    "thinking-binding-controls",
    "thinking-display-updates",
    "thinking-token-count",
    "timing",
    "token-counting",
    "token-efficient-tools",
    "tool-examples",
    "tool-provenance",
    "tool-search-tool",
];

/// Those that let Anthropic act for the agent, or hold something for it.
pub(super) const HOSTED_BETAS: &[(&str, Hosted)] = &[
    ("web-search", Hosted::WebSearch),
    ("web-search-results-only", Hosted::WebSearch),
    ("web-fetch", Hosted::WebFetch),
    ("code-execution", Hosted::CodeExecution),
    ("skills", Hosted::CodeExecution),
    ("files-api", Hosted::Files),
    ("mcp-client", Hosted::Mcp),
    ("mcp-servers", Hosted::Mcp),
    ("mcp-tunnels", Hosted::Mcp),
    ("advisor-tool", Hosted::OtherModels),
    ("server-side-fallback", Hosted::OtherModels),
    ("fallback-credit", Hosted::OtherModels),
    ("message-batches", Hosted::Background),
    ("message-threads", Hosted::Conversations),
    ("managed-agents", Hosted::Conversations),
    ("agent-memory", Hosted::Conversations),
];

/// Headers that are left out: which account pays is the gate's to say.
pub(super) const STRIPPED: &[&str] = &[
    "openai-organization",
    "openai-project",
    "x-goog-user-project",
    "anthropic-workspace-id",
    "anthropic-organization-id",
    "chatgpt-account-id",
];

/// Headers that say how the request is framed, which the gate writes anew, and in which form the answer is wanted.
pub(super) const FRAMING: &[&str] =
    &["accept", "accept-encoding", "accept-language", "content-length", "host", "transfer-encoding"];

/// Headers by which a program says what it is, which of its sessions asks, and what it expects of the answer's form. None
/// picks whom the provider asks, or what it does. They are listed for whoever sends them, whatever the wire: agents ask
/// many vendors in the form of one. `_` counts as `-`.
pub(super) const CLIENTS: &[(&str, &[&str])] = &[
    ("any client", &["user-agent", "x-client-request-id", "x-request-id", "x-session-affinity", "x-session-id"]),
    (
        "the kits of Anthropic and OpenAI",
        &[
            "x-stainless-arch",
            "x-stainless-async",
            "x-stainless-custom-poll-interval",
            "x-stainless-helper",
            "x-stainless-helper-method",
            "x-stainless-lang",
            "x-stainless-os",
            "x-stainless-package-version",
            "x-stainless-poll-helper",
            "x-stainless-raw-response",
            "x-stainless-read-timeout",
            "x-stainless-retry-count",
            "x-stainless-runtime",
            "x-stainless-runtime-version",
            "x-stainless-timeout",
        ],
    ),
    (
        "claude",
        &[
            "anthropic-dangerous-direct-browser-access",
            "anthropic-version",
            "x-anthropic-additional-protection",
            "x-app",
            "x-claude-code-agent-id",
            "x-claude-code-compaction",
            "x-claude-code-context-compacted",
            "x-claude-code-parent-agent-id",
            "x-claude-code-request-class",
            "x-claude-code-session-id",
        ],
    ),
    (
        "codex",
        &[
            "conversation-id",
            "originator",
            "session-id",
            "thread-id",
            "version",
            "x-codex-installation-id",
            "x-codex-parent-thread-id",
            "x-codex-turn-metadata",
            "x-codex-turn-state",
            "x-codex-window-id",
            "x-openai-subagent",
            "x-responsesapi-include-timing-metrics",
        ],
    ),
    ("gemini", &["x-gemini-api-privileged-user-id", "x-goog-api-client", "x-server-timeout"]),
    (
        "opencode",
        &["x-opencode-client", "x-opencode-project", "x-opencode-request", "x-opencode-session", "x-parent-session-id"],
    ),
    // Where OpenRouter counts the request, and nothing else.
    ("pi, openclaw and others", &["http-referer", "x-openrouter-categories", "x-openrouter-title", "x-title"]),
];

/// Headers by which some servers take another method or path than the one that was judged.
pub(super) const OVERRIDES: &[&str] = &[
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-original-method",
];

/// Judges one header of a request to a provider; a name in any case, one value.
#[must_use]
pub fn header(wire: Wire, name: &str, value: &str, grants: &Grants) -> Verdict {
    let name = name.to_ascii_lowercase().replace('_', "-");
    match name.as_str() {
        // What is sent was read as JSON, and is to be read as nothing else.
        "content-type" if is_json(value) => Verdict::Keep,
        "content-type" => Verdict::Set("application/json".into()),
        // Whatever the wire: what a provider does not know, it ignores.
        "anthropic-beta" => betas(value, grants),
        "openai-beta" => openai_beta(wire, value),
        name if STRIPPED.contains(&name) => Verdict::Strip,
        name if OVERRIDES.contains(&name) => Verdict::Refuse(Refused {
            what: format!("header `{name}`"),
            why: "the provider could take another request than the one that was judged",
            hint: None,
        }),
        name if is_listed(name) || grants.fields.contains(&format!("header:{name}")) => Verdict::Keep,
        _ => Verdict::Strip,
    }
}

fn is_listed(name: &str) -> bool {
    FRAMING.contains(&name) || CLIENTS.iter().any(|(_, names)| names.contains(&name))
}

/// JSON in UTF-8, which needs not be said.
fn is_json(value: &str) -> bool {
    let mut parts = value.split(';').map(|part| part.trim().to_ascii_lowercase());
    let utf8 = |part: String| matches!(part.as_str(), "" | "charset=utf-8" | "charset=\"utf-8\"");
    parts.next().as_deref() == Some("application/json") && parts.all(utf8)
}

/// Those that are known and harmless, or granted, go on. The others are left out and the request goes on: what needs
/// one of them is a field or a tool as well, and refused there by name.
fn betas(value: &str, grants: &Grants) -> Verdict {
    let asked = || value.split(',').map(str::trim).filter(|beta| !beta.is_empty());
    let kept: Vec<&str> = asked().filter(|beta| is_kept(beta, grants)).collect();
    match (kept.len() == asked().count(), kept.is_empty()) {
        (_, true) => Verdict::Strip,
        (true, _) => Verdict::Keep,
        _ => Verdict::Set(kept.join(",")),
    }
}

fn is_kept(beta: &str, grants: &Grants) -> bool {
    match hosted_beta(beta) {
        Some(hosted) => grants.hosted.contains(&hosted),
        None => BETAS.contains(&undated(beta)) || grants.fields.contains(&format!("anthropic-beta:{beta}")),
    }
}

fn hosted_beta(beta: &str) -> Option<Hosted> {
    HOSTED_BETAS.iter().find(|(name, _)| *name == undated(beta)).map(|&(_, hosted)| hosted)
}

/// A feature's name without its date: `interleaved-thinking` of `interleaved-thinking-2025-05-14`.
fn undated(beta: &str) -> &str {
    beta.trim_end_matches(|character: char| character.is_ascii_digit() || character == '-')
}

/// `responses=experimental` is what codex says; assistants and realtime are other endpoints.
fn openai_beta(wire: Wire, value: &str) -> Verdict {
    match (wire, value.trim()) {
        (Wire::Responses, "responses=experimental") => Verdict::Keep,
        _ => Verdict::Strip,
    }
}
