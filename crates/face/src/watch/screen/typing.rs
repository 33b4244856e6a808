//! Lines that are typed: what a list is filtered by, and commands.

use super::{Screen, Typed, View, help};
use crate::watch::hand::{Effect, Look};
use crate::watch::keys::Key;
use crate::watch::model::Now;
use crate::words;

/// Longest word that is typed.
const TYPED: usize = 60;
const COMMANDS: &str = ":sessions :queue :timeline [SESSION] :detail [SESSION] :help :q";

impl Screen {
    pub(super) fn begin_filter(&mut self) {
        let before = match &self.view {
            View::Sessions => &self.sessions.filter,
            View::Queue => &self.queue.filter,
            View::Timeline => &self.timeline.list.filter,
            View::Page(_) => return self.message = Some("a page has no filter; Escape leaves it".to_owned()),
        };
        self.typed = Some(Typed::Filter(before.clone()));
    }

    pub(super) fn type_on(&mut self, mut typed: Typed, key: Key) -> Option<Effect> {
        let (Typed::Command(text) | Typed::Filter(text)) = &mut typed;
        match key {
            Key::Char(letter) if text.chars().count() < TYPED => text.push(letter),
            Key::Back if text.is_empty() => return None,
            Key::Back => drop(text.pop()),
            Key::Escape => return None,
            Key::Enter => {
                return match typed {
                    Typed::Command(text) => self.command(text.trim()),
                    Typed::Filter(text) => {
                        self.filter(text);
                        None
                    }
                };
            }
            _ => {}
        }
        self.typed = Some(typed);
        None
    }

    fn filter(&mut self, text: String) {
        match self.view {
            View::Sessions => self.sessions.filter = text,
            View::Queue => self.queue.filter = text,
            View::Timeline => self.timeline.list.filter = text,
            View::Page(_) => {}
        }
    }

    fn command(&mut self, text: &str) -> Option<Effect> {
        let (verb, word) = text.split_once(' ').map_or((text, ""), |(verb, word)| (verb, word.trim()));
        self.message = None;
        match verb {
            "" => {}
            "q" | "quit" => return Some(Effect::Quit),
            "sessions" | "s" => self.open(View::Sessions),
            "queue" => self.open(View::Queue),
            "help" | "h" => self.open(View::Page(help())),
            "timeline" | "t" | "detail" => {
                let session = match word {
                    "" => self.subject(Now::default()).or_else(|| self.sessions.chosen().map(str::to_owned)),
                    word => self.model.named(word).map(|one| one.session.id.clone()),
                };
                return match session {
                    Some(session) if verb == "detail" => Some(Effect::Look(Look::Show(session))),
                    Some(session) => self.follow(session),
                    None if word.is_empty() => self.missed(),
                    None => {
                        self.message =
                            Some(format!("no session {}; :sessions lists them", words::quoted(word.as_bytes(), 40)));
                        None
                    }
                };
            }
            other => {
                let other = words::quoted(other.as_bytes(), 20);
                self.message = Some(format!("no command {other}; hint: {COMMANDS}"));
            }
        }
        None
    }
}
