//! Another policy for a session that runs: recorded, then told to the gate, and in force when the gate says so. Whatever
//! goes wrong before that leaves the one before in force, for this gate's successors too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::{Conjunction, Policy};
use record::Kind;
use wire::command::Problem;
use wire::control::{Answer, Happened, Replacement};
use wire::{GateOrder, Labelled, Lent};

use super::{Course, Session};
use crate::problem::{NO, problem};
use crate::session::control::{Asking, Control};
use crate::session::risk::is_inherited;
use crate::session::{generation, labels, lend};
use crate::store::{Draft, InForce, SessionDirectory};

/// How long a gate may take to say that it decides by another policy. One that is silent is ended: it could come to
/// decide by it later.
const PATIENCE: Duration = Duration::from_secs(2);
/// Revisions that `undo` can go back to.
const MOST_EARLIER: usize = 64;

/// The policies that a session has had, and the one that is about to follow.
#[derive(Debug)]
pub(in crate::session) struct Generations<'c> {
    directory: &'c SessionDirectory,
    /// None where the state's file system takes no sockets: then the policy stays.
    control: Option<Control>,
    /// What is in force.
    revision: u32,
    /// What `undo` goes back to, the last first.
    earlier: Vec<u32>,
    /// The last number that was given away.
    last: u32,
    swap: Option<Swap>,
}

/// A policy that the gate was told of, and did not answer for yet.
#[derive(Debug)]
struct Swap {
    asking: Asking,
    until: Instant,
    next: InForce,
    draft: Option<Draft>,
    credentials: Vec<Lent>,
    labelled: Vec<Labelled>,
    /// It takes back what the one before was narrowed to under risk.
    forgives: bool,
}

impl<'c> Generations<'c> {
    /// Those of a session that begins.
    pub(in crate::session) fn begin(directory: &'c SessionDirectory) -> Generations<'c> {
        let control = Control::open(&directory.path).ok();
        Generations { directory, control, revision: 1, earlier: Vec::new(), last: 1, swap: None }
    }

    pub(super) const fn control(&self) -> Option<&Control> {
        self.control.as_ref()
    }

    pub(super) const fn control_mut(&mut self) -> Option<&mut Control> {
        self.control.as_mut()
    }

    /// The session's directory.
    pub(super) const fn directory(&self) -> &'c SessionDirectory {
        self.directory
    }

    /// Which is in force.
    pub(super) const fn revision(&self) -> u32 {
        self.revision
    }

    /// The number of the one that follows.
    pub(super) const fn next_revision(&self) -> u32 {
        self.last + 1
    }

    /// Whether the gate was told of a policy that it did not answer for yet.
    pub(super) const fn is_swapping(&self) -> bool {
        self.swap.is_some()
    }

    /// When the gate, or one who asks, has had its time.
    pub(super) fn due(&self) -> Option<Instant> {
        let control = self.control.as_ref().and_then(Control::due);
        self.swap.as_ref().map(|swap| swap.until).into_iter().chain(control).min()
    }

    /// What `undo` could go back to under the next revision, which may be one that takes back this one.
    fn earlier_than_next(&self, undoes: bool) -> Result<Vec<u32>, Problem> {
        let mut earlier = self.earlier.clone();
        if !undoes {
            earlier.push(self.revision);
        } else if earlier.pop().is_none() {
            return Err(nothing_before(self.revision));
        }
        earlier.drain(..earlier.len().saturating_sub(MOST_EARLIER));
        Ok(earlier)
    }
}

