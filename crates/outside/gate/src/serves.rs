//! Whether what acts at the door serves what the operator said: a request, a petition for a sub-agent. A program says of itself
//! what it likes, so that no conversation speaks for a request: what is known of his words does, what his policies name, and what
//! he let through himself. Once the policy lets it out, and before anything of it goes.

use policy::{Doubted, Endorsement, Grounding, Intent, Policy, SPAWN};
use record::{Cause, EventId, Kind, Known, Verdict};
use sense::meaning::{Begun, Came, Finding, Given, Judgement, Passed, Scene, Sent, Stands};
use sha2::{Digest, Sha256};
use wire::petition::{Access, Spawn};
use wire::question::Wanted;

use crate::asked::Asked;
use crate::consent::{Outcome, late};
use crate::generation::Generation;
use crate::models::{hex, line, sha256, today};
use crate::passage::{Allowed, Closed, Passage, Why};

/// What acts.
enum Act<'a> {
    Request(Sent<'a>),
    /// A petition, in the words that it was recorded with.
    Spawn(Begun<'a>),
}

impl Act<'_> {
    /// Its name, and what it is called with, where it is judged as a call.
    fn called(&self) -> (String, String) {
        match self {
            Act::Request(sent) => (sent.tool(), sent.arguments()),
            Act::Spawn(begun) => (SPAWN.to_owned(), begun.arguments()),
        }
    }

    /// All that an answer is for: what goes on by it is this and nothing else.
    fn known_by(&self) -> String {
        let (tool, arguments) = self.called();
        match self {
            Act::Request(sent) => format!("{tool}\0{}\0{:?}\0{}", sent.target, sent.body, sent.websocket),
            Act::Spawn(_) => format!("{tool}\0{arguments}"),
        }
    }

    /// What the record says that it is.
    fn told(&self) -> String {
        match self {
            Act::Request(sent) => format!("a request: {} to {}", sent.method, sent.place()),
            Act::Spawn(_) => "a sub-agent".to_owned(),
        }
    }

    fn acts(&self, policy: &Policy) -> bool {
        match self {
            Act::Request(sent) => sent.acts(&policy.tools),
            Act::Spawn(_) => true,
        }
    }

    /// Whether what was read is nothing to it, unless it is to be told of.
    fn is_blind(&self) -> bool {
        matches!(self, Act::Request(_))
    }

    fn judge(&self, scene: &Scene<'_>, passed: &[Passed]) -> Judgement {
        match self {
            Act::Request(sent) => scene.judge_request(sent, passed),
            Act::Spawn(begun) => scene.judge_spawn(begun),
        }
    }
}

/// What is to be said of it.
enum Found {
    /// Nothing: it may go on.
    Nothing,
    /// It may go on by what the operator endorsed, in words.
    Endorsed(String),
    Against(Box<Unserved>),
}

/// Something that nothing the operator said speaks for.
struct Unserved {
    /// The strictest that a policy says.
    grounding: Grounding,
    judgement: Judgement,
    doubted: Doubted,
    /// Where the record holds what each finding stands in.
    sources: Vec<Option<EventId>>,
    /// Why it stays so, beside that.
    answer: Option<String>,
}

/// What becomes of it in the end.
enum Weighed {
    /// It goes on; by what the operator endorsed, where that was needed.
    Goes(Option<String>),
    /// It does not.
    Stays(Box<Unserved>),
    /// Another policy came: all is decided again.
    Again,
}

impl Passage {
    /// Whether a request counts as a reading for what it says of its body, where it is judged what requests do.
    pub(crate) fn believes(&self, asked: &Asked) -> bool {
        grounds(&self.now()) && asked.fetches().is_some()
    }

    /// Goes on where a request serves what the operator said, or he lets it go on.
    ///
    /// # Errors
    /// [`Closed`], where it does not; it is recorded.
    pub(crate) async fn serves(&self, asked: &Asked) -> Result<(), Closed> {
        if asked.sent("").is_none() || !grounds(&self.now()) {
            return Ok(());
        }
        // On the heap: most requests never wait.
        Box::pin(self.serves_task(asked)).await
    }

    async fn serves_task(&self, asked: &Asked) -> Result<(), Closed> {
        let named = self.named(asked.clone());
        let until = self.held.until();
        loop {
            let now = self.now();
            let host = named.host.to_string();
            let let_out = self.allows(&named) == Some(Allowed::Network);
            // He was shown this very request, and let it through.
            let shown = named.consent.as_deref().is_some_and(|consent| consent.serial() == now.serial);
            let Some(sent) = named.sent(&host).filter(|_| let_out && !shown) else { return Ok(()) };
            let act = Act::Request(sent);
            match self.weigh(&now, &named, &act, until).await {
                Weighed::Goes(None) => return Ok(()),
                Weighed::Goes(Some(by)) => {
                    let written = self.ground(&act, &by, asked.exec());
                    return written.map(drop).map_err(|_| Closed { why: Why::Unrecorded, event: None });
                }
                Weighed::Stays(against) => return Err(self.unserved(&named, &against)),
                Weighed::Again => {}
            }
        }
    }

