//! What one provider is sent: a request as it is, or in the wire that the provider speaks.

use policy::provider::{self, Endpoint, Held, Kind, Wire};
use policy::{Login, Provider, Served, Vendor};
use record::conversation::translate::{self, Wanted, Way};
use serde_json::Value;

use super::plan::{change, form, speaks};
use super::{Failure, Planned};
use crate::head::{Edit, edit};

/// The version of Anthropic's messages that is spoken where the program speaks none.
const ANTHROPIC: &str = "2023-06-01";

/// A request as one provider gets it.
#[derive(Debug)]
pub(crate) struct Sent<'p> {
    pub(crate) provider: &'p Provider,
    /// The model that it is asked for.
    pub(crate) asked: String,
    /// Path and query there.
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
    /// Where it speaks another wire than the program.
    pub(crate) turned: Option<Turned>,
}

/// A request in another wire than its program's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turned {
    pub(crate) way: Way,
    /// Whether the program wants to know what a stream cost.
    pub(crate) counts: bool,
    pub(crate) left_out: Vec<&'static str>,
}

impl<'p> Planned<'p> {
    /// What the provider in this place is sent.
    ///
    /// # Errors
    /// [`Failure`]: it speaks another wire, and what is said cannot be said in that.
    pub(crate) fn send(&self, at: usize, held: &dyn Held) -> Result<Sent<'p>, Failure> {
        let Served { provider, model } = self.served[at];
        let asked = model.unwrap_or(&self.model).to_owned();
        if speaks(provider.wire, self.endpoint) {
            return self.as_it_is(provider, asked);
        }
        let Some(way) = way(self.endpoint, provider.wire) else { return Err(unspoken(provider, self.endpoint)) };
        let wanted =
            Wanted { model: &asked, openai: Vendor::Openai.host() == Some(provider.host.to_string().as_str()) };
        let said = translate::request(way, &self.read, &wanted);
        let mut said = said.map_err(|why| {
            let name = provider.wire.name();
            Failure::bad(format!("its model is served by a provider that speaks `{name}`, in translation: {why}"))
        })?;
        // What is sent is on the list of what its provider may be asked, whatever it was before.
        let refused = |why: provider::Refused| Failure::refused(why.to_string());
        let endpoint = provider::endpoint("POST", way.path()).map_err(refused)?;
        let changes = provider::judge(endpoint, &said.body, &self.grants, held).map_err(refused)?;
        change(&mut said.body, changes);
        let body = written(&said.body)?;
        let target = target(provider, way.path());
        let turned = Some(Turned { way, counts: said.counts, left_out: said.left_out });
        Ok(Sent { provider, asked, target, body, turned })
    }

    /// The next place behind this one whose provider can be sent it.
    pub(crate) fn after(&self, at: usize, held: &dyn Held) -> Option<usize> {
        (at + 1..self.served.len()).find(|next| {
            // What is not translated can be sent, as it was read.
            speaks(self.served[*next].provider.wire, self.endpoint) || self.send(*next, held).is_ok()
        })
    }

    /// Nobody else will be sent it: what was read of its body is no longer held.
    pub(crate) fn forget(&mut self) {
        self.read.take();
    }

    fn as_it_is(&self, provider: &'p Provider, asked: String) -> Result<Sent<'p>, Failure> {
        let mut path = self.path.clone();
        let body = match &self.read {
            Value::Null => Vec::new(),
            read if asked == self.model => written(read)?,
            read if self.endpoint.wire == Wire::Gemini => {
                path = path.replacen(&format!("/{}:", self.model), &format!("/{asked}:"), 1);
                written(read)?
            }
            read => {
                let mut read = read.clone();
                if let Some(object) = read.as_object_mut() {
                    object.insert("model".into(), asked.clone().into());
                }
                written(&read)?
            }
        };
        let target = target(provider, &path) + &self.query;
        Ok(Sent { provider, asked, target, body, turned: None })
    }
}

