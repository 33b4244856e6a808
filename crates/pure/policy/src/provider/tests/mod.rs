//! One case per entry of the tables, made from the tables; the ways around the door, by hand; bodies of real agents.

mod agents;
mod bypass;
mod bypass_history;
mod entries;
mod headers;
mod reference;
mod walk;

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Edit, Endpoint, Grants, Held, Hosted, Refused, endpoint, judge};

/// A gate that delivered one answer and one sealed item.
struct Delivered;

impl Held for Delivered {
    fn response(&self, id: &str) -> bool {
        id == "resp_delivered"
    }

    fn encrypted(&self, item: &str) -> bool {
        item == "c2VhbGVk"
    }
}

const RESPONSES: &str = "/v1/responses";
const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const GEMINI: &str = "/v1beta/models/gemini-2.5-pro:generateContent";
const OLLAMA: &str = "/api/chat";
const EMBEDDINGS: &str = "/v1/embeddings";

fn post(path: &str) -> &'static Endpoint {
    endpoint("POST", path).expect(path)
}

fn asked(path: &str, body: &Value) -> Result<Vec<Edit>, Refused> {
    judge(post(path), body, &Grants::default(), &Delivered)
}

fn granted(path: &str, body: &Value, hosted: Hosted) -> Result<Vec<Edit>, Refused> {
    let grants = Grants { hosted: BTreeSet::from([hosted]), fields: BTreeSet::new() };
    judge(post(path), body, &grants, &Delivered)
}

/// Refused for this reason, and passed where just that is granted.
#[track_caller]
fn hosted(path: &str, body: &Value, hosted: Hosted, what: &str) {
    let refused = asked(path, body).expect_err(what);
    assert_eq!((refused.what.as_str(), refused.why), (what, hosted.why()), "{refused}");
    assert!(refused.to_string().ends_with(&format!("grants it with `{hosted}` under `inference.grant`")), "{refused}");
    assert!(granted(path, body, hosted).is_ok(), "{:?}", granted(path, body, hosted));
    for other in Hosted::ALL.into_iter().filter(|other| *other != hosted) {
        assert!(granted(path, body, other).is_err(), "{other} grants no {hosted}");
    }
}

/// Refused whatever is granted.
#[track_caller]
fn refused(path: &str, body: &Value, what: &str) {
    let everything = Grants { hosted: Hosted::ALL.into(), fields: BTreeSet::new() };
    let refused = judge(post(path), body, &everything, &Delivered).expect_err(what);
    assert_eq!(refused.what, what, "{refused}");
    assert_eq!(asked(path, body).expect_err(what).what, what);
}

#[track_caller]
fn passes(path: &str, body: &Value) {
    assert!(asked(path, body).is_ok(), "{}", asked(path, body).expect_err("refused"));
}