    /// Why no sub-agent is begun by a petition, where that does not serve what the operator said.
    pub(crate) async fn spawns(&self, asked: &Asked, event: EventId, spawn: &Spawn) -> Result<(), String> {
        if !grounds(&self.now()) {
            return Ok(());
        }
        let network: Vec<String> = spawn.network.iter().map(ToString::to_string).collect();
        let credentials: Vec<String> = spawn.credentials.iter().map(|name| name.as_str().to_owned()).collect();
        let writes = spawn.files.iter().filter(|grant| grant.access == Access::Write);
        let writes: Vec<String> = writes.map(|grant| grant.path.as_str().to_owned()).collect();
        let words: Vec<&str> = std::iter::once(spawn.task.as_str())
            .chain(spawn.context.as_ref().map(|context| context.as_str()))
            .collect();
        let begun = Begun { words: &words, writes: &writes, network: &network, credentials: &credentials };
        let (act, until) = (Act::Spawn(begun), self.held.until());
        let because = Cause { id: event, known: Known::Observed };
        loop {
            let now = self.now();
            match Box::pin(self.weigh(&now, asked, &act, until)).await {
                Weighed::Goes(None) => return Ok(()),
                Weighed::Goes(Some(by)) => {
                    let written = self.ground(&act, &by, Some(because));
                    return written.map(drop).map_err(|_| "the record cannot be written".to_owned());
                }
                Weighed::Stays(against) => {
                    self.evidence(&against);
                    return Err(against.why());
                }
                Weighed::Again => {}
            }
        }
    }

    /// What becomes of it under the policy of now.
    async fn weigh(&self, now: &Generation, asked: &Asked, act: &Act<'_>, until: tokio::time::Instant) -> Weighed {
        let against = match self.judge(now, act) {
            Found::Nothing => return Weighed::Goes(None),
            Found::Endorsed(by) => return Weighed::Goes(Some(by)),
            Found::Against(against) => against,
        };
        let stays = |against: Box<Unserved>, why: &str| {
            Weighed::Stays(Box::new(Unserved { answer: Some(why.to_owned()), ..*against }))
        };
        if against.grounding != Grounding::Ask {
            return Weighed::Stays(against);
        }
        if !self.held.asks() {
            return stays(against, "nobody is there to be asked");
        }
        let Some(wanted) = question(asked, act, &against) else {
            return stays(against, "the operator cannot be shown all of it, and was not asked");
        };
        match self.held.wait(wanted, until).await {
            Outcome::Once { question, .. } if self.now().serial == now.serial => {
                let short = question.get(..8).unwrap_or(&question);
                Weighed::Goes(Some(format!("the operator, once (question {short})")))
            }
            Outcome::Once { .. } | Outcome::Again => Weighed::Again,
            Outcome::Late(question) => stays(against, &late(question.as_deref())),
            Outcome::Refused { why, .. } => stays(against, &why),
            Outcome::Unheld(why) => stays(against, why),
        }
    }

    /// What speaks against it, by each policy that has calls judged.
    fn judge(&self, now: &Generation, act: &Act<'_>) -> Found {
        let told = &self.models.told;
        let (attested, passed) = (self.models.attested(), told.passed());
        let (mut found, mut by) = (None::<Box<Unserved>>, Vec::new());
        for policy in now.policy.policies().filter(|policy| policy.grounding != Grounding::Off && act.acts(policy)) {
            let vouched = told.said();
            let mut said: Vec<&str> = attested.iter().map(String::as_str).collect();
            if policy.intent == Intent::UserRole {
                said.extend(vouched.iter().map(String::as_str));
            }
            if act.is_blind() && act.judge(&Scene::new(&said, Vec::new(), &policy.tools), &passed).passes() {
                continue;
            }
            let new = self.against(policy, &said, act, &passed);
            if new.judgement.passes() {
                continue;
            }
            let answered: &[Endorsement] = if policy.grounding == Grounding::Ask { &now.endorsed } else { &[] };
            match new.doubted.lifted(policy.endorse.iter().chain(answered), today()) {
                Some(lifting) => by.extend(lifting.iter().map(ToString::to_string)),
                None if found.as_ref().is_some_and(|before| before.grounding >= new.grounding) => {}
                None => found = Some(new),
            }
        }
        match (found, by.is_empty()) {
            (Some(against), _) => Found::Against(against),
            (None, true) => Found::Nothing,
            (None, false) => Found::Endorsed(by.join(", ")),
        }
    }

