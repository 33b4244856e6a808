//! Judges one call: what it does must be asked for by the operator's words, once others' words were read; and whom and what it is
//! about must stand in his words, in values that his policy vouches for, or be what he chose among the things that tools told of.
//!
//! More that was read never lets more through: a value that others may have chosen is held, whatever else speaks for it, unless the
//! operator's own words do.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};

use policy::{Effect, Role, ToolRule};
use serde_json::Value;

use super::call::{Call, MOST_ARGUMENTS, changes, gather, verb};
use super::choice::{Chooser, Rating, is_end, plain};
use super::effect::{self, Effects, Tool, effects};
use super::results::{Record, budget, records, single};
use super::role::role;
use super::shape::{Shape, host, shape, shapes};
use super::task::Task;
use super::words::{Word, parts, phrase, tells, words};

/// Most bytes of results that are looked through; with more, a call with an effect is held.
pub const MOST_READ: usize = 4 << 20;
/// Letters of a value that are told.
const MOST_TOLD: usize = 160;
/// Words that somebody else wrote, from which on a text is his and no coincidence.
const COPIED: usize = 4;

/// What a tool gave.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The tool; empty for what is nobody's that is known.
    pub tool: &'a str,
    /// All its text.
    pub text: &'a str,
}

/// A conversation as far as a call is judged in it.
#[derive(Debug)]
pub struct Scene<'a> {
    rules: &'a [ToolRule],
    pub(super) texts: Vec<&'a str>,
    said: Vec<Vec<Word>>,
    telling: BTreeSet<String>,
    task: Task,
    pub(super) given: Vec<Given<'a>>,
    /// The same without case, word by word parted by one space.
    pub(super) folded: Vec<String>,
    pub(super) records: Vec<Record>,
    ratings: Vec<Rating>,
    links: OnceCell<Vec<(usize, BTreeSet<String>)>>,
    /// All that is a field which a machine fills.
    fields: BTreeSet<String>,
    /// Numbers in what was read, and where each stands first; found when one is asked for.
    counted: OnceCell<HashMap<String, usize>>,
    singles: BTreeSet<String>,
    /// Values that calls which changed something gave back.
    made: BTreeSet<String>,
    beyond: bool,
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
        let mut task = Task::default();
        said.iter().for_each(|text| task.add(text));
        let beyond = given.iter().map(|one| one.text.len()).sum::<usize>() > MOST_READ;
        let (mut left, mut found, mut singles, mut made) = (budget(), Vec::new(), BTreeSet::new(), BTreeSet::new());
        let mut folded = Vec::new();
        for (at, one) in given.iter().enumerate().filter(|_| !beyond) {
            let of = records(at, one.tool, one.text, rules, &mut left);
            singles.extend(single(one.tool, one.text).map(|value| plain(&value)));
            let tool = Tool { name: one.tool, description: "", schema: &Value::Null };
            let does = effects(&tool, rules).effects;
            if changes(&does) && !does.contains(&Effect::Delete) && !one.tool.is_empty() {
                let fields = of.iter().flat_map(|record| &record.fields).filter(|field| !field.prose);
                made.extend(fields.filter(|field| is_id(&field.name)).map(|field| field.plain.clone()));
            }
            found.extend(of);
            folded.push(fold(one.text));
        }
        let texts: Vec<Vec<Word>> = said.iter().map(|text| words(text)).collect();
        let telling = texts.iter().flatten().map(|word| word.text.clone());
        let telling = telling.filter(|word| tells(word) && effect::of(word).is_none() && !is_end(word)).collect();
        let numbers = said.iter().flat_map(|text| numbers(text)).filter(|number| number.len() > 1).map(plain).collect();
        let ratings = found.iter().map(|record| Rating::of(record, &texts, &telling, &numbers)).collect();
        let fields = found.iter().flat_map(|record| &record.fields).filter(|field| !field.prose);
        Scene {
            rules,
            texts: said.to_vec(),
            said: texts,
            telling,
            task,
            given,
            folded,
            fields: fields.map(|field| field.plain.clone()).collect(),
            records: found,
            ratings,
            links: OnceCell::new(),
            counted: OnceCell::new(),
            singles,
            made,
            beyond,
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
        let effects = effects(tool, self.rules);
        let mut judged = Judgement { effects, against: Vec::new(), by: Vec::new() };
        if self.given.is_empty() {
            return judged;
        }
        let acts = judged.effects.effects.iter().any(|effect| *effect != Effect::Read);
        let read = serde_json::from_str::<Value>(arguments).unwrap_or_else(|_| Value::String(arguments.to_owned()));
        let mut leaves = Vec::new();
        gather("", &read, &mut leaves);
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
        for effect in &judged.effects.effects {
            if self.task.asks(*effect).is_none() {
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
        let call = Call { tool: tool.name, effects: &judged.effects.effects, told: self.tells_anybody(tool, &leaves) };
        for (argument, value) in leaves.iter().filter(|(_, value)| !value.trim().is_empty()) {
            let (role, _) = role(tool.name, argument, tool.schema, self.rules);
            match self.grounds(&call, argument, value, role) {
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

    /// What speaks for an argument; or for which part of it nothing does, and why that matters.
    fn grounds(&self, call: &Call<'_>, argument: &str, value: &str, role: Role) -> Result<String, (String, String)> {
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
            Role::Target => true,
            Role::Reference => !call.only(&[Effect::Write]),
            Role::Amount => return self.amounts(value),
            Role::Content => return self.says(call, value),
            Role::Selector => return Ok("it chooses nobody".into()),
        };
        if let Some(by) = self.meant(value, argument) {
            return Ok(by);
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

    /// Why a value that stands in a result is not one that the operator chose.
    fn unchosen(&self, at: usize) -> String {
        let tool = match self.given[at].tool {
            "" => "words that nobody is known to have said".to_owned(),
            tool => format!("what `{}` gave", told(tool)),
        };
        format!("it stands in {tool}, and nothing that the operator said chooses it")
    }

    /// Where an address is only read from: it may be any that the operator's words lead to.
    fn visits(&self, value: &str, role: Role) -> Result<String, (String, String)> {
        if role != Role::Target || shape(value) != Some(Shape::Url) {
            return Ok("it only reads".into());
        }
        let site = host(value);
        if let Some(by) = self.site(&site) {
            return Ok(by);
        }
        if self.beyond {
            return Err((value.to_owned(), "more was read than can be looked through".into()));
        }
        if let Some(by) = self.chooser().linked(value) {
            return Ok(by);
        }
        match self.stands(&site) {
            Stands::Nowhere => Ok("nothing that was read says it".into()),
            Stands::Given(at, _) => Err((value.to_owned(), self.unchosen(at))),
        }
    }

    /// A site that the operator named.
    fn site(&self, site: &str) -> Option<String> {
        let named = |text: &&str| {
            shapes(text).iter().any(|(range, found)| *found == Shape::Url && host(&text[range.clone()]) == site)
        };
        (is_here(site) || self.texts.iter().any(named)).then(|| "the operator named the site".into())
    }

    /// What names somebody, or somewhere, within a longer text: none may be one that only others named.
    fn carries(&self, text: &str, sites: bool) -> Result<String, (String, String)> {
        for (range, shape) in shapes(text) {
            let value = &text[range];
            let named = match shape {
                Shape::Url => self.site(&host(value)).is_some(),
                Shape::Mail => self.meant(value, "email").is_some(),
                Shape::Number if sites => true,
                Shape::Number => self.meant(value, "number").is_some(),
            };
            let wanted = if shape == Shape::Url { host(value) } else { value.to_owned() };
            if !named
                && !self.is_field(value)
                && let Stands::Given(at, _) = self.stands(&wanted)
            {
                return Err((value.to_owned(), self.unchosen(at)));
            }
        }
        Ok("it names nobody that only others named".into())
    }

    /// Whether a value is all of a field that a machine fills.
    fn is_field(&self, value: &str) -> bool {
        self.fields.contains(&plain(value))
    }

    /// What is said: it names nobody that only others named, and is not their words from beginning to end.
    fn says(&self, call: &Call<'_>, value: &str) -> Result<String, (String, String)> {
        if call.told || !call.only(&[Effect::Write]) {
            self.carries(value, false)?;
        }
        let own = words(value);
        let spoken = |word: &Word| self.said.iter().flatten().any(|said| said.text == word.text);
        // A few words may be anybody's, but not where the operator said none of them.
        let few = own.len() < 2 || own.len() < COPIED && own.iter().any(spoken);
        if few || self.said.iter().any(|said| phrase(said, &own).is_some()) || self.is_field(value) {
            return Ok("it is not others' words".into());
        }
        if call.stays_here()
            || ["forward", "copy", "quote", "share"]
                .iter()
                .any(|word| self.said.iter().flatten().any(|said| said.text == *word))
        {
            return Ok("the operator asks to pass words on".into());
        }
        match self.stands(value) {
            Stands::Nowhere => Ok("it is not others' words".into()),
            Stands::Given(at, _) => {
                let tool = told(self.given[at].tool);
                Err((value.to_owned(), format!("it is, word by word, what stands in what `{tool}` gave")))
            }
        }
    }

    /// How much: not what only others wrote.
    fn amounts(&self, value: &str) -> Result<String, (String, String)> {
        let wanted = plain(value);
        if self.texts.iter().any(|text| numbers(text).any(|number| plain(number) == wanted)) {
            return Ok("it stands in the operator's words".into());
        }
        if self.is_field(value) || self.singles.contains(&wanted) || wanted.len() < 2 {
            return Ok("a tool told it".into());
        }
        let counted = self.counted.get_or_init(|| {
            let mut counted = HashMap::new();
            for (at, one) in self.given.iter().enumerate() {
                numbers(one.text).for_each(|number| _ = counted.entry(plain(number)).or_insert(at));
            }
            counted
        });
        let given = counted.get(&wanted).copied();
        match given {
            None => Ok("nothing that was read says it".into()),
            Some(at) => Err((value.to_owned(), self.unchosen(at))),
        }
    }

    /// What the operator means by his words.
    fn meant(&self, value: &str, argument: &str) -> Option<String> {
        if self.named(value, argument) {
            return Some("it stands in the operator's words".into());
        }
        let wanted = plain(value);
        if self.singles.contains(&wanted) {
            return Some("it is all that a tool told".into());
        }
        if self.made.contains(&wanted) {
            return Some("an earlier call made it".into());
        }
        self.chooser().chosen(value, argument)
    }

    fn chooser(&self) -> Chooser<'_> {
        let Scene { said, telling, records, ratings, links, .. } = self;
        Chooser { said, telling, records, ratings, links }
    }

    /// Whether a value stands in the operator's words, and is no coincidence there.
    fn named(&self, value: &str, argument: &str) -> bool {
        if let Some(shape) = shape(value.trim()) {
            let wanted = plain(value);
            let is = |text: &&str| {
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
    fn stands(&self, value: &str) -> Stands {
        let wanted = fold(value);
        if wanted.len() < 2 {
            return Stands::Nowhere;
        }
        for (at, text) in self.folded.iter().enumerate() {
            if let Some(place) = find(text, &wanted) {
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
fn is_id(name: &str) -> bool {
    matches!(parts(name).as_slice(), [own] if matches!(own.as_str(), "id" | "uuid"))
}

fn is_here(site: &str) -> bool {
    matches!(site, "localhost" | "127.0.0.1" | "0.0.0.0") || site.ends_with(".localhost")
}

/// The numbers of a text, as they are written.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
    parts.map(|part| part.trim_matches('.')).filter(|part| part.bytes().any(|byte| byte.is_ascii_digit()))
}

/// A text without case, its white space one space each.
pub(super) fn fold(text: &str) -> String {
    text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// Where a value stands in a text, as a whole: not within a longer word.
pub(super) fn find(text: &str, value: &str) -> Option<usize> {
    let edge = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
    text.match_indices(value).map(|(at, _)| at).take(1024).find(|at| {
        let (before, after) = (text[..*at].chars().next_back(), text[at + value.len()..].chars().next());
        edge(before) && edge(after)
    })
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A value for people: bounded, nothing in it moves a cursor.
pub(super) fn told(value: &str) -> String {
    let mut out: String = value.chars().filter(|letter| !letter.is_control()).take(MOST_TOLD).collect();
    if value.chars().nth(MOST_TOLD).is_some() {
        out.push('…');
    }
    out
}
