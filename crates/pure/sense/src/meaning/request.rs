//! A request of HTTP as a call: what it does, by method, host and path; whose place it goes to; and whether the operator's words ask
//! for that. A program may say whatever it likes of itself, so nothing that was read speaks for a request: his words do, what his
//! policy names, and calls that he let through himself.

use std::collections::BTreeSet;

use policy::{Effect, REQUESTS, Role, ToolRule};
use serde_json::json;

use super::call::{changes, verb};
use super::effect::{self, Effects};
use super::ground::{Finding, Judgement, Scene, Stands};
use super::place::places;
use super::shape::{Shape, address, shapes};
use super::text::told;
use super::words::{parts, phrase, tells, words};

/// Words of a host that are about money.
const PAYS: &[&str] = &["pay", "payment", "payments", "checkout", "billing", "bank", "wallet"];
/// Words of a host that takes what is meant for others.
const TELLS: &[&str] = &["hooks", "hook", "webhook", "webhooks", "smtp", "mail", "upload", "uploads", "paste"];
/// Hosts to which something is put so that everybody may have it.
const PUBLISHES: &[&str] = &["registry.npmjs.org", "upload.pypi.org", "crates.io"];
/// What a path ends with to which Git pushes.
const PUSHES: &str = "/git-receive-pack";
/// Most bytes with which Git asks for what it lacks: no more than a target may carry.
const MOST_ASKED: u64 = 64 << 10;
/// Longest place that is told.
const MOST_PLACE: usize = 512;

/// Hosts that many share, and where a path says whose place it leads to: `*` is a name, joined with `/`. Where none fits, it
/// says nothing of that, and the whole path is the place.
const SHARED: &[(&str, &[&str])] = &[
    ("github.com", &["/*/*"]),
    ("api.github.com", &["/repos/*/*", "/orgs/*", "/users/*"]),
    ("uploads.github.com", &["/repos/*/*"]),
    ("gist.github.com", &["/*"]),
    ("gitlab.com", &["/api/v4/projects/*", "/api/v4/groups/*", "/*/*"]),
    ("bitbucket.org", &["/*/*"]),
    ("api.bitbucket.org", &["/2.0/repositories/*/*"]),
    ("codeberg.org", &["/api/v1/repos/*/*", "/*/*"]),
    ("huggingface.co", &["/api/models/*/*", "/api/datasets/*/*", "/*/*"]),
    ("registry.npmjs.org", &["/*"]),
    ("storage.googleapis.com", &["/upload/storage/v1/b/*", "/storage/v1/b/*", "/*"]),
    ("s3.amazonaws.com", &["/*"]),
    ("upload.pypi.org", &[]),
    ("crates.io", &[]),
    ("slack.com", &[]),
    ("hooks.slack.com", &[]),
    ("discord.com", &[]),
    ("api.telegram.org", &[]),
    ("api.notion.com", &[]),
    ("api.dropboxapi.com", &[]),
    ("content.dropboxapi.com", &[]),
    ("www.googleapis.com", &[]),
    ("graph.microsoft.com", &[]),
    ("api.openai.com", &[]),
    ("api.anthropic.com", &[]),
    ("generativelanguage.googleapis.com", &[]),
];

/// A request as far as its effect is judged.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// As written.
    pub method: &'a str,
    /// Where it goes.
    pub host: &'a str,
    /// Path and query, as written.
    pub target: &'a str,
    /// Bytes behind its head; none where it does not say how many.
    pub body: Option<u64>,
    /// It says that its body is what Git asks with. Whoever lets it pass as that has to look: [`super::is_fetch`].
    pub git: bool,
    /// It asks for a WebSocket.
    pub websocket: bool,
}

/// A call that the operator let through himself: what it does, and what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    effects: BTreeSet<Effect>,
    places: BTreeSet<String>,
}

