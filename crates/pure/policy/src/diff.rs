//! What changes from one policy to another, and whether it widens or narrows.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Agents, CanonicalPath, Data, Flow, Foreign, Good, Inference, Limit, Limits, Money, Network, Policy, Provider,
    Route, Rule, ToolRule, print,
};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The key, for example `network.allow`.
    pub key: String,
    /// The value before; none when it is new.
    pub before: Option<String>,
    /// The value after; none when it is gone.
    pub after: Option<String>,
    /// Whether more is possible after than before, taken by itself.
    pub widens: bool,
    /// Whether less is. Neither is said where an entry changes nothing, such as a rule inside another.
    pub narrows: bool,
}

impl fmt::Display for Change {
    /// One line: the key, both values, and which way it goes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match (self.widens, self.narrows) {
            (true, false) => "widens",
            (false, true) => "narrows",
            (true, true) => "widens and narrows",
            (false, false) => "changes nothing that is possible",
        };
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(formatter, "~ {}: {before} → {after} ({way})", self.key),
            (Some(before), None) => write!(formatter, "- {}: {before} ({way})", self.key),
            (None, after) => write!(formatter, "+ {}: {} ({way})", self.key, after.as_deref().unwrap_or("")),
        }
    }
}

/// The differences, in the order of a policy's keys. Every key is compared but `name`, which allows nothing.
#[must_use]
pub fn diff(before: &Policy, after: &Policy) -> Vec<Change> {
    let mut found = Found(Vec::new());
    let (old, new) = (&before.files, &after.files);
    found.scalar("files.workspace", (old.workspace, old.workspace.name()), (new.workspace, new.workspace.name()));
    found.list("files.read", &old.read, &new.read, Kind::Grant, CanonicalPath::covers);
    found.list("files.write", &old.write, &new.write, Kind::Grant, CanonicalPath::covers);
    found.list("files.hide", &old.hide, &new.hide, Kind::Bar, CanonicalPath::covers);
    found.list("files.guard", &old.guard, &new.guard, Kind::Bar, PartialEq::eq);
    found.environment(before, after);
    found.limits(&before.limits, &after.limits);
    let (old, new) = (&before.network, &after.network);
    found.scalar("network.default", (old.default, old.default.name()), (new.default, new.default.name()));
    // Those that a route opens are told as routes.
    let written = |rules: &[Rule]| rules.iter().filter(|rule| !rule.inference).cloned().collect::<Vec<_>>();
    found.list("network.allow", &written(&old.allow), &written(&new.allow), Kind::Grant, Rule::grants);
    found.list("network.deny", &old.deny, &new.deny, Kind::Bar, Rule::covers);
    found.inference(&before.inference, &after.inference);
    found.list("data", &before.data, &after.data, Kind::Bar, Data::covers);
    found.list("flows", &before.flows, &after.flows, Kind::Bar, Flow::covers);
    found.tools(&before.tools, &after.tools);
    found.scalar(
        "grounding",
        (Reverse(before.grounding), before.grounding.name()),
        (Reverse(after.grounding), after.grounding.name()),
    );
    found.list("endorse", &before.endorse, &after.endorse, Kind::Grant, PartialEq::eq);
    found.scalar("intent", (before.intent, before.intent.name()), (after.intent, after.intent.name()));
    found.foreign(before.foreign, after.foreign);
    found.agents(before.agents.as_ref(), after.agents.as_ref());
    found.risk(before, after);
    found.list("secrets", &before.secrets, &after.secrets, Kind::Bar, PartialEq::eq);
    found.list("servers", &before.servers, &after.servers, Kind::Grant, PartialEq::eq);
    found.scalar("record.bodies", (before.bodies, before.bodies.name()), (after.bodies, after.bodies.name()));
    let (alone_before, alone_after) = (reads_alone(old, new), reads_alone(new, old));
    for change in &mut found.0 {
        change.widens |= change.before.as_ref().is_some_and(|text| alone_before.contains(text));
        change.narrows |= change.after.as_ref().is_some_and(|text| alone_after.contains(text));
    }
    found.list("tests", &before.tests, &after.tests, Kind::Word, PartialEq::eq);
    found.0
}

/// The rules that have requests read on the one side, where on the other nothing has and bytes may pass that are not
/// looked into.
fn reads_alone(here: &Network, there: &Network) -> HashSet<String> {
    let alone = |rule: &&Rule| {
        let touches = |other: &Rule| other.to.covers(&rule.to) || rule.to.covers(&other.to);
        let unread = there.allow.iter().any(|other| !other.protocol.reads() && touches(other));
        unread && !reading(there).any(|other| other.to.covers(&rule.to))
    };
    reading(here).filter(alone).map(ToString::to_string).collect()
}

