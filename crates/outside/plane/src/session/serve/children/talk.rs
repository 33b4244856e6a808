//! Words between a session and its sub-agents, and the labels that they carry.

use std::time::{Duration, Instant};

use policy::Label;
use record::Kind;
use wire::command::{ChildWord, Order, Reply};
use wire::petition::{Answer, Child, ChildResult, ChildState, Denial, Message, Reason, Sender, Wait};

use super::super::{Course, Session};
use super::{MOST_STATES, cancelled, cut_short, join, no_such, shown, standing};
use crate::session::children::{Stage, Waiting, said};

/// Bytes that messages may take in an answer, and again words of children.
const NEWS: usize = 2 << 20;
/// Whose words they are, for people.
const CHILDREN: &str = "the words of a sub-agent";
/// What stands in the place of words that this session would not know again.
const HELD_BACK: &str = "(held back: with what was heard before, these are more labelled words than can be kept apart; the \
                         operator sees them with the sub-agent's session)";
/// What stands in the place of those that an answer has no room for.
const LEFT_OUT: &str = "(left out: too long beside the others; `wait` for this sub-agent alone)";

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

    /// What there is now, as far as one answer holds it: messages that do not fit are given the next time.
    pub(super) fn news(&mut self, wait: Wait) -> Answer {
        let mut messages = self.children.next_messages(NEWS);
        for Message { words, labels, .. } in &mut messages {
            self.take_over(words, labels);
        }
        let meant = |number: &u32| wait.child.is_none_or(|Child(child)| child == *number);
        let mut children = Vec::new();
        // The newest: an answer is bounded.
        for (number, kid) in self.children.kids.iter_mut().rev().filter(|(number, _)| meant(number)).take(MOST_STATES) {
            kid.was_told |= kid.is_over();
            let words = kid.report.as_ref().map(|(words, _)| words.clone());
            let labels = if words.is_some() { kid.labels.clone() } else { Vec::new() };
            children.push(ChildState { child: Child(*number), standing: standing(kid), words, labels });
        }
        children.reverse();
        let mut room = NEWS;
        for ChildState { words, labels, .. } in &mut children {
            let Some(words) = words else { continue };
            match room.checked_sub(said(words)) {
                Some(left) => {
                    room = left;
                    self.take_over(words, labels);
                }
                None => hold_back(words, labels, LEFT_OUT),
            }
        }
        Answer::News { children, messages }
    }

    /// What a child said is known to this session from here on: its gates look for it under the child's labels. Where that
    /// cannot be, its words are held back instead.
    fn take_over(&mut self, words: &mut String, labels: &mut Vec<Label>) {
        // The gate that carries the answer takes them from it; one that succeeds it has them in its lease.
        if self.door.heard.take(words, labels, CHILDREN) {
            self.hear_labels(labels.clone(), CHILDREN);
        } else {
            hold_back(words, labels, HELD_BACK);
        }
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
                if kid.pass_on(&Order::Message { words: words.to_owned(), labels }) {
                    return Answer::Done;
                }
                let why = "it did not take what was sent before";
                Answer::Denied(Denial::new(Reason::NotNow, why, "send it again later"))
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
        let mut result = ChildResult {
            child: Child(child),
            standing: standing(kid),
            words: reported.or(end.words),
            changed: end.changed,
            unlisted: end.unlisted,
            patch: end.patch,
            used: shown(&end.used),
            labels: kid.labels.clone(),
        };
        // What it changed carries them, too, and what it called that.
        self.hear_labels(result.labels.clone(), CHILDREN);
        let names = result.changed.iter_mut().map(|changed| &mut changed.path);
        for text in [&mut result.words, &mut result.patch].into_iter().flatten().chain(names) {
            self.take_over(text, &mut result.labels.clone());
        }
        Answer::Result(Box::new(result))
    }

    /// Ends a child; one that has not begun never does.
    pub(super) fn cancel(&mut self, course: &mut Course, Child(child): Child) -> Answer {
        let Some(kid) = self.children.kids.get_mut(&child) else { return no_such(child) };
        kid.dismiss();
        if kid.stage == Stage::Reserving {
            self.not_begun(course, child, cancelled());
        }
        Answer::Done
    }
}

/// Nothing of them is given, so nothing that they carry is.
fn hold_back(words: &mut String, labels: &mut Vec<Label>, why: &str) {
    why.clone_into(words);
    labels.clear();
}
