//! Instructions in what is only data: how much a text reads like an order to the model that reads it.

use std::ops::Range;
use std::sync::LazyLock;

use super::model::{Shipped, Token, Weights, Window, tokens, windows};
use super::phrases::{self, Phrase};
use super::view::View;
use super::{Evidence, Found, Name, quoted};

/// Odds, as logarithms, from which on a text counts as one, and what it weighs then. The first was set on texts apart from
/// those of `proof/evidence`, so that one in a hundred benign ones reaches it.
const STEPS: [(f32, u32); 3] = [(0.0, 25), (1.5, 35), (3.0, 45)];
/// The same for what is hidden or encoded: mostly a few words, of which fewer tell.
const HIDDEN: f32 = 0.5;
/// What a turn of phrase adds, and most of them that count.
const PHRASE: (f32, usize) = (0.5, 3);

static SHIPPED: LazyLock<Shipped> = LazyLock::new(Shipped::read);

/// How much a text reads like an order to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The odds that it is one, as a logarithm; from 0 on it counts as one.
    pub odds: f32,
    /// The words that speak for it most, in bytes of the text.
    pub span: Range<usize>,
}

/// Judges a text, of which all is looked at.
#[must_use]
pub fn score(text: &str) -> Judged {
    let view = View::of(text);
    let best = best(&view);
    Judged { odds: best.odds, span: view.place(&best.span, text) }
}

/// Where a text orders the model something: the sentences of all windows that read like an order, in order, none within
/// another.
#[must_use]
pub fn orders(text: &str) -> Vec<Range<usize>> {
    let view = View::of(text);
    let words = tokens(&view.text);
    let phrases = phrases::find(&view.text);
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut spans: Vec<Range<usize>> =
        all(&words, &phrases, &*SHIPPED).filter(|one| one.odds >= STEPS[0].0).map(|one| one.span).collect();
    spans.sort_by_key(|span| span.start);
    for span in spans {
        let place = view.place(&span, text);
        match found.last_mut() {
            Some(last) if place.start <= last.end => last.end = last.end.max(place.end),
            _ => found.push(place),
        }
    }
    found
}

/// A text as it is compared: look-alikes as what they look like, nothing invisible, lower case.
#[must_use]
pub fn folded(text: &str) -> String {
    View::of(text).text
}

/// What speaks for it most.
struct Best {
    odds: f32,
    span: Range<usize>,
    phrases: Vec<Phrase>,
}

fn best(view: &View) -> Best {
    let words = tokens(&view.text);
    judge(&words, &phrases::find(&view.text), &*SHIPPED)
}

/// The best window, with the turns of phrase that stand in it or near.
fn judge(words: &[Token], phrases: &[Phrase], weights: &impl Weights) -> Best {
    let none = Best { odds: f32::MIN, span: 0..0, phrases: Vec::new() };
    all(words, phrases, weights).fold(none, |best, one| if one.odds > best.odds { one } else { best })
}

/// Every window, with the turns of phrase that stand in it or near.
fn all<'w>(words: &'w [Token], phrases: &'w [Phrase], weights: &impl Weights) -> impl Iterator<Item = Best> + 'w {
    let span = move |window: &Window| match (words.get(window.tokens.start), window.tokens.end.checked_sub(1)) {
        (Some(first), Some(last)) => first.from as usize..words.get(last).map_or(0, |last| last.to as usize),
        _ => 0..0,
    };
    let of = move |window: Window| {
        let span = span(&window);
        let within: Vec<Phrase> =
            phrases.iter().filter(|one| one.from < span.end && span.start < one.to).cloned().collect();
        #[allow(clippy::cast_precision_loss)]
        let odds = window.odds + PHRASE.0 * within.len().min(PHRASE.1) as f32;
        Best { odds, span, phrases: within }
    };
    windows(words, weights).into_iter().map(of)
}

/// Whether something that nobody would see reads like an order.
pub(super) fn is_hidden_order(text: &str) -> bool {
    best(&View::of(text)).odds >= HIDDEN
}

pub(super) fn find(view: &View, text: &str, from: usize, found: &mut Found) {
    let best = best(view);
    let Some((_, weight)) = STEPS.iter().rev().find(|(odds, _)| best.odds >= *odds) else { return };
    let span = view.place(&best.span, text);
    let whys: Vec<&str> = best.phrases.iter().map(|phrase| phrase.what).collect();
    let why = match whys.is_empty() {
        true => "it reads like an order to the model".to_owned(),
        false => format!("it reads like an order to the model: {}", whys.join(", ")),
    };
    let quoted = quoted(&text[span.clone()]);
    found.push(Evidence {
        name: Name::Instruction,
        span: from + span.start..from + span.end,
        weight: *weight,
        why,
        quoted,
    });
}