fn reading(network: &Network) -> impl Iterator<Item = &Rule> {
    network.allow.iter().chain(&network.deny).filter(|rule| rule.protocol.reads())
}

/// What an entry of a list does.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Grant,
    Bar,
    Word,
}

struct Found(Vec<Change>);

impl Found {
    fn push(&mut self, key: &str, before: Option<String>, after: Option<String>, widens: bool, narrows: bool) {
        self.0.push(Change { key: key.into(), before, after, widens, narrows });
    }

    /// A greater value widens.
    fn scalar<T: PartialOrd>(&mut self, key: &str, old: (T, &str), new: (T, &str)) {
        if old.0 != new.0 {
            let (widens, narrows) = (new.0 > old.0, new.0 < old.0);
            self.push(key, Some(old.1.into()), Some(new.1.into()), widens, narrows);
        }
    }

    /// What is done at a lower risk is done sooner.
    fn risk(&mut self, before: &Policy, after: &Policy) {
        let (old, new) = (before.risk, after.risk);
        for (key, old, new) in [("risk.ask", old.ask, new.ask), ("risk.freeze", old.freeze, new.freeze)] {
            if old != new {
                // None is higher than any.
                let (from, to) = (old.unwrap_or(u32::MAX), new.unwrap_or(u32::MAX));
                let said = |at: Option<u32>| at.map(|at| at.to_string());
                self.push(key, said(old), said(new), to > from, to < from);
            }
        }
        let (old, new) = (&before.narrowed, &after.narrowed);
        if old != new {
            let said = |narrowed: &Option<crate::Narrowed>| narrowed.as_ref().map(ToString::to_string);
            self.push("risk.narrowed", said(old), said(new), old.is_some(), new.is_some());
        }
    }

    /// An entry may call a tool harmless, or call one harmful that looks harmless: one that comes or goes may widen.
    fn tools(&mut self, before: &[ToolRule], after: &[ToolRule]) {
        for rule in before.iter().filter(|rule| !after.contains(rule)) {
            self.push("tools", Some(rule.to_string()), None, true, true);
        }
        for rule in after.iter().filter(|rule| !before.contains(rule)) {
            self.push("tools", None, Some(rule.to_string()), true, true);
        }
    }

    /// What is told more of than before widens.
    fn foreign(&mut self, before: Foreign, after: Foreign) {
        for (key, old, new) in [
            ("foreign.links", before.links, after.links),
            ("foreign.images", before.images, after.images),
            ("foreign.instructions", before.instructions, after.instructions),
        ] {
            self.scalar(key, (Reverse(old), old.name()), (Reverse(new), new.name()));
        }
    }

    /// An entry that another one on the other side covers is a change of words, not of what is possible.
    fn list<T: ToString + PartialEq>(
        &mut self,
        key: &str,
        before: &[T],
        after: &[T],
        kind: Kind,
        covers: impl Fn(&T, &T) -> bool,
    ) {
        for gone in before.iter().filter(|item| !after.contains(item)) {
            let counts = !after.iter().any(|other| covers(other, gone));
            self.push(key, Some(gone.to_string()), None, counts && kind == Kind::Bar, counts && kind == Kind::Grant);
        }
        for new in after.iter().filter(|item| !before.contains(item)) {
            let counts = !before.iter().any(|other| covers(other, new));
            self.push(key, None, Some(new.to_string()), counts && kind == Kind::Grant, counts && kind == Kind::Bar);
        }
    }