impl Sent<'_> {
    /// The head for its provider: its own host and path, none of the program's credentials, an answer that can be read.
    pub(crate) fn head(&self, head: &[u8], planned: &Planned<'_>) -> Vec<u8> {
        let provider = self.provider;
        let usual = if provider.tls { 443 } else { 80 };
        let host = match provider.port {
            port if port == usual => provider.host.to_string(),
            port => format!("{}:{port}", provider.host),
        };
        let head = match &self.turned {
            Some(turned) => turned.head(head, &self.target, &host, self.body.len()),
            None => {
                let mut without: Vec<&str> = planned.without.iter().map(String::as_str).collect();
                without.extend(crate::lend::FOREIGN);
                without.push("connection");
                let length = (planned.endpoint.method == "POST").then_some(self.body.len());
                let to = Some((self.target.as_str(), host.as_str()));
                let change = Edit { without: &without, with: None, length, readable: true, plain: false, to };
                let set = |head: Vec<u8>, (name, value): &(String, String)| {
                    edit(&head, &Edit { without: &[name], with: Some((name, value)), ..Edit::default() })
                };
                planned.with.iter().fold(edit(head, &change), set)
            }
        };
        match provider.login.and_then(Login::header) {
            Some((name, value)) => with_value(&head, name, value),
            None => head,
        }
    }

    /// What the record says of it beside who is asked.
    pub(crate) fn note(&self) -> Option<String> {
        let Turned { way, left_out, .. } = self.turned.as_ref()?;
        let wire = match way {
            Way::IntoChat => Wire::Chat,
            Way::IntoMessages => Wire::Messages,
        };
        let left = if left_out.is_empty() { String::new() } else { format!(", without {}", left_out.join(", ")) };
        Some(format!("translated into {}{left}", wire.name()))
    }
}

impl Turned {
    /// A head of its own: what a program says to its vendor in headers means nothing to another. Which program it is goes on,
    /// since some servers turn away who does not say.
    fn head(&self, head: &[u8], target: &str, host: &str, length: usize) -> Vec<u8> {
        let mut lines = vec![
            format!("POST {target} HTTP/1.1"),
            format!("Host: {host}"),
            "Content-Type: application/json".into(),
            "Accept: application/json, text/event-stream".into(),
            "Accept-Encoding: identity".into(),
            format!("Content-Length: {length}"),
        ];
        if self.way == Way::IntoMessages {
            lines.push(format!("anthropic-version: {ANTHROPIC}"));
        }
        let text = String::from_utf8_lossy(head);
        let mut own = text.split("\r\n").skip(1);
        let named = |line: &&str| line.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case("user-agent"));
        lines.extend(own.find(named).map(str::to_owned));
        (lines.join("\r\n") + "\r\n\r\n").into_bytes()
    }
}

/// A path of a wire as its provider has it.
fn target(provider: &Provider, path: &str) -> String {
    let path = provider.login.map_or(path, |login| login.path(path));
    format!("{}{path}", provider.base)
}

/// The head with one value more of a header that is a list.
fn with_value(head: &[u8], name: &str, value: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(head);
    let lines = text.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut values: Vec<&str> = lines
        .filter(|(other, _)| other.eq_ignore_ascii_case(name))
        .flat_map(|(_, values)| values.split(',').map(str::trim))
        .filter(|other| *other != value)
        .collect();
    values.push(value);
    edit(head, &Edit { without: &[name], with: Some((name, &values.join(","))), ..Edit::default() })
}

/// How a request gets to a provider that speaks another wire.
fn way(endpoint: &Endpoint, vendor: Vendor) -> Option<Way> {
    let wire = match vendor {
        Vendor::Anthropic => Wire::Messages,
        Vendor::Openai | Vendor::Ollama => Wire::Chat,
        Vendor::Gemini => Wire::Gemini,
    };
    let answered = endpoint.kind == Kind::Inference;
    Way::between(form(endpoint.wire), form(wire)).filter(|_| answered)
}

fn unspoken(provider: &Provider, endpoint: &Endpoint) -> Failure {
    let speaks = format!("the provider that the policy routes this model to speaks `{}`", provider.wire.name());
    match endpoint.kind {
        Kind::Count => Failure::bad(format!("{speaks}, which counts no tokens beforehand")),
        _ => Failure::refused(format!("{speaks}, which this is not")),
    }
}

fn written(body: &Value) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body).map_err(|why| Failure::bad(why.to_string()))
}
