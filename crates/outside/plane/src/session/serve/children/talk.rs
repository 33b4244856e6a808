//! Words between a session and its sub-agents, and the labels that they carry.

use std::time::{Duration, Instant};

use policy::Label;
use record::Kind;
use wire::command::{ChildWord, Order, Reply};
use wire::petition::{Answer, Child, ChildResult, ChildState, Denial, Message, Reason, Sender, Wait};

use super::super::Session;
use super::{MOST_STATES, cut_short, join, no_such, shown, standing};
use crate::session::children::{Stage, Waiting};

impl Session<'_> {
    pub(super) fn wait_for(&mut self, number: u64, wait: Wait) -> Option<Answer> {
        if let Some(Child(child)) = wait.child
            && !self.children.kids.contains_key(&child)
        {
            return Some(no_such(child));
        }
        if wait.seconds.get() == 0 || self.children.has_news(wait) {
            return Some(self.news(wait));
        }
        let until = Instant::now() + Duration::from_secs(wait.seconds.get().into());
        self.children.waiting.push(Waiting { number, wait, until });
        None
    }

    /// Answers those who wait for what there is now, or have waited long enough.
    pub(super) fn tell_news(&mut self) {
        let now = Instant::now();
        let mut at = 0;
        while let Some(waiting) = self.children.waiting.get(at) {
            if waiting.until <= now || self.children.has_news(waiting.wait) {
                let Waiting { number, wait, .. } = self.children.waiting.remove(at);
                let answer = self.news(wait);
                self.answer_petition(number, answer);
            } else {
                at += 1;
            }
        }
    }

    pub(super) fn news(&mut self, wait: Wait) -> Answer {
        let mut children = Vec::new();
        for (number, kid) in &mut self.children.kids {
            if wait.child.is_none_or(|Child(child)| child == *number) {
                kid.was_told |= kid.is_over();
                let words = kid.report.as_ref().map(|(words, _)| words.clone());
                let labels = if words.is_some() { kid.labels.clone() } else { Vec::new() };
                children.push(ChildState { child: Child(*number), standing: standing(kid), words, labels });
            }
        }
        // The newest: an answer is bounded.
        let first = children.len().saturating_sub(MOST_STATES);
        let messages: Vec<Message> = self.children.inbox.drain(..).collect();
        let answer = Answer::News { children: children.split_off(first), messages };
        self.take_over(&answer);
        answer
    }

    /// What a child said is known to this session from here on: its gates look for it under the child's labels.
    pub(super) fn take_over(&mut self, answer: &Answer) {
        let said: Vec<(String, Vec<Label>)> = match answer {
            Answer::News { children, messages } => {
                let states = children.iter().filter_map(|one| Some((one.words.clone()?, one.labels.clone())));
                states.chain(messages.iter().map(|one| (one.words.clone(), one.labels.clone()))).collect()
            }
            Answer::Result(result) => {
                let texts = result.words.iter().chain(&result.patch);
                texts.map(|text| (text.clone(), result.labels.clone())).collect()
            }
            _ => return,
        };
        let found = said.into_iter().flat_map(|(text, labels)| {
            let of = move |label: Label| wire::Labelled {
                label,
                source: "the words of a sub-agent".into(),
                text: text.clone(),
                exact: text.trim().len() < 2 * sense::LEAST,
            };
            labels.into_iter().map(of).collect::<Vec<_>>()
        });
        let found: Vec<wire::Labelled> = found.filter(|one| !self.door.labelled.contains(one)).collect();
        if found.is_empty() {
            return;
        }
        self.hear_labels(found.iter().map(|one| one.label.clone()).collect(), "the words of a sub-agent");
        // The gate that carries the answer takes them from it; one that succeeds it has them in its lease.
        self.door.labelled.extend(found);
    }

    /// Labels of words that the session hears: recorded before it does, so that what it leaves behind carries them.
    fn hear_labels(&mut self, labels: Vec<Label>, from: &str) {
        let house = &mut self.children.house;
        let mut new: Vec<Label> = labels.into_iter().filter(|label| !house.labels.contains(label)).collect();
        new.sort();
        new.dedup();
        if new.is_empty() {
            return;
        }
        let list = |value: bool| {
            let of = new.iter().filter(|label| house.values.contains(label) == value);
            of.map(|label| label.as_str().to_owned()).collect()
        };
        let carried = Kind::Carried { labels: list(false), values: list(true), from: vec![from.to_owned()] };
        join(&mut house.labels, new);
        if self.ledger.write(carried).is_err() {
            // What it would leave behind could not be told from what it left before.
            self.cell.order(plan::Order::Kill);
        }
    }

    pub(super) fn send_down(&mut self, Child(child): Child, words: &str, read: &[Label]) -> Answer {
        let labels = self.labels(read);
        match self.children.kids.get_mut(&child) {
            Some(kid) if kid.stage == Stage::Running => {
                kid.tell(&Order::Message { words: words.to_owned(), labels });
                Answer::Done
            }
            Some(_) => Answer::Denied(Denial::new(Reason::NotNow, "it does not run", "`wait` tells how it stands")),
            None => no_such(child),
        }
    }

    pub(super) fn send_up(&mut self, words: &str, read: &[Label]) -> Answer {
        if !self.children.house.is_child {
            let why = "nobody asked for this session but the operator";
            return Answer::Denied(Denial::new(Reason::NoSuch, why, "`report` is shown to him"));
        }
        let labels = self.labels(read);
        self.client.reply(&Reply::Child(ChildWord::Message { words: words.to_owned(), labels }));
        Answer::Done
    }

    /// What a sub-agent reports, its parent hears.
    pub(in crate::session::serve) fn report_up(&mut self, words: &str, result: bool, read: &[Label]) {
        if self.children.house.is_child {
            let labels = self.labels(read);
            self.client.reply(&Reply::Child(ChildWord::Report { words: words.to_owned(), result, labels }));
        }
    }

    /// A message of the parent's, for whoever is inside.
    pub(in crate::session::serve) fn message_from_above(&mut self, words: String, labels: Vec<Label>) {
        self.hear_labels(labels.clone(), "the words of its parent");
        self.children.receive(Message { from: Sender::Parent, words: cut_short(words), labels });
        self.tell_news();
    }

    pub(super) fn result(&mut self, Child(child): Child) -> Answer {
        let Some(kid) = self.children.kids.get_mut(&child) else { return no_such(child) };
        if !kid.is_over() {
            let why = "it has not ended";
            return Answer::Denied(Denial::new(Reason::NotNow, why, "`wait` until it has"));
        }
        kid.was_told = true;
        let end = kid.end.clone().unwrap_or_default();
        let reported = kid.report.as_ref().filter(|(_, result)| *result).map(|(words, _)| words.clone());
        let answer = Answer::Result(Box::new(ChildResult {
            child: Child(child),
            standing: standing(kid),
            words: reported.or(end.words),
            changed: end.changed,
            patch: end.patch,
            used: shown(&end.used),
            labels: kid.labels.clone(),
        }));
        self.take_over(&answer);
        answer
    }

    pub(super) fn cancel(&mut self, Child(child): Child) -> Answer {
        match self.children.kids.get(&child) {
            Some(kid) => {
                kid.dismiss();
                Answer::Done
            }
            None => no_such(child),
        }
    }
}
