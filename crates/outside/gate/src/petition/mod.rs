//! What whoever is inside may ask of the planes outside, at `http://bastide.internal/`: HTTP for any program, and the same as
//! a server of MCP. Who asks is the cell whose gate this is; a petition says nothing of it, and could not.
//!
//! Each is read strictly, judged by the flow rules, recorded with the program that it comes from, and then handed to the
//! session's process; what one may do is told from the policy in force, here. Places, petitions at once and their rate are
//! bounded apart from the door's own, so that a flood of them takes nothing from it.

mod ask;
mod desk;
mod http;
mod mcp;
mod tools;

use std::time::{Duration, Instant};

use policy::{DnsName, Host, Sink, Whoami, whoami};
use record::{Cause, EventId, Kind, Known, Verdict};
use sense::Bounds;
use serde_json::Value;
use tokio::time::timeout;
use wire::petition::{Answer, Denial, Petition, QuestionState, Reason, Verb};

use crate::asked::Asked;
use crate::flows::Stopped;
use crate::naming::BASTIDE_INTERNAL;
use crate::passage::Passage;
use crate::sightings::Seen;
pub use desk::Desk;

/// The one port that it is served at.
pub(crate) const PORT: u16 = 80;
/// Why there is nothing at another one.
pub(crate) const OTHER_PORT: &str = "`bastide.internal` is plain HTTP on port 80 only: http://bastide.internal/";
/// How long the session's process may take beyond what a petition itself waits for.
const GRACE: Duration = Duration::from_secs(30);

/// What somebody inside is told.
#[derive(Debug)]
pub(crate) struct Told {
    /// Where the record tells of the petition; none where a flood of them is only counted.
    pub(crate) event: Option<EventId>,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    Me(Box<Whoami>),
    Answer(Answer),
}

impl Told {
    fn denied(event: Option<EventId>, denial: Denial) -> Told {
        Told { event, what: What::Answer(Answer::Denied(denial)) }
    }
}

impl Passage {
    /// Whether that is where petitions are said, by its name or by the address that stands for it.
    pub(crate) fn is_own(&self, host: &Host) -> bool {
        matches!(self.naming.borrow().means(host), Some(Host::Name(name)) if name.as_str() == BASTIDE_INTERNAL)
    }

    /// Answers one petition.
    pub(crate) async fn petition(&self, who: Option<&Seen>, verb: Verb, with: Value) -> Told {
        let petition = match Petition::read(verb, with) {
            Ok(petition) => petition,
            Err(why) => return self.unfit(who, verb.name(), &why.to_string()),
        };
        // Taken before anything is recorded: what is refused for their number is counted, not told one by one.
        let Some(place) = self.desk.place() else {
            return self.too_much(who, verb.name(), "as many petitions as may be wait for their answers");
        };
        let words = said(&petition);
        if let Some(stopped) = self.leaves(&petition, &words) {
            return self.stopped_petition(who, verb, words, stopped);
        }
        let labels = self.desk.labels(self);
        let mut kind = kind(who, verb.name(), Verdict::Allowed);
        if let Kind::Petition { words: told, labels: carried, .. } = &mut kind {
            *told = words;
            *carried = labels.iter().map(|label| label.as_str().to_owned()).collect();
        }
        let recorded = self.ledger.borrow_mut().write_after(exec(who), kind);
        let Ok(event) = recorded else {
            let why = "the record cannot be written, so nothing is handed on";
            return Told::denied(None, Denial::new(Reason::NotNow, why, "the operator has to make room for it"));
        };
        if petition == Petition::Whoami {
            return Told { event: Some(event), what: What::Me(Box::new(whoami(&self.now().policy))) };
        }
        if let Petition::Ask(ask) = &petition {
            // It keeps its place while it waits.
            let answer = self.ask(who, event, ask).await;
            drop(place);
            return self.told(event, answer);
        }
        if let Petition::Spawn(spawn) = &petition {
            let asked = Asked { host: own(), port: PORT, who: who.cloned(), asks: None, consent: None };
            // It keeps its place while it waits.
            if let Err(why) = self.spawns(&asked, event, spawn).await {
                let hint = "ask for what the operator named, or do it yourself";
                return self.told(event, Answer::Denied(Denial::new(Reason::NotGranted, why, hint)));
            }
        }
        let patience = GRACE + Duration::from_secs(waits(&petition).into());
        let answer = match self.desk.hand_on(place, event, labels, petition) {
            Ok(answer) => timeout(patience, answer).await,
            Err(why) => return Told::denied(Some(event), Denial::new(Reason::Unfit, why, "say less at once")),
        };
        let Ok(Ok(answer)) = answer else {
            let why = "the session's process gave no answer";
            self.answered(event, Verdict::Refused, why);
            return Told::denied(Some(event), Denial::new(Reason::NotNow, why, "try again in a moment"));
        };
        self.told(event, answer)
    }

