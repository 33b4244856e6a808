//! `watch`: how all sessions stand, and what changes, to one who stays. Each session that runs is held by one connection
//! to its process, which tells what happens; nothing is asked twice that it told. It only looks: no repair, no event.

mod row;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wire::command::{News, Problem, Reply, SessionState};

use crate::channel::Client;
use crate::problem::{quoted, state};
use crate::store::{self, SessionDirectory, Store};
use row::Row;

/// How often it is looked whether sessions came or went.
const TURN: Duration = Duration::from_secs(1);
/// Connections that are held at once: beyond, a session is listed without what its process says.
const MOST_HELD: usize = 256;
/// How long all sessions may take to be asked in one turn.
const MOST_ASKED: Duration = Duration::from_secs(1);
/// Most of those that ended.
const MOST_ENDED: usize = 1000;
/// A directory that changed so lately may change again without another time.
const TICK: i64 = 2;
/// Looks at a directory without a session in it before it is told of.
const LOOKS: u32 = 10;

/// Tells until the client leaves.
pub(super) fn watch(store: &Store, client: &mut Client, ended: u32) -> Result<Reply, Problem> {
    let ended = usize::try_from(ended).unwrap_or(MOST_ENDED).min(MOST_ENDED);
    let mut watch =
        Watch { store, ended, listed: None, seen: BTreeSet::new(), unread: BTreeMap::new(), rows: Vec::new() };
    watch.look(client)?;
    watch.ask();
    watch.tell(client);
    client.reply(&Reply::News(News::Whole));
    let mut due = Instant::now() + TURN;
    while !client.is_gone() && watch.hear(client, due) {
        if Instant::now() >= due {
            due = Instant::now() + TURN;
            watch.look(client)?;
        }
        watch.ask();
        watch.tell(client);
    }
    Ok(Reply::LogEnd)
}

struct Watch<'s> {
    store: &'s Store,
    ended: usize,
    /// When the directory of sessions changed, as it was read last.
    listed: Option<(i64, i64)>,
    /// Every session that is known, shown or not.
    seen: BTreeSet<String>,
    /// Those that could not be read, and how often that was tried.
    unread: BTreeMap<String, u32>,
    rows: Vec<Row>,
}

impl Watch<'_> {
    /// Finds what came, and forgets what went.
    fn look(&mut self, client: &mut Client) -> Result<(), Problem> {
        let directory = self.store.sessions();
        let meta = fs::metadata(&directory).map_err(|error| state("read", &directory, &error))?;
        let changed = (meta.mtime(), meta.mtime_nsec());
        let settled = i64::try_from(store::now() / 1_000_000).unwrap_or(0) - meta.mtime() > TICK;
        if self.listed == Some(changed) && settled && self.unread.values().all(|tries| *tries >= LOOKS) {
            return Ok(());
        }
        self.listed = Some(changed);
        let ids: BTreeSet<String> = store::ids(self.store)?.0.into_iter().collect();
        self.seen.retain(|id| ids.contains(id));
        self.unread.retain(|id, _| ids.contains(id));
        for row in self.rows.iter().filter(|row| !ids.contains(row.id())) {
            client.reply(&Reply::News(News::Gone { session: row.id().to_owned() }));
        }
        self.rows.retain(|row| ids.contains(row.id()));
        let mut came = Vec::new();
        for id in ids.iter().rev().filter(|id| !self.seen.contains(*id)) {
            match store::session(self.store, id) {
                Ok(session) => came.push(session),
                Err(problem) => {
                    // It may begin just now.
                    let tries = self.unread.entry(id.clone()).or_default();
                    *tries += 1;
                    if *tries == LOOKS {
                        let text = format!("session `{id}` cannot be read: {}", quoted(&problem.cause));
                        client.reply(&Reply::Notice { text });
                    }
                }
            }
        }
        self.take(came);
        Ok(())
    }

    /// Takes those that run, and as many of the others as are shown; of a thousand old ones no more is read.
    fn take(&mut self, came: Vec<SessionDirectory>) {
        let (running, mut others): (Vec<_>, Vec<_>) =
            came.into_iter().partition(|session| session.state() == SessionState::Running);
        for session in running.iter().chain(&others) {
            self.unread.remove(&session.record.id);
            self.seen.insert(session.record.id.clone());
        }
        let lately = |session: &SessionDirectory| {
            (session.record.ended.unwrap_or(session.record.started), session.record.id.clone())
        };
        others.sort_by_cached_key(|session| std::cmp::Reverse(lately(session)));
        others.truncate(self.ended);
        self.rows.extend(running.into_iter().chain(others).map(Row::of));
    }

    /// Asks whom something is to be asked.
    fn ask(&mut self) {
        let until = Instant::now() + MOST_ASKED;
        let mut held = self.rows.iter().filter(|row| row.is_held()).count();
        for row in &mut self.rows {
            if Instant::now() > until {
                return;
            }
            let before = row.is_held();
            if before || held < MOST_HELD {
                row.ask(Instant::now());
            }
            held = held + usize::from(row.is_held()) - usize::from(before);
        }
    }

    /// Tells what is new, and that those are gone which ended longest ago where there are too many.
    fn tell(&mut self, client: &mut Client) {
        let mut ended: Vec<(u64, String)> =
            self.rows.iter().filter(|row| !row.runs()).map(|row| (row.ended(), row.id().to_owned())).collect();
        ended.sort_unstable_by(|one, other| other.cmp(one));
        for (_, id) in ended.drain(self.ended.min(ended.len())..) {
            self.rows.retain(|row| row.id() != id);
            client.reply(&Reply::News(News::Gone { session: id }));
        }
        let now = Instant::now();
        for told in self.rows.iter_mut().filter_map(|row| row.news(now)) {
            client.reply(&Reply::News(News::Session(Box::new(told))));
        }
    }

    /// Waits until something happens or is due, at most until then; false where the client left.
    fn hear(&mut self, client: &Client, due: Instant) -> bool {
        let due = self.rows.iter().filter_map(Row::due).chain([due]).min().unwrap_or(due);
        let left = due.saturating_duration_since(Instant::now());
        let held: Vec<usize> = (0..self.rows.len()).filter(|at| self.rows[*at].is_held()).collect();
        let mut polled = vec![PollFd::new(client, PollFlags::empty())];
        polled.extend(
            held.iter()
                .filter_map(|at| self.rows[*at].socket())
                .map(|one| PollFd::from_borrowed_fd(one, PollFlags::IN)),
        );
        let _ = poll(&mut polled, Timespec::try_from(left).ok().as_ref());
        if polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return false;
        }
        let ready: Vec<usize> = held
            .iter()
            .zip(&polled[1..])
            .filter(|(_, polled)| !polled.revents().is_empty())
            .map(|(at, _)| *at)
            .collect();
        for at in ready {
            self.rows[at].hear(Instant::now());
        }
        true
    }
}
