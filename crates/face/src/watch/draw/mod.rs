//! The screen as cells. Whatever an agent wrote came through [`crate::words`] before it is put into one.

mod queue;
mod sessions;

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Modifier, Style};

use super::model::Now;
use super::screen::{LEAST, Of, Over, Screen, Sure, Typed, View, named};
use crate::columns::{fit, width, wrapped};
use crate::show::card;
use crate::words;

/// Most lines of a message.
const MESSAGE: usize = 3;
const HINTS: &str = "? keys  q quit  Enter in  a answer  w why  f freeze  K stop  d detail  / filter";
const PAGE_HINTS: &str = "Escape back  j/k, PgUp/PgDn read  y copy the id  ? keys  q quit";

/// How things are told apart beside their words: never by colour alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    pub(super) colour: bool,
}

impl Paint {
    fn head(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn care(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.colour { style.fg(Color::Yellow) } else { style }
    }

    fn bad(self) -> Style {
        if self.colour { Style::new().fg(Color::Red) } else { Style::new() }
    }
}

/// Draws all of it.
pub(super) fn draw(screen: &mut Screen, buffer: &mut Buffer, now: Now, paint: Paint) {
    let area = buffer.area;
    screen.size = (area.width, area.height);
    if screen.small() {
        let text = format!("{}x{} is too small: {}x{} at least; q quits", area.width, area.height, LEAST.0, LEAST.1);
        for (line, y) in wrapped(&text, area.width).iter().zip(0..area.height) {
            put(buffer, (0, y), area.width, line, Style::new());
        }
        return;
    }
    screen.look_after(now);
    head(screen, buffer, now, paint);
    let message = screen.message.as_deref().map(|text| wrapped(text, area.width)).unwrap_or_default();
    let lines = u16::try_from(message.len().min(MESSAGE)).unwrap_or(0);
    let foot = area.height - 1;
    for (line, y) in message.iter().zip(foot - lines..foot) {
        put(buffer, (0, y), area.width, line, paint.care());
    }
    let body = Rect { y: 1, height: foot - lines - 1, ..area };
    let hints = match &mut screen.over {
        Some(_) => over(screen, buffer, body, now, paint),
        None => {
            view(screen, buffer, body, now, paint);
            if matches!(screen.view, View::Page(_)) { PAGE_HINTS } else { HINTS }.to_owned()
        }
    };
    let (hints, style) = match (&screen.typed, &screen.over) {
        (Some(Typed::Command(text)), _) => (format!(":{}_", words::line(text, 80)), paint.head()),
        (Some(Typed::Filter(text)), _) => (format!("/{}_", words::line(text, 80)), paint.head()),
        (None, Some(_)) => (hints, paint.care()),
        (None, None) => (hints, Style::new()),
    };
    put(buffer, (0, foot), area.width, &hints, style);
}

fn head(screen: &Screen, buffer: &mut Buffer, now: Now, paint: Paint) {
    let asks = screen.model.questions(now).len();
    let asks = if asks == 0 { String::new() } else { format!("  {asks} wait for an answer") };
    let reads = if screen.reads_only() { "  read-only" } else { "" };
    let right = format!("{asks}{reads}");
    let room = buffer.area.width.saturating_sub(width(&right));
    put(buffer, (0, 0), room, &format!("bastide watch  {}", title(screen)), paint.head());
    put(buffer, (room, 0), buffer.area.width - room, &right, paint.care());
}

fn title(screen: &Screen) -> String {
    let filtered = |filter: &str| match filter {
        "" => String::new(),
        filter => format!(" with {}", words::quoted(filter.as_bytes(), 20)),
    };
    match &screen.view {
        View::Sessions if !screen.model.whole => "asks the plane…".to_owned(),
        View::Sessions => {
            let (running, ended) = screen.model.count();
            format!("sessions{}: {running} running, {ended} ended", filtered(&screen.sessions.filter))
        }
        View::Queue => format!("queue{}", filtered(&screen.queue.filter)),
        View::Timeline => {
            let timeline = &screen.timeline;
            let name = timeline.session.as_deref().map(|id| named(&screen.model, id)).unwrap_or_default();
            let how = match (timeline.over, timeline.follows) {
                (true, _) => ", ended",
                (_, true) => ", following",
                _ => ", G follows",
            };
            format!("timeline of {name}{}{how}", filtered(&timeline.list.filter))
        }
        View::Page(page) => page.title.clone(),
    }
}

fn view(screen: &mut Screen, buffer: &mut Buffer, area: Rect, now: Now, paint: Paint) {
    match screen.view {
        View::Sessions => sessions::draw(screen, buffer, area, now, paint),
        View::Queue => queue::draw(screen, buffer, area, now, paint),
        View::Timeline => timeline(screen, buffer, area, paint),
        View::Page(ref mut page) => {
            let lines = wrapped(&page.text, area.width);
            let most = lines.len().saturating_sub(usize::from(area.height));
            (page.lines, page.top) = (most, page.top.min(most));
            read(buffer, area, &lines, page.top);
        }
    }
}

fn timeline(screen: &mut Screen, buffer: &mut Buffer, area: Rect, paint: Paint) {
    let count = screen.timeline.shown().len();
    let window = screen.timeline.list.window(count, usize::from(area.height));
    let shown = screen.timeline.shown();
    if shown.is_empty() {
        put(buffer, (area.x, area.y), area.width, "  no event yet", Style::new());
    }
    for (told, y) in shown[window].iter().zip(area.y..) {
        let chosen = screen.timeline.list.chosen() == Some(&told.id);
        let line = format!("{} {} {:<5} {}", if chosen { ">" } else { " " }, told.time, told.id, told.text);
        put(buffer, (area.x, y), area.width, &line, if chosen { paint.chosen() } else { Style::new() });
    }
}

/// What is asked, and the keys for it.
fn over(screen: &mut Screen, buffer: &mut Buffer, area: Rect, now: Now, paint: Paint) -> String {
    let id = match &screen.over {
        Some(Over::Sure(Sure { of: Of::Stop(session), .. })) => {
            let (mut name, below) = (named(&screen.model, session), screen.model.below(session));
            // Two may have the same name.
            if name != *session {
                name = format!("{name} ({})", words::line(session, 16));
            }
            let below = if below == 0 { String::new() } else { format!(" and {below} below") };
            view(screen, buffer, area, now, paint);
            return format!("stop {name}{below}? y/n");
        }
        Some(Over::Sure(Sure { of: Of::Always(id), .. })) => id.clone(),
        Some(Over::Card(asked)) => asked.id.clone(),
        None => return String::new(),
    };
    let card = screen.card(&id, now);
    let sure = matches!(screen.over, Some(Over::Sure(_)));
    let Some(asked) = screen.over.as_mut().and_then(Over::card) else { return String::new() };
    let card = card.filter(|_| !asked.gone).map(|card| asked.as_it_stood(card));
    let text = card.as_ref().map_or_else(
        || {
            format!(
                "question {}\n\nIt waits no more: it was answered, its time is over, or it changed.\n",
                words::line(&id, 40)
            )
        },
        |card| card::one(card, card::WIDTH),
    );
    let lines = wrapped(&text, area.width);
    let most = lines.len().saturating_sub(usize::from(area.height));
    asked.top = asked.top.min(most);
    asked.seen |= asked.top == most;
    read(buffer, area, &lines, asked.top);
    let more = if asked.top < most { "PgDn: more  " } else { "" };
    match card {
        Some(_) if sure => "make it a rule of the session's policy? y/n".to_owned(),
        Some(card) => format!("{more}{}, n next, q back", card::answers(&card)),
        None => "n next, q back".to_owned(),
    }
}

/// Lines from one on.
fn read(buffer: &mut Buffer, area: Rect, lines: &[String], top: usize) {
    for (line, y) in lines.iter().skip(top).zip(area.y..area.y + area.height) {
        put(buffer, (area.x, y), area.width, line, Style::new());
    }
}

/// A text in so many columns: what does not fit is told by `…`.
fn put(buffer: &mut Buffer, (x, y): (u16, u16), room: u16, text: &str, style: Style) {
    buffer.set_stringn(x, y, fit(text, room), usize::from(room), style);
    if style.add_modifier.contains(Modifier::REVERSED) {
        buffer.set_style(Rect { x, y, width: room, height: 1 }, style);
    }
}