    /// A variable can change what a program does, so one that is new or different widens.
    fn environment(&mut self, before: &Policy, after: &Policy) {
        let (old, new) = (&before.environment, &after.environment);
        let shown = |name: &String, value: Option<&String>| value.map(|value| format!("{name}={value}"));
        for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
            let (from, to) = (old.get(name), new.get(name));
            if from != to {
                self.push("env", shown(name, from), shown(name, to), to.is_some(), to.is_none());
            }
        }
    }

    fn inference(&mut self, before: &Inference, after: &Inference) {
        let named = |of: &Inference| {
            of.providers.iter().map(|one: &Provider| format!("{}: {one}", one.name)).collect::<Vec<_>>()
        };
        self.list("inference.providers", &named(before), &named(after), Kind::Grant, PartialEq::eq);
        self.list("inference.routes", &before.routes, &after.routes, Kind::Grant, Route::covers);
        self.list("inference.grant", &before.grant, &after.grant, Kind::Grant, PartialEq::eq);
        self.list("inference.fields", &before.fields, &after.fields, Kind::Grant, PartialEq::eq);
        let (tokens, requests) = ((before.tokens, after.tokens), (before.requests, after.requests));
        for (key, (old, new)) in [("inference.budget.tokens", tokens), ("inference.budget.requests", requests)] {
            if old != new {
                let widens = old.is_some_and(|old| new.is_none_or(|new| new > old));
                self.push(key, old.map(|old| old.to_string()), new.map(|new| new.to_string()), widens, !widens);
            }
        }
        self.prices(before, after);
    }

    /// What a price does depends on those beside it: more is bought for less, and a model without any is not asked.
    fn prices(&mut self, before: &Inference, after: &Inference) {
        for gone in before.prices.iter().filter(|price| !after.prices.contains(price)) {
            self.push("inference.prices", Some(gone.to_string()), None, true, true);
        }
        for new in after.prices.iter().filter(|price| !before.prices.contains(price)) {
            self.push("inference.prices", None, Some(new.to_string()), true, true);
        }
        let (old, new) = (before.money, after.money);
        if old != new {
            // Amounts of two currencies cannot be told apart by size.
            let same = |old: &Money, new: &Money| old.currency == new.currency;
            let widens = old.is_some_and(|old| new.is_none_or(|new| !same(&old, &new) || new > old));
            let narrows = new.is_some_and(|new| old.is_none_or(|old| !same(&old, &new) || new < old));
            self.push(
                "inference.budget.money",
                old.map(|old| old.to_string()),
                new.map(|new| new.to_string()),
                widens,
                narrows,
            );
        }
    }

    /// Children at all are more than none; a bound is less than no bound.
    fn agents(&mut self, before: Option<&Agents>, after: Option<&Agents>) {
        let (Some(old), Some(new)) = (before, after) else {
            if before != after {
                let shown = |agents: Option<&Agents>| agents.map(ToString::to_string);
                self.push("agents", shown(before), shown(after), after.is_some(), after.is_none());
            }
            return;
        };
        let counts = [
            ("agents.depth", old.depth, new.depth),
            ("agents.children", old.children, new.children),
            ("agents.total", old.total, new.total),
        ];
        for (key, old, new) in counts {
            self.scalar(key, (old, &old.to_string()), (new, &new.to_string()));
        }
        if old.rate != new.rate {
            let (widens, narrows) = (old.rate.and(new.rate) != new.rate, old.rate.and(new.rate) != old.rate);
            self.push("agents.rate", Some(old.rate.to_string()), Some(new.rate.to_string()), widens, narrows);
        }
        for good in Good::ALL {
            let (from, to) = (old.most.shown(good), new.most.shown(good));
            if from != to {
                let both = old.most.and(new.most).shown(good);
                self.push(&format!("agents.{}", good.name()), from.clone(), to.clone(), both != to, both != from);
            }
        }
    }

    fn limits(&mut self, before: &Limits, after: &Limits) {
        for limit in Limit::ALL {
            let (old, new) = (before.get(limit), after.get(limit));
            if old != new {
                let shown = |value: Option<u64>| value.map(|value| print::quantity(limit, value));
                let widens = old.is_some_and(|old| new.is_none_or(|new| new > old));
                self.push(&format!("limits.{}", limit.name()), shown(old), shown(new), widens, !widens);
            }
            match (before.required.contains(&limit), after.required.contains(&limit)) {
                (true, false) => self.push("limits.required", Some(limit.name().into()), None, true, false),
                (false, true) => self.push("limits.required", None, Some(limit.name().into()), false, true),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Protocol, Target};

    fn rule(to: &str) -> Rule {
        Rule::to(Target::parse(to).expect("a target"))
    }

    fn path(text: &str) -> CanonicalPath {
        CanonicalPath::parse(text).expect("a path")
    }

    /// One change of each key, whether it widens, and that its reverse does the opposite.
    #[test]
    fn every_key_is_compared_both_ways() {
        type Edit = fn(&mut Policy);
        let table: [(&str, Edit, bool); 17] = [
            ("files.workspace", |policy| policy.files.workspace = crate::WorkspaceMode::Live, true),
            ("files.read", |policy| policy.files.read.push(path("/usr")), true),
            ("files.write", |policy| policy.files.write.push(path("/usr")), true),
            ("files.hide", |policy| policy.files.hide.push(path("/usr")), false),
            ("files.guard", |policy| policy.files.guard.push(".envrc".into()), false),
            ("env", |policy| drop(policy.environment.insert("A".into(), "b".into())), true),
            ("limits.memory", |policy| policy.limits.memory = Some(1), false),
            ("limits.disk", |policy| policy.limits.disk = Some(1), false),
            ("limits.required", |policy| policy.limits.required = [Limit::Pids].into(), false),
            ("network.default", |policy| policy.network.default = crate::Default::Ask, true),
            ("network.allow", |policy| policy.network.allow.push(rule("a.com")), true),
            ("network.deny", |policy| policy.network.deny.push(rule("a.com")), false),
            ("inference.budget.money", |policy| policy.inference.money = "5 USD".parse().ok(), false),
            ("agents", |policy| policy.agents = Some(Agents::default()), true),
            ("secrets", |policy| policy.secrets.push(crate::SecretRules::default()), false),
            ("record.bodies", |policy| policy.bodies = crate::Bodies::Full, true),
            ("record.bodies", |policy| policy.bodies = crate::Bodies::Hash, false),
        ];
        for (key, change, widens) in table {
            let (before, mut after) = (Policy::default(), Policy::default());
            change(&mut after);
            let there: Vec<_> = diff(&before, &after);
            assert_eq!((there.len(), there[0].key.as_str()), (1, key));
            assert_eq!((there[0].widens, there[0].narrows), (widens, !widens), "{key}");
            let back = &diff(&after, &before)[0];
            assert_eq!((back.widens, back.narrows), (!widens, widens), "{key} back");
        }
        assert!(diff(&Policy::default(), &Policy::default()).is_empty());
    }

    #[test]
    fn more_children_and_less_of_a_bound_widen() {
        type Edit = fn(&mut Agents);
        let with = |edit: Edit| {
            let mut agents =
                Agents { most: crate::Amounts { tokens: Some(5), ..Default::default() }, ..Agents::default() };
            edit(&mut agents);
            Policy { agents: Some(agents), ..Policy::default() }
        };
        let before = with(|_| {});
        let table: [(&str, Edit, bool); 6] = [
            ("agents.depth", |agents| agents.depth = 2, true),
            ("agents.total", |agents| agents.total = 1, false),
            ("agents.rate", |agents| agents.rate.count = 99, true),
            ("agents.tokens", |agents| agents.most.tokens = Some(6), true),
            ("agents.tokens", |agents| agents.most.tokens = None, true),
            ("agents.pids", |agents| agents.most.pids = Some(9), false),
        ];
        for (key, edit, widens) in table {
            for (from, to, widens) in [(&before, &with(edit), widens), (&with(edit), &before, !widens)] {
                let changes = diff(from, to);
                assert_eq!((changes.len(), changes[0].key.as_str()), (1, key));
                assert_eq!((changes[0].widens, changes[0].narrows), (widens, !widens), "{key}");
            }
        }
    }

    /// A rule about requests narrows what another one lets pass unread, whichever of the two came first.
    #[test]
    fn reading_narrows_and_no_longer_reading_widens() {
        let mut unread = Policy::default();
        unread.network.allow = vec![rule("*.a.com")];
        let mut read = unread.clone();
        read.network.deny = vec![Rule {
            protocol: Protocol::Http,
            methods: vec![crate::Method::parse("DELETE").expect("a method")],
            ..rule("x.a.com:80")
        }];
        let ways =
            |from: &Policy, to: &Policy| diff(from, to).iter().map(|one| (one.widens, one.narrows)).collect::<Vec<_>>();
        assert_eq!((ways(&unread, &read), ways(&read, &unread)), (vec![(false, true)], vec![(true, false)]));
        std::mem::swap(&mut read.network.allow, &mut read.network.deny);
        read.network.allow.push(rule("*.a.com"));
        read.network.deny.clear();
        assert_eq!((ways(&unread, &read), ways(&read, &unread)), (vec![(false, true)], vec![(true, false)]));
    }

    #[test]
    fn an_entry_inside_another_changes_nothing() {
        let mut before = Policy::default();
        before.network.allow = vec![rule("*.a.com")];
        before.files.read = vec![path("/usr")];
        let mut after = before.clone();
        after.network.allow.push(rule("x.a.com:443"));
        after.files.read.push(path("/usr/bin"));
        let changes = diff(&before, &after);
        assert_eq!(changes.len(), 2);
        assert!(changes.iter().all(|change| !change.widens && !change.narrows), "{changes:?}");
        after.network.allow = vec![rule("0.0.0.0/0"), rule("10.0.0.1")];
        before.network.allow = vec![rule("0.0.0.0/0")];
        assert!(diff(&before, &after).iter().any(|change| change.widens), "a special address is named only by itself");
    }
}
