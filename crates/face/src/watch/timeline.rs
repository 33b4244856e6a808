//! The record of one session, as far back as is kept here: newest last.

use std::collections::VecDeque;

use wire::command::LogLine;

use super::list::List;
use crate::show;
use crate::words;

/// Events that are kept: `bastide log` tells all.
const MOST: usize = 5000;
/// Characters of one event's line.
const LINE: usize = 1000;

/// Events of a session.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pub(super) session: Option<String>,
    events: VecDeque<Told>,
    /// Older ones that are not kept.
    pub(super) dropped: u64,
    /// The newest is chosen, whichever that is.
    pub(super) follows: bool,
    /// Nothing follows.
    pub(super) over: bool,
    pub(super) list: List,
}

/// One event.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) id: String,
    /// Its time of the day.
    pub(super) time: String,
    pub(super) text: String,
    line: LogLine,
}

impl Timeline {
    /// That of another session.
    pub(super) fn begin(session: String) -> Timeline {
        Timeline { session: Some(session), follows: true, ..Timeline::default() }
    }

    pub(super) fn take(&mut self, line: LogLine) {
        if self.events.len() == MOST {
            self.events.pop_front();
            self.dropped += 1;
        }
        let time = show::time(line.event.at);
        let time = time.split_once(' ').map_or("", |(_, time)| time.trim_end_matches('Z')).to_owned();
        let (id, text) = (line.id.to_string(), words::line(&line.text, LINE));
        self.events.push_back(Told { id, time, text, line });
    }

    /// Those that are to be shown.
    pub(super) fn shown(&self) -> Vec<&Told> {
        self.events.iter().filter(|told| self.list.filter.is_empty() || self.list.shows(&told.searched())).collect()
    }

    /// The chosen event, as it lies in the record.
    pub(super) fn chosen(&self) -> Option<&Told> {
        let chosen = self.list.chosen()?;
        self.events.iter().find(|told| told.id == chosen)
    }

    /// Chooses the newest, where that is wanted.
    pub(super) fn settle(&mut self) {
        let ids = self.ids();
        if self.follows {
            self.list.choose(&ids, ids.len().saturating_sub(1));
        }
        self.list.settle(&ids);
    }

    pub(super) fn step(&mut self, by: isize) {
        let ids = self.ids();
        self.list.step(&ids, by);
        self.follows = by > 0 && self.list.chosen() == ids.last().map(String::as_str);
    }

    fn ids(&self) -> Vec<String> {
        self.shown().into_iter().map(|told| told.id.clone()).collect()
    }
}

impl Told {
    fn searched(&self) -> String {
        format!("{} {} {}", self.time, self.id, self.text)
    }

    /// All of it, for a page.
    pub(super) fn page(&self) -> String {
        let json = serde_json::to_string_pretty(&self.line).unwrap_or_default();
        format!("{}  {}\n{}\n\n{}\n", self.id, show::time(self.line.event.at), self.text, words::json(&json))
    }
}
