//! Every entry of every table, alone: what is listed passes with a value of its type and with no other, what is hosted
//! is refused until it is granted.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::endpoint::LISTS;
use super::super::rule::{Field, Kinds, Rule, Shape};
use super::super::{Endpoint, Grants, Hosted, Wire, endpoint, judge};
use super::Delivered;

/// A place within a body: puts a value there.
type Put<'a> = &'a dyn Fn(Value) -> Value;

/// Counts what was tried, and keeps from going round for ever.
struct Tour {
    endpoint: &'static Endpoint,
    depth: usize,
    entries: usize,
}

/// A value that a rule takes; none where it takes a hosted one only.
fn sample(rule: &Rule) -> Value {
    match rule {
        Rule::Free | Rule::Schema | Rule::Hosted(_) => json!({"a": [1, "b"]}),
        Rule::Number => json!(1),
        Rule::Flag => json!(true),
        Rule::Word(words) => json!(words[0].name),
        Rule::Data => json!("data:image/png;base64,AAAA"),
        Rule::Held | Rule::Beside(_) => json!("resp_delivered"),
        Rule::Sealed | Rule::SealedOr(_) => json!("c2VhbGVk"),
        Rule::Object(_) => json!({}),
        Rule::Map(rule) => json!({"name": sample(rule)}),
        Rule::List(rule) => json!([sample(rule)]),
        Rule::Any(rules) => sample(&rules[0]),
        Rule::Kinds(kinds) => kind_sample(kinds, kinds.kinds[0].name),
        Rule::Text | Rule::Model | Rule::Bytes => json!("text"),
    }
}

fn kind_sample(kinds: &Kinds, name: &str) -> Value {
    let mut object = json!({kinds.by: name});
    let kind = kinds.kinds.iter().find(|kind| kind.name == name).expect(name);
    if let Shape::Fields(fields) = kind.shape {
        for needed in kind.needs {
            let field = fields.iter().find(|field| field.name == *needed).expect(needed);
            object[*needed] = sample(&field.rule);
        }
    }
    object
}

impl Tour {
    fn judged(&self, body: &Value, hosted: &[Hosted]) -> bool {
        let grants = Grants { hosted: hosted.iter().copied().collect(), fields: BTreeSet::new() };
        judge(self.endpoint, body, &grants, &Delivered).is_ok()
    }

    #[track_caller]
    fn passes(&mut self, body: &Value) {
        self.entries += 1;
        assert!(self.judged(body, &[]), "{} {body}", self.endpoint.path);
    }

    #[track_caller]
    fn needs(&mut self, body: &Value, hosted: Hosted) {
        self.entries += 1;
        assert!(!self.judged(body, &[]), "{} passes {body}", self.endpoint.path);
        assert!(self.judged(body, &[hosted]), "{} refuses {body} with {hosted}", self.endpoint.path);
        let others: Vec<Hosted> = Hosted::ALL.into_iter().filter(|other| *other != hosted).collect();
        assert!(!self.judged(body, &others), "{} passes {body} without {hosted}", self.endpoint.path);
    }

    #[track_caller]
    fn never(&self, body: &Value) {
        assert!(!self.judged(body, &Hosted::ALL), "{} passes {body}", self.endpoint.path);
    }

    fn fields(&mut self, fields: &[Field], base: &Value, put: Put<'_>) {
        let with = |name: &str, value: Value| {
            let mut object = base.clone();
            object[name] = value;
            put(object)
        };
        for field in fields {
            // Other kinds of the object are another entry's.
            if base.get(field.name).is_some_and(|_| !matches!(field.rule, Rule::Kinds(_))) {
                continue;
            }
            self.rule(&field.rule, &|value| with(field.name, value));
            match base.get(field.name) {
                Some(_) => self.never(&with(field.name, Value::Null)),
                None => self.passes(&with(field.name, Value::Null)),
            }
            self.never(&with(&field.name.to_ascii_uppercase(), sample(&field.rule)));
            self.never(&with(&format!("{} ", field.name), sample(&field.rule)));
        }
        self.never(&with("something_new", json!(1)));
    }

    fn rule(&mut self, rule: &Rule, put: Put<'_>) {
        if self.depth == 6 {
            return;
        }
        self.depth += 1;
        match rule {
            Rule::Hosted(hosted) => {
                self.needs(&put(json!({"a": 1})), *hosted);
                self.needs(&put(json!("x")), *hosted);
                self.needs(&put(json!(true)), *hosted);
                self.passes(&put(json!([])));
            }
            Rule::Object(fields) => self.fields(fields, &json!({}), put),
            Rule::List(rule) => self.rule(rule, &|value| put(json!([value]))),
            Rule::Map(rule) => self.rule(rule, &|value| put(json!({"name": value}))),
            Rule::Any(rules) => rules.iter().for_each(|rule| match rule {
                // Only what the rules before it do not take.
                Rule::Hosted(hosted) => self.needs(&put(json!(7)), *hosted),
                rule => self.rule(rule, put),
            }),
            Rule::Kinds(kinds) => self.kinds(kinds, put),
            Rule::Word(words) => {
                for word in *words {
                    match word.hosted {
                        Some(hosted) => self.needs(&put(json!(word.name)), hosted),
                        None => self.passes(&put(json!(word.name))),
                    }
                }
                self.never(&put(json!("something_new")));
            }
            Rule::Data | Rule::Bytes => {
                self.passes(&put(json!("data:image/png;base64,AAAA")));
                self.needs(&put(json!("https://tracker.example/a.png?q=secret")), Hosted::RemoteUrls);
                self.needs(&put(json!("DATA:x,https://a.example")), Hosted::RemoteUrls);
            }
            Rule::Held | Rule::Beside(_) => self.sealed(put, "resp_delivered", "resp_other"),
            Rule::Sealed | Rule::SealedOr(_) => self.sealed(put, "c2VhbGVk", "c2VhbGVK"),
            rule => self.passes(&put(sample(rule))),
        }
        self.depth -= 1;
    }

