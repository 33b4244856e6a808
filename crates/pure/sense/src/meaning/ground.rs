//! Judges one call: what it does must be asked for by the operator's words, once others' words were read; and whom and what it is
//! about must stand in his words, in values that his policy vouches for, or be what he chose among the things that tools told of.
//!
//! More that was read never lets more through: a value that others may have chosen is held, whatever else speaks for it, unless the
//! operator's own words do.

use std::collections::BTreeSet;
use std::rc::Rc;

use policy::{Effect, Role, ToolRule};
use serde_json::Value;

use super::call::{Call, MOST_ARGUMENTS, gather, is_secret, verb};
use super::choice::{Chooser, is_end, plain};
use super::described::Described;
use super::effect::{self, Effects, Tool, effects};
use super::hints::Hints;
use super::leads::{Lead, leads};
use super::memory::{Memory, Parsed, Wording};
use super::place::{self, Told, places, sentences};
use super::results::budget;
use super::role::role;
use super::shape::{Shape, shape, shapes};
use super::task::Task;
use super::text::{floor, fold, numbers, parted, told};
use super::things::Things;
use super::trail::Trails;
use super::words::{Word, parts, phrase, tells, words};

/// Most bytes of results that are looked through; with more, a call with an effect is held.
pub const MOST_READ: usize = 4 << 20;

/// What a tool gave.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The tool; empty for what is nobody's that is known.
    pub tool: &'a str,
    /// All its text.
    pub text: &'a str,
    /// The arguments of the call that it answers; empty where that is not known to have gone on.
    pub asked: &'a str,
}

/// A conversation as far as a call is judged in it.
#[derive(Debug)]
pub struct Scene<'a> {
    pub(super) rules: &'a [ToolRule],
    pub(super) texts: Vec<String>,
    pub(super) said: Vec<Vec<Word>>,
    /// The same by the sentence.
    sentences: Vec<Vec<Word>>,
    /// Places, and what he says stands there.
    pub(super) told: Vec<Told>,
    telling: BTreeSet<String>,
    task: Task,
    /// Where his words begin to lead, and what to.
    pub(super) leads: Vec<Lead>,
    pub(super) trails: Trails,
    pub(super) given: Vec<Given<'a>>,
    /// The same as they were read; none where that is too much.
    pub(super) parsed: Vec<Rc<Parsed>>,
    pub(super) things: Things,
    pub(super) beyond: bool,
    pub(super) described: Described<'a>,
}

/// Where a value stands that nothing speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    /// In what a tool gave: the number of that result, and some of what stands around it.
    Given(usize, String),
    /// Nowhere.
    Nowhere,
}

/// What speaks against a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The argument; none where it is the call itself.
    pub argument: Option<String>,
    /// The effect that nothing asks for, where that is it.
    pub effect: Option<Effect>,
    /// What the argument is to the call.
    pub role: Option<Role>,
    /// Its value, bounded.
    pub value: String,
    /// The same, whole.
    pub whole: String,
    /// Where that stands.
    pub stands: Stands,
    /// Why, in words.
    pub why: String,
}

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What it does.
    pub effects: Effects,
    /// What speaks against it; nothing where it may go on.
    pub against: Vec<Finding>,
    /// What speaks for its arguments, by name.
    pub by: Vec<(String, String)>,
}

impl Judgement {
    /// Whether it may go on.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.against.is_empty()
    }
}