    fn against(&self, policy: &Policy, said: &[&str], act: &Act<'_>, passed: &[Passed]) -> Box<Unserved> {
        let read = self.models.told.read();
        let mut given: Vec<Given<'_>> = read.iter().map(|(text, _)| Given { tool: "", text, asked: "" }).collect();
        // What came from outside and no model was told of is somewhere inside, too.
        if self.desk.has_ventured() {
            given.push(Given { tool: "", text: "", asked: "" });
        }
        let came = vec![Came::default(); given.len()];
        let scene = Scene::new(said, given, &policy.tools);
        let judgement = act.judge(&scene, passed);
        let (tool, arguments) = act.called();
        let doubted = scene.doubted(&judgement, (&tool, &arguments), &came, &sha256);
        let source = |finding: &Finding| match finding.stands {
            Stands::Given(at, _) => read.get(at).map(|(_, event)| *event),
            Stands::Nowhere => None,
        };
        let sources = judgement.against.iter().map(source).collect();
        Box::new(Unserved { grounding: policy.grounding, judgement, doubted, sources, answer: None })
    }

    /// Records by what it goes on.
    fn ground(&self, act: &Act<'_>, by: &str, because: Option<Cause>) -> std::io::Result<EventId> {
        let what = format!("ground for {}", act.told());
        let kind = Kind::Evidence { what, source: by.to_owned(), how: String::new(), quoted: String::new() };
        self.ledger.borrow_mut().write_after(because, kind)
    }

    /// Records what speaks against it, and where that stands.
    fn evidence(&self, against: &Unserved) -> Vec<Cause> {
        let mut causes = Vec::new();
        for (finding, source) in against.judgement.against.iter().zip(&against.sources) {
            let quoted = match &finding.stands {
                Stands::Given(_, around) => around.clone(),
                Stands::Nowhere => finding.value.clone(),
            };
            let place = source.map_or_else(|| "nothing that was read".into(), |id| format!("what was read, {id}"));
            let evidence = Kind::Evidence { what: line(finding), source: place, how: String::new(), quoted };
            let from = source.map(|id| Cause { id, known: Known::Observed });
            let id = self.ledger.borrow_mut().write_after(from, evidence);
            causes.extend(id.ok().map(|id| Cause { id, known: Known::Observed }));
        }
        causes
    }

    /// Refuses a request, and records why.
    fn unserved(&self, asked: &Asked, against: &Unserved) -> Closed {
        let why = against.why();
        let refused = Why::Refused { why: why.clone(), suggestion: None };
        if !self.admit(asked, Some(against.grounding.name())) {
            return Closed { why: refused, event: None };
        }
        let causes: Vec<Cause> = asked.causes().chain(self.evidence(against)).collect();
        let verdict = if against.grounding == Grounding::Ask { Verdict::Asked } else { Verdict::Refused };
        let mut kind = asked.event(verdict);
        if let Kind::Request { rule, reason, .. } = &mut kind {
            *rule = Some(format!("grounding: {}", against.grounding.name()));
            *reason = Some(why);
        }
        // Refused either way: an event that cannot be written changes nothing.
        let event = self.ledger.borrow_mut().write_after(causes, kind).ok();
        Closed { why: refused, event }
    }
}

impl Unserved {
    fn why(&self) -> String {
        let whys: Vec<String> = self.judgement.against.iter().take(3).map(line).collect();
        let answer = self.answer.as_ref().map(|answer| format!("; {answer}")).unwrap_or_default();
        format!("it does not serve what the operator asked for: {}{answer}", whys.join("; "))
    }
}

/// Whether any policy has what acts judged by the operator's words.
pub(crate) fn grounds(now: &Generation) -> bool {
    now.policy.policies().any(|policy| policy.grounding != Grounding::Off)
}

/// What the operator is asked; nothing where it cannot be shown.
fn question(asked: &Asked, act: &Act<'_>, against: &Unserved) -> Option<Wanted> {
    let (_, arguments) = act.called();
    let shown = match act {
        Act::Request(sent) => {
            serde_json::from_str::<serde_json::Value>(&arguments).is_ok_and(|all| all["target"] == sent.target)
        }
        Act::Spawn(_) => true,
    };
    let causes = asked.causes().map(|cause| cause.id).chain(against.sources.iter().flatten().copied());
    let known_by = hex(&Sha256::digest(act.known_by()));
    let mut wanted = asked.question(&arguments, against.doubted.clone(), causes, known_by)?;
    if let Some(call) = &mut wanted.call {
        call.long |= !shown;
    }
    Some(wanted)
}