impl Session<'_> {
    /// Begins with another policy, unless it was meant to take the place of one that is no longer in force. Why it was refused
    /// at once, where it was.
    pub(super) fn begin_policy(&mut self, course: &mut Course, asked: Replacement, asking: Asking) -> Option<String> {
        let revision = self.generations.revision;
        if asked.replaces != revision {
            asking.answer(&Answer::Overtaken { revision });
            return Some(format!("it was to replace revision {}", asked.replaces));
        }
        let (asking, problem) = self.swap(course, asked, asking).err()?;
        let why = problem.cause.clone();
        asking.refuse(problem);
        Some(why)
    }

    /// Records what is asked for and tells the gate, where nothing speaks against it.
    fn swap(&mut self, course: &mut Course, mut asked: Replacement, asking: Asking) -> Result<(), (Asking, Problem)> {
        self.keep_within(&mut asked.policy);
        let now = self.door.policy.policies().last();
        let above = self.door.suspicion.above.is_some() && now.is_some_and(is_inherited);
        if asked.undoes && above && asked.policy.narrowed.is_none() {
            let why = "it is narrowed with its parent: `bastide policy undo` of that one takes it back";
            return Err((asking, not_taken(why)));
        }
        let forgives = self.keep_narrow(&mut asked);
        let told =
            self.judge(course, &mut asked).and_then(|judged| self.tell_gate(course, &mut asked, (judged, forgives)));
        let (next, draft, labelled) = match told {
            Ok(told) => told,
            Err(problem) => return Err((asking, problem)),
        };
        let (until, credentials) = (Instant::now() + PATIENCE, asked.credentials);
        self.generations.swap = Some(Swap { asking, until, next, draft: Some(draft), credentials, labelled, forgives });
        Ok(())
    }

    /// Another policy gives a sub-agent no more budget than was reserved for it, nor more levels below.
    fn keep_within(&self, policy: &mut Policy) {
        let Some(budget) = self.children.house.budget else { return };
        budget.bound(policy);
        let now = self.door.policy.policies().last().and_then(|now| now.agents);
        policy.agents = policy.agents.zip(now).map(|(next, now)| next.and(now));
    }

    /// Whether it can be put in force here and now, and what comes with it.
    fn judge(&self, course: &Course, asked: &mut Replacement) -> Result<Judged, Problem> {
        if course.ended {
            return Err(not_taken("the program has ended"));
        }
        let now = self.door.policy.policies().last().ok_or_else(|| not_taken("no policy is in force"))?;
        // To be narrowed under risk, or no more, is nothing to those that live already.
        let same = Policy { narrowed: now.narrowed.clone(), ..asked.policy.clone() } == *now;
        if self.children.accounts.alive() > 0 && !same {
            return Err(not_taken("sub-agents live under the one before: `bastide stop` ends them"));
        }
        generation::taken(now, &asked.policy)?;
        if self.door.tls.is_none() {
            unread(now, asked)?;
        }
        let earlier = self.generations.earlier_than_next(asked.undoes)?;
        let labelled = labels::joined(&self.door.labelled, asked.labelled.clone())?;
        if self.gate.is_none() || self.sockets.is_empty() {
            return Err(not_taken("the session has no gate that would decide by it"));
        }
        Ok(Judged { earlier, labelled })
    }

    /// Keeps it beside the one in force, records it, and tells the gate, in this order.
    fn tell_gate(
        &mut self,
        course: &mut Course,
        asked: &mut Replacement,
        (judged, forgives): (Judged, bool),
    ) -> Result<Told, Problem> {
        lend::leave_no_core();
        let Judged { earlier, labelled } = judged;
        let revision = self.generations.next_revision();
        // Of a sub-agent only its own: those above stay.
        let mut policies: Vec<Arc<Policy>> = (&self.door.policy).into();
        policies.pop();
        policies.push(Arc::new(asked.policy.clone()));
        let policies = Conjunction::sharing(policies);
        let order = GateOrder::Replace {
            revision,
            policy: policies.clone(),
            credentials: asked.credentials.clone(),
            labelled: std::mem::take(&mut asked.labelled),
            forgives,
        };
        let frame = wire::encode(&order).map(zeroize::Zeroizing::new);
        let frame = frame.map_err(|error| not_taken(&format!("it cannot be told to the gate: {error}")))?;
        let next = InForce { revision, earlier, policies };
        let draft = self.generations.directory.draft_policy(&next)?;
        let (name, changes) = (asked.policy.name.clone(), std::mem::take(&mut asked.changes));
        let undoes = asked.undoes.then_some(asked.replaces);
        let event = Kind::Policy { revision, name, changes, undoes };
        if let Err(error) = self.ledger.write(event) {
            self.unrecorded(course, &error);
            return Err(not_taken(&format!("the record cannot be written: {error}")));
        }
        self.generations.last = revision;
        if let Some(gate) = &mut self.gate {
            gate.tell_all(&frame);
        }
        Ok((next, draft, labelled))
    }

    /// The gate says that it decides by a revision.
    ///
    /// # Errors
    /// When that is not the one that it was told of, or the state does not take it: then it may serve no longer.
    pub(super) fn in_force(&mut self, course: &mut Course, revision: u32) -> Result<(), String> {
        let swap = self.generations.swap.take_if(|swap| swap.next.revision == revision);
        let Some(mut swap) = swap else { return Err("the gate decides by what it was not told".into()) };
        if let Some(draft) = swap.draft.take()
            && let Err(error) = draft.put_in_force(&swap.next.earlier)
        {
            self.generations.swap = Some(swap);
            return Err(format!("the session's state cannot be written: {error}"));
        }
        let Swap { asking, next, credentials, labelled, forgives, .. } = swap;
        if forgives {
            self.door.suspicion.forgive();
        }
        self.generations.revision = revision;
        self.generations.earlier = next.earlier;
        self.door.secrets.extend(generation::retired(&self.door.credentials, &credentials));
        self.renewal.follow(&credentials);
        let was_narrow = self.door.policy.is_cut();
        self.door.policy = next.policies;
        if was_narrow && !self.door.policy.is_cut() {
            self.widen_below();
        }
        self.door.credentials = credentials;
        self.door.labelled = labelled;
        asking.answer(&Answer::InForce { revision });
        self.revise(course, revision);
        self.tell(&Happened::Replaced { revision });
        self.next_order(course);
        Ok(())
    }

    /// What the gate was told of, if anything, does not come into force. Who asked is told when that gate is gone.
    pub(super) fn leave_policy(&mut self, course: &mut Course, why: &str) {
        if let Some(Swap { asking, next, .. }) = self.generations.swap.take() {
            self.record(course, Kind::PolicyNotTaken { revision: next.revision, reason: why.into() });
            course.questions.reopen();
            asking.refuse(not_taken(why));
        }
    }

    /// Ends a gate that does not answer for a policy: another one goes on by the policy before.
    pub(super) fn watch_the_gate(&mut self, course: &mut Course, now: Instant) {
        if self.generations.swap.as_ref().is_none_or(|swap| swap.until > now) {
            return;
        }
        let why = format!("the gate did not answer within {} s", PATIENCE.as_secs());
        // After the program no other gate is needed.
        if course.ended { self.leave_policy(course, &why) } else { self.lose_the_gate(course, &why) }
    }

    /// Nobody is heard any more, and the socket is gone. Who is told what happens is told that last.
    pub(super) fn close_control(&mut self, course: &mut Course) {
        self.leave_policy(course, "the session ended before the gate answered");
        self.withdraw(course, "the session ended");
        self.tell(&Happened::Ended { exit: course.end.exit, reason: course.end.reason.clone() });
        self.generations.control = None;
    }
}

