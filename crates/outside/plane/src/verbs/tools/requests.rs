//! What the requests of a session did, as the gate concluded it and by what the policies in force say of them.

use std::collections::BTreeMap;

use policy::{Conjunction, Effect};
use record::{EventId, Kind, Verdict};
use sense::meaning::Sent;
use wire::command::RequestInfo;

/// Kinds of requests that are told of.
const MOST: usize = 1024;
/// Bytes of one in an answer beside its words.
const EACH: usize = 160;

/// Requests by destination, method and what they do.
#[derive(Default)]
pub(super) struct Requests {
    known: BTreeMap<(String, u16, String, Option<String>), Known>,
    left: u64,
}

struct Known {
    count: u64,
    held: u64,
    event: EventId,
    target: String,
}

impl Requests {
    pub(super) fn take(&mut self, event: EventId, kind: &Kind) {
        let Kind::Request { host, port, method, target, does, verdict, .. } = kind else { return };
        // What could not be read did nothing.
        if method.is_empty() {
            return;
        }
        let key = (host.clone(), *port, method.clone(), does.clone());
        if self.known.len() >= MOST && !self.known.contains_key(&key) {
            self.left += 1;
            return;
        }
        let known = self.known.entry(key).or_insert_with(|| Known { count: 0, held: 0, event, target: target.clone() });
        known.count += 1;
        known.held += u64::from(*verdict != Verdict::Allowed);
        known.event = event;
    }

    /// Each kind, and how many were not counted.
    pub(super) fn told(self, policy: &Conjunction) -> (Vec<RequestInfo>, u64) {
        let one = |((host, port, method, does), known): ((String, u16, String, Option<String>), Known)| {
            // Where the record says nothing of what it does, it did no more than read.
            let (body, git) = (Some(0), does.is_none());
            let sent = Sent { method: &method, host: &host, target: &known.target, body, git, websocket: false };
            let said = policy.policies().map(|one| sent.effects(&one.tools)).find(|effects| effects.by_policy);
            let (effects, why) = match (said, does.as_deref().and_then(|does| does.split_once(": "))) {
                (Some(said), _) => (said.effects.into_iter().map(|one| one.name().to_owned()).collect(), said.why),
                (None, Some((effects, why))) => (effects.split(", ").map(str::to_owned).collect(), why.to_owned()),
                (None, None) => (vec![Effect::Read.name().to_owned()], sent.effects(&[]).why),
            };
            let to = match host.contains(':') {
                true => format!("[{host}]:{port}"),
                false => format!("{host}:{port}"),
            };
            RequestInfo {
                to,
                effects,
                why,
                count: known.count,
                held: known.held,
                event: known.event,
                method: method.clone(),
            }
        };
        (self.known.into_iter().map(one).collect(), self.left)
    }
}

pub(super) fn size_of(info: &RequestInfo) -> usize {
    info.to.len() + info.why.len() + EACH
}
