//! Ollama's own requests: what one may hold. Models are neither pulled, pushed, made nor removed through it, and its
//! search of the web is not on the list.

use super::rule::{Field, Kinds, Rule, TEXT_OR_TEXTS, field, hosted, kind, word};
use super::{Endpoint, Hosted, Kind as Purpose, Wire};

const fn endpoint(method: &'static str, path: &'static str, kind: Purpose, body: &'static [Field]) -> Endpoint {
    Endpoint { wire: Wire::Ollama, method, path, kind, body, forced: &[] }
}

pub(super) const ENDPOINTS: &[Endpoint] = &[
    endpoint("POST", "/api/chat", Purpose::Inference, CHAT),
    endpoint("POST", "/api/generate", Purpose::Inference, GENERATE),
    endpoint("POST", "/api/embed", Purpose::Embedding, EMBED),
    endpoint("POST", "/api/embeddings", Purpose::Embedding, EMBEDDINGS),
    endpoint("GET", "/api/tags", Purpose::Models, &[]),
    endpoint("GET", "/api/ps", Purpose::Models, &[]),
    endpoint("POST", "/api/show", Purpose::Models, SHOW),
    endpoint("GET", "/api/version", Purpose::Probe, &[]),
];

const OPTIONS: Rule = Rule::Map(&Rule::Any(&[Rule::Number, Rule::Flag, TEXT_OR_TEXTS]));
const THINK: Rule = Rule::Any(&[Rule::Flag, Rule::Text]);
const KEEP: Rule = Rule::Any(&[Rule::Text, Rule::Number]);
const FORMAT: Rule = Rule::Any(&[Rule::Text, Rule::Schema]);
const IMAGES: Rule = Rule::List(&Rule::Bytes);

const CHAT: &[Field] = &[
    field("model", Rule::Model),
    field("messages", Rule::List(&Rule::Object(MESSAGE))),
    field("tools", Rule::List(&Rule::Kinds(&TOOLS))),
    field("think", THINK),
    field("format", FORMAT),
    field("options", OPTIONS),
    field("stream", Rule::Flag),
    field("keep_alive", KEEP),
    field("truncate", Rule::Flag),
    field("shift", Rule::Flag),
    field("logprobs", Rule::Flag),
    field("top_logprobs", Rule::Number),
];
const GENERATE: &[Field] = &[
    field("model", Rule::Model),
    field("prompt", Rule::Text),
    field("suffix", Rule::Text),
    field("system", Rule::Text),
    field("template", Rule::Text),
    field("images", IMAGES),
    field("raw", Rule::Flag),
    field("think", THINK),
    field("format", FORMAT),
    field("options", OPTIONS),
    field("stream", Rule::Flag),
    field("keep_alive", KEEP),
    field("truncate", Rule::Flag),
    field("shift", Rule::Flag),
    field("logprobs", Rule::Flag),
    field("top_logprobs", Rule::Number),
    // The conversation so far, as tokens.
    field("context", Rule::Hosted(Hosted::Tokens)),
];
const EMBED: &[Field] = &[
    field("model", Rule::Model),
    field("input", TEXT_OR_TEXTS),
    field("truncate", Rule::Flag),
    field("dimensions", Rule::Number),
    field("options", OPTIONS),
    field("keep_alive", KEEP),
];
const EMBEDDINGS: &[Field] =
    &[field("model", Rule::Model), field("prompt", Rule::Text), field("options", OPTIONS), field("keep_alive", KEEP)];
const SHOW: &[Field] = &[field("model", Rule::Model), field("name", Rule::Model), field("verbose", Rule::Flag)];

const MESSAGE: &[Field] = &[
    field("role", Rule::Word(&[word("system"), word("user"), word("assistant"), word("tool"), word("developer")])),
    field("content", Rule::Text),
    field("thinking", Rule::Text),
    field("images", IMAGES),
    field("tool_calls", Rule::List(&Rule::Object(CALL))),
    field("tool_name", Rule::Text),
    field("tool_call_id", Rule::Text),
];
const CALLED: &[Field] = &[field("index", Rule::Number), field("name", Rule::Text), field("arguments", Rule::Free)];
const CALL: &[Field] = &[field("id", Rule::Text), field("type", Rule::Text), field("function", Rule::Object(CALLED))];
const FUNCTION: &[Field] = &[
    field("name", Rule::Text),
    field("description", Rule::Text),
    field("parameters", Rule::Schema),
    field("strict", Rule::Flag),
];
const TOOLS: Kinds = Kinds {
    by: "type",
    absent: Some("function"),
    kinds: &[
        kind("function", &[field("function", Rule::Object(FUNCTION))]),
        hosted("web_search", Hosted::WebSearch),
        hosted("web_fetch", Hosted::WebFetch),
    ],
    common: &[field("type", Rule::Text)],
};
