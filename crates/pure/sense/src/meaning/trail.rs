//! What the operator's words lead to: the places that he named and what people sent of whom he speaks, and from there one step after
//! the other what calls fetched by it, a page of the same site, an attachment, the file that was saved. What stands there serves what
//! he asked for only where it is the only one of its kind: who adds another to it leaves no choice.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use policy::Effect;
use serde_json::Value;

use super::call::{Call, gather};
use super::choice::{nouns, plain};
use super::ground::Scene;
use super::leads::{Begins, Lead};
use super::place::{is_beneath, is_file, last, place};
use super::shape::{Shape, address, host, shape, shapes};
use super::text::{find, fold, numbers};
use super::things::{Thing, Told};
use super::words::{Word, is_form_of, parts, phrase, tells, words};

/// Most steps that are looked at of one trail.
const MOST: usize = 256;

/// One thing on a trail.
#[derive(Debug, Default)]
struct Step {
    /// All of it, or what people wrote in things that a tool told of.
    text: String,
    folded: String,
    /// Values of fields that a machine fills.
    fields: BTreeSet<String>,
    /// Sites that the call which gave it was about.
    sites: BTreeSet<String>,
    /// Addresses of other sites, mail addresses and numbers that stand in it.
    links: BTreeSet<String>,
    mails: BTreeSet<String>,
    accounts: BTreeSet<String>,
    /// Files that it names, by the last part of their names.
    files: BTreeSet<String>,
    /// Somebody sent it.
    sent: bool,
    /// What it is called: the name of a file, the title of a message.
    called: Vec<Word>,
}

/// Trails, each with what stands on it.
#[derive(Debug, Default)]
pub(super) struct Trails {
    read: OnceCell<Vec<Vec<Step>>>,
}

impl Step {
    /// Of things that tools told of what people wrote, and the values of a machine beside it.
    fn of(things: &[Thing<'_>], sites: BTreeSet<String>, sent: bool) -> Step {
        let fields = || things.iter().flat_map(|thing| thing.fields.iter());
        let prose: Vec<&str> = fields().filter(|field| field.prose).map(|field| field.value).collect();
        let text = prose.join("\n");
        let title = |name: &str| matches!(parts(name).last().map(String::as_str), Some("subject" | "title"));
        let called = fields().filter(|field| title(field.name));
        let called = called.flat_map(|field| words(field.value)).collect();
        let fields = fields().filter(|field| !field.prose).map(|field| field.plain.to_owned()).collect();
        Step { fields, sites, sent, called, ..Step::default() }.with(text)
    }

    /// The same with its text, and with what stands in that.
    fn with(mut self, text: String) -> Step {
        for (range, kind) in shapes(&text) {
            let value = &text[range];
            match kind {
                Shape::Url if self.sites.contains(&host(value)) => continue,
                Shape::Url => self.links.insert(address(value)),
                Shape::Mail => self.mails.insert(plain(value)),
                Shape::Number => self.accounts.insert(plain(value)),
            };
        }
        let parted = |letter: char| letter.is_whitespace() || "'\"`()<>[]{},;".contains(letter);
        let named =
            text.split(parted).map(|word| word.trim_end_matches(['.', ':', '!', '?'])).filter(|word| is_file(word));
        self.files = named.map(|file| last(file).to_lowercase()).collect();
        Step { folded: fold(&text), text, ..self }
    }

    /// Whether a call for this value follows it: to another page of its site, to the only other place that a message leads to, to
    /// what is attached to it, or to the file that it tells of.
    fn leads(&self, argument: &str, value: &str) -> bool {
        if let Some(url) = place(value).filter(|_| shapes(value).len() == 1) {
            return self.sites.contains(&host(value)) || self.sent && self.leads_only_to(&url);
        }
        let is_id = parts(argument).last().is_some_and(|last| matches!(last.as_str(), "id" | "ids" | "attachment"));
        let is_named = || is_file(value) && self.files.contains(&last(value).to_lowercase());
        is_id && self.fields.contains(&plain(value)) || is_named()
    }

    fn leads_only_to(&self, url: &str) -> bool {
        self.links.len() == 1 && self.links.iter().all(|link| is_beneath(url, link) || *link == address(url))
    }

    /// Whether it is called by one of these.
    fn is_called(&self, nouns: &[&str]) -> bool {
        self.called.iter().any(|word| nouns.iter().any(|noun| is_form_of(&word.text, noun)))
    }

    fn of_shape(&self, kind: Shape) -> &BTreeSet<String> {
        match kind {
            Shape::Url => &self.links,
            Shape::Mail => &self.mails,
            Shape::Number => &self.accounts,
        }
    }
}

impl Scene<'_> {
    fn trails(&self) -> &[Vec<Step>] {
        self.trails.read.get_or_init(|| match self.beyond {
            true => Vec::new(),
            false => self.leads.iter().map(|lead| self.trail(lead)).collect(),
        })
    }

