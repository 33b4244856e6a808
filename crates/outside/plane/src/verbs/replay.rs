//! `replay`: every decision of a session's record made again, and of those below it: by the policies that were in force, where
//! nothing may differ, or by another one in the place of the session's own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use policy::{Conjunction, Policy};
use record::replay::{Again, Difference, Heard, Left, Replay, Under};
use wire::command::{Counted, Problem, ReplayAnswer, Reply, Select};

use super::{Place, family};
use crate::policy_file::look_at_policy;
use crate::problem::{NO, state};
use crate::store::{self, Events, SessionDirectory};

/// Differences that are told.
const MOST: usize = 2_000;

/// Policies by revision.
type Revisions = BTreeMap<u32, Conjunction>;

#[derive(Default)]
struct Sum {
    sessions: u64,
    decided: u64,
    differences: Vec<Difference>,
    more: u64,
    beside: u64,
    left: BTreeMap<Left, u64>,
}

/// Answers what comes out otherwise.
pub(super) fn replay(place: &Place, select: &Select, policy: Option<&Path>) -> Result<Reply, Problem> {
    let root = store::select(&place.store, select)?;
    let look = |path| look_at_policy(Some(path), place.home()).map_err(|problem| Problem { exit: NO, ..problem });
    let instead = policy.map(look).transpose()?;
    let below = family::all_below(&place.store, &root.record.id)?;
    let mut sum = Sum::default();
    let own = one(&root, None, instead.as_ref(), &mut sum)?;
    for session in &below {
        one(session, Some(&own), instead.as_ref(), &mut sum)?;
    }
    Ok(Reply::Replayed(Box::new(ReplayAnswer {
        session: root.record.id.clone(),
        policy: instead.map(|policy| policy.name),
        sessions: sum.sessions,
        decided: sum.decided,
        differences: sum.differences,
        more: sum.more,
        beside: sum.beside,
        left: sum.left.iter().map(|(left, times)| Counted { what: left.why().to_owned(), times: *times }).collect(),
    })))
}

/// One session; `root` has the policies of the one that was asked about. Gives its own policies.
fn one(
    session: &SessionDirectory,
    root: Option<&Vec<Policy>>,
    instead: Option<&Policy>,
    sum: &mut Sum,
) -> Result<Vec<Policy>, Problem> {
    let unread = |error| state("read", &session.path, &error);
    let mut heard = Heard::default();
    Events::of(session).each(|entry| heard.take(&entry)).map_err(unread)?;
    let recorded = revisions(session, &heard)?;
    let own: Vec<Policy> = recorded.values().filter_map(|by| by.policies().last().cloned()).collect();
    let replaced = |by: &Conjunction| {
        let instead = instead?;
        let theirs: Vec<&Policy> = root.unwrap_or(&own).iter().collect();
        taking(by, instead, &theirs)
    };
    let others: Revisions = recorded.iter().filter_map(|(at, by)| Some((*at, replaced(by)?))).collect();
    let under = Under { recorded: &recorded, instead: instead.map(|_| &others) };
    let mut replay = Replay::new(&heard, under);
    sum.sessions += 1;
    Events::of(session).each(|entry| sum.take(&session.record.id, replay.decide(&entry))).map_err(unread)?;
    Ok(own)
}

/// The policies of a session with `instead` in the place of those of the root's own; none where none of them is that.
fn taking(by: &Conjunction, instead: &Policy, own: &[&Policy]) -> Option<Conjunction> {
    let mut policies: Vec<Arc<Policy>> = by.into();
    let mut found = false;
    for policy in &mut policies {
        if own.contains(&&**policy) {
            *policy = Arc::new(instead.clone());
            found = true;
        }
    }
    found.then(|| Conjunction::sharing(policies))
}

/// Every policy that was in force and is still kept.
fn revisions(session: &SessionDirectory, heard: &Heard) -> Result<Revisions, Problem> {
    let now = session.in_force()?;
    let mut found = Revisions::new();
    for revision in heard.revisions().filter(|revision| *revision != now.revision) {
        // One that nothing goes back to is not kept for ever; its decisions are counted.
        if let Ok(before) = session.policy_before(revision) {
            found.insert(revision, before.policies);
        }
    }
    found.insert(now.revision, now.policies);
    Ok(found)
}

impl Sum {
    fn take(&mut self, session: &str, again: Again) {
        match again {
            Again::None => {}
            Again::Same => self.decided += 1,
            Again::Beside => self.beside += 1,
            Again::Left(left) => *self.left.entry(left).or_default() += 1,
            Again::Differs(found) => {
                self.decided += 1;
                if self.differences.len() < MOST {
                    self.differences.push(Difference { session: session.to_owned(), ..*found });
                } else {
                    self.more += 1;
                }
            }
        }
    }
}