impl Passed {
    /// Of a call as it was let through.
    #[must_use]
    pub fn of(effects: &BTreeSet<Effect>, arguments: &str) -> Passed {
        let mut named = places(arguments);
        // What a command names stands within a text.
        let within = shapes(arguments).into_iter().filter(|(_, shape)| *shape == Shape::Url);
        named.extend(within.map(|(range, _)| address(&arguments[range])));
        // A path of a file is no place that a request goes to.
        named.retain(|place| !place.starts_with(['/', '.', '~']));
        Passed { effects: effects.clone(), places: named }
    }

    /// Whether a request does no more than it, there.
    fn covers(&self, effects: &BTreeSet<Effect>, sent: &Sent<'_>) -> bool {
        let does = self.effects.contains(&Effect::Execute)
            || effects.iter().all(|effect| *effect == Effect::Read || self.effects.contains(effect));
        does && self.places.iter().any(|place| sent.is_beneath(place))
    }
}

impl Sent<'_> {
    /// Its name where it is judged as a call: `request:POST:api.example`.
    #[must_use]
    pub fn tool(&self) -> String {
        format!("{REQUESTS}{}:{}", plain(self.method), self.host)
    }

    /// What it is called with.
    #[must_use]
    pub fn arguments(&self) -> String {
        let target: String = self.target.chars().take(2 * MOST_PLACE).collect();
        json!({"to": self.place(), "target": target}).to_string()
    }

    /// What it does. Rules of a policy stand above what is concluded, as of every call.
    #[must_use]
    pub fn effects(&self, rules: &[ToolRule]) -> Effects {
        if rules.is_empty() {
            return self.concluded();
        }
        let tool = self.tool();
        let said: BTreeSet<Effect> =
            rules.iter().filter(|rule| rule.is_about(&tool)).filter_map(|rule| rule.effect).collect();
        if !said.is_empty() {
            return Effects { effects: said, why: "the policy says so".into(), by_policy: true };
        }
        self.concluded()
    }

    /// Whether it does more than to read.
    #[must_use]
    pub fn acts(&self, rules: &[ToolRule]) -> bool {
        changes(&self.effects(rules).effects)
    }

    /// Whether it is concluded from its method alone, and nothing speaks against it, that it only reads. So do most requests,
    /// and no words are made of it.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        let bare = of_method(self.method) == Effect::Read && self.body == Some(0) && !self.websocket;
        bare && !self.path().ends_with(PUSHES)
    }

    fn concluded(&self) -> Effects {
        let (first, mut why) = self.by_method();
        let mut effects = BTreeSet::from([first]);
        let mut add = |effect: Effect, reason: String| {
            if effects.insert(effect) {
                why = format!("{why}, and {reason}");
            }
        };
        if self.websocket {
            add(Effect::Send, "on a WebSocket anything may be said".into());
        }
        if first == Effect::Read && self.body != Some(0) && !self.fetches() {
            add(Effect::Send, "it carries a body".into());
        }
        let path = self.path();
        if path.ends_with(PUSHES) {
            add(Effect::Publish, "Git pushes so".into());
        }
        if first != Effect::Read {
            let named = |known: &[&str]| {
                let word = self.host.split('.').flat_map(parts).find(|part| known.contains(&part.as_str()));
                word.map(|word| format!("its host says `{word}`"))
            };
            if let Some(why) = named(PAYS) {
                add(Effect::Spend, why);
            } else if let Some(why) = named(TELLS) {
                add(Effect::Send, why);
            }
            if PUBLISHES.contains(&self.host) {
                add(Effect::Publish, "everybody has what is put there".into());
            }
            // What a path ends with is often what is done there; ids are not.
            let last = path.rsplit('/').next().unwrap_or_default();
            let word =
                parts(last).into_iter().find(|word| effect::of(word).is_some_and(|effect| effect != Effect::Read));
            if let Some((effect, word)) = word.and_then(|word| Some((effect::of(&word)?, word)))
                && !last.contains(|letter: char| letter.is_ascii_digit())
                && !matches!(effect, Effect::Write | Effect::Send)
            {
                add(effect, format!("its path says `{word}`"));
            }
        }
        if effects.len() > 1 {
            effects.remove(&Effect::Read);
        }
        Effects { effects, why, by_policy: false }
    }

    fn by_method(&self) -> (Effect, String) {
        if self.fetches() {
            return (Effect::Read, "Git fetches so".into());
        }
        (of_method(self.method), format!("its method is `{}`", plain(self.method)))
    }

    /// Whether Git asks for what it lacks so, if its body is what it says.
    #[must_use]
    pub fn fetches(&self) -> bool {
        self.git
            && self.method == "POST"
            && self.path().ends_with("/git-upload-pack")
            && self.body.is_some_and(|bytes| bytes <= MOST_ASKED)
    }

    fn path(&self) -> &str {
        self.target.split(['?', '#']).next().unwrap_or_default()
    }

    /// Whose place it goes to: a host; of one that many share, with the name that its path says, or all of the path.
    #[must_use]
    pub fn place(&self) -> String {
        let site = self.site();
        let Some(forms) = self.shared() else { return site };
        match forms.iter().find_map(|form| whose(form, self.path())) {
            Some((end, _)) => format!("{site}{end}"),
            None => {
                let mut place: String = format!("{site}{}", self.path()).chars().take(MOST_PLACE).collect();
                while place.len() > MOST_PLACE {
                    place.pop();
                }
                place
            }
        }
    }

    fn owner(&self) -> Option<String> {
        self.shared()?.iter().find_map(|form| whose(form, self.path())).map(|(_, owner)| owner)
    }

    fn shared(&self) -> Option<&'static [&'static str]> {
        let site = self.site();
        SHARED.iter().find(|(shared, _)| *shared == site).map(|(_, forms)| *forms)
    }

    /// Its host as addresses are compared.
    fn site(&self) -> String {
        let host = self.host.to_lowercase();
        host.strip_prefix("www.").map_or(host.clone(), str::to_owned)
    }

    /// Whether it goes to an address that somebody named, or beneath it. Nothing of its path is taken for a host.
    fn is_beneath(&self, named: &str) -> bool {
        let path = self.path();
        let folded = path.to_ascii_lowercase();
        // A way up leads elsewhere than it says.
        if folded.contains("/..") || folded.contains("%2e") {
            return false;
        }
        let own = format!("{}{}", self.site(), path.trim_end_matches('/'));
        match own.strip_prefix(named) {
            Some(rest) if named.contains('/') => rest.is_empty() || rest.starts_with('/'),
            Some(_) => named == self.site(),
            None => false,
        }
    }
}

