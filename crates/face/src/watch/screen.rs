//! The screen as a state machine: what a key or news makes of it. It reads no clock, asks nobody and draws nothing, so
//! that whatever an operator may press at whatever moment can be tried.

mod answering;
mod typing;

use wire::command::{LogLine, News, Watched};
use wire::question::Card;

use super::hand::{Effect, Hand, Look};
use super::keys::Key;
use super::list::List;
use super::model::{Model, Now, runs};
use super::timeline::Timeline;
use crate::words;

/// How long a card or a prompt stands before a key answers it, in milliseconds: what was pressed before it stood there
/// was not meant for it. So long no other key may have come either: one that is held down repeats itself.
pub(super) const PAUSE: u64 = 300;
/// The least that is drawn on, in columns and lines.
pub(super) const LEAST: (u16, u16) = (40, 10);
const READ_ONLY: &str = "read-only: nothing is answered, frozen or stopped from here";
const NOTHING: &str = "nothing is chosen; j and k choose";

/// All of it.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) model: Model,
    hand: Option<Hand>,
    pub(super) view: View,
    before: Vec<View>,
    pub(super) sessions: List,
    pub(super) queue: List,
    pub(super) timeline: Timeline,
    pub(super) over: Option<Over>,
    pub(super) typed: Option<Typed>,
    pub(super) message: Option<String>,
    pub(super) size: (u16, u16),
    /// Changes with every view: what was asked for in another one is no longer waited for.
    pub(super) epoch: u64,
    /// When the last key came, in ticks.
    pressed: Option<u64>,
}

/// What fills the screen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum View {
    Sessions,
    Queue,
    Timeline,
    Page(Page),
}

/// Text to read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) top: usize,
    /// The session that it is about.
    pub(super) session: Option<String>,
    /// The id that is copied.
    pub(super) id: Option<String>,
    /// Lines of it, as it was drawn last.
    pub(super) lines: usize,
}

/// What is asked of the operator above the view.
#[derive(Debug)]
pub(super) enum Over {
    Card(Asked),
    /// A word that cannot be taken back.
    Sure(Sure),
}

/// A card that waits for a key. The answer is to the question of this id, and to no other.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) id: String,
    pub(super) top: usize,
    /// When it stood there first, in ticks.
    pub(super) since: Option<u64>,
    /// With what waiting it stood there then.
    pub(super) stood: Option<answering::Stood>,
    /// All of it was in sight once.
    pub(super) seen: bool,
    /// It waits no more.
    pub(super) gone: bool,
}

/// A question of ours with yes and no.
#[derive(Debug)]
pub(super) struct Sure {
    pub(super) of: Of,
    pub(super) since: Option<u64>,
    /// The card that stood there before.
    back: Option<Asked>,
}

/// What is to be done after a yes.
#[derive(Debug)]
pub(super) enum Of {
    Stop(String),
    Always(String),
}

/// A line that is typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    Command(String),
    Filter(String),
}

impl Over {
    /// The card that stands there, in front or behind.
    pub(super) fn card(&mut self) -> Option<&mut Asked> {
        match self {
            Over::Card(asked) => Some(asked),
            Over::Sure(sure) => sure.back.as_mut(),
        }
    }
}

impl Screen {
    pub(super) fn new(read_only: bool, size: (u16, u16)) -> Screen {
        Screen {
            model: Model::default(),
            hand: Hand::unless(read_only),
            view: View::Sessions,
            before: Vec::new(),
            sessions: List::default(),
            queue: List::default(),
            timeline: Timeline::default(),
            over: None,
            typed: None,
            message: None,
            size,
            epoch: 0,
            pressed: None,
        }
    }

    pub(super) fn reads_only(&self) -> bool {
        self.hand.is_none()
    }

    pub(super) fn small(&self) -> bool {
        self.size.0 < LEAST.0 || self.size.1 < LEAST.1
    }

    /// Takes what the plane tells.
    pub(super) fn news(&mut self, news: News, now: Now) {
        self.model.take(news, now);
    }

    pub(super) fn event(&mut self, line: LogLine) {
        self.timeline.take(line);
    }

