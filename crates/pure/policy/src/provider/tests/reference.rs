//! The reference for people is made from the tables, so that it says what they do. After a change of a table:
//! `cargo test -p bastide-policy -- --ignored write_the_reference`.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::super::endpoint::{LISTS, REFUSED};
use super::super::header::{BETAS, CLIENTS, FRAMING, HOSTED_BETAS, OVERRIDES, STRIPPED};
use super::super::hosted::ACTING_MODELS;
use super::super::rule::{Field, Kinds, Rule, Shape};
use super::super::{Endpoint, Hosted, Wire};

const REFERENCE: &str = include_str!("../../../../../../docs/reference/providers.md");

const INTRODUCTION: &str = "# What a model provider may be asked

Model providers can act for an agent: search the web, fetch pages, run code, call other servers, hold files and
conversations. Each would be a way around the door. So each form of requests has a list, and what is not on it is
refused with a line that the agent can read:

```text
tools[2].type `web_search_20250305`: the provider would search the web for the agent, past the door; hint: …
```

Tools that the client runs are on the lists: functions, custom tools, local shells, editors, computer use. A field that
no list knows is refused by its path, such as `chat:messages.cat`, by which an operator may list it. A value of another
type than its field's is refused, never skipped; so is what is nested more than 64 levels deep. A schema refers to
nothing outside of itself. This page is made from the tables in `crates/pure/policy/src/provider/`, and a test compares
the two.

";

const HEADERS: &str = "
## Headers

A header that is not here is left out, and the request goes on without it: gateways let a header pick the provider that gets
the operator's key. An operator lists one more under `inference.fields`, as `header:x-team`; what is left out or refused by
name here stays so. `_` counts as `-`. What a request leaves with is looked into for labels like its body.

| header | what becomes of it |
|---|---|
";

