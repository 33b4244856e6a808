//! What the session does under risk. Its gate narrowed itself already; here that becomes a revision of the policy, which the
//! operator sees and takes back as any other. Sub-agents that live are told in the same moment, and those below them: they are
//! narrowed for their parent's risk until that is taken back. At the next threshold the session is paused until he says otherwise.

use policy::{Level, Narrowed, Policy};
use wire::command::{ChildWord, Order, Reply};
use wire::control::{Happened, Replacement};
use wire::{GateOrder, Suspected};

use super::{Course, Session};
use crate::session::children::Stage;
use crate::session::control::Asking;
use crate::session::risk::is_inherited;

impl Session<'_> {
    /// A gate tells of evidence.
    pub(super) fn suspected(&mut self, course: &mut Course, told: Suspected) {
        self.door.suspicion.count(&told.name, told.weight);
        self.tell(&Happened::Suspected { name: told.name.clone(), score: told.score, recorded: told.event.clone() });
        // A sub-agent's parent counts it too. Nobody else reads this.
        if self.children.house.is_child {
            self.client.reply(&Reply::Child(ChildWord::Suspected(Box::new(told.clone()))));
        }
        if told.narrowed.is_some() {
            self.door.suspicion.waits.clone_from(&told.narrowed);
            self.narrow_below(told.score);
        }
        self.narrow_what_waits(course);
        if told.level == Level::Freeze && !course.ended && course.pause.due().is_none() {
            let at = self.door.policy.risk().freeze.unwrap_or_default();
            self.pause(course, Asking::own(format!("a risk of {}, freeze at {at}; {}", told.score, told.event)));
        }
    }

    /// Something speaks for an attack in a sub-agent.
    pub(super) fn suspected_in(&mut self, child: u32, told: Suspected) {
        let source = format!("sub-agent {child}: {}", told.source);
        let order = GateOrder::Suspect(Suspected { source, narrowed: None, ..told });
        if let (Some(gate), Ok(frame)) = (&mut self.gate, wire::encode(&order)) {
            gate.tell_all(&frame);
        }
    }

    /// The parent is narrowed under risk, and so is this session, and what is below it.
    pub(super) fn narrow_from_above(&mut self, score: u32) {
        self.door.suspicion.above = Some(score);
        self.tell_gate_to_narrow();
        self.narrow_below(score);
    }

    /// The parent is narrowed no more: what this session was narrowed to for that is taken back. Its own risk narrows it again
    /// where that is as high.
    pub(super) fn widen_from_above(&mut self, course: &mut Course) {
        self.door.suspicion.above = None;
        // Where a revision takes it back, those below are told by that.
        if !self.door.policy.is_cut() {
            self.widen_below();
        }
        self.narrow_what_waits(course);
    }

    /// Has the gate narrow itself for the parent's risk; the next one is told when it is ready.
    pub(super) fn tell_gate_to_narrow(&mut self) {
        let Some(score) = self.door.suspicion.above.filter(|_| !self.door.policy.is_cut()) else { return };
        if let (Some(gate), Ok(frame)) = (&mut self.gate, wire::encode(&GateOrder::Narrow { score })) {
            gate.tell_all(&frame);
        }
    }

    /// The gate narrowed itself, as it was told to or since its risk wants that still: a revision says so, even where it is to be
    /// taken back at once.
    pub(super) fn narrowed(&mut self, course: &mut Course, narrowed: Narrowed) {
        self.door.suspicion.waits.get_or_insert(narrowed);
        self.narrow_what_waits(course);
    }

    /// Tells each sub-agent that lives; one that is about to begin is told when it did.
    fn narrow_below(&mut self, score: u32) {
        let running = self.children.kids.values_mut().filter(|kid| kid.stage == Stage::Running && !kid.narrowed);
        running.for_each(|kid| kid.tell(&Order::Narrow { score }));
    }

    /// Tells one that began while this session was narrowed, and was not drafted so.
    pub(super) fn narrow_who_began(&mut self, child: u32) {
        let waits = self.door.suspicion.waits.as_ref().map(|narrowed| narrowed.score);
        let last = self.door.policy.policies().last().and_then(|policy| policy.narrowed.as_ref());
        let Some(score) = last.map(|narrowed| narrowed.score).or(waits).or(self.door.suspicion.above) else { return };
        if let Some(kid) = self.children.kids.get_mut(&child).filter(|kid| !kid.narrowed) {
            kid.tell(&Order::Narrow { score });
        }
    }

    /// Those below are narrowed no more for this session's risk.
    pub(super) fn widen_below(&mut self) {
        let running = self.children.kids.values_mut().filter(|kid| kid.stage == Stage::Running && !kid.narrowed);
        running.for_each(|kid| kid.tell(&Order::Widen));
    }

    /// Takes back what was for the parent's risk, once that is over.
    fn widen(&mut self, course: &mut Course) {
        let Some(now) = self.door.policy.policies().last().filter(|now| is_inherited(now)).cloned() else { return };
        let after = Policy { narrowed: None, ..now.clone() };
        let changes = policy::diff(&now, &after).iter().map(ToString::to_string).collect();
        let (credentials, replaces) = (self.door.credentials.clone(), self.generations.revision());
        let asked = Replacement { changes, policy: after, credentials, labelled: Vec::new(), replaces, undoes: false };
        self.begin_policy(course, asked, Asking::own("its parent is narrowed no more".into()));
    }

    /// Makes a revision of what the gate narrowed to, or takes back what was its parent's, as soon as no other one is under way.
    pub(super) fn narrow_what_waits(&mut self, course: &mut Course) {
        if self.generations.is_swapping() || course.ended {
            return;
        }
        if self.door.suspicion.above.is_none() && self.door.suspicion.waits.is_none() {
            return self.widen(course);
        }
        let Some(narrowed) = self.door.suspicion.waits.take() else { return };
        let Some(now) = self.door.policy.policies().last().filter(|now| now.narrowed.is_none()).cloned() else {
            return;
        };
        let asked = Replacement {
            changes: vec![line(&now, &narrowed)],
            policy: Policy { narrowed: Some(narrowed.clone()), ..now },
            credentials: self.door.credentials.clone(),
            labelled: Vec::new(),
            replaces: self.generations.revision(),
            undoes: false,
        };
        let whose = if narrowed.inherited { "its parent's" } else { "a" };
        self.begin_policy(course, asked, Asking::own(format!("{whose} risk of {}", narrowed.score)));
    }

    /// Another policy is as narrow as the one in force, unless it takes that back; gives whether it does.
    pub(super) fn keep_narrow(&mut self, asked: &mut Replacement) -> bool {
        let now = self.door.policy.policies().last().and_then(|now| now.narrowed.clone());
        let Some(narrowed) = now.as_ref().filter(|_| asked.policy.narrowed.is_none()) else { return false };
        if narrowed.inherited && self.door.suspicion.above.is_none() {
            return false;
        }
        if asked.undoes && !narrowed.inherited {
            return true;
        }
        asked.policy.narrowed = now;
        asked.changes.retain(|line| !line.contains("risk.narrowed"));
        false
    }
}

fn line(now: &Policy, narrowed: &Narrowed) -> String {
    let after = Policy { narrowed: Some(narrowed.clone()), ..now.clone() };
    policy::diff(now, &after).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
