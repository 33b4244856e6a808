//! Sessions as a tree, a line each: how it stands, what it did, and how much of its budget is used up.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Style;
use wire::command::{SessionState, Share, Watched};

use super::{Paint, put};
use crate::columns::{fit, width};
use crate::show;
use crate::watch::model::Now;
use crate::watch::screen::Screen;
use crate::words;

/// A column: its head, its least width, the most that it takes of what is left, and in which order it is left out where
/// there is no room.
struct Column {
    what: What,
    head: &'static str,
    least: u16,
    most: u16,
    rank: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Session,
    State,
    Age,
    Agent,
    Workspace,
    Allowed,
    Refused,
    Asks,
    Risk,
    Budget,
}

const COLUMNS: [Column; 10] = [
    column(What::Session, "SESSION", (17, 40), 0),
    column(What::State, "STATE", (7, 7), 0),
    column(What::Age, "AGE", (4, 4), 2),
    column(What::Agent, "AGENT", (7, 16), 3),
    column(What::Workspace, "WORK", (8, 30), 4),
    column(What::Allowed, "OK", (5, 7), 2),
    column(What::Refused, "NO", (5, 7), 1),
    column(What::Asks, "ASKS", (7, 9), 0),
    column(What::Risk, "RISK", (4, 4), 0),
    column(What::Budget, "BUDGET", (10, GAUGE), 1),
];

const fn column(what: What, head: &'static str, (least, most): (u16, u16), rank: u8) -> Column {
    Column { what, head, least, most, rank }
}

/// Columns of a gauge that says what it is of.
const GAUGE: u16 = 20;
/// Before the first column: what is chosen.
const MARK: u16 = 2;

pub(super) fn draw(screen: &mut Screen, buffer: &mut Buffer, area: Rect, now: Now, paint: Paint) {
    let ids = screen.session_ids();
    // A column that most operators never need.
    let risky = screen.model.tree().iter().any(|(one, _)| risk(one) > 0);
    let columns = columns(area.width, risky);
    let mut x = area.x + MARK;
    for (column, room) in &columns {
        put(buffer, (x, area.y), *room, &aligned(column.what, column.head, *room), paint.head());
        x += room + 1;
    }
    let window = screen.sessions.window(ids.len(), usize::from(area.height - 1));
    let tree = screen.model.tree();
    let shown: Vec<_> =
        tree.iter().filter(|(one, _)| screen.shows(one)).skip(window.start).take(window.len()).collect();
    if shown.is_empty() && screen.model.whole {
        let text = match screen.sessions.filter.as_str() {
            "" => "no sessions; `bastide run -- CMD` begins one",
            _ => "none with these words; Escape shows all",
        };
        put(buffer, (area.x + MARK, area.y + 1), area.width - MARK, text, Style::new());
    }
    for ((one, depth), y) in shown.into_iter().zip(area.y + 1..) {
        let chosen = screen.sessions.chosen() == Some(&one.session.id);
        if chosen {
            put(buffer, (area.x, y), area.width, ">", paint.chosen());
        }
        let mut x = area.x + MARK;
        for (column, room) in &columns {
            let text = aligned(column.what, &cell(one, *depth, column.what, *room, now), *room);
            let style = if chosen { paint.chosen() } else { style(one, column.what, now, paint) };
            put(buffer, (x, y), *room, &text, style);
            x += room + 1;
        }
    }
}

/// Those that fit, and how wide each is.
fn columns(all: u16, risky: bool) -> Vec<(&'static Column, u16)> {
    let need = |columns: &[&Column]| MARK + columns.iter().map(|column| column.least + 1).sum::<u16>() - 1;
    let mut chosen: Vec<&Column> = COLUMNS.iter().filter(|column| risky || column.what != What::Risk).collect();
    while need(&chosen) > all && chosen.len() > 1 {
        // Of those that matter least, the last.
        let rank = chosen.iter().map(|column| column.rank).max();
        let at = chosen.iter().rposition(|column| Some(column.rank) == rank).unwrap_or(0);
        chosen.remove(at);
    }
    let mut left = all.saturating_sub(need(&chosen));
    chosen
        .into_iter()
        .map(|column| {
            let more = left.min(column.most - column.least);
            left -= more;
            (column, column.least + more)
        })
        .collect()
}

