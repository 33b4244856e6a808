//! Words of other agents that a session heard under labels: its gates look for them in what leaves. Each is kept once, with all
//! labels that it carries, and within bounds: how much agents say must decide neither whether a gate takes its lease nor whether
//! a sub-agent begins. Words for which there is no room are for the caller to hold back: nobody hears what would not be known.

use std::collections::BTreeMap;

use policy::Label;
use wire::Words;

/// Bytes that all of them may take in a message to a gate or another plane, beside what else is labelled (`labels/texts.rs`).
const FRAME: usize = 2 << 20;
/// Bytes of text that a gate may have to look for on their account: each under each of its labels.
const LOOKED_FOR: usize = 3 << 20;
/// The share of both that a session has beside what it began with.
const OWN: usize = 8;

/// What a session heard.
#[derive(Debug)]
pub(in crate::session) struct Heard {
    words: BTreeMap<String, Words>,
    size: Size,
    bound: Size,
}

#[derive(Debug, Clone, Copy, Default)]
struct Size {
    frame: usize,
    looked_for: usize,
}

impl Size {
    fn of(words: &Words) -> Size {
        let frame = wire::encode(words).map_or(usize::MAX, |frame| frame.len());
        Size { frame, looked_for: words.text.len().saturating_mul(words.labels.len()) }
    }

    fn and(self, other: Size) -> Size {
        let (frame, looked_for) =
            (self.frame.saturating_add(other.frame), self.looked_for.saturating_add(other.looked_for));
        Size { frame, looked_for }
    }

    const fn less(self, other: Size) -> Size {
        let (frame, looked_for) =
            (self.frame.saturating_sub(other.frame), self.looked_for.saturating_sub(other.looked_for));
        Size { frame, looked_for }
    }

    const fn is_within(self, bound: Size) -> bool {
        self.frame <= bound.frame && self.looked_for <= bound.looked_for
    }
}

impl Default for Heard {
    fn default() -> Heard {
        let bound = Size { frame: FRAME, looked_for: LOOKED_FOR };
        Heard { words: BTreeMap::new(), size: Size::default(), bound }
    }
}

impl Heard {
    /// What a session begins with: all of it, and room for more.
    pub(in crate::session) fn of(begins: Vec<Words>) -> Heard {
        let mut heard = Heard::default();
        for words in begins {
            heard.begin_with(&words.text, &words.labels, &words.source);
        }
        heard
    }

    /// The same of one text, whose length the petition bounds that says it.
    pub(in crate::session) fn begin_with(&mut self, text: &str, labels: &[Label], source: &str) {
        self.bound = Size { frame: usize::MAX, looked_for: usize::MAX };
        self.take(text, labels, source);
        self.bound = Size {
            frame: FRAME.max(self.size.frame.saturating_add(FRAME / OWN)),
            looked_for: LOOKED_FOR.max(self.size.looked_for.saturating_add(LOOKED_FOR / OWN)),
        };
    }

    /// Knows a text under these labels from here on, beside those that it has; false where there is no room for that.
    pub(in crate::session) fn take(&mut self, text: &str, labels: &[Label], source: &str) -> bool {
        let before = self.words.get(text);
        let mut after = before.cloned().unwrap_or_else(|| unlabelled(text, source));
        after.labels.extend(labels.iter().cloned());
        after.labels.sort();
        after.labels.dedup();
        if after.labels.is_empty() || before.is_some_and(|before| before.labels == after.labels) {
            return true;
        }
        let size = self.size.less(before.map(Size::of).unwrap_or_default()).and(Size::of(&after));
        if !size.is_within(self.bound) {
            return false;
        }
        self.size = size;
        self.words.insert(text.to_owned(), after);
        true
    }

    /// All of it.
    pub(in crate::session) fn all(&self) -> impl Iterator<Item = &Words> {
        self.words.values()
    }
}

/// Words that carry nothing yet.
fn unlabelled(text: &str, source: &str) -> Words {
    let exact = text.trim().len() < 2 * sense::LEAST;
    Words { text: text.to_owned(), labels: Vec::new(), source: source.to_owned(), exact }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<Label> {
        names.iter().map(|name| Label::parse(name).expect("a label")).collect()
    }

    #[test]
    fn a_text_is_kept_once_with_all_of_its_labels_and_nothing_without_one() {
        let mut heard = Heard::default();
        let both = labels(&["secret:a", "secret:b"]);
        assert!(heard.take("said", &both[1..], "a child") && heard.take("said", &both[..1], "another"));
        assert!(heard.take("said", &both, "a child") && heard.take("free", &[], "a child"));
        let all: Vec<_> = heard.all().collect();
        assert!(all.len() == 1 && all[0].labels == both && all[0].source == "a child", "{all:?}");
        assert!(all[0].exact, "so short that it is looked for whole");
    }

    /// Whatever is said, and under however many labels: what is taken is within the bounds, and what is not leaves no trace.
    #[test]
    fn no_words_make_a_message_too_long_and_none_is_known_under_fewer_labels_than_it_came_with() {
        let many: Vec<String> = (0..64).map(|number| format!("secret:label-{number}")).collect();
        let many = labels(&many.iter().map(String::as_str).collect::<Vec<_>>());
        for (filler, labels) in [("x", &many[..1]), ("\u{1}", &many[..2]), ("x", &many[..])] {
            let mut heard = Heard::default();
            let text = |number: usize| format!("{number} {}", filler.repeat(16_000));
            let taken = (0..1000).take_while(|number| heard.take(&text(*number), labels, "a child")).count();
            assert!((1..1000).contains(&taken) && heard.all().count() == taken, "{taken}");
            let all: Vec<Words> = heard.all().cloned().collect();
            assert!(wire::encode(&all).expect("a frame").len() <= FRAME + 1024);
            assert!(all.iter().all(|words| words.labels.len() == labels.len()));
            assert!(all.iter().map(|words| words.text.len() * words.labels.len()).sum::<usize>() <= LOOKED_FOR);
            // One that is known may be heard again, and not under more than there is room for.
            assert!(heard.take(&text(0), labels, "a child"));
            // Who begins with all of it still hears a little.
            let mut below = Heard::of(all);
            assert!(below.take("a message of the parent's", labels, "its parent"));
            assert!((0..1000).any(|number| !below.take(&text(2000 + number), labels, "its parent")));
        }
    }
}