    /// What an act came to, or what is wrong: one line.
    pub(super) fn say(&mut self, text: &str) {
        self.message = Some(words::line(text.trim_end(), 400));
    }

    /// A page that was asked for in that epoch: who has gone on meanwhile does not get it under his fingers.
    pub(super) fn page(&mut self, epoch: u64, page: Page) {
        if epoch == self.epoch && self.over.is_none() && self.typed.is_none() {
            self.message = None;
            self.open(View::Page(page));
        }
    }

    /// It was drawn: what stands there from here on may be answered after a while. True where it stood there for the
    /// first time, so that what was typed before is not for it.
    pub(super) fn drawn(&mut self, now: Now) -> bool {
        let small = self.small();
        let since = match &mut self.over {
            Some(Over::Card(asked)) => &mut asked.since,
            Some(Over::Sure(sure)) => &mut sure.since,
            None => return false,
        };
        let first = since.is_none() && !small;
        *since = if small { None } else { since.or(Some(now.ticks)) };
        first
    }

    /// Keys that came at once. Several at once were not pressed one by one, and answer nothing.
    pub(super) fn keys(&mut self, keys: &[Key], now: Now) -> Vec<Effect> {
        if keys.len() > 1 && self.over.is_some() {
            self.pressed = Some(now.ticks);
            return Vec::new();
        }
        keys.iter().flat_map(|key| self.key(*key, now)).collect()
    }

    fn key(&mut self, key: Key, now: Now) -> Option<Effect> {
        let rested = self.pressed.replace(now.ticks).is_none_or(|last| now.ticks.saturating_sub(last) >= PAUSE);
        match key {
            Key::Interrupt => return Some(Effect::Quit),
            Key::Suspend => return Some(Effect::Suspend),
            Key::Redraw => return Some(Effect::Redraw),
            _ if self.small() => return (key == Key::Char('q')).then_some(Effect::Quit),
            _ => {}
        }
        self.look_after(now);
        match self.over.take() {
            Some(Over::Card(asked)) => return self.answered(asked, key, rested, now),
            Some(Over::Sure(sure)) => return self.sure(sure, key, rested, now),
            None => {}
        }
        match self.typed.take() {
            Some(typed) => self.type_on(typed, key),
            None => self.act_on(key, now),
        }
    }

    /// Where nothing is asked and nothing typed.
    fn act_on(&mut self, key: Key, now: Now) -> Option<Effect> {
        self.message = None;
        match key {
            Key::Char('j') | Key::Down => self.step(1, now),
            Key::Char('k') | Key::Up => self.step(-1, now),
            Key::PageDown | Key::Char(' ') => self.step(self.height(), now),
            Key::PageUp => self.step(-self.height(), now),
            Key::Char('g') | Key::Home => self.step(isize::MIN, now),
            Key::Char('G') | Key::End => self.step(isize::MAX, now),
            Key::Enter => return self.enter(now),
            Key::Escape => self.leave(),
            Key::Char('q') => return Some(Effect::Quit),
            Key::Char(':') => self.typed = Some(Typed::Command(String::new())),
            Key::Char('/') => self.begin_filter(),
            Key::Char('?') => self.open(View::Page(help())),
            Key::Char('a') if self.hand.is_none() => self.message = Some(READ_ONLY.to_owned()),
            Key::Char('a') => self.begin_answer(now),
            Key::Char('w') => return self.why(now),
            Key::Char('f') => return self.freeze(now),
            Key::Char('K') => self.begin_stop(now),
            Key::Char('d') => return self.detail(now),
            Key::Char('y') => return self.copy(),
            _ => {}
        }
        None
    }

    /// Lines that a page of a list goes on.
    fn height(&self) -> isize {
        isize::try_from(self.size.1).unwrap_or(24) - 5
    }

    fn step(&mut self, by: isize, now: Now) {
        match &mut self.view {
            View::Sessions => {
                let ids = self.session_ids();
                self.sessions.step(&ids, by);
            }
            View::Queue => {
                let ids = self.question_ids(now);
                self.queue.step(&ids, by);
            }
            View::Timeline => self.timeline.step(by),
            View::Page(page) => page.top = page.top.saturating_add_signed(by).min(page.lines),
        }
    }

