//! What one inspected endpoint says of requests, or of WebSockets: presets, rules, and what is denied.

use std::collections::BTreeMap;

use serde_saphyr::Location as Mark;

use super::glob::{self, Paths, Value};
use super::note::{NoteKind, Notes, shown};
use super::raw::{RawEndpoint, RawMatcher, RawValue, Text};
use crate::{Method, PathPattern, ValuePattern};

type Query = BTreeMap<String, ValuePattern>;

/// Most rules that one rule becomes.
const MOST: usize = 64;

/// Requests that are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    /// None for every method.
    pub(super) methods: Option<Vec<Method>>,
    pub(super) paths: Paths,
    pub(super) query: Query,
}

/// Requests that are denied; no method at all for every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) methods: Vec<Method>,
    pub(super) paths: Paths,
    pub(super) query: Query,
    /// WebSockets alone.
    pub(super) sockets: bool,
}

/// What an endpoint says of requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests {
    pub(super) grants: Vec<Grant>,
    pub(super) denials: Vec<Denial>,
}

/// Which requests an endpoint is about, beside others at the same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    /// As written; empty for all.
    text: String,
    /// None where none of them can be said.
    pub(super) narrow: Option<Paths>,
    pub(super) wide: Paths,
}

impl Selector {
    pub(super) fn read(text: Option<&Text>, notes: &mut Notes) -> Selector {
        let Some(text) = text.filter(|text| !matches!(text.value.as_str(), "" | "**" | "/**")) else {
            return Selector { text: String::new(), narrow: Some(Paths::All), wide: Paths::All };
        };
        // Here, and here alone, what lies below means what is above as well.
        let tree = text.value.strip_suffix("/**").filter(|above| !above.contains(['*', '?', '[', '{', '%']));
        let tree = tree.and_then(|_| PathPattern::parse(&text.value).ok()).map(|tree| Paths::Some(vec![tree]));
        let narrow = tree.clone().or_else(|| glob::allowed(&text.value));
        if narrow.is_none() {
            notes.lost(text.referenced, format!("the path {}", shown(&text.value)), "nothing is allowed there");
        }
        let wide = tree.or_else(|| glob::denied(&text.value)).unwrap_or(Paths::All);
        Selector { text: text.value.clone(), narrow, wide }
    }