    fn trail(&self, lead: &Lead) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let authors: Vec<&str> = lead.begins.iter().filter_map(|begins| self.author(begins)).collect();
        for (at, one) in self.given.iter().enumerate() {
            steps.extend(authors.iter().flat_map(|author| self.sent_by(at, author)));
            let read = serde_json::from_str::<Value>(one.asked).unwrap_or(Value::Null);
            let mut leaves = Vec::new();
            gather("", &read, &mut leaves);
            let named = |value: &str| lead.begins.iter().any(|begins| is_named(value, begins));
            let begins = leaves.iter().any(|(_, value)| named(value));
            let follows = || leaves.iter().any(|(name, value)| steps.iter().any(|step| step.leads(name, value)));
            if begins || follows() {
                let sites = leaves.iter().filter_map(|(_, value)| place(value).filter(|_| shapes(value).len() == 1));
                let sites = sites.map(|url| host(&url)).collect();
                let mut step = self.whole(at, sites);
                let files = leaves.iter().map(|(_, value)| value).filter(|value| is_file(value));
                step.called.extend(files.flat_map(|file| words(&last(file).replace('_', " "))));
                steps.push(step);
            }
            if steps.len() > MOST {
                return Vec::new();
            }
        }
        steps
    }

    fn whole(&self, given: usize, sites: BTreeSet<String>) -> Step {
        let things: Vec<Thing<'_>> = self.told_by(given).collect();
        let step = Step::of(&things, sites, false);
        match things.is_empty() {
            true => step.with(self.given[given].text.to_owned()),
            false => step,
        }
    }

    /// Who sends what a trail begins with; nobody where two are called so. A site writes from its own name.
    fn author(&self, begins: &Begins) -> Option<&str> {
        let site = match begins {
            Begins::Place(site) => host(site),
            Begins::Sender(_) => String::new(),
        };
        let is = |thing: &Thing<'_>| match begins {
            Begins::Sender(name) => thing.author().is_some_and(|author| names(author, name)),
            Begins::Place(_) => thing.site() == Some(&site),
        };
        let mut authors = self.things.iter().filter(is).filter_map(|thing| thing.author());
        let first = authors.next()?;
        authors.all(|other| other == first).then_some(first)
    }

    fn sent_by(&self, at: usize, name: &str) -> Vec<Step> {
        let own = self.told_by(at).filter(|thing| thing.author() == Some(name));
        own.map(|thing| Step::of(&[thing], BTreeSet::new(), true)).collect()
    }

    fn told_by(&self, given: usize) -> impl Iterator<Item = Thing<'_>> {
        self.things.told().filter(move |told| told.given == given).flat_map(Told::things)
    }

    /// Why an address may be read from: he speaks of what somebody sent, and a message that names him leads there and nowhere else.
    pub(super) fn sent_link(&self, url: &str) -> Option<String> {
        let mut senders = self.leads.iter().flat_map(|lead| &lead.begins).filter_map(|begins| match begins {
            Begins::Sender(name) => Some(name),
            Begins::Place(_) => None,
        });
        let says = |thing: Thing<'_>, name: &[Word]| {
            thing.author().is_some()
                && thing.fields.iter().any(|field| names(field.value, name))
                && Step::of(&[thing], BTreeSet::new(), true).leads_only_to(url)
        };
        // What leads nowhere leads not there.
        let name = senders.find(|name| self.things.linking().any(|(thing, _)| says(thing, name)))?;
        Some(format!("the operator speaks of what {} sent, and that leads there alone", name[0].text))
    }

    /// Whether a form may be filled in there with what is his: he says where that lies, and what somebody sent of whom he speaks leads
    /// to that site alone. What is secret goes nowhere that he did not name.
    pub(super) fn sent_site(&self, call: &Call<'_>, url: &str) -> bool {
        let leads =
            |step: &Step| step.sent && step.links.len() == 1 && step.links.iter().all(|link| host(link) == host(url));
        !call.secret && self.told.iter().any(|told| told.kinds.is_none()) && self.trails().iter().flatten().any(leads)
    }

    /// Whether a text is all of a field of this name in a thing of the kind that the call makes.
    pub(super) fn copies(&self, call: &Call<'_>, argument: &str, value: &str) -> bool {
        let wanted = plain(value);
        let kinds = nouns(call.tool);
        let is_kin = |tool: &str| {
            let own = nouns(tool);
            kinds.iter().all(|kind| own.contains(kind))
        };
        let kin: Vec<bool> = self.given.iter().map(|one| is_kin(one.tool)).collect();
        let is = |field: super::results::Field<'_>| field.name == argument && field.plain == wanted;
        call.only(&[Effect::Write])
            && !kinds.is_empty()
            && self.things.iter().filter(|thing| kin[thing.given]).any(|thing| thing.fields.iter().any(is))
    }

    /// Whether a call takes what a step of a trail tells of.
    pub(super) fn takes_from(&self, argument: &str, value: &str) -> bool {
        self.trails().iter().flatten().any(|step| step.leads(argument, value))
    }

    /// Whether a text stands on a trail where he asks to enter what stands there, or in what somebody sent whose tasks are to be done.
    pub(super) fn told_to_say(&self, call: &Call<'_>, value: &str) -> bool {
        let wanted = fold(value);
        let mut all = self.leads.iter().zip(self.trails());
        all.any(|(lead, trail)| {
            let stands = |step: &Step| {
                (lead.makes && call.concerns && call.only(&[Effect::Write])
                    || lead.does && step.sent
                    || step.is_called(&lead.pays) && call.only(&[Effect::Spend]))
                    && find(&step.folded, &wanted).is_some()
            };
            trail.iter().any(stands)
        })
    }

    /// Why a value is whom he means: the only one of its kind on a trail, where he asks to pay what it stands in, or to do what
    /// stands there.
    pub(super) fn only_there(&self, call: &Call<'_>, value: &str, kind: Shape) -> Option<String> {
        let wanted = plain(value);
        let only = |(lead, trail): &(&Lead, &Vec<Step>)| {
            let found_in = |step: &Step| {
                lead.finds.as_ref().is_some_and(|(kinds, thing)| kinds.contains(&kind) && step.is_called(&[thing]))
            };
            let serves = |step: &&Step| match kind {
                Shape::Number => step.is_called(&lead.pays) && self.sums_up(call, step) || found_in(step),
                Shape::Mail => lead.does || found_in(step),
                Shape::Url => false,
            };
            let mut serving = trail.iter().filter(serves);
            let found: BTreeSet<&String> =
                trail.iter().flat_map(|step| step.of_shape(kind)).filter(|value| !self.is_own(value)).collect();
            found.len() == 1 && found.contains(&wanted) && serving.any(|step| step.of_shape(kind).contains(&wanted))
        };
        let mut all = self.leads.iter().zip(self.trails());
        all.any(|one| only(&one)).then(|| "it is the only one that stands where the operator's words lead".into())
    }

    /// Whether a value is the operator's own.
    fn is_own(&self, value: &str) -> bool {
        self.texts.iter().any(|text| find(&fold(text), value).is_some()) || self.said_there(value).is_some()
    }

    /// Whether a call pays no other sum than a bill tells, or he does: his own is the most that he meant.
    fn sums_up(&self, call: &Call<'_>, bill: &Step) -> bool {
        let told: Vec<String> = numbers(&bill.text).map(plain).collect();
        let most = self.texts.iter().flat_map(|text| sums(text)).fold(0.0, f64::max);
        let meant = |amount: &String| told.contains(amount) || amount.parse::<f64>().is_ok_and(|sum| sum <= most);
        call.amounts.iter().all(meant)
    }

    /// How much: as it stands in what he asks to pay.
    pub(super) fn told_to_pay(&self, wanted: &str) -> bool {
        let mut all = self.leads.iter().zip(self.trails());
        all.any(|(lead, trail)| {
            let called = trail.iter().filter(|step| step.is_called(&lead.pays));
            called.flat_map(|step| numbers(&step.text)).any(|number| plain(number) == wanted)
        })
    }

    /// Whether the operator asks to do what stands somewhere, and something was read there.
    pub(super) fn does_there(&self, effect: Effect) -> bool {
        let mut all = self.leads.iter().zip(self.trails());
        matches!(effect, Effect::Write | Effect::Send | Effect::Execute)
            && all.any(|(lead, trail)| lead.does && !trail.is_empty())
    }

    /// Why an address of somebody's is whom he means: it is the only one of whom what he asks to do there names.
    pub(super) fn named_there(&self, value: &str) -> Option<String> {
        if !self.leads.iter().any(|lead| lead.does) {
            return None;
        }
        let wanted = plain(value);
        let fields = self.things.iter().flat_map(|thing| thing.fields.iter()).filter(|field| !field.prose);
        let mails: BTreeSet<&str> =
            fields.filter(|field| shape(field.value.trim()) == Some(Shape::Mail)).map(|field| field.plain).collect();
        if !mails.contains(wanted.as_str()) {
            return None;
        }
        let name = |mail: &str| {
            let own = words(mail.split('@').next().unwrap_or_default());
            (own.len() > 1 && own.iter().any(|word| tells(&word.text))).then_some(own)
        };
        let own = name(&wanted)?;
        let same: Vec<&&str> = mails.iter().filter(|mail| name(mail).is_some_and(|name| same(&name, &own))).collect();
        let says = |step: &Step| phrase(&words(&step.text), &own).is_some();
        let mut all = self.leads.iter().zip(self.trails()).filter(|(lead, _)| lead.does);
        (same.len() == 1 && all.any(|(_, trail)| trail.iter().any(says)))
            .then(|| "what the operator asks to do names him, and nobody else is called so".into())
    }
}