    /// Ids of what is shown, in that order.
    pub(super) fn session_ids(&self) -> Vec<String> {
        let shown = self.model.tree().into_iter().filter(|(one, _)| self.shows(one));
        shown.map(|(one, _)| one.session.id.clone()).collect()
    }

    /// Whether a session is among what the filter lets be shown.
    pub(super) fn shows(&self, one: &Watched) -> bool {
        self.sessions.filter.is_empty() || self.sessions.shows(&searched(one))
    }

    /// The questions that are shown, in that order.
    pub(super) fn cards(&self, now: Now) -> Vec<Card> {
        let shows = |card: &Card| {
            let name = card.name.as_deref().unwrap_or_default();
            let does = card.does.as_deref().unwrap_or_default();
            self.queue.shows(&format!("{} {} {name} {}:{} {does}", card.id, card.session, card.host, card.port))
        };
        self.model.questions(now).into_iter().filter(shows).collect()
    }

    fn question_ids(&self, now: Now) -> Vec<String> {
        self.cards(now).into_iter().map(|card| card.id).collect()
    }

    /// The card of a question that waits.
    pub(super) fn card(&self, id: &str, now: Now) -> Option<Card> {
        self.model.questions(now).into_iter().find(|card| card.id == id)
    }

    /// What is chosen is looked for in what is there now; a card whose question waits no more says so.
    pub(super) fn look_after(&mut self, now: Now) {
        let (sessions, questions) = (self.session_ids(), self.question_ids(now));
        self.sessions.settle(&sessions);
        // Of questions none is chosen by itself before anybody looked at them.
        if self.view == View::Queue {
            self.queue.settle(&questions);
        }
        if self.view == View::Timeline {
            self.timeline.settle();
        }
        let id = self.over.as_mut().and_then(Over::card).map(|asked| asked.id.clone());
        let gone = id.is_some_and(|id| self.card(&id, now).is_none());
        if let Some(asked) = self.over.as_mut().and_then(Over::card) {
            asked.gone |= gone;
        }
    }

    /// The session that keys are about.
    pub(super) fn subject(&self, now: Now) -> Option<String> {
        match &self.view {
            View::Sessions => self.sessions.chosen().map(str::to_owned),
            View::Queue => self.card(self.queue.chosen()?, now).map(|card| card.session),
            View::Timeline => self.timeline.session.clone(),
            View::Page(page) => page.session.clone(),
        }
    }

    fn open(&mut self, view: View) {
        self.epoch += 1;
        if self.view == view {
            return;
        }
        let before = std::mem::replace(&mut self.view, view);
        // Each of the lists is there once.
        self.before.retain(|view| *view != before);
        self.before.push(before);
    }

    fn leave(&mut self) {
        let list = match self.view {
            View::Sessions => Some(&mut self.sessions),
            View::Queue => Some(&mut self.queue),
            View::Timeline => Some(&mut self.timeline.list),
            View::Page(_) => None,
        };
        if let Some(list) = list.filter(|list| !list.filter.is_empty()) {
            list.filter.clear();
            return;
        }
        if let Some(before) = self.before.pop() {
            self.epoch += 1;
            self.view = before;
        }
    }

    fn enter(&mut self, now: Now) -> Option<Effect> {
        match &self.view {
            View::Sessions => {
                return match self.sessions.chosen().map(str::to_owned) {
                    Some(session) => self.follow(session),
                    None => self.missed(),
                };
            }
            View::Queue => self.begin_answer(now),
            View::Timeline => match self.timeline.chosen() {
                Some(told) => {
                    let (id, session) = (Some(told.id.clone()), self.timeline.session.clone());
                    let page =
                        Page { title: format!("event {}", told.id), text: told.page(), session, id, ..Page::default() };
                    self.open(View::Page(page));
                }
                None => return self.missed(),
            },
            View::Page(_) => self.step(1, now),
        }
        None
    }

    fn missed(&mut self) -> Option<Effect> {
        self.message = Some(NOTHING.to_owned());
        None
    }