/// What comes with a policy that can be put in force.
struct Judged {
    earlier: Vec<u32>,
    labelled: Vec<Labelled>,
}

/// What the gate was just told of: with it, all that is labelled.
type Told = (InForce, Draft, Vec<Labelled>);

/// A cell without an authority has nothing in it by which requests could be read. Where the policy labels what it did when
/// the session began, what was found only now is left out; the policy that labels more is refused.
fn unread(now: &Policy, asked: &mut Replacement) -> Result<(), Problem> {
    if !asked.policy.network.reads() && (&now.data, &now.flows) == (&asked.policy.data, &asked.policy.flows) {
        asked.labelled.clear();
    }
    if !generation::reads(&asked.policy, &asked.labelled) {
        return Ok(());
    }
    let cause = "the policy has requests read, and the cell was made without an authority to read them by";
    let hint = "begin a session under it: `bastide run --policy FILE -- CMD`";
    Err(problem("E-PLANE-092", cause, hint, NO))
}

fn not_taken(why: &str) -> Problem {
    let cause = format!("the policy was not taken, the one before stays in force: {why}");
    problem("E-PLANE-093", cause, "`bastide show` tells what is in force, `bastide log` what happened", NO)
}

fn nothing_before(revision: u32) -> Problem {
    let cause = format!("from revision {revision} nothing is left to go back to");
    problem("E-PLANE-094", cause, "`bastide policy apply SESSION FILE` puts another one in force", NO)
}
