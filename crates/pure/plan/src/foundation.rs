//! What a cell is told before its plan: what it can begin with, and what most sessions stand on.

use crate::{Door, LayerSet, PathRule, Plan, Step};
use serde::{Deserialize, Serialize};

/// What a cell is told first: enough to leave the host's namespaces and to lead the network to the door. Holds nothing
/// of the session and of who the agent will be, and grants nothing: what follows, perhaps much later, is the whole
/// [`Plan`], or the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foundation {
    /// Always [`VERSION`](crate::VERSION).
    pub version: u32,
    /// The uid and gid that the agent sees, where the launcher is an ordinary user, who maps himself at once; none where it
    /// is root, as in [`Identity`](crate::Identity).
    pub inside: Option<(u32, u32)>,
    /// As in [`Plan`].
    pub without: LayerSet,
    /// As in [`Plan`].
    pub door: Door,
    /// What is made at once; none where the whole plan comes soon.
    pub ground: Option<Ground>,
}

/// The part of a root that does not depend on the session, made before there is one: where a cell has such, the plan that
/// it is told goes on from there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// The first steps of [`Plan::root`].
    pub steps: Vec<Step>,
    /// The first of [`Plan::landlock`].
    pub rules: Vec<PathRule>,
    /// Control groups that are joined at once, as in [`Limits`](crate::Limits).
    pub join: Vec<String>,
    /// Where the launcher is root: ids that the session most likely gets. One that gets others is served as well, later.
    pub likely: Option<Likely>,
}

impl Ground {
    /// Leaves out of a plan what was made ahead; what differs in nothing but how large a tree in memory may grow gets its own
    /// bound. False, and the plan as it was, where it begins with something else.
    #[must_use]
    pub fn leave_out_of(&self, plan: &mut Plan) -> bool {
        let Some(own) = plan.root.get(..self.steps.len()).filter(|_| plan.landlock.starts_with(&self.rules)) else {
            return false;
        };
        let resized: Option<Vec<Option<Step>>> =
            self.steps.iter().zip(own).map(|(made, wanted)| made.becomes(wanted)).collect();
        let Some(resized) = resized else { return false };
        plan.root.splice(..self.steps.len(), resized.into_iter().flatten());
        plan.landlock.drain(..self.rules.len());
        if plan.limits.join == self.join {
            plan.limits.join.clear();
        }
        true
    }

    /// Puts it back: the plan is whole again.
    pub fn complete(self, plan: &mut Plan) {
        plan.root.splice(..0, self.steps);
        plan.landlock.splice(..0, self.rules);
    }
}

/// What maps are made of before the session is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Likely {
    /// The uid and gid that the agent sees.
    pub inside: (u32, u32),
    /// Those that it has to the kernel.
    pub host: (u32, u32),
    /// Uid and gid of who owns the workspace and the private home.
    pub owner: (u32, u32),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Access, Command, Identity, Limits, Stdio, Stream, WindowSize};

    fn plan() -> Plan {
        let made = |at: &str| Step::Directory { at: at.into(), mode: 0o755 };
        Plan {
            version: crate::VERSION,
            identity: Identity {
                inside_uid: 1000,
                inside_gid: 1000,
                host_uid: 5,
                host_gid: 5,
                privileged: true,
                hostname: "cell".into(),
            },
            without: LayerSet::default(),
            root: vec![made("/a"), made("/b"), made("/c")],
            landlock: vec![PathRule { at: "/a".into(), access: Access::Read }],
            door: Door { tcp_port: 1, dns_port: 2 },
            stdio: Stdio { streams: [Stream::Pipe; 3], size: WindowSize::default() },
            limits: Limits::default(),
            command: Command {
                program: "/a".into(),
                arguments: Vec::new(),
                environment: Vec::new(),
                directory: "/".into(),
            },
        }
    }

    #[test]
    fn what_was_left_out_of_a_plan_completes_it() {
        let whole = plan();
        for steps in 0..=3 {
            let ground = Ground {
                steps: whole.root[..steps].to_vec(),
                rules: whole.landlock.clone(),
                join: Vec::new(),
                likely: None,
            };
            let mut plan = whole.clone();
            assert!(ground.leave_out_of(&mut plan));
            assert_eq!((plan.root.len(), plan.landlock.len()), (3 - steps, 0));
            ground.complete(&mut plan);
            assert_eq!(plan, whole);
        }
    }

    #[test]
    fn a_tree_in_memory_that_may_grow_otherwise_gets_its_own_bound() {
        let memory = |bytes, inodes| Step::Tmpfs { at: "/tmp".into(), bytes, inodes, mode: 0o1777 };
        let with = |step: Step| {
            let mut plan = plan();
            plan.root.insert(0, step);
            plan
        };
        let ground =
            Ground { steps: with(memory(64, 9)).root[..2].to_vec(), rules: Vec::new(), join: Vec::new(), likely: None };
        let mut rest = with(memory(7, 9));
        assert!(ground.leave_out_of(&mut rest));
        assert_eq!(rest.root[0], Step::Resize { at: "/tmp".into(), bytes: 7 });
        assert_eq!(rest.root[1..], plan().root[1..]);
        let mut others = with(memory(7, 8));
        assert!(!ground.leave_out_of(&mut others));
        assert_eq!(others, with(memory(7, 8)));
    }

    #[test]
    fn a_plan_that_begins_otherwise_stays_as_it_is() {
        let whole = plan();
        let others = [
            Ground { steps: whole.root[1..2].to_vec(), rules: Vec::new(), join: Vec::new(), likely: None },
            Ground {
                steps: [&whole.root[..], &whole.root[..1]].concat(),
                rules: Vec::new(),
                join: Vec::new(),
                likely: None,
            },
            Ground {
                steps: whole.root[..1].to_vec(),
                rules: vec![PathRule { at: "/a".into(), access: Access::Write }],
                join: Vec::new(),
                likely: None,
            },
        ];
        for ground in others {
            let mut plan = whole.clone();
            assert!(!ground.leave_out_of(&mut plan), "{ground:?}");
            assert_eq!(plan, whole);
        }
    }

    #[test]
    fn a_plan_stands_on_its_own_foundation_alone() {
        let plan = plan();
        let own = plan.foundation();
        assert!(plan.stands_on(&own));
        assert!(!plan.stands_on(&Foundation { inside: Some((1000, 1000)), ..own.clone() }));
        assert!(!plan.stands_on(&Foundation { version: 0, ..own.clone() }));
        assert!(!plan.stands_on(&Foundation { without: [crate::Layer::Seccomp].into_iter().collect(), ..own }));
    }
}