    /// Records what was answered, where that is not just what was asked for.
    fn told(&self, event: EventId, answer: Answer) -> Told {
        match &answer {
            Answer::Denied(denial) => self.answered(event, Verdict::Refused, &denial.why),
            Answer::Question(question) => match question.state {
                QuestionState::Denied => self.answered(event, Verdict::Refused, &question.words),
                QuestionState::Waiting => self.answered(event, Verdict::Asked, &question.words),
                QuestionState::Granted => {}
            },
            _ => {}
        }
        self.desk.hear(self, event, &answer);
        Told { event: Some(event), what: What::Answer(answer) }
    }

    /// What stops the words of a petition from leaving the cell.
    fn leaves(&self, petition: &Petition, words: &str) -> Option<Stopped> {
        let sink = match petition {
            Petition::Report(_) | Petition::Ask(_) => Sink::Human,
            Petition::Spawn(_) | Petition::Send(_) => Sink::Child,
            _ => return None,
        };
        self.flows.judge(BASTIDE_INTERNAL, sink, &[words.as_bytes()], &Bounds::USUAL)
    }

    /// Refuses what a flow rule keeps in, and records why.
    fn stopped_petition(&self, who: Option<&Seen>, verb: Verb, words: String, stopped: Stopped) -> Told {
        let Stopped { rule, reason, evidence, .. } = stopped;
        let mut causes: Vec<Cause> = exec(who).into_iter().collect();
        causes.extend(evidence.iter().filter_map(|one| self.carries(one)));
        let mut kind = kind(who, verb.name(), Verdict::Refused);
        if let Kind::Petition { words: told, rule: by, reason: why, .. } = &mut kind {
            *told = words;
            *by = rule.map(|rule| format!("flows: {rule}"));
            *why = Some(reason.clone());
        }
        let event = self.ledger.borrow_mut().write_after(causes, kind).ok();
        Told::denied(event, Denial::new(Reason::NotGranted, reason, "say it without what is labelled"))
    }

    /// Refuses what cannot be read as a petition.
    pub(crate) fn unfit(&self, who: Option<&Seen>, verb: &str, why: &str) -> Told {
        let event = self.refused_petition(who, verb, why);
        let hint = "http://bastide.internal/ tells the verbs and what each takes";
        Told::denied(event, Denial::new(Reason::Unfit, why, hint))
    }

    /// Refuses what is more than may be.
    pub(crate) fn too_much(&self, who: Option<&Seen>, verb: &str, why: &str) -> Told {
        let event = self.refused_petition(who, verb, why);
        Told::denied(event, Denial::new(Reason::TooMuch, why, "wait a few seconds and say it again"))
    }

    /// Whether one more petition may be made now.
    pub(crate) fn is_paced(&self) -> bool {
        self.desk.admit(Instant::now())
    }

    fn refused_petition(&self, who: Option<&Seen>, verb: &str, why: &str) -> Option<EventId> {
        let asked = Asked { host: own(), port: PORT, who: who.cloned(), asks: None, consent: None };
        if !self.admit(&asked, None) {
            return None;
        }
        let mut kind = kind(who, verb, Verdict::Refused);
        if let Kind::Petition { reason, .. } = &mut kind {
            *reason = Some(why.to_owned());
        }
        // Refused either way: an event that cannot be written changes nothing.
        self.ledger.borrow_mut().write_after(exec(who), kind).ok()
    }

    fn answered(&self, petition: EventId, verdict: Verdict, reason: &str) {
        let cause = Cause { id: petition, known: Known::Observed };
        // The record's lines have marks of their own, and show any others by their number.
        let kind = Kind::PetitionAnswered { petition, verdict, reason: reason.replace('`', "'") };
        // The answer was given: if this is lost, the ledger refuses whatever comes next.
        let _ = self.ledger.borrow_mut().write_after([cause], kind);
    }
}

/// The host that petitions are said to.
pub(crate) fn own() -> Host {
    DnsName::parse(BASTIDE_INTERNAL).map_or(Host::Address([0, 0, 0, 0].into()), Host::Name)
}

fn exec(who: Option<&Seen>) -> Option<Cause> {
    who.and_then(|seen| seen.exec)
}

fn kind(who: Option<&Seen>, verb: &str, verdict: Verdict) -> Kind {
    Kind::Petition {
        pid: who.map(|seen| seen.pid),
        program: who.map(|seen| seen.chain.to_vec()).unwrap_or_default(),
        verb: verb.to_owned(),
        words: String::new(),
        labels: Vec::new(),
        verdict,
        rule: None,
        reason: None,
    }
}

/// What a petition says, as the record tells it.
fn said(petition: &Petition) -> String {
    let object = match petition {
        Petition::Whoami => return String::new(),
        Petition::Report(report) => return report.words.as_str().to_owned(),
        Petition::Ask(ask) => serde_json::to_string(ask),
        Petition::Spawn(spawn) => serde_json::to_string(spawn),
        Petition::Wait(wait) => serde_json::to_string(wait),
        Petition::Send(send) => serde_json::to_string(send),
        Petition::Result(of) | Petition::Cancel(of) => serde_json::to_string(of),
    };
    object.unwrap_or_default()
}

/// Seconds that a petition itself waits for.
const fn waits(petition: &Petition) -> u32 {
    match petition {
        Petition::Ask(ask) => ask.seconds.get(),
        Petition::Wait(wait) => wait.seconds.get(),
        _ => 0,
    }
}