    fn sealed(&mut self, put: Put<'_>, delivered: &str, other: &str) {
        self.passes(&put(json!(delivered)));
        self.never(&put(json!(other)));
        self.never(&put(json!(7)));
    }

    fn kinds(&mut self, kinds: &Kinds, put: Put<'_>) {
        for kind in kinds.kinds {
            let base = kind_sample(kinds, kind.name);
            match kind.shape {
                Shape::Hosted(hosted) => self.needs(&put(base), hosted),
                Shape::Fields(fields) => {
                    self.passes(&put(base.clone()));
                    self.fields(fields, &base, put);
                    let own = |field: &&Field| fields.iter().all(|own| own.name != field.name);
                    let common: Vec<Field> = kinds.common.iter().filter(own).copied().collect();
                    self.fields(&common, &base, put);
                }
            }
        }
        for odd in [json!("something_new"), json!(7), json!(["text"])] {
            self.never(&put(json!({kinds.by: odd})));
        }
    }
}

#[test]
fn every_entry_passes_or_is_refused_as_its_table_says() {
    let mut entries = 0;
    for endpoint in LISTS.into_iter().flatten() {
        let mut tour = Tour { endpoint, depth: 0, entries: 0 };
        tour.fields(endpoint.body, &json!({}), &|body| body);
        assert!(tour.entries > 0 || endpoint.body.is_empty(), "{}", endpoint.path);
        entries += tour.entries;
    }
    assert!(entries > 3000, "{entries}");
}

#[test]
fn every_listed_type_is_refused_in_any_other_case() {
    for (path, body) in [
        (super::MESSAGES, json!({"tools": [{"type": "Bash_20250124", "name": "bash"}]})),
        (super::MESSAGES, json!({"Tools": []})),
        (super::CHAT, json!({"tools": [{"type": "FUNCTION"}]})),
        (super::RESPONSES, json!({"tools": [{"type": "Web_Search"}]})),
        (super::GEMINI, json!({"tools": [{"GoogleSearch": {}}]})),
    ] {
        let everything = Grants { hosted: Hosted::ALL.into(), fields: BTreeSet::new() };
        assert!(judge(super::post(path), &body, &everything, &Delivered).is_err(), "{path} {body}");
    }
}

#[test]
fn every_endpoint_is_found_by_its_method_and_path_alone() {
    for entry in LISTS.into_iter().flatten() {
        let path = entry.path.replace("{model}", "some-model-1.5");
        let found = endpoint(entry.method, &path).expect(&path);
        assert_eq!((found.wire, found.kind, found.path), (entry.wire, entry.kind, entry.path));
        for method in ["DELETE", "PUT", "PATCH", "OPTIONS", "post", "CONNECT"] {
            assert!(endpoint(method, &path).is_err(), "{method} {path}");
        }
        for near in
            [format!("{path}/"), format!("/x{path}"), path.to_uppercase(), format!("{path}x/y"), path[1..].into()]
        {
            if near != path {
                assert!(endpoint(entry.method, &near).is_err(), "{near}");
            }
        }
    }
}

#[test]
fn no_table_names_a_field_or_a_kind_twice() {
    fn fields(list: &[Field], depth: usize) {
        let names: Vec<_> = list.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len(), "{names:?}");
        list.iter().for_each(|field| rule(&field.rule, depth + 1));
    }
    fn rule(of: &Rule, depth: usize) {
        match of {
            _ if depth > 12 => {}
            Rule::Object(list) => fields(list, depth),
            Rule::List(of) | Rule::Map(of) => rule(of, depth),
            Rule::Any(rules) => rules.iter().for_each(|of| rule(of, depth)),
            Rule::Kinds(kinds) => {
                let names: Vec<_> = kinds.kinds.iter().map(|kind| kind.name).collect();
                assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len(), "{names:?}");
                fields(kinds.common, depth);
                for kind in kinds.kinds {
                    if let Shape::Fields(list) = kind.shape {
                        fields(list, depth);
                    }
                }
            }
            _ => {}
        }
    }
    LISTS.into_iter().flatten().for_each(|endpoint| fields(endpoint.body, 0));
    assert_eq!(Wire::ALL.map(Wire::name).iter().collect::<BTreeSet<_>>().len(), 6);
    assert!(Hosted::ALL.iter().all(|hosted| Hosted::parse(hosted.name()) == Some(*hosted)));
}
