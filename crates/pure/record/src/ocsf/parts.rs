//! Objects of OCSF that many classes share.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::About;
use crate::event::Verdict;

/// A name as OCSF takes one: letters, digits, `-`, `_` and `.`; what is none is left out.
pub(super) fn hostname(name: &str) -> Option<&str> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    (!name.is_empty() && name.len() <= 253 && name.chars().all(plain)).then_some(name)
}

/// Where something went: a name or an address, and a port.
pub(super) fn destination(host: &str, port: Option<u16>, address: Option<&str>) -> Value {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut endpoint = Map::new();
    match (bare.parse::<IpAddr>(), address) {
        (Ok(ip), _) => drop(endpoint.insert("ip".into(), ip.to_string().into())),
        (_, Some(ip)) if ip.parse::<IpAddr>().is_ok() => drop(endpoint.insert("ip".into(), ip.into())),
        _ => {}
    }
    match hostname(bare) {
        Some(name) if bare.parse::<IpAddr>().is_err() => drop(endpoint.insert("hostname".into(), name.into())),
        // At least one has to say who it is.
        _ if endpoint.is_empty() => drop(endpoint.insert("name".into(), host.into())),
        _ => {}
    }
    if let Some(port) = port {
        endpoint.insert("port".into(), port.into());
    }
    endpoint.into()
}

/// The cell.
pub(super) fn source(about: &About) -> Value {
    json!({"uid": about.session, "name": about.name.as_deref().unwrap_or(&about.session)})
}

/// The program that asked: the nearest first, its ancestors behind it. One that is unknown is the session's.
pub(super) fn actor(about: &About, pid: Option<u32>, program: &[String]) -> Value {
    let session = json!({"uid": about.session});
    let mut process = Value::Null;
    for (depth, name) in program.iter().enumerate().rev() {
        let mut one =
            Map::from_iter([("name".to_owned(), Value::from(last(name))), ("path".to_owned(), name.clone().into())]);
        // OCSF wants a number or an id of each: of ancestors, only the place in the chain is known.
        match pid.filter(|_| depth == 0) {
            Some(pid) => drop(one.insert("pid".into(), pid.into())),
            None => drop(one.insert("uid".into(), format!("{}/{depth}", about.session).into())),
        }
        if !process.is_null() {
            one.insert("parent_process".into(), process);
        }
        process = one.into();
    }
    if process.is_null() { json!({"session": session}) } else { json!({"session": session, "process": process}) }
}

/// The last part of a path.
pub(super) fn last(path: &str) -> &str {
    path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(path)
}

/// What a decision came to, for the profile `security_control`.
pub(super) fn decision(
    about: &About,
    verdict: Verdict,
    rule: Option<&str>,
    reason: Option<&str>,
) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut put = |key: &str, value: Value| drop(fields.insert(key.to_owned(), value));
    let allowed = verdict == Verdict::Allowed;
    let (action, disposition) = if allowed { ("Allowed", "Allowed") } else { ("Denied", "Blocked") };
    put("action_id", if allowed { 1 } else { 2 }.into());
    put("action", action.into());
    put("disposition_id", if allowed { 1 } else { 2 }.into());
    put("disposition", disposition.into());
    put("status_id", if allowed { 1 } else { 2 }.into());
    put("status", if allowed { "Success" } else { "Failure" }.into());
    put("is_alert", Value::from(!allowed));
    if verdict == Verdict::Asked {
        put("status_code", "asked".into());
    }
    if let Some(reason) = reason {
        put("status_detail", reason.into());
    }
    if let Some(rule) = rule {
        put("firewall_rule", json!({"name": rule}));
    }
    put("policy", json!({"name": about.policy}));
    fields
}

/// How grave it is: what was refused is more so than what was allowed.
pub(super) fn severity(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Allowed => 1,
        Verdict::Asked => 2,
        Verdict::Refused => 3,
    }
}