    pub(super) fn is_all(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether no request can be meant by both.
    pub(super) fn is_apart(&self, other: &Selector) -> bool {
        fn start(text: &str) -> (Vec<&str>, bool) {
            let literal: Vec<&str> = text.split('/').take_while(|part| !part.contains(['*', '?', '[', '{'])).collect();
            (literal, !text.contains(['*', '?', '[', '{']))
        }
        if self.is_all() || other.is_all() {
            return false;
        }
        let ((one, one_whole), (other, other_whole)) = (start(&self.text), start(&other.text));
        let differ = one.iter().zip(&other).any(|(one, other)| one != other);
        let short = |part: &[&str], whole: bool, of: &[&str]| whole && part.len() < of.len();
        differ || short(&one, one_whole, &other) || short(&other, other_whole, &one)
    }

    /// Whether every request of the other is one of this.
    pub(super) fn covers(&self, other: &Selector) -> bool {
        self.is_all() || self == other || self.tree().is_some_and(|above| lies_below(&other.text, above))
    }

    fn tree(&self) -> Option<&str> {
        self.text.strip_suffix("/**").filter(|above| !above.contains(['*', '?', '[', '{', '%']))
    }

    /// The allowed paths among those that it is about; none where that cannot be said.
    fn within(&self, paths: &Paths) -> Option<Paths> {
        let narrow = self.narrow.as_ref()?;
        let (Paths::Some(paths), Paths::Some(own)) = (paths, narrow) else {
            return Some(if *narrow == Paths::All { paths.clone() } else { narrow.clone() });
        };
        let mut kept: Vec<PathPattern> = Vec::new();
        for path in paths {
            let below = self.tree().is_some_and(|above| lies_below(path.as_str(), above));
            if below || own.iter().any(|own| own.covers(path)) {
                kept.push(path.clone());
            } else {
                kept.extend(own.iter().filter(|own| path.covers(own)).cloned());
            }
        }
        (!kept.is_empty()).then_some(Paths::Some(kept))
    }
}

/// Whether whatever a pattern means lies at or below a plain path.
fn lies_below(pattern: &str, above: &str) -> bool {
    pattern.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Requests {
    /// What `access`, `rules` and `deny_rules` say.
    pub(super) fn read(mark: Mark, raw: &RawEndpoint, selector: &Selector, notes: &mut Notes) -> Requests {
        let mut requests = Requests::default();
        let preset = raw.access.as_ref().and_then(|text| preset(&text.value));
        if let (Some(methods), Some(paths)) = (preset, selector.within(&Paths::All)) {
            requests.grants.push(Grant { methods, paths, query: Query::new() });
        }
        for rule in raw.rules.iter().flatten() {
            requests.allow(rule.referenced, &rule.value.allow, selector, notes);
        }
        requests.finish(mark, raw, selector, notes);
        requests
    }

    /// The same of WebSockets: a path where they may be opened, and where something may be said on them.
    pub(super) fn of_sockets(mark: Mark, raw: &RawEndpoint, selector: &Selector, notes: &mut Notes) -> Requests {
        let mut requests = Requests::default();
        let mute = "a WebSocket on which the program says nothing";
        match raw.access.as_ref().map(|text| (text.value.as_str(), text.referenced)) {
            Some(("read-only", mark)) => notes.lost(mark, mute, "nothing is allowed by this endpoint"),
            Some(_) => requests.grants.extend(selector.within(&Paths::All).map(Grant::of_sockets)),
            None => {}
        }
        let (mut opened, mut said) = (Vec::new(), Vec::new());
        for rule in raw.rules.iter().flatten() {
            let (mark, raw) = (rule.referenced, &rule.value.allow);
            let paths = raw.path.as_ref().and_then(|text| glob::allowed(&text.value));
            let paths = paths.and_then(|paths| selector.within(&paths));
            let plain = raw.about_content().is_none() && raw.query.is_none();
            let method = raw.method.as_ref().map_or(String::new(), |text| text.value.to_ascii_uppercase());
            let (Some(paths), true) = (paths, plain) else {
                notes.lost(
                    mark,
                    "a rule about WebSockets by a query, by what is said, or by such a path",
                    "it allows nothing",
                );
                continue;
            };
            match method.as_str() {
                "GET" => opened.push((mark, paths)),
                "WEBSOCKET_TEXT" => said.push(paths),
                "*" => {
                    opened.push((mark, paths.clone()));
                    said.push(paths);
                }
                _ => notes.lost(mark, "no method of a WebSocket", "it allows nothing"),
            }
        }
        for (mark, paths) in opened {
            if said.iter().any(|said| said.cover(&paths)) {
                requests.grants.push(Grant::of_sockets(paths));
            } else {
                notes.lost(mark, mute, "none is opened there");
            }
        }
        requests.finish(mark, raw, selector, notes);
        requests
    }

    fn finish(&mut self, mark: Mark, raw: &RawEndpoint, selector: &Selector, notes: &mut Notes) {
        if raw.access.is_none() && raw.rules.as_ref().is_none_or(Vec::is_empty) {
            let what = "an inspected endpoint has neither `access` nor `rules`, which is refused there";
            notes.lost(mark, what, "nothing is allowed by it");
        }
        for rule in raw.deny_rules.iter().flatten() {
            self.deny(rule.referenced, &rule.value, selector, notes);
        }
        self.grants = joined(std::mem::take(&mut self.grants));
    }

    fn allow(&mut self, mark: Mark, raw: &RawMatcher, selector: &Selector, notes: &mut Notes) {
        let nothing = "this rule allows nothing";
        if let Some(key) = raw.about_content() {
            return notes.lost(mark, format!("`{key}` is about what a request holds"), nothing);
        }
        let Some(methods) = allowed_method(raw, notes) else {
            return notes.lost(mark, "no method that a request can have", nothing);
        };
        let Some(paths) = raw.path.as_ref().and_then(|text| glob::allowed(&text.value)) else {
            let path = raw.path.as_ref().map_or("", |text| text.value.as_str());
            return notes.lost(mark, format!("the path {}", shown(path)), nothing);
        };
        let Some(paths) = selector.within(&paths) else {
            return notes.lost(mark, "a path that lies only in part in the endpoint's", nothing);
        };
        let Some(queries) = allowed_queries(raw.query.as_ref()) else {
            return notes.lost(mark, "values of a query by such patterns", nothing);
        };
        if raw.query.is_some() {
            let what = "a field of a query may stand more than once";
            notes.once(mark, NoteKind::NotExpressed, what, "a request in which it does is refused");
        }
        for (query, beyond) in queries {
            for (name, value) in beyond {
                let what = "`*` in a query's value stops at a dot";
                notes.once(
                    mark,
                    NoteKind::NotExpressed,
                    what,
                    "such a value with one more dot is denied there, by any rule",
                );
                let query = Query::from([(name, value)]);
                let methods = methods.clone().unwrap_or_default();
                self.denials.push(Denial { methods, paths: paths.clone(), query, sockets: false });
            }
            self.grants.push(Grant { methods: methods.clone(), paths: paths.clone(), query });
        }
    }

    fn deny(&mut self, mark: Mark, raw: &RawMatcher, selector: &Selector, notes: &mut Notes) {
        notes.once(
            mark,
            NoteKind::NotExpressed,
            "what is denied is denied to the programs of its entry",
            "it is denied to every program, and each `*` in its path also means several segments",
        );
        if let Some(key) = raw.about_content() {
            notes.lost(mark, format!("`{key}` is about what a request holds"), "the rest of the rule denies by itself");
        }
        let said = raw.method.as_ref().map(|text| text.value.to_ascii_uppercase());
        // On a WebSocket all or nothing is said.
        let sockets = said.as_deref() == Some("WEBSOCKET_TEXT");
        let methods = match said {
            None => Vec::new(),
            Some(method) if method == "*" => Vec::new(),
            Some(method) if method == "WEBSOCKET_TEXT" => Vec::new(),
            Some(method) => match Method::parse(&method) {
                // Where a GET is denied, so is what differs from it by its answer.
                Ok(read) if method == "GET" => [Some(read), Method::parse("HEAD").ok()].into_iter().flatten().collect(),
                Ok(method) => vec![method],
                Err(_) => {
                    return notes.lost(mark, format!("no method {}", shown(&method)), "no such request passes at all");
                }
            },
        };
        let paths = match raw.path.as_ref().map_or(Some(Paths::All), |text| glob::denied(&text.value)) {
            Some(Paths::All) => selector.wide.clone(),
            Some(paths) => paths,
            None => return notes.lost(mark, "a path that none has", "no such request passes at all"),
        };
        for query in denied_queries(raw.query.as_ref(), mark, notes) {
            self.denials.push(Denial { methods: methods.clone(), paths: paths.clone(), query, sockets });
        }
    }
}

impl Grant {
    fn of_sockets(paths: Paths) -> Grant {
        Grant { methods: Method::parse("GET").ok().map(|method| vec![method]), paths, query: Query::new() }
    }
}

/// The methods of a preset; within, none for every one.
fn preset(text: &str) -> Option<Option<Vec<Method>>> {
    let methods = |names: &[&str]| Some(names.iter().filter_map(|name| Method::parse(name).ok()).collect());
    match text {
        "full" => Some(None),
        "read-only" => Some(methods(&["GET", "HEAD", "OPTIONS"])),
        "read-write" => Some(methods(&["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"])),
        _ => None,
    }
}

fn allowed_method(raw: &RawMatcher, notes: &mut Notes) -> Option<Option<Vec<Method>>> {
    let text = raw.method.as_ref()?;
    if text.value == "*" {
        return Some(None);
    }
    let method = Method::parse(&text.value.to_ascii_uppercase()).ok()?;
    if method.as_str() == "GET" {
        let what = "some versions let `GET` mean `HEAD` as well";
        notes.once(text.referenced, NoteKind::Reported, what, "`HEAD` only where it is named");
    }
    Some(Some(vec![method]))
}

type Beyond = Vec<(String, ValuePattern)>;

/// Every way in which fields may have their values, and what a pattern here means beyond; none where it cannot be said.
fn allowed_queries(raw: Option<&BTreeMap<String, RawValue>>) -> Option<Vec<(Query, Beyond)>> {
    let mut all: Vec<(Query, Beyond)> = vec![(Query::new(), Vec::new())];
    for (name, values) in raw.into_iter().flatten() {
        let name = crate::field(name).ok()?;
        let mut read: Vec<Value> = Vec::new();
        for pattern in values.patterns() {
            read.extend(glob::allowed_values(pattern)?);
        }
        if read.is_empty() || all.len() * read.len() > MOST {
            return None;
        }
        let mut longer = Vec::new();
        for (query, beyond) in &all {
            for value in &read {
                let (mut query, mut beyond) = (query.clone(), beyond.clone());
                query.insert(name.clone(), ValuePattern::parse(&value.pattern).ok()?);
                for pattern in &value.beyond {
                    beyond.push((name.clone(), ValuePattern::parse(pattern).ok()?));
                }
                longer.push((query, beyond));
            }
        }
        all = longer;
    }
    Some(all)
}

/// The same of what is denied; where it cannot be said, the query is left aside, so that more is denied.
fn denied_queries(raw: Option<&BTreeMap<String, RawValue>>, mark: Mark, notes: &mut Notes) -> Vec<Query> {
    let mut all = vec![Query::new()];
    for (name, values) in raw.into_iter().flatten() {
        let read: Option<Vec<ValuePattern>> =
            values.patterns().iter().map(|text| ValuePattern::parse(&glob::denied_value(text)).ok()).collect();
        let (Ok(name), Some(read)) = (crate::field(name), read.filter(|read| !read.is_empty())) else {
            notes.lost(mark, format!("the field {} of a query", shown(name)), "denied whatever it is");
            continue;
        };
        if all.len() * read.len() > MOST {
            notes.lost(mark, format!("the field {} of a query", shown(&name)), "denied whatever it is");
            continue;
        }
        let longer = |query: &Query| {
            let with = |value: &ValuePattern| {
                let mut query = query.clone();
                query.insert(name.clone(), value.clone());
                query
            };
            read.iter().map(with).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// Grants that differ in one thing alone, as one.
fn joined(grants: Vec<Grant>) -> Vec<Grant> {
    let mut by_paths: Vec<Grant> = Vec::new();
    for grant in grants {
        match by_paths.iter_mut().find(|other| other.paths == grant.paths && other.query == grant.query) {
            Some(other) => match (&mut other.methods, grant.methods) {
                (Some(methods), Some(more)) => {
                    methods.extend(more.into_iter().filter(|method| !methods.contains(method)).collect::<Vec<_>>());
                }
                (methods, _) => *methods = None,
            },
            None => by_paths.push(grant),
        }
    }
    let mut all: Vec<Grant> = Vec::new();
    for grant in by_paths {
        match all.iter_mut().find(|other| other.methods == grant.methods && other.query == grant.query) {
            Some(other) => match (&mut other.paths, grant.paths) {
                (Paths::Some(paths), Paths::Some(more)) => {
                    paths.extend(more.into_iter().filter(|path| !paths.contains(path)).collect::<Vec<_>>());
                }
                (paths, _) => *paths = Paths::All,
            },
            None => all.push(grant),
        }
    }
    all
}
