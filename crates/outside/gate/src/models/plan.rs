//! What becomes of a request to a model, decided before anything of it goes out. Pure: the same request and policy give
//! the same plan.

use policy::provider::{self, Edit as Change, Endpoint, Held, Kind, Wire};
use policy::{Conjunction, Provider, Vendor};
use record::conversation::{self, Conversation};
use serde_json::Value;

use super::{Failure, parse};
use crate::asked::Asks;

/// A request that a provider may be sent.
#[derive(Debug)]
pub(crate) struct Planned<'p> {
    pub(crate) endpoint: &'static Endpoint,
    pub(crate) provider: &'p Provider,
    /// The model that the program names; empty where it names none.
    pub(crate) model: String,
    /// The model that the provider is asked for.
    pub(crate) asked: String,
    /// Path and query at the provider.
    pub(crate) target: String,
    /// The body, with what must be in it.
    pub(crate) body: Vec<u8>,
    /// What is said; none where nothing is answered.
    pub(crate) conversation: Option<Conversation>,
    /// Headers that are left out, and one that has another value.
    pub(crate) without: Vec<String>,
    pub(crate) with: Option<(String, String)>,
}

/// Whether a body looks like what is asked of a model, wherever it goes.
pub(crate) fn is_chat_shaped(body: &[u8]) -> bool {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return false };
    let list = |name: &str| fields.get(name).is_some_and(Value::is_array);
    let spoken = |name: &str, key: &str| {
        let items = fields.get(name).and_then(Value::as_array);
        items.is_some_and(|items| items.iter().any(|item| item.get("role").is_some() && item.get(key).is_some()))
    };
    let named = fields.get("model").is_some_and(Value::is_string);
    spoken("messages", "content") && named
        || spoken("contents", "parts")
        || named && (fields.get("prompt").is_some_and(Value::is_string) || list("input") && spoken("input", "content"))
}

/// Plans a request.
///
/// # Errors
/// [`Failure`]: what the program is told.
pub(crate) fn plan<'p>(
    policy: &'p Conjunction,
    held: &dyn Held,
    asks: &Asks,
    body: &[u8],
) -> Result<Planned<'p>, (Option<Wire>, Failure)> {
    let (method, path) = (asks.request.method().as_str(), asks.request.path());
    let refused = |wire, why: &provider::Refused| (wire, Failure::refused(why.to_string()));
    let endpoint = provider::endpoint(method, path).map_err(|why| refused(None, &why))?;
    let wire = Some(endpoint.wire);
    let grants = policy.grants();
    let mut without = Vec::new();
    let mut with = None;
    for (name, value) in asks.request.headers() {
        match provider::header(endpoint.wire, name, &String::from_utf8_lossy(value), &grants) {
            provider::Verdict::Keep => {}
            provider::Verdict::Strip => without.push(name.to_owned()),
            provider::Verdict::Set(value) => {
                without.push(name.to_owned());
                with = Some((name.to_owned(), value));
            }
            provider::Verdict::Refuse(why) => return Err(refused(wire, &why)),
        }
    }
    if method != "POST" {
        let provider = speaking(policy, endpoint)?;
        let (target, body) = (target(provider, path, asks), Vec::new());
        let (model, asked) = (String::new(), String::new());
        return Ok(Planned { endpoint, provider, model, asked, target, body, conversation: None, without, with });
    }
    let mut read = parse(body).map_err(|why| (wire, Failure::bad(format!("its body cannot be read: {why}"))))?;
    let changes = provider::judge(endpoint, &read, &grants, held).map_err(|why| refused(wire, &why))?;
    let conversation = conversation::read(form(endpoint.wire), path, &read)
        .map_err(|why| (wire, Failure::bad(format!("what it says cannot be read: {why}"))))?;
    let model = conversation.model.clone().unwrap_or_default();
    let (route, provider) = policy.route(&model).ok_or_else(|| {
        let why = format!("no route of the policy takes the model `{}`", shown(&model));
        (wire, Failure::refused(why))
    })?;
    speaks(provider.wire, endpoint)?;
    for change in changes {
        let Change::Set { pointer, value } = change;
        if let (Some(object), Some(name)) = (read.as_object_mut(), pointer.strip_prefix('/')) {
            object.insert(name.to_owned(), value);
        }
    }
    let asked = route.model.clone().unwrap_or_else(|| model.clone());
    let mut path = path.to_owned();
    if route.model.is_some() {
        match endpoint.wire {
            Wire::Gemini => path = path.replacen(&format!("/{model}:"), &format!("/{asked}:"), 1),
            _ => {
                if let Some(object) = read.as_object_mut() {
                    object.insert("model".into(), asked.clone().into());
                }
            }
        }
    }
    let body = serde_json::to_vec(&read).map_err(|why| (wire, Failure::bad(why.to_string())))?;
    let target = target(provider, &path, asks);
    Ok(Planned { endpoint, provider, model, asked, target, body, conversation: Some(conversation), without, with })
}

/// Who is asked what names no model.
fn speaking<'p>(policy: &'p Conjunction, endpoint: &Endpoint) -> Result<&'p Provider, (Option<Wire>, Failure)> {
    let vendors = Vendor::ALL.into_iter().filter(|vendor| speaks(*vendor, endpoint).is_ok());
    let why = "no provider of the policy speaks this";
    vendors
        .filter_map(|vendor| policy.speaking(vendor))
        .next()
        .ok_or((Some(endpoint.wire), Failure::refused(why.into())))
}

fn speaks(vendor: Vendor, endpoint: &Endpoint) -> Result<(), (Option<Wire>, Failure)> {
    let open = matches!(endpoint.wire, Wire::Chat | Wire::Responses | Wire::Embeddings);
    let models = endpoint.kind == Kind::Models && endpoint.path == "/v1/models";
    let same = match vendor {
        Vendor::Anthropic => endpoint.wire == Wire::Messages || models,
        Vendor::Openai => open || models,
        Vendor::Gemini => endpoint.wire == Wire::Gemini,
        // It takes what many take, too.
        Vendor::Ollama => endpoint.wire == Wire::Ollama || open,
    };
    let why =
        format!("the provider that the policy routes this model to speaks `{}`, which this is not", vendor.name());
    if same { Ok(()) } else { Err((Some(endpoint.wire), Failure::refused(why))) }
}

/// Path and query at the provider. Of a query goes on what says how the answer comes.
fn target(provider: &Provider, path: &str, asks: &Asks) -> String {
    let query = asks.target.split_once('?').map_or("", |(_, query)| query);
    let known = |pair: &&str| matches!(*pair, "beta=true" | "alt=sse" | "alt=json");
    let kept: Vec<&str> = query.split('&').filter(known).collect();
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    format!("{}{path}{query}", provider.base)
}

/// The same wire, as the record reads it.
pub(crate) fn form(wire: Wire) -> conversation::Wire {
    match wire {
        Wire::Messages => conversation::Wire::Messages,
        Wire::Chat => conversation::Wire::Chat,
        Wire::Responses => conversation::Wire::Responses,
        Wire::Embeddings => conversation::Wire::Embeddings,
        Wire::Gemini => conversation::Wire::Gemini,
        Wire::Ollama => conversation::Wire::Ollama,
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_graphic() && *letter != '`').take(64).collect()
}