fn aligned(what: What, text: &str, room: u16) -> String {
    let text = fit(text, room);
    match what {
        What::Age | What::Allowed | What::Refused => {
            format!("{}{text}", " ".repeat(usize::from(room - width(&text))))
        }
        _ => text,
    }
}

fn cell(one: &Watched, depth: usize, what: What, room: u16, now: Now) -> String {
    let session = &one.session;
    let counts = one.counts;
    match what {
        What::Session => {
            let name = session.name.as_deref().unwrap_or(&session.id);
            let branch = if depth == 0 { String::new() } else { format!("{}└ ", "  ".repeat(depth.min(8) - 1)) };
            format!("{branch}{}", words::line(name, 64))
        }
        What::State => show::state(session).to_owned(),
        What::Age => age(session.ended.unwrap_or(now.wall).saturating_sub(session.started) / 1_000_000),
        What::Agent => {
            let program = session.command.first().map_or("", String::as_str);
            words::line(program.rsplit('/').next().unwrap_or(program), 40)
        }
        What::Workspace => {
            let name = session.workspace.file_name().unwrap_or(session.workspace.as_os_str());
            words::line(&name.to_string_lossy(), 60)
        }
        What::Allowed => number(counts.allowed, counts.behind),
        What::Refused => number(counts.refused, counts.behind),
        What::Asks => match session.live.as_ref() {
            Some(live) if live.asks > 0 => format!("{}! {}/h", live.asks, live.asks_hour),
            Some(live) if live.asks_hour > 0 => format!("{}/h", live.asks_hour),
            _ => String::new(),
        },
        What::Risk => match risk(one) {
            0 => String::new(),
            score if one.session.live.as_ref().is_some_and(|live| live.narrowed) => format!("{score}!"),
            score => score.to_string(),
        },
        What::Budget => one.fullest(now.wall).map(|share| gauge(share, room)).unwrap_or_default(),
    }
}

/// How high the risk is, at least 1 where the policy is narrowed for it.
fn risk(one: &Watched) -> u32 {
    one.session.live.as_ref().map_or(0, |live| live.risk.max(u32::from(live.narrowed)))
}

fn style(one: &Watched, what: What, now: Now, paint: Paint) -> Style {
    let asks = one.session.live.as_ref().is_some_and(|live| live.asks > 0);
    let full = || one.fullest(now.wall).is_some_and(|share| share.percent >= 90);
    match what {
        What::Asks if asks => paint.care(),
        What::Risk if one.session.live.as_ref().is_some_and(|live| live.narrowed) => paint.bad(),
        What::State if one.session.state == SessionState::Lost => paint.bad(),
        What::Budget if full() => paint.bad(),
        _ => Style::new(),
    }
}

/// `[##--]  47%`, with what it is of where there is room.
pub(super) fn gauge(share: Share, room: u16) -> String {
    let bars = usize::from(room.clamp(10, 11)) - 6;
    let full = usize::try_from(share.percent).unwrap_or(usize::MAX).min(100) * bars / 100;
    let percent = if share.percent > 999 { ">999".to_owned() } else { format!("{}%", share.percent) };
    let of = if room < GAUGE { String::new() } else { format!(" {}", share.good.name()) };
    format!("[{}{}]{percent:>4}{of}", "#".repeat(full), "-".repeat(bars - full))
}

fn number(count: u64, behind: bool) -> String {
    let text = match count {
        0..10_000 => count.to_string(),
        10_000..1_000_000 => format!("{}k", count / 1000),
        _ => format!("{}M", count / 1_000_000),
    };
    if behind { text + "+" } else { text }
}

/// How long, by its greatest unit.
pub(super) fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", (seconds / 86_400).min(999)),
    }
}
