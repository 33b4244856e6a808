//! What the session does under risk. Its gate narrowed itself already; here that becomes a revision of the policy, which the
//! operator sees and takes back as any other. At the next threshold the session is paused until he says otherwise.

use policy::{Level, Narrowed, Policy};
use wire::command::{ChildWord, Reply};
use wire::control::{Happened, Replacement};
use wire::{GateOrder, Suspected};

use super::{Course, Session};
use crate::session::control::Asking;

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

    /// Makes a revision of what the gate narrowed to, as soon as no other one is under way.
    pub(super) fn narrow_what_waits(&mut self, course: &mut Course) {
        if self.generations.is_swapping() || course.ended {
            return;
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
        self.begin_policy(course, asked, Asking::own(format!("a risk of {}", narrowed.score)));
    }

    /// Another policy is as narrow as the one in force, unless it takes that back; gives whether it does.
    pub(super) fn keep_narrow(&mut self, asked: &mut Replacement) -> bool {
        let now = self.door.policy.policies().last().and_then(|now| now.narrowed.clone());
        if now.is_none() || asked.policy.narrowed.is_some() {
            return false;
        }
        if asked.undoes {
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
