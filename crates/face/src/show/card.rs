//! A question as a card: who, what, with which credential, what led to it, care, answers, and last the agent's own words.
//! Whatever an agent chose is quoted, bounded, and one line that nothing in it ends.

use crate::columns::broken;
use crate::words;
use policy::Source;
use wire::question::{Calling, Card, Risk, Say};

/// Columns of a card.
pub(crate) const WIDTH: u16 = 80;
/// The fewest that a card has, however narrow a terminal is.
const LEAST: u16 = 24;
/// Where a line's content begins.
const INDENT: u16 = 10;
/// Characters of what is wanted that stand once more above the keys.
const AGAIN: usize = 160;
/// Characters of one value that are shown.
const MOST: usize = 2400;
/// Programs of a chain that are shown.
const CHAIN: usize = 4;

/// What each key answers. Where a line is cut, the no stays.
pub(crate) const KEYS: [(u8, Say); 5] = [
    (b'd', Say::Deny),
    (b'o', Say::Once),
    (b's', Say::Session { seconds: None, wide: false }),
    (b'w', Say::Session { seconds: None, wide: true }),
    (b'a', Say::Always),
];

/// Every card.
pub(crate) fn all(cards: &[Card]) -> String {
    if cards.is_empty() {
        return "no question waits for an answer\n".to_owned();
    }
    let shown: Vec<String> = cards.iter().map(|card| one(card, WIDTH)).collect();
    let id = cards[0].short_reference();
    format!("{}\n`bastide approve {id} {}` answers\n", shown.join("\n"), options(&cards[0]))
}

/// The options that answer a card, of which none is told that would be refused.
fn options(card: &Card) -> String {
    let option = |say: Say| match say {
        Say::Session { wide: true, .. } if card.call.is_some() => "--source",
        Say::Session { wide: false, .. } if card.call.is_some() => "--value",
        Say::Session { wide: true, .. } => "--session --wide",
        Say::Session { wide: false, .. } => "--session|--for 10m",
        Say::Once => "--once",
        Say::Always => "--always",
        Say::Deny => "--deny",
    };
    let offered: Vec<_> = card.choices.iter().map(|choice| option(choice.answer)).collect();
    offered.join("|")
}

/// One card, at most so many columns wide: a terminal that breaks a line has what goes on begin where rows of ours do.
pub(crate) fn one(card: &Card, width: u16) -> String {
    let mut text = format!("question {}{}\n", words::line(&card.short_reference(), 32), times(card));
    let mut row = |label: &str, value: &str| text.push_str(&wrapped(label, value, width));
    row("session", &session(card));
    row("task", &words::quoted(card.task.join(" ").as_bytes(), 300));
    row("who", &who(card));
    row("wants", &wants(card, MOST));
    match &card.call {
        Some(call) => against(call, &mut row),
        None => {
            let name = |name: &str| words::line(name, 64);
            row("with", &card.credential.as_deref().map_or_else(|| "no credential".to_owned(), name));
        }
    }
    if !card.causes.is_empty() {
        let causes: Vec<String> = card.causes.iter().map(|cause| words::line(cause, 24)).collect();
        let (first, session) = (&causes[0], words::line(&card.session, 64));
        row("led by", &format!("{}; `bastide why {first} {session}`", causes.join(", ")));
    }
    row("care", &care(card));
    for (at, choice) in card.choices.iter().enumerate() {
        let rule = choice.rule.as_deref().map(|rule| words::line(rule, MOST)).unwrap_or_default();
        let covers = match choice.covers {
            0 | 1 => String::new(),
            several => format!("; covers {several} waiting"),
        };
        let name = name(choice.answer, card.call.is_some());
        row(if at == 0 { "answers" } else { "" }, format!("{name:<9}{rule}{covers}").trim_end());
    }
    if !card.words.is_empty() {
        row("it says", &words::quoted(card.words.as_bytes(), 600));
    }
    text
}

/// The keys of a card, as a line to type behind; above it once more what is wanted, which a long card moves out of sight.
pub(crate) fn keys(card: &Card, width: u16) -> String {
    format!("{}{}, n next, q quit: ", wrapped("wants", &wants(card, AGAIN), width), answers(card))
}

/// The keys that answer it.
pub(crate) fn answers(card: &Card) -> String {
    let offered = KEYS.iter().filter(|(_, say)| card.offers(*say));
    let keys: Vec<String> =
        offered.map(|(key, say)| format!("{} {}", char::from(*key), name(*say, card.call.is_some()))).collect();
    keys.join(", ")
}

fn name(say: Say, call: bool) -> &'static str {
    match say {
        Say::Session { wide: true, .. } if call => "source",
        Say::Session { wide: false, .. } if call => "value",
        Say::Session { wide: true, .. } => "wide",
        other => other.name(),
    }
}

fn times(card: &Card) -> String {
    let waits = match card.waiting {
        0 => "nothing waits at the moment".to_owned(),
        1 => "1 waits".to_owned(),
        several => format!("covers {several} that wait"),
    };
    let again = if card.times > 1 { format!(", asked {} times", card.times) } else { String::new() };
    format!(": {waits}{again}, {} s ago, {} s left", card.age, card.left)
}

fn session(card: &Card) -> String {
    let name = card.name.as_deref().map(|name| format!(" ({})", words::line(name, 64))).unwrap_or_default();
    let parent = card.parent.as_deref().map(|id| format!(", beneath {}", words::line(id, 64))).unwrap_or_default();
    format!("{}{name}{parent}, policy revision {}", words::line(&card.session, 64), card.revision)
}

