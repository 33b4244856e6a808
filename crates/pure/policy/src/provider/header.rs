//! Headers by which a request switches something on at a provider, or picks the account that pays. All others are not
//! this module's: credentials and what frames the request are judged where they are known.

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
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        // Whatever the wire: what a provider does not know, it ignores.
        "anthropic-beta" => betas(value, grants),
        "openai-beta" => openai_beta(wire, value),
        name if STRIPPED.contains(&name) => Verdict::Strip,
        name if OVERRIDES.contains(&name) => Verdict::Refuse(Refused {
            what: format!("header `{name}`"),
            why: "the provider could take another request than the one that was judged",
            hint: None,
        }),
        _ => Verdict::Keep,
    }
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
