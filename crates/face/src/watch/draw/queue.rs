//! Questions that wait, the one with the least time left first, and below them the card of the chosen one: the same card as
//! `approve` shows.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Style;
use wire::question::{Card, Risk};

use super::sessions::age;
use super::{Paint, put, read};
use crate::columns::wrapped;
use crate::show::card;
use crate::watch::model::Now;
use crate::watch::screen::Screen;
use crate::words;

pub(super) fn draw(screen: &mut Screen, buffer: &mut Buffer, area: Rect, now: Now, paint: Paint) {
    let cards = screen.cards(now);
    if cards.is_empty() {
        put(buffer, (area.x, area.y), area.width, "  no question waits for an answer", Style::new());
        return;
    }
    put(buffer, (area.x, area.y), area.width, "  ID       LEFT SESSION      WANTS", paint.head());
    // A third of the screen lists; the rest reads.
    let lines = cards.len().min(usize::from(area.height / 3).max(2));
    let window = screen.queue.window(cards.len(), lines);
    let chosen = screen.queue.chosen();
    for (card, y) in cards[window].iter().zip(area.y + 1..) {
        let here = chosen == Some(&card.id);
        let line = format!("{} {}", if here { ">" } else { " " }, line(card));
        let style = match (here, card.risk) {
            (true, _) => paint.chosen(),
            (_, Risk::High) => paint.care(),
            _ => Style::new(),
        };
        put(buffer, (area.x, y), area.width, &line, style);
    }
    let top = area.y + 1 + u16::try_from(lines).unwrap_or(0);
    put(buffer, (area.x, top), area.width, &"─".repeat(usize::from(area.width)), Style::new());
    let below = Rect { y: top + 1, height: area.height.saturating_sub(top + 1 - area.y), ..area };
    let Some(card) = cards.iter().find(|card| chosen == Some(&card.id)) else {
        return put(buffer, (below.x, below.y), below.width, "  nothing is chosen; j and k choose", Style::new());
    };
    let mut text = wrapped(&card::one(card, card::WIDTH), below.width);
    let room = usize::from(below.height);
    if text.len() > room && room > 0 {
        let more = text.len() - room + 1;
        text.truncate(room - 1);
        text.push(format!("  … {more} more lines: Enter"));
    }
    read(buffer, below, &text, 0);
}

fn line(card: &Card) -> String {
    let session = words::line(card.name.as_deref().unwrap_or(&card.session), 12);
    let does =
        card.does.as_deref().map_or_else(|| "a connection".to_owned(), |does| words::quoted(does.as_bytes(), 200));
    let id = words::line(card.short(), 8);
    format!("{id:<8} {:>4} {session:<12} {}:{} {does}", age(card.left), words::line(&card.host, 100), card.port)
}