/// Sums of money that a text tells: `$100`, `20 EUR`.
fn sums(text: &str) -> impl Iterator<Item = f64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let money = |at: usize, word: &str| {
        let next =
            words.get(at + 1).map(|next| next.trim_matches(|letter: char| !letter.is_alphabetic()).to_lowercase());
        word.contains(['$', '€', '£'])
            || next.is_some_and(|next| {
                matches!(next.as_str(), "usd" | "eur" | "gbp" | "chf" | "dollars" | "euros" | "pounds")
            })
    };
    let found: Vec<f64> = words
        .iter()
        .enumerate()
        .filter(|(at, word)| money(*at, word))
        .flat_map(|(_, word)| numbers(word).filter_map(|number| number.parse().ok()).collect::<Vec<f64>>())
        .collect();
    found.into_iter()
}

/// Whether a text names somebody. Most do not have the first word of his name, whatever parts words.
fn names(text: &str, name: &[Word]) -> bool {
    let first = name.first().map_or(&[][..], |word| word.text.as_bytes());
    let may = || text.as_bytes().windows(first.len().max(1)).any(|within| within.eq_ignore_ascii_case(first));
    (!text.is_ascii() || may()) && phrase(&words(text), name).is_some()
}

fn same(one: &[Word], other: &[Word]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.text == other.text)
}

/// Whether a call was about what the operator named.
fn is_named(value: &str, begins: &Begins) -> bool {
    let Begins::Place(named) = begins else { return false };
    match place(value) {
        Some(own) if shapes(value).len() == 1 => is_beneath(value, named) || own == *named,
        Some(own) => {
            let (own, named) = (own.trim_start_matches("./"), named.trim_start_matches("./"));
            own == named || own.strip_suffix(named).is_some_and(|above| above.ends_with('/')) && !own.contains("..")
        }
        None => false,
    }
}
