//! Which requests a provider may be sent at all. A path that is near one on the list is none: no prefix is taken for
//! the whole, and a method is part of the entry.

use super::{Endpoint, Hosted, Refused, chat, embeddings, gemini, messages, ollama, refused::shown, responses};

/// The lists of every wire.
pub(super) const LISTS: [&[Endpoint]; 6] = [
    messages::ENDPOINTS,
    chat::ENDPOINTS,
    responses::ENDPOINTS,
    embeddings::ENDPOINTS,
    gemini::ENDPOINTS,
    ollama::ENDPOINTS,
];

/// What stands for the name of a model in a path.
const MODEL: &str = "{model}";

/// Parts of paths by which a refusal says what was asked for; the first that the path holds.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("/event_logging", "what an agent tells its vendor of itself is not for a model"),
    ("/api/claude_code", "what an agent tells its vendor of itself is not for a model"),
    ("/api/claude_cli", "what an agent tells its vendor of itself is not for a model"),
    ("/api/eval/", "what an agent tells its vendor of itself is not for a model"),
    ("/api/directory", "what an agent tells its vendor of itself is not for a model"),
    ("batch", "a batch is answered later and fetched another way, out of the door's sight"),
    ("/files", "the provider would hold files, which the door has not seen"),
    ("/uploads", "the provider would hold files, which the door has not seen"),
    ("/upload/", "the provider would hold files, which the door has not seen"),
    ("/skills", "the provider would hold and run code for the agent, outside of the cell"),
    ("/containers", Hosted::CodeExecution.why()),
    ("/vector_stores", Hosted::FileSearch.why()),
    ("/fileSearchStores", Hosted::FileSearch.why()),
    ("/corpora", Hosted::FileSearch.why()),
    ("/cachedContents", Hosted::Files.why()),
    ("/conversations", Hosted::Conversations.why()),
    ("/threads", Hosted::Conversations.why()),
    ("/sessions", Hosted::Conversations.why()),
    ("/interactions", Hosted::Conversations.why()),
    ("/assistants", "the provider would run an agent of its own, past the door"),
    ("/agents", "the provider would run an agent of its own, past the door"),
    ("/environments", "the provider would run an agent of its own, past the door"),
    ("/fine_tuning", "a model would be trained on what the agent sends"),
    ("/fine-tunes", "a model would be trained on what the agent sends"),
    ("/tunedModels", "a model would be trained on what the agent sends"),
    ("/evals", "the provider would run models on what it holds, out of the door's sight"),
    ("/realtime", "a conversation in sound is none that the door can read"),
    ("/audio", "sound is nothing that the door can read"),
    ("/images", Hosted::ImageGeneration.why()),
    ("/videos", Hosted::ImageGeneration.why()),
    (":predict", Hosted::ImageGeneration.why()),
    ("web_search", Hosted::WebSearch.why()),
    ("web_fetch", Hosted::WebFetch.why()),
    ("/search", Hosted::WebSearch.why()),
    ("/mcp", Hosted::Mcp.why()),
    ("/organization", "the account itself is not the agent's to read or change"),
    ("/responses/", "an answer that the provider holds is not the agent's to read or change"),
    ("/chat/completions/", "an answer that the provider holds is not the agent's to read or change"),
    ("/api/pull", "models are not the agent's to add or remove"),
    ("/api/push", "models are not the agent's to add or remove"),
    ("/api/create", "models are not the agent's to add or remove"),
    ("/api/copy", "models are not the agent's to add or remove"),
    ("/api/delete", "models are not the agent's to add or remove"),
    ("/api/blobs", "models are not the agent's to add or remove"),
];

/// The endpoint that a request is to. The path is canonical and has no query.
///
/// `GET /v1/models` is one entry although providers of two wires have it: nothing in it is judged.
///
/// # Errors
/// [`Refused`] says what was asked for, where that is known.
pub fn endpoint(method: &str, path: &str) -> Result<&'static Endpoint, Refused> {
    let all = || LISTS.into_iter().flatten();
    if let Some(endpoint) = all().find(|endpoint| endpoint.method == method && matches(endpoint.path, path)) {
        return Ok(endpoint);
    }
    let what = format!("`{} {}`", shown(method), shown(path));
    if all().any(|endpoint| matches(endpoint.path, path)) {
        return Err(Refused {
            what,
            why: "this method is not on the list of what a provider may be asked",
            hint: None,
        });
    }
    let known = REFUSED.iter().find(|(part, _)| path.contains(part));
    let why = known.map_or("this endpoint is not on the list of what a provider may be asked", |&(_, why)| why);
    Err(Refused { what, why, hint: None })
}

fn matches(pattern: &str, path: &str) -> bool {
    let Some((before, after)) = pattern.split_once(MODEL) else { return pattern == path };
    let model = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    model.is_some_and(is_model)
}

/// Nothing that a server could take for a part of the path; `..` is no model.
fn is_model(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !name.starts_with('.') && !name.is_empty() && name.bytes().all(plain)
}
