//! What a message is about, by its method: the list of those that are known stands here.

use std::fmt;

use serde_json::{Map, Value};

use super::Grant;
use super::rpc::{MAX_NAME, MAX_URI, Odd, is_name, name};

/// One message, as it is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// It begins a conversation, goes on with one, looks through what there is, or ends it.
    Plain {
        /// Its method; empty where it has none.
        method: &'static str,
    },
    /// A tool is called.
    Tool {
        /// Which.
        name: String,
        /// With what; none where it is any call of it.
        arguments: Option<Map<String, Value>>,
    },
    /// A resource is read or watched.
    Resource {
        /// Its method.
        method: &'static str,
        /// Which.
        uri: String,
    },
    /// A prompt is fetched.
    Prompt {
        /// Its method.
        method: &'static str,
        /// Which.
        name: String,
    },
    /// The server does what it does only where that is granted.
    Granted(Grant),
}

/// What a method is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Plain,
    Tool,
    Resource,
    Prompt,
    /// A value for a prompt's argument, or for a part of a resource's address.
    Completion,
    /// What a server is to tell of, a resource among it.
    Listen,
}

/// What a program may ask for. All else is refused.
const REQUESTS: &[(&str, About)] = &[
    ("initialize", About::Plain),
    ("server/discover", About::Plain),
    ("ping", About::Plain),
    ("tools/list", About::Plain),
    ("tools/call", About::Tool),
    ("resources/list", About::Plain),
    ("resources/templates/list", About::Plain),
    ("resources/read", About::Resource),
    ("resources/subscribe", About::Resource),
    ("resources/unsubscribe", About::Resource),
    ("prompts/list", About::Plain),
    ("prompts/get", About::Prompt),
    ("completion/complete", About::Completion),
    ("logging/setLevel", About::Plain),
    ("subscriptions/listen", About::Listen),
    ("tasks/get", About::Plain),
    ("tasks/list", About::Plain),
    ("tasks/result", About::Plain),
    ("tasks/cancel", About::Plain),
];

/// What a program may tell.
const NOTIFICATIONS: &[&str] = &[
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
    "notifications/tasks/status",
];

impl Message {
    /// A call of a tool.
    #[must_use]
    pub fn call(name: &str, arguments: Map<String, Value>) -> Message {
        Message::Tool { name: name.into(), arguments: Some(arguments) }
    }

    /// What a program asks for.
    ///
    /// # Errors
    /// [`Odd`] where it cannot be decided.
    pub(super) fn requested(method: &str, params: Option<&Map<String, Value>>) -> Result<Message, Odd> {
        let &(method, about) = REQUESTS.iter().find(|(known, _)| *known == method).ok_or(Odd::Method)?;
        Ok(match about {
            About::Plain => Message::Plain { method },
            About::Tool => {
                let arguments = match params.and_then(|params| params.get("arguments")) {
                    None => Map::new(),
                    Some(Value::Object(arguments)) => arguments.clone(),
                    Some(_) => return Err(Odd::Arguments),
                };
                Message::call(name(params, "name", MAX_NAME)?, arguments)
            }
            About::Resource => Message::Resource { method, uri: name(params, "uri", MAX_URI)?.into() },
            About::Prompt => Message::Prompt { method, name: name(params, "name", MAX_NAME)?.into() },
            About::Listen => {
                let wanted = params.and_then(|params| params.get("notifications")).and_then(Value::as_object);
                match wanted.and_then(|wanted| wanted.get("resourceSubscriptions")) {
                    None => Message::Plain { method },
                    Some(Value::Array(none)) if none.is_empty() => Message::Plain { method },
                    // One message is about one of them.
                    Some(Value::Array(one)) if one.len() == 1 => {
                        let uri = one[0].as_str().filter(|uri| is_name(uri, MAX_URI)).ok_or(Odd::Name)?;
                        Message::Resource { method, uri: uri.into() }
                    }
                    Some(_) => return Err(Odd::Name),
                }
            }
            About::Completion => {
                let reference = params.and_then(|params| params.get("ref")).and_then(Value::as_object);
                match reference.and_then(|one| one.get("type")).and_then(Value::as_str) {
                    Some("ref/prompt") => Message::Prompt { method, name: name(reference, "name", MAX_NAME)?.into() },
                    Some("ref/resource") => Message::Resource { method, uri: name(reference, "uri", MAX_URI)?.into() },
                    _ => return Err(Odd::Name),
                }
            }
        })
    }

    /// What a program tells.
    ///
    /// # Errors
    /// [`Odd::Method`].
    pub(super) fn told(method: &str) -> Result<Message, Odd> {
        let known = NOTIFICATIONS.iter().find(|known| **known == method);
        known.map(|method| Message::Plain { method }).ok_or(Odd::Method)
    }

    /// A message by what is recorded of it; none where that is not enough to decide it.
    #[must_use]
    pub fn recorded(method: &str, name: Option<&str>, words: &str) -> Option<Message> {
        if let Some(grant) = Grant::ALL.into_iter().find(|grant| grant.method() == method) {
            return Some(Message::Granted(grant));
        }
        if let Ok(message) = Message::told(method) {
            return Some(message);
        }
        let &(method, about) = REQUESTS.iter().find(|(known, _)| *known == method)?;
        Some(match (about, name) {
            (About::Plain | About::Listen, None) => Message::Plain { method },
            (About::Tool, Some(name)) if words.is_empty() => Message::call(name, Map::new()),
            // What was cut says nothing of what it was called with.
            (About::Tool, Some(name)) => {
                Message::Tool { name: name.into(), arguments: serde_json::from_str(words).ok() }
            }
            (About::Resource | About::Listen, Some(name)) => Message::Resource { method, uri: name.into() },
            (About::Prompt, Some(name)) => Message::Prompt { method, name: name.into() },
            // An address has a scheme, and a prompt's name has none.
            (About::Completion, Some(name)) if name.contains(':') => Message::Resource { method, uri: name.into() },
            (About::Completion, Some(name)) => Message::Prompt { method, name: name.into() },
            _ => return None,
        })
    }

    /// Its method; that of what the server would do, where it is about that.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Message::Plain { method } | Message::Resource { method, .. } | Message::Prompt { method, .. } => method,
            Message::Tool { .. } => "tools/call",
            Message::Granted(grant) => grant.method(),
        }
    }

    /// What it names: a tool, a resource, a prompt.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Message::Tool { name, .. } | Message::Prompt { name, .. } => Some(name),
            Message::Resource { uri, .. } => Some(uri),
            Message::Plain { .. } | Message::Granted(_) => None,
        }
    }

    /// What a tool is called with.
    #[must_use]
    pub const fn arguments(&self) -> Option<&Map<String, Value>> {
        match self {
            Message::Tool { arguments, .. } => arguments.as_ref(),
            _ => None,
        }
    }
}

impl Grant {
    /// The method that asks for it; of changes, a word of our own.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Grant::Sampling => "sampling/createMessage",
            Grant::Elicitation => "elicitation/create",
            Grant::Roots => "roots/list",
            Grant::Changes => "changes",
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(formatter, "{} {name}", self.method()),
            None => formatter.write_str(self.method()),
        }
    }
}