    /// Looks at the record of a session.
    fn follow(&mut self, session: String) -> Option<Effect> {
        let same = self.timeline.session.as_ref() == Some(&session);
        let effect = (!same).then(|| Effect::Follow(session.clone()));
        if !same {
            self.timeline = Timeline::begin(session);
        }
        self.open(View::Timeline);
        effect
    }

    fn detail(&mut self, now: Now) -> Option<Effect> {
        let Some(session) = self.subject(now) else { return self.missed() };
        Some(Effect::Look(Look::Show(session)))
    }

    fn why(&mut self, now: Now) -> Option<Effect> {
        let Some(session) = self.subject(now) else { return self.missed() };
        let event = match &self.view {
            View::Sessions => None,
            View::Queue => match self.queue.chosen().and_then(|id| self.card(id, now)?.causes.into_iter().next()) {
                Some(cause) => Some(cause),
                None => {
                    self.message = Some("nothing is known that led to it".to_owned());
                    return None;
                }
            },
            View::Timeline => match self.timeline.list.chosen() {
                Some(event) => Some(event.to_owned()),
                None => return self.missed(),
            },
            View::Page(page) => page.id.clone().filter(|id| page.session.as_ref() != Some(id)),
        };
        Some(Effect::Look(Look::Why(session, event)))
    }

    fn copy(&mut self) -> Option<Effect> {
        let id = match &self.view {
            View::Sessions => self.sessions.chosen().map(str::to_owned),
            View::Queue => self.queue.chosen().map(str::to_owned),
            View::Timeline => self.timeline.list.chosen().map(str::to_owned),
            View::Page(page) => page.id.clone(),
        };
        // An id is letters, digits and `-`: whatever else it were, it is not for a clipboard.
        let plain =
            |id: &String| id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let Some(id) = id.filter(plain) else { return self.missed() };
        self.message = Some(format!("copied, where the terminal allows it: {id}"));
        Some(Effect::Copy(id))
    }

    // What acts.

    fn freeze(&mut self, now: Now) -> Option<Effect> {
        let Some(session) = self.subject(now) else { return self.missed() };
        let Some(hand) = &self.hand else {
            self.message = Some(READ_ONLY.to_owned());
            return None;
        };
        let one = self.model.get(&session).filter(|one| runs(one));
        let Some(one) = one else {
            self.message = Some("it does not run".to_owned());
            return None;
        };
        let paused = one.session.live.as_ref().is_some_and(|live| live.paused.is_some());
        let (effect, word) =
            if paused { (hand.thaw(&session), "resuming") } else { (hand.freeze(&session), "freezing") };
        self.message = Some(format!("{word} {}…", named(&self.model, &session)));
        Some(effect)
    }
}

/// What a filter is looked for in.
fn searched(one: &Watched) -> String {
    let session = &one.session;
    let name = session.name.as_deref().unwrap_or_default();
    let state = crate::show::state(session);
    format!("{} {name} {state} {} {}", session.id, session.command.join(" "), session.workspace.display())
}

/// What a session is called.
pub(super) fn named(model: &Model, id: &str) -> String {
    let name = model.get(id).and_then(|one| one.session.name.as_deref());
    words::line(name.unwrap_or(id), 40)
}

fn help() -> Page {
    Page { title: "keys".to_owned(), text: HELP.to_owned(), ..Page::default() }
}

const HELP: &str = "\
j k, arrows     choose the next, the one before
g G, PgUp PgDn  the first, the last, a page
Enter           in: a session's timeline, an event, a card
Escape          out; first it takes a filter away
a               show the card of the chosen question, and take a key for it
w               why: an event, what led to a question, a session's last refusal
d               all that is known of the session
f               freeze the session and all below it; again: let it go on
K               stop the session and all below it; asks once
y               copy the id to the clipboard (OSC 52)
/               show only what holds these words
:               :sessions :queue :timeline [SESSION] :detail [SESSION] :help :q
?               this
q, ^C           quit

An answer counts 0.3 s after its card stands there, when the whole card was in
sight, and is to that question alone. What an agent wrote is quoted.
";

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