impl<'a> Scene<'a> {
    /// A conversation: what the operator said, and what tools gave, in order.
    #[must_use]
    pub fn new(said: &[&'a str], given: Vec<Given<'a>>, rules: &'a [ToolRule]) -> Scene<'a> {
        Scene::remembering(said, given, rules, &mut Memory::default())
    }

    /// The same, where what was read before is remembered.
    #[must_use]
    pub fn remembering(
        said: &[&'a str],
        given: Vec<Given<'a>>,
        rules: &'a [ToolRule],
        memory: &mut Memory,
    ) -> Scene<'a> {
        let mut task = Task::default();
        said.iter().for_each(|text| task.add(text));
        let texts: Vec<String> = said.iter().map(|text| parted(text)).collect();
        let own: Vec<Vec<Word>> = texts.iter().map(|text| words(text)).collect();
        let telling = own.iter().flatten().map(|word| word.text.clone());
        let telling = telling.filter(|word| tells(word) && effect::of(word).is_none() && !is_end(word)).collect();
        let counts = said.iter().flat_map(|text| numbers(text)).filter(|number| number.len() > 1).map(plain).collect();
        let mut scene = Scene {
            rules,
            told: texts.iter().flat_map(|text| place::told(text)).collect(),
            leads: texts.iter().flat_map(|text| leads(text)).collect(),
            trails: Trails::default(),
            sentences: texts.iter().flat_map(|text| sentences(text)).map(words).collect(),
            texts,
            said: own,
            telling,
            task,
            beyond: given.iter().map(|one| one.text.len()).sum::<usize>() > MOST_READ,
            given,
            parsed: Vec::new(),
            things: Things::default(),
            described: Described::default(),
        };
        if !scene.beyond {
            memory.begin(said, rules);
            scene.read(memory, &counts);
        }
        scene
    }

    /// Reads what was given, as far as its fields are not too many.
    fn read(&mut self, memory: &mut Memory, numbers: &BTreeSet<String>) {
        let wording = Wording { said: &self.said, telling: &self.telling, numbers };
        let mut left = budget();
        for (at, one) in self.given.iter().enumerate() {
            let parsed = memory.parsed(one, &wording);
            self.things.take(at, &parsed, &mut left);
            self.parsed.push(parsed);
        }
    }

    /// What the operator's words ask for.
    #[must_use]
    pub const fn task(&self) -> &Task {
        &self.task
    }

    /// Judges a call; `arguments` is JSON, or a text for tools that take that.
    #[must_use]
    pub fn judge(&self, tool: &Tool<'_>, arguments: &str) -> Judgement {
        self.judge_with(tool, arguments, &Hints::default())
    }

    /// The same for a tool of which its server says something.
    #[must_use]
    pub fn judge_with(&self, tool: &Tool<'_>, arguments: &str, hints: &Hints) -> Judgement {
        let effects = hints.raise(effects(tool, self.rules));
        let mut judged = Judgement { effects, against: Vec::new(), by: Vec::new() };
        let acts = judged.effects.effects.iter().any(|effect| *effect != Effect::Read);
        let read = serde_json::from_str::<Value>(arguments).unwrap_or_else(|_| Value::String(arguments.to_owned()));
        let mut leaves = Vec::new();
        gather("", &read, &mut leaves);
        if self.given.is_empty() && !self.is_described(tool, &leaves) {
            return judged;
        }
        if acts && self.beyond || leaves.len() > MOST_ARGUMENTS {
            let why = "more was read, or is said, than can be looked through";
            judged.against.push(Finding {
                argument: None,
                effect: None,
                role: None,
                value: String::new(),
                whole: String::new(),
                stands: Stands::Nowhere,
                why: why.into(),
            });
            return judged;
        }
        let (heard, concerns) = (self.tells_anybody(tool, &leaves), self.concerns(&leaves));
        // A field of a form is named by a value.
        let secret = leaves.iter().any(|(name, value)| is_secret(name) || value.len() < 64 && is_secret(value));
        let is_amount = |argument: &str| role(tool.name, argument, tool.schema, self.rules).0 == Role::Amount;
        let amounts =
            leaves.iter().filter(|(argument, _)| is_amount(argument)).map(|(_, value)| plain(value)).collect();
        let call = Call { tool: tool.name, effects: &judged.effects.effects, told: heard, amounts, secret, concerns };
        for effect in &judged.effects.effects {
            if self.task.asks(*effect).is_none() && !self.follows(&call, *effect) && !self.does_there(*effect) {
                let stands =
                    leaves.iter().map(|(_, value)| self.stands(value)).find(|stands| *stands != Stands::Nowhere);
                judged.against.push(Finding {
                    argument: None,
                    effect: Some(*effect),
                    role: None,
                    value: effect.name().into(),
                    whole: effect.name().into(),
                    stands: stands.unwrap_or(Stands::Nowhere),
                    why: format!("nothing that the operator said asks to {}", verb(*effect)),
                });
            }
        }
        let about: Vec<String> = leaves.iter().filter_map(|(_, value)| place::place(value)).collect();
        for (argument, value) in leaves.iter().filter(|(_, value)| !value.trim().is_empty()) {
            let (role, _) = role(tool.name, argument, tool.schema, self.rules);
            match self.grounds(&call, &about, (argument, value, role)) {
                Ok(by) => judged.by.push((argument.clone(), by)),
                Err(why) => {
                    let (value, why) = why;
                    let stands = self.stands(&value);
                    judged.against.push(Finding {
                        argument: Some(argument.clone()),
                        effect: None,
                        role: Some(role),
                        value: told(&value),
                        whole: value,
                        stands,
                        why,
                    });
                }
            }
        }
        judged
    }

    /// Whether somebody hears of it.
    fn tells_anybody(&self, tool: &Tool<'_>, leaves: &[(String, String)]) -> bool {
        leaves.iter().any(|(argument, _)| role(tool.name, argument, tool.schema, self.rules).0 == Role::Target)
    }

    /// Whether it says a word that tells of what the operator speaks of.
    fn concerns(&self, leaves: &[(String, String)]) -> bool {
        let named = |value: &str| place::place(value).is_some() || shape(value.trim()).is_some();
        let said = |value: &String| words(value).iter().any(|word| self.telling.contains(&word.text));
        leaves.iter().any(|(_, value)| !named(value) && said(value))
    }

    pub(super) fn is_said(&self, word: &str) -> bool {
        self.said.iter().flatten().any(|said| said.text == word)
    }

    /// What speaks for an argument; or for which part of it nothing does, and why that matters.
    fn grounds(
        &self,
        call: &Call<'_>,
        about: &[String],
        (argument, value, role): (&str, &str, Role),
    ) -> Result<String, (String, String)> {
        if self.rules.iter().any(|rule| rule.is_about(call.tool) && rule.grounds(argument, value)) {
            return Ok("the policy names it".into());
        }
        if !call.acts() {
            return self.visits(value, role);
        }
        if call.only(&[Effect::Execute, Effect::Spawn]) {
            return self.carries(value, true);
        }
        let strict = match role {
            // What is fetched from there is told to nobody.
            Role::Target if call.fetches() => return self.visits(value, role),
            Role::Target if call.fills() && self.fills_at(call, value) => {
                return Ok("the operator named the site".into());
            }
            // A part of a place that is judged by itself.
            Role::Reference if call.fills() && self.told_there(about, value) => {
                return Ok("the place itself told of it".into());
            }
            Role::Target => true,
            Role::Reference => !call.only(&[Effect::Write]),
            Role::Amount => return self.amounts(value),
            Role::Content => return self.says(call, (argument, value)),
            Role::Selector => return Ok("it chooses nobody".into()),
        };
        if let Some(by) = self.meant(value, argument).or_else(|| self.chooser().of_kin(value, argument, call.tool)) {
            return Ok(by);
        }
        if let Some(by) = self.led(call, value).filter(|_| role == Role::Target) {
            return Ok(by);
        }
        if role == Role::Reference && call.fetches() && self.takes_from(argument, value) {
            return Ok("the operator's words lead to what it belongs to".into());
        }
        if role == Role::Reference && self.attaches(call, value) {
            return Ok("an earlier call wrote that file".into());
        }
        let stands = self.stands(value);
        match stands {
            Stands::Nowhere if !strict => Ok("nothing that was read says it".into()),
            _ if !strict && is_local(argument) => {
                Ok("what is written there comes out when the operator takes it".into())
            }
            Stands::Nowhere => {
                Err((value.to_owned(), "it stands neither in the operator's words nor in what was read".into()))
            }
            Stands::Given(at, _) => Err((value.to_owned(), self.unchosen(at))),
        }
    }

    /// Why somebody is whom he means who is named only where his words lead.
    fn led(&self, call: &Call<'_>, value: &str) -> Option<String> {
        match shape(value.trim())? {
            Shape::Number if call.only(&[Effect::Spend]) => self.only_there(call, value, Shape::Number),
            Shape::Mail if call.only(&[Effect::Write, Effect::Send]) => {
                self.only_there(call, value, Shape::Mail).or_else(|| self.named_there(value))
            }
            _ => None,
        }
    }

    /// Whether it passes a file on that an earlier call wrote or fetched.
    fn attaches(&self, call: &Call<'_>, value: &str) -> bool {
        let wrote = |one: &Rc<Parsed>| one.files.contains(place::last(value));
        call.only(&[Effect::Write, Effect::Send, Effect::Publish]) && self.parsed.iter().any(wrote)
    }

    /// Why a value that stands in a result is not one that the operator chose.
    pub(super) fn unchosen(&self, at: usize) -> String {
        let tool = match self.given[at].tool {
            "" => "words that nobody is known to have said".to_owned(),
            tool => format!("what `{}` gave", told(tool)),
        };
        format!("it stands in {tool}, and nothing that the operator said chooses it")
    }

    /// What the operator means by his words.
    pub(super) fn meant(&self, value: &str, argument: &str) -> Option<String> {
        if self.named(value, argument) {
            return Some("it stands in the operator's words".into());
        }
        let wanted = plain(value);
        if self.is_single(&wanted) {
            return Some("it is all that a tool told".into());
        }
        if self.parsed.iter().any(|one| one.made.contains(&wanted)) {
            return Some("an earlier call made it".into());
        }
        if let Some(place) = self.said_there(value) {
            return Some(format!("the operator said that it stands in `{}`", told(place)));
        }
        self.chooser().chosen(value, argument)
    }

    pub(super) fn chooser(&self) -> Chooser<'_> {
        let Scene { said, sentences, telling, given, things, .. } = self;
        Chooser { said, sentences, telling, given, things }
    }

    /// The place of which the operator said that a value stands there.
    pub(super) fn said_there(&self, value: &str) -> Option<&str> {
        let shown = shape(value.trim());
        let wanted = plain(value);
        let there = |one: &&Told| {
            let given = || (0..self.given.len()).filter(|at| places(self.given[*at].asked).contains(&one.place));
            match one.kinds {
                // All there is his own; little words stand anywhere.
                None => {
                    (shown.is_some() || words(value).iter().any(|word| tells(&word.text)))
                        && given().any(|at| self.holds(at, value))
                }
                Some(kinds) => {
                    let found: BTreeSet<String> = given().flat_map(|at| of_shape(self.given[at].text, kinds)).collect();
                    found.len() == 1 && found.contains(&wanted)
                }
            }
        };
        self.told.iter().find(there).map(|one| one.place.as_str())
    }

    /// Whether a value is all that a tool told.
    pub(super) fn is_single(&self, wanted: &str) -> bool {
        self.parsed.iter().any(|one| one.single.as_deref() == Some(wanted))
    }

    /// Whether a result holds a value.
    pub(super) fn holds(&self, at: usize, value: &str) -> bool {
        self.parsed.get(at).is_some_and(|one| one.find(&fold(value)).is_some())
    }

    /// Whether an effect needs no verb of its own: a copy that is fetched is reading, and a form is how anything is done at a site.
    fn follows(&self, call: &Call<'_>, effect: Effect) -> bool {
        match effect {
            Effect::Write => call.fetches(),
            Effect::Send => call.fills() && self.task.effects().next().is_some(),
            _ => false,
        }
    }

    /// Whether a value stands in the operator's words, and is no coincidence there.
    pub(super) fn named(&self, value: &str, argument: &str) -> bool {
        if let Some(shape) = shape(value.trim()) {
            let wanted = plain(value);
            let is = |text: &String| {
                let found = shapes(text);
                found.iter().any(|(range, other)| *other == shape && plain(&text[range.clone()]) == wanted)
            };
            return self.texts.iter().any(is);
        }
        let own = words(value);
        let telling = own.iter().any(|word| tells(&word.text));
        self.said.iter().zip(&self.texts).any(|(said, text)| {
            let Some((start, _)) = phrase(said, &own) else { return false };
            // A small number, or a common word, counts where it is said what it is: `file 13`, `#13`.
            let before = said.iter().rfind(|word| word.end <= start);
            let noun = |word: &&Word| {
                parts(argument).contains(&word.text) || matches!(word.text.as_str(), "id" | "number" | "nr")
            };
            telling || before.as_ref().is_some_and(noun) || text[..start].ends_with(['#', '\'', '"', '`'])
        })
    }

    /// Where a value stands in what was read.
    pub(super) fn stands(&self, value: &str) -> Stands {
        let wanted = fold(value);
        if wanted.len() < 2 {
            return Stands::Nowhere;
        }
        for (at, one) in self.parsed.iter().enumerate() {
            if let Some(place) = one.find(&wanted) {
                let text = &one.folded;
                let from = floor(text, place.saturating_sub(40));
                let to = floor(text, (place + wanted.len() + 40).min(text.len()));
                return Stands::Given(at, told(&text[from..to]));
            }
        }
        Stands::Nowhere
    }
}

/// Whether an argument names a file of the workspace, of which a change comes out when the operator takes it.
fn is_local(argument: &str) -> bool {
    const LOCAL: &[&str] = &["path", "dir", "directory", "folder", "filename", "file"];
    parts(argument).last().is_some_and(|last| LOCAL.contains(&last.as_str()))
}

/// Whether a field is what its own thing is called by, and not another one.
pub(super) fn is_id(name: &str) -> bool {
    matches!(parts(name).as_slice(), [own] if matches!(own.as_str(), "id" | "uuid"))
}

/// The values of these shapes in a text, each in one spelling.
fn of_shape(text: &str, kinds: &[Shape]) -> BTreeSet<String> {
    let found = shapes(text).into_iter().filter(|(_, shape)| kinds.contains(shape));
    found.map(|(range, _)| plain(&text[range])).collect()
}
