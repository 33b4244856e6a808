//! What an agent asks for before it does it: the same question that its doing it would become, answered here.

use std::time::Duration;

use policy::{Decision, Host, Request, decide};
use record::{Cause, EventId, Known};
use tokio::time::Instant;
use wire::petition::{Answer, Ask, Denial, Question, QuestionState, Reason};

use crate::asked::{Asked, Asks};
use crate::consent::Inquired;
use crate::head::Body;
use crate::naming::{BASTIDE_INTERNAL, PROXY_BASTIDE};
use crate::passage::Passage;
use crate::sightings::Seen;

/// How often it is decided anew within one petition.
const ROUNDS: usize = 8;

impl Passage {
    /// Answers an [`Ask`]: at once where no answer of the operator's is needed or could help, else as he answers.
    pub(super) async fn ask(&self, who: Option<&Seen>, event: EventId, ask: &Ask) -> Answer {
        let asked = match asked(who, event, ask) {
            Ok(asked) => asked,
            Err(why) => return denied(Reason::Unfit, why, "say method and path as a request would have them"),
        };
        if matches!(&ask.to.host, Host::Name(name) if matches!(name.as_str(), BASTIDE_INTERNAL | PROXY_BASTIDE)) {
            return granted("it is this cell's own, and always there; what it leads to is decided by itself");
        }
        let until = Instant::now() + Duration::from_secs(ask.seconds.get().into());
        for _ in 0..ROUNDS {
            let now = self.now();
            let named = self.named(asked.clone());
            match decide(now.by(&named), &named.egress()) {
                Decision::Allow(_) => return granted("it may be done: the policy allows it"),
                Decision::Read => return granted("connect to it: each request is decided by itself"),
                Decision::Deny(refusal) => {
                    return denied(Reason::NotGranted, format!("it is refused: {refusal}"), "go on without it");
                }
                Decision::Ask(_) => {}
            }
            let Some(wanted) = self.wanted(&asked, ask.why.as_str()) else {
                return denied(Reason::NotGranted, "no answer of the operator's could allow it", "go on without it");
            };
            if !self.held.asks() {
                let hint = "go on with what `whoami` says that you may do, or report what you would need";
                return denied(Reason::NotGranted, "nobody is asked in this session", hint);
            }
            match self.held.inquire(wanted, until).await {
                Inquired::Once => return granted("it may be done once, within five minutes"),
                Inquired::Again => {}
                Inquired::Waits { question, words } => return answer(question, QuestionState::Waiting, words),
                Inquired::Refused { why, denied: true } => return answer(None, QuestionState::Denied, why),
                Inquired::Refused { why, .. } => {
                    return denied(Reason::NotNow, why, "go on with what `whoami` says that you may do, or report it");
                }
            }
        }
        denied(Reason::NotNow, "the policy changes all the time", "ask later")
    }
}

/// The same as if it were done.
fn asked(who: Option<&Seen>, event: EventId, ask: &Ask) -> Result<Asked, String> {
    let asks = match (&ask.method, &ask.path) {
        (None, None) => None,
        (method, path) => {
            let target = path.as_ref().map_or("/", |path| path.as_str());
            let method = method.as_ref().map_or("GET", |method| method.as_str());
            let request = Request::new(method, target).map_err(|why| why.to_string())?;
            let because = vec![Cause { id: event, known: Known::Observed }];
            let target = target.to_owned();
            let (body, head, secure, newer) = (Body::Length(0), 0, ask.to.port == 443, false);
            Some(Box::new(Asks { request, target, body, head, secure, newer, because, routed: false, stood: None }))
        }
    };
    Ok(Asked { host: ask.to.host.clone(), port: ask.to.port, who: who.cloned(), asks, consent: None })
}

fn granted(words: &str) -> Answer {
    answer(None, QuestionState::Granted, words.to_owned())
}

const fn answer(question: Option<String>, state: QuestionState, words: String) -> Answer {
    Answer::Question(Question { question, state, words })
}

fn denied(reason: Reason, why: impl Into<String>, hint: &str) -> Answer {
    Answer::Denied(Denial::new(reason, why, hint))
}