fn code<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{}`", name.replace('|', "\\|"))).collect::<Vec<_>>().join(", ")
}

/// The rows of one wire.
#[derive(Default)]
struct Rows {
    text: String,
    /// What was said already, whole: a list has no one address.
    seen: BTreeSet<String>,
    inline: BTreeSet<String>,
    delivered: BTreeSet<String>,
}

impl Rows {
    fn row(&mut self, at: &str, passes: &[&str], refused: &[(&str, Hosted)]) {
        let refused: Vec<String> = refused.iter().map(|(name, hosted)| format!("`{name}` ({hosted})")).collect();
        let passes = code(passes.iter().copied());
        writeln!(self.text, "| {at} | {passes} | {} |", refused.join(", ")).expect("a string");
    }

    fn fields(&mut self, at: &str, fields: &'static [Field]) {
        if fields.is_empty() || !self.seen.insert(format!("{fields:?}")) {
            return;
        }
        let mut passes = Vec::new();
        let mut refused = Vec::new();
        for field in fields {
            match field.rule {
                Rule::Hosted(hosted) => refused.push((field.name, hosted)),
                _ => passes.push(field.name),
            }
        }
        let here = if at.is_empty() { "the body".to_owned() } else { format!("`{at}`") };
        self.row(&here, &passes, &refused);
        let prefix = if at.is_empty() { String::new() } else { format!("{at}.") };
        fields.iter().for_each(|field| self.rule(&format!("{prefix}{}", field.name), &field.rule));
    }

    fn rule(&mut self, at: &str, rule: &'static Rule) {
        match rule {
            Rule::Object(fields) => self.fields(at, fields),
            Rule::List(rule) => self.rule(&format!("{at}[]"), rule),
            Rule::Map(rule) => self.rule(&format!("{at}.*"), rule),
            Rule::Any(rules) => rules.iter().for_each(|rule| self.rule(at, rule)),
            Rule::Kinds(kinds) => self.kinds(at, kinds),
            Rule::Word(words) => {
                let passes: Vec<_> = words.iter().filter(|word| word.hosted.is_none()).map(|word| word.name).collect();
                let refused: Vec<_> = words.iter().filter_map(|word| Some((word.name, word.hosted?))).collect();
                if self.seen.insert(format!("{words:?}")) {
                    self.row(&format!("`{at}`, one of"), &passes, &refused);
                }
            }
            Rule::Data | Rule::Bytes => drop(self.inline.insert(at.to_owned())),
            Rule::Held | Rule::Beside(_) | Rule::Sealed | Rule::SealedOr(_) => {
                self.delivered.insert(at.to_owned());
            }
            Rule::Free | Rule::Schema | Rule::Text | Rule::Number | Rule::Flag | Rule::Model | Rule::Hosted(_) => {}
        }
    }

    fn kinds(&mut self, at: &str, kinds: &'static Kinds) {
        if !self.seen.insert(format!("{kinds:?}")) {
            return;
        }
        let mut passes = Vec::new();
        let mut refused = Vec::new();
        for kind in kinds.kinds {
            match kind.shape {
                Shape::Hosted(hosted) => refused.push((kind.name, hosted)),
                Shape::Fields(_) => passes.push(kind.name),
            }
        }
        self.row(&format!("`{at}.{}`, one of", kinds.by), &passes, &refused);
        self.fields(&format!("{at}(any)"), kinds.common);
        for kind in kinds.kinds {
            if let Shape::Fields(fields) = kind.shape {
                self.fields(&format!("{at}({})", kind.name), fields);
            }
        }
    }
}

fn wire(wire: Wire, endpoints: &'static [Endpoint]) -> String {
    let mut rows = Rows::default();
    let mut text = format!("## {}\n\n| request | for | always sent as |\n|---|---|---|\n", wire.name());
    for endpoint in endpoints {
        let forced: Vec<String> = endpoint
            .forced
            .iter()
            .map(|forced| {
                let when = if forced.always { "" } else { ", where it is said" };
                format!("`{}: {}`{when} ({} lifts it)", &forced.pointer[1..], forced.value, forced.unless)
            })
            .collect();
        let (method, path) = (endpoint.method, endpoint.path);
        let kind = format!("{:?}", endpoint.kind).to_lowercase();
        writeln!(text, "| `{method} {path}` | {kind} | {} |", forced.join(", ")).expect("a string");
        rows.fields("", endpoint.body);
    }
    text.push_str("\n| within | passes | refused unless granted |\n|---|---|---|\n");
    text.push_str(&rows.text);
    let places = |places: &BTreeSet<String>| code(places.iter().map(String::as_str));
    if !rows.inline.is_empty() {
        writeln!(text, "\nHold the content itself and no address (remote_urls): {}.", places(&rows.inline))
            .expect("a string");
    }
    if !rows.delivered.is_empty() {
        let places = places(&rows.delivered);
        writeln!(text, "\nOnly what this door delivered in the session, byte for byte: {places}.").expect("a string");
    }
    text + "\n"
}

fn reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    text.push_str("## What a policy may grant\n\n| name | refused otherwise, because |\n|---|---|\n");
    for hosted in Hosted::ALL {
        writeln!(text, "| `{hosted}` | {} |", hosted.why()).expect("a string");
    }
    text.push_str(
        "\nModels that act by themselves need the grant as well:\n\n| name of the model | grant |\n|---|---|\n",
    );
    for (mark, hosted) in ACTING_MODELS {
        let mark = format!("{mark:?}").replace('"', "`").replace(['(', ')'], " ").to_lowercase();
        writeln!(text, "| {}| `{hosted}` |", mark).expect("a string");
    }
    text.push('\n');
    Wire::ALL.into_iter().zip(LISTS).for_each(|(of, endpoints)| text.push_str(&wire(of, endpoints)));
    text.push_str(
        "## Other requests\n\nAll are refused. Some by what they are, the first part that the path holds:\n\n",
    );
    text.push_str("| the path holds | why |\n|---|---|\n");
    for (part, why) in REFUSED {
        writeln!(text, "| `{part}` | {why} |").expect("a string");
    }
    text.push_str(HEADERS);
    let names = |names: &[&'static str]| code(names.iter().copied());
    let granted: Vec<String> = HOSTED_BETAS.iter().map(|(beta, hosted)| format!("`{beta}` ({hosted})")).collect();
    let clients = CLIENTS.iter().map(|(whose, known)| (format!("{whose}: {}", names(known)), "passes"));
    let rows = [
        (names(FRAMING), "passes, as far as the gate does not write it anew"),
        ("`content-type`".into(), "passes where it says JSON in UTF-8, and says so otherwise"),
    ];
    let mut rows: Vec<(String, &str)> = rows.into_iter().chain(clients).collect();
    rows.extend([
        (format!("`anthropic-beta`: {}", names(BETAS)), "passes, with any date"),
        (format!("`anthropic-beta`: {}", granted.join(", ")), "left out unless granted"),
        ("`anthropic-beta`: any other".to_owned(), "left out unless listed"),
        ("`openai-beta: responses=experimental`, to responses".to_owned(), "passes"),
        ("`openai-beta`: any other".to_owned(), "left out"),
        (names(STRIPPED), "left out: which account pays is the gate's to say"),
        (names(OVERRIDES), "the request is refused: another could be taken than the one that was judged"),
        ("any other".into(), "left out unless listed"),
    ]);
    rows.iter().for_each(|(header, fate)| writeln!(text, "| {header} | {fate} |").expect("a string"));
    text
}

#[test]
fn the_reference_says_what_the_tables_do() {
    let due = reference();
    let other = due.lines().zip(REFERENCE.lines()).find(|(due, found)| due != found);
    assert!(due == REFERENCE, "docs/reference/providers.md is not what the tables say; first difference: {other:?}");
}

#[test]
#[ignore = "writes docs/reference/providers.md anew"]
fn write_the_reference() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/reference/providers.md");
    std::fs::write(path, reference()).expect(path);
}
