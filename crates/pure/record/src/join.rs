//! The join of what a session may have read, told by its record: every event that brings labels adds them, and none takes any
//! away. What a session leaves behind carries it. Since the record comes before the effect, it is known of a session that was
//! killed as well.

use std::collections::BTreeSet;

use crate::event::{Event, Kind, Verdict};

/// What an agent writes is not the operator's word, whatever it read.
pub const AGENT: &str = "untrusted:agent";
/// Something came in from outside.
pub const NETWORK: &str = "untrusted:network";
/// A tool told a model something.
pub const TOOL: &str = "untrusted:tool";
/// What begins so says whose words they are, not who may have them.
pub const UNTRUSTED: &str = "untrusted:";
/// A model was asked, and so told its instructions.
const SYSTEM_PROMPT: &str = "system-prompt";
/// Labels that are told apart; more are no policy's.
const MOST: usize = 256;

/// Labels, as they come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Join {
    labels: BTreeSet<String>,
    values: BTreeSet<String>,
    /// There were more than are told apart, or some are not known any more.
    beyond: bool,
}

impl Join {
    /// Takes an event of either segment, in any order.
    pub fn take(&mut self, event: &Event) {
        match &event.kind {
            Kind::SessionStart { .. } => self.add(AGENT),
            Kind::Carried { labels, values, .. } => {
                labels.iter().for_each(|label| self.add(label));
                values.iter().for_each(|label| self.add_value(label));
            }
            Kind::ChildOf { labels, .. } | Kind::Petition { labels, .. } => {
                // Which of them are of texts the session's own beginning says.
                labels.iter().for_each(|label| self.bring(label));
            }
            // An answer that was read on a connection kept open has no event of its own.
            Kind::Connect { verdict: Verdict::Allowed, .. }
            | Kind::Request { verdict: Verdict::Allowed, .. }
            | Kind::Mcp { verdict: Verdict::Allowed, .. } => self.add(NETWORK),
            Kind::Model { verdict: Verdict::Allowed, .. } => self.add_value(SYSTEM_PROMPT),
            Kind::Said { standing, speaker, .. } if standing == "untrusted" && speaker != "user" => self.add(TOOL),
            _ => {}
        }
    }

    /// Adds a label of texts, or of who wrote them.
    pub fn add(&mut self, label: &str) {
        self.beyond |= self.labels.len() >= MOST && !self.labels.contains(label);
        if self.labels.len() < MOST {
            self.labels.insert(label.to_owned());
        }
    }

    /// Adds a label of which it is not known whether it is of texts. Whose words they are is of every text.
    pub fn bring(&mut self, label: &str) {
        if label.starts_with(UNTRUSTED) { self.add(label) } else { self.add_value(label) }
    }

    fn add_value(&mut self, label: &str) {
        self.beyond |= self.values.len() >= MOST && !self.values.contains(label);
        if self.values.len() < MOST {
            self.values.insert(label.to_owned());
        }
    }

    /// Labels of texts, and of who wrote them.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().map(String::as_str)
    }

    /// Labels of what is known by itself wherever it stands, a secret or a system prompt: those of which nothing says more.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.difference(&self.labels).map(String::as_str)
    }

    /// Adds all of another one.
    pub fn join(&mut self, other: &Join) {
        other.labels.iter().for_each(|label| self.add(label));
        other.values.iter().for_each(|label| self.add_value(label));
        self.beyond |= other.beyond;
    }

    /// Some of what brought labels is not known any more.
    pub const fn lose(&mut self) {
        self.beyond = true;
    }

    /// Whether it holds all that was brought.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        !self.beyond
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::EventId;

    fn kind() -> impl Strategy<Value = Kind> {
        let labels = || proptest::collection::vec("(secret|untrusted):[a-c]", 0..3);
        let verdict = prop_oneof![Just(Verdict::Allowed), Just(Verdict::Refused), Just(Verdict::Asked)];
        let said = prop_oneof![Just("untrusted"), Just("new"), Just("attested")];
        prop_oneof![
            (labels(), labels()).prop_map(|(labels, values)| Kind::Carried { labels, values, from: Vec::new() }),
            labels().prop_map(|labels| Kind::ChildOf {
                session: "s".into(),
                child: 1,
                event: "p1".parse::<EventId>().expect("an id"),
                task: String::new(),
                labels
            }),
            verdict.prop_map(|verdict| Kind::Connect {
                pid: None,
                program: Vec::new(),
                host: "h".into(),
                address: None,
                port: 1,
                verdict,
                rule: None,
                reason: None,
                suggestion: None,
                times: 1
            }),
            said.prop_map(|standing| Kind::Said {
                speaker: "tool".into(),
                form: "text".into(),
                tool: None,
                words: String::new(),
                digest: String::new(),
                standing: standing.into()
            }),
            Just(Kind::GateLost),
        ]
    }

    fn join<'k>(kinds: impl IntoIterator<Item = &'k Kind>) -> Join {
        let mut join = Join::default();
        kinds.into_iter().for_each(|kind| join.take(&Event { seq: 1, at: 0, cause: Vec::new(), kind: kind.clone() }));
        join
    }

    fn all(join: &Join) -> BTreeSet<String> {
        join.labels().chain(join.values()).map(str::to_owned).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Labels are monotone: no event takes any away, whatever came before, and no order of events changes the sum. What
        /// is a text's label stays one.
        #[test]
        fn labels_only_grow_and_no_order_changes_them(kinds in proptest::collection::vec(kind(), 0..12), cut in 0usize..12) {
            let whole = join(&kinds);
            let part = join(&kinds[..cut.min(kinds.len())]);
            prop_assert!(all(&part).is_subset(&all(&whole)));
            prop_assert!(part.labels().all(|label| whole.labels().any(|other| other == label)));
            prop_assert_eq!(&join(kinds.iter().rev()), &whole);
        }

        /// Along the edges: what a session left, the next one begins with, and so leaves; a child has what its parent had.
        #[test]
        fn what_one_session_left_the_next_one_leaves_too(
            first in proptest::collection::vec(kind(), 0..8), second in proptest::collection::vec(kind(), 0..8), child in any::<bool>(),
        ) {
            let before = join(&first);
            let strings = |labels: &mut dyn Iterator<Item = &str>| labels.map(str::to_owned).collect::<Vec<_>>();
            let (labels, values) = (strings(&mut before.labels()), strings(&mut before.values()));
            let edge = match child {
                false => Kind::Carried { labels, values, from: Vec::new() },
                true => Kind::ChildOf {
                    session: "s".into(), child: 1, event: "p1".parse().expect("an id"), task: String::new(),
                    labels: [labels, values].concat(),
                },
            };
            let after = join([&edge].into_iter().chain(&second));
            prop_assert!(all(&before).is_subset(&all(&after)));
        }
    }

    #[test]
    fn a_secrets_label_is_a_texts_too_where_anything_says_so() {
        let labels = |labels: &[&str], values: &[&str]| Kind::Carried {
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            values: values.iter().map(|&label| label.to_owned()).collect(),
            from: Vec::new(),
        };
        let found = join(&[labels(&[], &["secret:env", "secret:x"]), labels(&["secret:x"], &[])]);
        assert_eq!(
            (found.labels().collect::<Vec<_>>(), found.values().collect::<Vec<_>>()),
            (vec!["secret:x"], vec!["secret:env"])
        );
        assert!(found.is_whole());
    }
}
