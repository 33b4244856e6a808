//! What becomes of a request to a model, decided before anything of it goes out. Pure: the same request and policy give
//! the same plan.

use policy::provider::{self, Edit as Change, Endpoint, Grants, Held, Kind, Wire};
use policy::{Conjunction, Served, Vendor};
use record::conversation::hold::WITHHELD;
use record::conversation::{self, Conversation, Malformed};
use serde_json::Value;

use super::{Failure, parse};
use crate::asked::Asks;

/// A request that a provider may be sent.
#[derive(Debug)]
pub(crate) struct Planned<'p> {
    pub(crate) endpoint: &'static Endpoint,
    /// Who may be asked, in this order; one at least.
    pub(crate) served: Vec<Served<'p>>,
    /// The model that the program names; empty where it names none.
    pub(crate) model: String,
    /// How many answers at once it asks for.
    pub(crate) answers: u64,
    /// What is said; none where nothing is answered.
    pub(crate) conversation: Option<Conversation>,
    /// Headers that are left out, and those that have another value.
    pub(crate) without: Vec<String>,
    pub(crate) with: Vec<(String, String)>,
    /// The path, and what of the query goes on.
    pub(super) path: String,
    pub(super) query: String,
    /// The body, with what must be in it.
    pub(super) read: Value,
    pub(super) grants: Grants,
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
    let mut with = Vec::new();
    for (name, value) in asks.request.headers() {
        match provider::header(endpoint.wire, name, &String::from_utf8_lossy(value), &grants) {
            provider::Verdict::Keep => {}
            provider::Verdict::Strip => without.push(name.to_owned()),
            provider::Verdict::Set(value) => with.push((name.to_owned(), value)),
            provider::Verdict::Refuse(why) => return Err(refused(wire, &why)),
        }
    }
    let (path, query) = (path.to_owned(), query(asks));
    let mut planned = Planned {
        endpoint,
        served: Vec::new(),
        model: String::new(),
        answers: 1,
        conversation: None,
        without,
        with,
        path,
        query,
        read: Value::Null,
        grants,
    };
    if method != "POST" {
        planned.served.push(speaking(policy, endpoint)?);
        return Ok(planned);
    }
    let mut read = parse(body).map_err(|why| (wire, Failure::bad(format!("its body cannot be read: {why}"))))?;
    let changes = provider::judge(endpoint, &read, &planned.grants, held).map_err(|why| refused(wire, &why))?;
    let conversation = spoken(endpoint, &planned.path, &read)
        .map_err(|why| (wire, Failure::bad(format!("what it says cannot be read: {why}"))))?;
    if conversation.iter().flat_map(|conversation| &conversation.tools).any(|tool| tool.name == WITHHELD) {
        let why = format!("a tool of it is named `{WITHHELD}`, which stands for calls that no program gets");
        return Err((wire, Failure::refused(why)));
    }
    let named = conversation.as_ref().and_then(|conversation| conversation.model.as_deref());
    planned.model = named.or_else(|| asked_about(&read)).unwrap_or_default().to_owned();
    planned.served = policy.served(&planned.model);
    if planned.served.is_empty() {
        let why = format!("no route of the policy takes the model `{}`", shown(&planned.model));
        return Err((wire, Failure { model: Some(planned.model), ..Failure::refused(why) }));
    }
    planned.answers = answers(&read);
    change(&mut read, changes);
    Ok(Planned { read, conversation, ..planned })
}

/// What a request says; none where it only asks about a model. Texts that become vectors are no conversation in any wire.
fn spoken(endpoint: &Endpoint, path: &str, read: &Value) -> Result<Option<Conversation>, Malformed> {
    match endpoint.kind {
        Kind::Models | Kind::Probe => Ok(None),
        Kind::Embedding => conversation::read(conversation::Wire::Embeddings, path, read).map(Some),
        Kind::Inference | Kind::Count => conversation::read(form(endpoint.wire), path, read).map(Some),
    }
}

/// The model that a request asks about: Ollama takes the first of these that is not empty.
fn asked_about(read: &Value) -> Option<&str> {
    let mut names = ["model", "name"].into_iter().filter_map(|name| read.get(name)?.as_str());
    names.find(|name| !name.is_empty())
}

/// How many answers a request asks for at once: each may be as long as one.
fn answers(read: &Value) -> u64 {
    let places = ["/n", "/generationConfig/candidateCount", "/generation_config/candidate_count"];
    let asked = places.iter().filter_map(|place| read.pointer(place)?.as_f64()).fold(1.0, f64::max);
    // What is no number that a provider takes costs nothing in the end.
    if asked.is_finite() && asked < 1e6 { asked.ceil() as u64 } else { 1_000_000 }
}

/// Makes the changes that must be made.
pub(super) fn change(body: &mut Value, changes: Vec<Change>) {
    for Change::Set { pointer, value } in changes {
        if let (Some(object), Some(name)) = (body.as_object_mut(), pointer.strip_prefix('/')) {
            object.insert(name.to_owned(), value);
        }
    }
}

/// Who is asked what names no model. Whether there is anybody is answered for all of them.
fn speaking<'p>(policy: &'p Conjunction, endpoint: &Endpoint) -> Result<Served<'p>, (Option<Wire>, Failure)> {
    let vendors = Vendor::ALL.into_iter().filter(|vendor| endpoint.kind == Kind::Probe || speaks(*vendor, endpoint));
    let provider = vendors.filter_map(|vendor| policy.speaking(vendor)).next();
    let why = "no provider of the policy speaks this";
    let provider = provider.ok_or((Some(endpoint.wire), Failure::refused(why.into())))?;
    Ok(Served { provider, model: None })
}

pub(super) fn speaks(vendor: Vendor, endpoint: &Endpoint) -> bool {
    let open = matches!(endpoint.wire, Wire::Chat | Wire::Responses | Wire::Embeddings);
    let models = endpoint.kind == Kind::Models && endpoint.path == "/v1/models";
    match vendor {
        Vendor::Anthropic => endpoint.wire == Wire::Messages || models,
        Vendor::Openai => open || models,
        Vendor::Gemini => endpoint.wire == Wire::Gemini,
        // It takes what many take, too.
        Vendor::Ollama => endpoint.wire == Wire::Ollama || open,
    }
}

/// Of a query goes on what says how the answer comes.
fn query(asks: &Asks) -> String {
    let query = asks.target.split_once('?').map_or("", |(_, query)| query);
    let known = |pair: &&str| matches!(*pair, "beta=true" | "alt=sse" | "alt=json");
    let kept: Vec<&str> = query.split('&').filter(known).collect();
    if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) }
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