impl Scene<'_> {
    /// Judges a request: it has to do what the operator's words ask for, at a place that they name. What was read tells where
    /// a place stands, and speaks for none.
    #[must_use]
    pub fn judge_request(&self, sent: &Sent<'_>, passed: &[Passed]) -> Judgement {
        let effects = sent.effects(self.rules);
        let mut judged = Judgement { effects, against: Vec::new(), by: Vec::new() };
        let does = judged.effects.effects.clone();
        if !changes(&does) {
            return judged;
        }
        if passed.iter().any(|one| one.covers(&does, sent)) {
            judged.by.push(("to".into(), "the operator let a call through that names it".into()));
            return judged;
        }
        let place = sent.place();
        for effect in does.iter().filter(|effect| !self.requests(**effect)) {
            judged.against.push(Finding {
                argument: None,
                effect: Some(*effect),
                role: None,
                value: effect.name().into(),
                whole: effect.name().into(),
                stands: self.stands_there(sent),
                why: format!("nothing that the operator said asks to {}", verb(*effect)),
            });
        }
        match self.leads(sent, &place) {
            Some(by) => judged.by.push(("to".into(), by.into())),
            None => {
                let stands = self.stands_there(sent);
                let why = match &stands {
                    Stands::Given(at, _) => self.unchosen(*at),
                    Stands::Nowhere if sent.shared().is_some() && sent.owner().is_none() => {
                        "many share that host, and whose place it is does not show".into()
                    }
                    Stands::Nowhere => "the operator's words do not name it".into(),
                };
                judged.against.push(Finding {
                    argument: Some("to".into()),
                    effect: None,
                    role: Some(Role::Target),
                    value: told(&place),
                    whole: place,
                    stands,
                    why,
                });
            }
        }
        judged
    }

    /// Whether the operator's words ask for what a request does. A request is how anything is done elsewhere, so that to make
    /// and to send are asked for by whatever else he asks for; to pay, to delete and to publish are not.
    fn requests(&self, effect: Effect) -> bool {
        match effect {
            Effect::Write | Effect::Send => self.task().effects().next().is_some(),
            effect => self.task().asks(effect).is_some(),
        }
    }

    /// What speaks for the place.
    fn leads(&self, sent: &Sent<'_>, place: &str) -> Option<&'static str> {
        let tool = sent.tool();
        if self.rules.iter().any(|rule| rule.is_about(&tool) && rule.grounds("to", place)) {
            return Some("the policy names it");
        }
        // A host that many share says nothing of whose place is meant.
        let means = |named: &String| sent.is_beneath(named) && (named.contains('/') || sent.shared().is_none());
        if self.texts.iter().flat_map(|text| addresses(text)).any(|named| means(&named)) {
            return Some("the operator named it");
        }
        let owner = words(&sent.owner()?);
        let said = !owner.is_empty() && self.said.iter().any(|said| phrase(said, &owner).is_some());
        // A single word has to be one that means somebody.
        let means = owner.len() > 1 || owner.iter().all(|word| tells(&word.text) && effect::of(&word.text).is_none());
        (said && means).then_some("the operator named whose place it is")
    }

    /// Where what was read names the place.
    fn stands_there(&self, sent: &Sent<'_>) -> Stands {
        let candidates = [Some(sent.place()), sent.owner(), Some(sent.site())];
        let found = candidates.into_iter().flatten().map(|value| self.stands(&value));
        found.into_iter().find(|stands| *stands != Stands::Nowhere).unwrap_or(Stands::Nowhere)
    }
}

