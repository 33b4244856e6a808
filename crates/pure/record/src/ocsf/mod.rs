//! Events as OCSF tells them (Open Cybersecurity Schema Framework, version 1.5.0): one JSON object for each. Which class
//! becomes of which event stands in `docs/reference/ocsf.md`; one that has no class of its own becomes a Base Event, so
//! that none is lost.
//!
//! Nothing is added to what the record holds: secrets were taken out of it before it was written.

mod class;
mod parts;

use serde_json::{Map, Value, json};

use crate::event::{EventId, Kind, Segment};
use crate::read::Entry;

/// The version of the schema.
pub const VERSION: &str = "1.5.0";

/// Whose events these are.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// This program's version.
    pub version: String,
    /// The host's name.
    pub host: String,
    /// The session's id.
    pub session: String,
    /// The name that the operator gave it.
    pub name: Option<String>,
    /// The policy that is in force, or was last.
    pub policy: String,
}

impl About {
    /// One event as an object of OCSF.
    #[must_use]
    pub fn event(&self, entry: &Entry) -> Value {
        let class = class::of(self, entry.id, &entry.event.kind);
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
        put("class_uid", class.class.into());
        put("class_name", class.name.into());
        put("category_uid", class.category().into());
        put("category_name", class.category_name().into());
        put("activity_id", class.activity.into());
        put("activity_name", class.activity_name.clone().into());
        put("type_uid", (class.class * 100 + class.activity).into());
        put("type_name", format!("{}: {}", class.name, class.activity_name).into());
        put("severity_id", class.severity.into());
        put("severity", class.severity_name().into());
        put("time", (entry.event.at / 1000).into());
        put("metadata", self.metadata(entry));
        put("message", crate::why::describe(&entry.event.kind).into());
        put("device", self.device());
        let causes: Vec<_> =
            entry.event.cause.iter().map(|cause| json!({"id": cause.id, "known": cause.known})).collect();
        let mut unmapped = class.unmapped;
        if !causes.is_empty() {
            unmapped.insert("causes".into(), causes.into());
        }
        if !unmapped.is_empty() {
            put("unmapped", unmapped.into());
        }
        object.extend(class.fields);
        object.into()
    }

    fn metadata(&self, entry: &Entry) -> Value {
        json!({
            "version": VERSION,
            "profiles": ["host", "security_control"],
            "product": {"name": "bastide", "vendor_name": "bastide", "version": self.version},
            "uid": self.uid(entry.id),
            "correlation_uid": self.session,
            "log_name": match entry.id.segment { Segment::Plane => "plane", Segment::Gate => "gate" },
            "sequence": entry.event.seq,
            "original_time": entry.event.at.to_string(),
        })
    }

    /// An event's name among all.
    fn uid(&self, id: EventId) -> String {
        format!("{}/{id}", self.session)
    }

    fn device(&self) -> Value {
        // 99: a type of its own, neither server nor desktop as far as is known.
        json!({"type_id": 99, "type": "Cell", "name": self.session, "hostname": parts::hostname(&self.host)})
    }
}

/// What an event becomes.
struct Class {
    class: u32,
    name: &'static str,
    activity: u32,
    activity_name: String,
    severity: u32,
    fields: Map<String, Value>,
    unmapped: Map<String, Value>,
}

impl Class {
    fn category(&self) -> u32 {
        self.class / 1000
    }

    fn category_name(&self) -> &'static str {
        match self.category() {
            1 => "System Activity",
            2 => "Findings",
            4 => "Network Activity",
            6 => "Application Activity",
            _ => "Uncategorized",
        }
    }

    fn severity_name(&self) -> &'static str {
        match self.severity {
            1 => "Informational",
            2 => "Low",
            3 => "Medium",
            _ => "High",
        }
    }
}

/// The fields of an event that no class names, as they stand in the record.
fn rest(kind: &Kind) -> Map<String, Value> {
    match serde_json::to_value(kind) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;
