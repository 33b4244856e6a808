//! What was recorded of a session, in the few numbers that who looks at many of them is told.

use policy::{Amounts, Currency, Good, Money};
use record::{Children, Cost, Summary, metrics};
use wire::control::Counts;

/// Of one that runs. What its sub-agents may use up is gone from it, as its gate counts.
#[must_use]
pub fn so_far(summary: &Summary, below: &Children, behind: bool) -> Counts {
    let sum =
        |counts: &std::collections::BTreeMap<_, u64>| counts.values().fold(0, |sum: u64, n| sum.saturating_add(*n));
    let models = &summary.models;
    let used = used(models.answers, models.input.saturating_add(models.output), &models.cost, below);
    Counts { allowed: sum(&summary.allowed), refused: sum(&summary.refused), behind, used }
}

/// Of one that ended, by what is kept of it: refused petitions are not, nor what sub-agents used up.
#[must_use]
pub fn in_the_end(counts: &metrics::Counts) -> Counts {
    let metrics::Counts { names, connections, requests, mcp, models, .. } = counts;
    let refused = [names.refused, connections.refused, requests.refused, mcp.refused, models.refused]
        .into_iter()
        .chain([connections.asked, requests.asked, mcp.asked, models.asked])
        .fold(0, u64::saturating_add);
    let tokens = counts.tokens_in.saturating_add(counts.tokens_out);
    let used = used(counts.answers, tokens, &counts.cost, &Children::default());
    Counts { allowed: connections.allowed, refused, behind: false, used }
}

fn used(requests: u64, tokens: u64, cost: &[Cost], below: &Children) -> Amounts {
    let with = |own: u64, good| Some(own.saturating_add(below.gone(good)));
    let money = cost.first().and_then(|cost| {
        let micros = with(cost.micros, Good::Money)?;
        Some(Money { micros, currency: Currency::try_from(cost.currency.clone()).ok()? })
    });
    Amounts {
        tokens: with(tokens, Good::Tokens),
        requests: with(requests, Good::Requests),
        money,
        ..Amounts::default()
    }
}

#[cfg(test)]
mod tests {
    use record::{EventId, Kind, Verdict};

    use super::*;

    /// A session does not look different when it has ended.
    #[test]
    fn the_same_events_come_to_the_same_numbers() {
        let model = EventId { segment: record::Segment::Gate, seq: 1 };
        let (input, output) = (Some(30), Some(12));
        let cost = Some(Cost { micros: 500, currency: "USD".into(), estimated: false });
        let events = [
            Kind::Answered { model, input, output, stop: None, whole: true, error: None, complaint: None, cost },
            Kind::Resolve { name: "a.example".into(), verdict: Verdict::Refused, reason: None, times: 1 },
        ];
        let (mut summary, mut counts) = (Summary::default(), metrics::Counts::default());
        for kind in &events {
            summary.take(kind);
            counts.take(kind);
        }
        let (running, ended) = (so_far(&summary, &Children::default(), false), in_the_end(&counts));
        assert_eq!(running, ended);
        let money = "0.0005 USD".parse().ok();
        let used = Amounts { tokens: Some(42), requests: Some(1), money, ..Amounts::default() };
        assert_eq!((ended.allowed, ended.refused, ended.used), (0, 1, used));
    }
}