/// The addresses that a text names, each in one spelling.
fn addresses(text: &str) -> Vec<String> {
    let found = shapes(text).into_iter().filter(|(_, shape)| *shape == Shape::Url);
    let spelled = found.map(|(range, _)| address(&text[range]));
    spelled.map(|one| one.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_owned()).collect()
}

/// The part of a path that a form says whose place it is by, and the names in it.
fn whose(form: &str, path: &str) -> Option<(String, String)> {
    let (mut segments, mut end, mut names) = (path.strip_prefix('/')?.split('/'), String::new(), Vec::new());
    for part in form.split('/').skip(1) {
        let segment = segments.next()?;
        let spelled = segment.replace("%2F", "/").replace("%2f", "/").replace("%40", "@");
        let odd =
            segment.is_empty() || spelled.contains('%') || spelled.split('/').any(|one| matches!(one, "" | "." | ".."));
        match part {
            "*" if odd => return None,
            "*" => names.push(spelled.strip_suffix(".git").unwrap_or(&spelled).to_owned()),
            part if part == segment => {}
            _ => return None,
        }
        end = format!("{end}/{}", if part == "*" { names.last().map_or("", String::as_str) } else { segment });
    }
    // A way up leads elsewhere than it says.
    let up = path.to_ascii_lowercase();
    (!up.contains("/..") && !up.contains("%2e")).then(|| (end, names.join("/")))
}

fn of_method(method: &str) -> Effect {
    match method {
        "GET" | "HEAD" | "OPTIONS" | "TRACE" => Effect::Read,
        "DELETE" => Effect::Delete,
        "POST" => Effect::Send,
        _ => Effect::Write,
    }
}

fn plain(method: &str) -> String {
    method.chars().filter(char::is_ascii_alphanumeric).take(16).collect()
}

#[cfg(test)]
mod tests;
