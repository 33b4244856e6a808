//! Sub-agents: sessions beside their parent's, each held by a plane of its own that the parent's starts and listens to.
//!
//! One socket binds the two. The parent is the child's client: its end ends the child at once, whatever killed it. The
//! child's end, told or not, gives back what it did not use up.

mod adopt;
mod agent;
mod draft;
mod end;
mod heard;
mod kid;
mod outlet;
pub(super) mod split;
mod within;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Instant;

use policy::{Amounts, Label};
use rustix::event::PollFd;
use wire::petition::{Child, Message, Wait};

use super::holder::Holder;

pub(super) use adopt::Adopted;
pub(super) use draft::{Asks, Drafted, draft};
pub(super) use end::{tell, used};
pub(super) use heard::Heard;
pub(super) use kid::{Kid, Stage};
pub(super) use outlet::Outlet;
pub(super) use within::Within;

/// Children that ended whose results are kept.
const MOST_RESULTS: usize = 64;
/// Most messages that wait for a session's agent.
const MOST_MESSAGES: usize = 64;

/// What the children of a session are made from, and how they stand.
#[derive(Debug, Default)]
pub(super) struct Children {
    /// What they may use up, and did.
    pub(super) accounts: record::Children,
    pub(super) kids: BTreeMap<u32, Kid>,
    pub(super) waiting: Vec<Waiting>,
    /// Planes that said their last and bring their sessions to disk.
    pub(super) leaving: Vec<Holder>,
    /// Words for whoever is inside.
    pub(super) inbox: VecDeque<Message>,
    pub(super) house: House,
}

/// Microseconds by a clock that nobody sets: how fast children begin does not depend on the other.
pub(super) fn clock() -> u64 {
    let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let micros = since.tv_sec.saturating_mul(1_000_000).saturating_add(since.tv_nsec / 1000);
    u64::try_from(micros).unwrap_or(0)
}

/// What a session hands on.
#[derive(Debug, Default)]
pub(super) struct House {
    /// The operator's variables.
    pub(super) surroundings: Vec<(String, String)>,
    /// Risks that he accepted by name.
    pub(super) accepted: Vec<String>,
    /// How long he may take to answer, and what he answered in writing.
    pub(super) patience: Option<u32>,
    pub(super) answers: Option<PathBuf>,
    pub(super) workspace: PathBuf,
    /// The layers of the workspace as it is seen inside.
    pub(super) lower: PathBuf,
    pub(super) upper: Option<PathBuf>,
    /// Parts of it that may be changed; none is all.
    pub(super) granted: Option<Vec<(PathBuf, bool)>>,
    /// What of the host is seen inside, read-only.
    pub(super) within: Within,
    /// What the session's own parent had read.
    pub(super) labels: Vec<Label>,
    /// Labels of secrets alone that the session began with.
    pub(super) values: Vec<Label>,
    /// Directories of control groups whose bounds are split.
    pub(super) groups: Vec<PathBuf>,
    /// Whether it is a sub-agent itself.
    pub(super) is_child: bool,
    /// Then what was reserved for it.
    pub(super) budget: Option<Amounts>,
}

/// A petition that waits for news.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) wait: Wait,
    pub(super) until: Instant,
}

impl Children {
    /// None yet.
    pub(super) fn of(house: House) -> Children {
        Children { house, ..Children::default() }
    }

    /// What the loop is to wait for.
    pub(super) fn wanted(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.kids.values().filter_map(Kid::wanted)
    }

    /// When somebody has waited long enough. What is paused takes no time to begin.
    pub(super) fn due(&self, paused: bool) -> Option<Instant> {
        let beginning = self.kids.values().filter(|_| !paused).filter_map(Kid::due);
        self.waiting.iter().map(|one| one.until).chain(beginning).min()
    }

    /// Whether one that may be waited for has ended, or there is a message.
    pub(super) fn has_news(&self, wait: Wait) -> bool {
        let ended = |kid: &Kid| kid.is_over() && !kid.was_told;
        let meant = |number: u32| wait.child.is_none_or(|Child(child)| child == number);
        let over = self.kids.iter().any(|(number, kid)| meant(*number) && ended(kid));
        // One that ended before is no news, and waiting for it has no end.
        let long_ago = wait.child.is_some_and(|Child(child)| self.kids.get(&child).is_none_or(Kid::is_over));
        over || long_ago || !self.inbox.is_empty()
    }

    /// Keeps a message; the oldest give way.
    pub(super) fn receive(&mut self, message: Message) {
        if self.inbox.len() >= MOST_MESSAGES {
            self.inbox.pop_front();
        }
        self.inbox.push_back(message);
    }

    /// Takes the oldest messages, as many as fit into so many bytes; the others stay.
    pub(super) fn next_messages(&mut self, mut room: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(left) = self.inbox.front().and_then(|message| room.checked_sub(said(message))) {
            room = left;
            messages.extend(self.inbox.pop_front());
        }
        messages
    }

    /// Tells each that it is to end now; what they say last is still heard.
    pub(super) fn dismiss(&mut self) {
        self.kids.values_mut().for_each(Kid::dismiss);
    }

    /// Keeps what the last of those that ended gave back; of the others only how they ended.
    pub(super) fn forget_old_results(&mut self) {
        let over = self.kids.values_mut().rev().filter(|kid| kid.is_over() && kid.end.is_some());
        for kid in over.skip(MOST_RESULTS) {
            kid.end = None;
            kid.cut = Vec::new();
        }
        self.leaving.retain(Holder::is_there);
    }

    /// Forgets who waits: the gate through which they do is gone, and what they would be told would be lost.
    pub(super) fn forget_who_waits(&mut self) {
        self.waiting.clear();
    }
}

/// Bytes of something in an answer.
pub(super) fn said(what: &impl serde::Serialize) -> usize {
    wire::encode(what).map_or(usize::MAX, |frame| frame.len())
}

/// The paths below a workspace that one of the host's is or holds; an empty one is all of it.
pub(super) fn below(workspace: &Path, paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    paths.filter_map(|path| path.strip_prefix(workspace).ok().map(Path::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use wire::petition::Sender;

    use super::*;

    /// Each byte of it is six in an answer.
    #[test]
    fn messages_that_do_not_fit_into_one_answer_are_told_in_the_next() {
        let mut children = Children::default();
        for number in 0..MOST_MESSAGES {
            let words = format!("{number} {}", "\u{1}".repeat(16_000));
            children.receive(Message { from: Sender::Child(Child(1)), words, labels: Vec::new() });
        }
        let (mut told, mut answers) = (Vec::new(), 0);
        while !children.inbox.is_empty() {
            let messages = children.next_messages(1 << 20);
            assert!(!messages.is_empty() && said(&messages) <= (1 << 20) + 1024);
            told.extend(messages.into_iter().map(|message| message.words));
            answers += 1;
        }
        assert!(answers > 5 && told.len() == MOST_MESSAGES, "{answers} {}", told.len());
        assert!(told.iter().enumerate().all(|(at, words)| words.starts_with(&format!("{at} "))));
    }
}
