//! What a sub-agent came to: told by its own plane, or read of its record by its parent's where that plane was killed.

use policy::{Amounts, Good, Label, Money};
use record::{Entry, Join, Kind, Summary, Verdict};
use wire::command::{ChildEnd, Reply};

use super::{Adopted, Outlet};
use crate::channel::Client;
use crate::store::{Events, SessionDirectory};
use crate::verbs::changes;

/// Longest patch that the parent hears, in bytes.
const PATCH: usize = 96 * 1024;
/// Changed paths that it hears of.
const CHANGED: usize = 200;

/// Tells the parent what its child came to.
pub(in crate::session) fn tell(
    client: &mut Client,
    session: &SessionDirectory,
    adopted: &Adopted,
    outlet: Option<&mut Outlet>,
    join: &Join,
) {
    let (changed, unlisted, patch) = changes::patch(session, CHANGED, PATCH).unwrap_or_default();
    let mut labels: Vec<Label> = adopted.labels.clone();
    for label in join.labels().chain(join.values()).filter_map(|label| Label::parse(label).ok()) {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    let words = outlet.and_then(Outlet::words);
    let below = adopted.own.agents.map_or(0, |agents| agents.total);
    let (used, below) = used(session, (adopted.budget, below), true);
    client.reply(&Reply::ChildEnd(Box::new(ChildEnd { used, below, words, changed, unlisted, patch, labels })));
}

/// What a session used up of its budget, by its record, and how many were begun below it. Where that does not tell, all
/// of it.
pub(in crate::session) fn used(
    session: &SessionDirectory,
    (budget, most): (Amounts, u32),
    ended: bool,
) -> (Amounts, u32) {
    let (mut summary, mut below) = (Summary::default(), record::Children::default());
    let (mut asked, mut answered, mut last) = (0u64, 0u64, session.record.started);
    let mut events = Events::of(session);
    let whole = loop {
        match events.next_event() {
            Ok(Some(Ok(Entry { event, .. }))) => {
                summary.take(&event.kind);
                below.take(&event);
                last = last.max(event.at);
                match event.kind {
                    Kind::Model { verdict: Verdict::Allowed, .. } => asked += 1,
                    Kind::Answered { .. } => answered += 1,
                    _ => {}
                }
            }
            Ok(Some(Err(_))) | Err(_) => break false,
            Ok(None) => break true,
        }
    };
    // What was being answered when its gate was killed may have been answered in full.
    if !whole || (!ended && asked > answered) {
        return (budget, most);
    }
    let models = &summary.models;
    let money = budget.money.map(|Money { currency, .. }| {
        let of = |cost: &&record::Cost| cost.currency == currency.as_str();
        let own = models.cost.iter().find(of).map_or(0, |cost| cost.micros);
        Money { micros: own.saturating_add(below.gone(Good::Money)), currency }
    });
    let seconds = last.saturating_sub(session.record.started).div_ceil(1_000_000);
    // What its own children used up is gone from it, too; they ran while it did.
    let told = |good: Good, value: u64| budget.get(good).map(|_| value);
    let both = |good: Good, value: u64| told(good, value.saturating_add(below.gone(good)));
    let used = Amounts {
        tokens: both(Good::Tokens, models.input.saturating_add(models.output)),
        requests: both(Good::Requests, asked),
        money,
        time: told(Good::Time, seconds),
        memory: None,
        pids: None,
    };
    (used, below.begun())
}
