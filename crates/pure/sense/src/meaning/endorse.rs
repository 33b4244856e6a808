//! Where what speaks against a call stands, as far as that can be endorsed: in which results, or in which thing that a result
//! tells of, by whom. Every place is named, whatever else was read, so that more text takes none away.

use policy::{Doubt, Doubted, Role, Source};
use serde_json::Value;

use super::call::gather;
use super::choice::plain;
use super::ground::{Finding, Judgement, Scene, Stands};
use super::shape::shape;
use super::text::{find, fold, numbers};
use super::things::{Thing, Told};

/// Most places of one doubt.
const MOST_SOURCES: usize = 16;
/// Longest value that is told whole, in bytes.
const MOST_VALUE: usize = 512;
/// Shortest value, in bytes, that tells where a call comes from.
const LEAST: usize = 4;
/// Most doubts of one call.
const MOST_DOUBTS: usize = 64;

/// Where a result came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Came {
    /// What its call named: paths, addresses, ids.
    pub places: Vec<String>,
}

/// SHA-256 of a text in hexadecimal; the caller brings it.
pub type Hashing<'h> = &'h dyn Fn(&str) -> String;

/// A value that is looked for.
struct Wanted {
    folded: String,
    /// Its one spelling, where it is a number: 98.7 stands where 98.70 does.
    number: Option<String>,
}

impl Wanted {
    fn of(value: &str) -> Wanted {
        let number = value.trim().parse::<f64>().is_ok_and(f64::is_finite).then(|| plain(value));
        Wanted { folded: fold(value), number }
    }

    /// Whether it stands in a text as a whole.
    fn stands(&self, text: &str, folded: &str) -> bool {
        let number = |wanted: &String| numbers(text).any(|one| plain(one) == *wanted);
        find(folded, &self.folded).is_some() || self.number.as_ref().is_some_and(number)
    }
}

impl Scene<'_> {
    /// What speaks against a call, with every place where it stands; `came` has an entry for each result.
    #[must_use]
    pub fn doubted(
        &self,
        judged: &Judgement,
        (tool, arguments): (&str, &str),
        came: &[Came],
        hash: Hashing<'_>,
    ) -> Doubted {
        let read = serde_json::from_str(arguments).unwrap_or_else(|_| Value::String(arguments.to_owned()));
        let mut leaves = Vec::new();
        gather("", &read, &mut leaves);
        let one = |finding: &Finding| {
            let sources = match finding.effect {
                None => self.sources(&finding.whole, came, hash),
                Some(_) => self.behind(&leaves, came, hash),
            };
            doubt(finding, sources)
        };
        // One of more is as one that could not be looked through.
        let doubts = judged.against.iter().take(MOST_DOUBTS).map(one);
        let beyond = judged.against.get(MOST_DOUBTS).map(|finding| Doubt {
            argument: None,
            effect: None,
            ..doubt(finding, Vec::new())
        });
        Doubted {
            tool: tool.to_owned(),
            effects: judged.effects.effects.iter().copied().collect(),
            doubts: doubts.chain(beyond).collect(),
        }
    }

    /// Every place where a value stands whole: things that results tell of first, then results.
    fn sources(&self, value: &str, came: &[Came], hash: Hashing<'_>) -> Vec<Source> {
        let wanted = Wanted::of(value);
        let (mut within, mut whole) = (Vec::new(), Vec::new());
        if wanted.folded.len() < 2 {
            return within;
        }
        for (at, parsed) in self.parsed.iter().enumerate() {
            if !wanted.stands(self.given[at].text, &parsed.folded) {
                continue;
            }
            let says = |thing: &Thing<'_>| {
                let said = |text: &str| wanted.stands(text, &fold(text));
                thing.fields.iter().any(|field| said(field.value))
            };
            let things = self.things.told().filter(|told| told.given == at).flat_map(Told::things);
            within.extend(things.filter(says).take(MOST_SOURCES).map(|thing| self.thing(thing, came, hash)));
            whole.push(self.result(at, came, hash));
            if within.len() + whole.len() >= MOST_SOURCES {
                break;
            }
        }
        within.append(&mut whole);
        within.truncate(MOST_SOURCES);
        within
    }

    /// Every place that a value of the call stands in: what may have led to it.
    fn behind(&self, leaves: &[(String, String)], came: &[Came], hash: Hashing<'_>) -> Vec<Source> {
        let mut sources: Vec<Source> = Vec::new();
        for (_, value) in leaves.iter().filter(|(_, value)| value.trim().len() >= LEAST) {
            for source in self.sources(value, came, hash) {
                if sources.len() < MOST_SOURCES && !sources.contains(&source) {
                    sources.push(source);
                }
            }
        }
        sources
    }

    /// A result as a source.
    pub(super) fn result(&self, at: usize, came: &[Came], hash: Hashing<'_>) -> Source {
        let (given, places) = (&self.given[at], came.get(at).map(|came| came.places.clone()));
        Source {
            tool: given.tool.to_owned(),
            places: places.unwrap_or_default(),
            sha256: hash(given.text),
            author: None,
        }
    }

    /// One thing that a result tells of as a source.
    pub(super) fn thing(&self, thing: Thing<'_>, came: &[Came], hash: Hashing<'_>) -> Source {
        let said: Vec<String> =
            thing.fields.iter().map(|field| format!("{:?}: {:?}", field.name, field.value)).collect();
        Source {
            sha256: hash(&said.join("\n")),
            author: thing.author().map(str::to_owned),
            ..self.result(thing.given, came, &|_| String::new())
        }
    }
}

fn doubt(finding: &Finding, sources: Vec<Source>) -> Doubt {
    let mut value: String = finding.whole.chars().filter(|letter| !letter.is_control()).take(MOST_VALUE).collect();
    while value.len() > MOST_VALUE {
        value.pop();
    }
    let whole = value == finding.whole;
    // Whom a text names is a target there, whatever the text is.
    let names = shape(finding.whole.trim()).is_some() && finding.argument.is_some();
    Doubt {
        effect: finding.effect,
        argument: finding.argument.clone(),
        role: if names { Some(Role::Target) } else { finding.role },
        value,
        whole,
        why: finding.why.clone(),
        around: match &finding.stands {
            Stands::Given(_, around) => around.clone(),
            Stands::Nowhere => String::new(),
        },
        sources,
    }
}