fn who(card: &Card) -> String {
    if card.program.is_empty() {
        return "a program that is not known".to_owned();
    }
    let chain: Vec<String> =
        card.program.iter().take(CHAIN).map(|path| words::quoted(path.as_bytes(), words::NAME)).collect();
    let more = card.program.len().saturating_sub(CHAIN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let pid = card.pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
    format!("{}{more}{pid}", chain.join(" of "))
}

/// The host first: what follows it is the program's own.
fn wants(card: &Card, most: usize) -> String {
    let host = words::line(&card.host, 300);
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
    let effects = |call: &Calling| {
        let named: Vec<&str> = call.doubted.effects.iter().map(|effect| effect.name()).collect();
        named.join(", ")
    };
    match &card.does {
        Some(_) if card.call.as_ref().is_some_and(|call| call.doubted.tool.starts_with(policy::REQUESTS)) => {
            let call = card.call.as_deref();
            let method = call.and_then(|call| call.doubted.tool.split(':').nth(1)).unwrap_or_default();
            let effects = call.map(effects).unwrap_or_default();
            format!("{host}:{}, a request to {effects}: {}", card.port, words::quoted(method.as_bytes(), most))
        }
        Some(_) if card.call.as_ref().is_some_and(|call| call.doubted.tool == policy::SPAWN) => {
            "a sub-agent, by a petition".to_owned()
        }
        Some(does) if card.call.is_some() => {
            format!("a call of {}, in an answer from {host}:{}", words::quoted(does.as_bytes(), most), card.port)
        }
        None => format!("{host}:{}, a connection", card.port),
        Some(does) => format!("{host}:{}, {}", card.port, words::quoted(does.as_bytes(), most)),
    }
}

/// What speaks against a call: each value whole, where it stands, and the words around it there.
fn against(call: &Calling, row: &mut impl FnMut(&str, &str)) {
    for (at, doubt) in call.doubted.doubts.iter().enumerate() {
        let value = match (&doubt.argument, doubt.role) {
            (Some(argument), role) => {
                let role = role.map(|role| format!(" ({})", role.name())).unwrap_or_default();
                let cut = if doubt.whole { "" } else { ", which goes on" };
                let (value, argument) =
                    (words::quoted(doubt.value.as_bytes(), MOST), words::quoted(argument.as_bytes(), words::NAME));
                format!("{value}{cut} as {argument}{role}")
            }
            (None, _) => words::line(&doubt.why, 300),
        };
        row(if at == 0 { "against" } else { "" }, &value);
        match doubt.sources.first() {
            _ if doubt.effect.is_some() => {}
            Some(source) => row("", &format!("  {}", stands(source))),
            None => row("", &format!("  {}", words::line(&doubt.why, 300))),
        }
        if !doubt.around.is_empty() && doubt.effect.is_none() {
            row("", &format!("  there: {}", words::quoted(doubt.around.as_bytes(), 400)));
        }
    }
}

/// Where a value stands.
fn stands(source: &Source) -> String {
    let tool = match source.tool.as_str() {
        "" => "in words that nobody is known to have said".to_owned(),
        tool => format!("in what {} gave", words::quoted(tool.as_bytes(), words::NAME)),
    };
    let places: Vec<String> = source.places.iter().map(|place| words::quoted(place.as_bytes(), words::NAME)).collect();
    let of = if places.is_empty() { String::new() } else { format!(" of {}", places.join(", ")) };
    let by = source.author.as_ref().map(|author| format!(", by {}", words::quoted(author.as_bytes(), words::NAME)));
    format!(
        "{tool}{of}{}, sha256 {}",
        by.unwrap_or_default(),
        words::line(source.sha256.get(..12).unwrap_or_default(), 12)
    )
}

fn care(card: &Card) -> String {
    let risk = match card.risk {
        Risk::Usual => "usual",
        Risk::High => "high",
    };
    let reasons: Vec<String> = card.reasons.iter().map(|reason| words::line(reason, 300)).collect();
    if reasons.is_empty() { risk.to_owned() } else { format!("{risk}: {}", reasons.join("; ")) }
}

/// A line with its label; what is too long goes on below behind a mark, so that nothing is hidden at its end, and nothing in
/// it stands where a row of ours begins.
fn wrapped(label: &str, value: &str, width: u16) -> String {
    let mut label = format!("  {label}");
    let (mut text, indent) = (String::new(), usize::from(INDENT));
    for line in broken(value, width.clamp(LEAST, WIDTH) - INDENT) {
        text.push_str(&format!("{label:<indent$}{}\n", line.trim_end()));
        label.clear();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns;

    /// A program in a path that looks like rows of a card, padded until they stand where rows begin.
    #[test]
    fn no_words_of_an_agent_stand_where_a_row_begins() {
        for (pad, width) in [(' ', 80), ('x', 80), ('日', 80), ('日', 61), ('\u{3000}', 80), ('日', 7)] {
            for padding in 0..90 {
                let pad = pad.to_string().repeat(padding);
                let lie = format!("/tmp/{pad}  wants   pypi.org:443, a connection{pad}  with    no credential");
                let shown = wrapped("who", &words::quoted(lie.as_bytes(), MOST), width);
                let mut rows = shown.lines();
                assert!(rows.next().is_some_and(|row| row.starts_with("  who     '/")), "{shown}");
                assert!(rows.all(|row| row.starts_with("          ↳")), "{shown}");
                assert!(shown.lines().all(|row| columns::width(row) <= width.max(LEAST)), "{shown}");
            }
        }
    }

    /// However long a card is, what its keys are about stands above them.
    #[test]
    fn what_is_wanted_stands_above_the_keys() {
        let mut card = crate::watch::scene::card("3fa9c1d2", 9);
        card.does = Some(format!("POST /{}", "a".repeat(3000)));
        let shown = keys(&card, WIDTH);
        assert!(shown.starts_with("  wants   api.example.com:443, 'POST /aaa") && shown.lines().count() < 6, "{shown}");
    }
}
