//! A real cell: `bastide-cell` beside the gate, started as the cell's own tests start it.

#[path = "../../../../inside/cell/tests/harness/mod.rs"]
mod harness;

use std::path::Path;

use plan::{Access, Content, Owner, PathRule, Step};

pub use harness::Cell as Walls;

/// Starts a command in a cell of root's or of an ordinary user's; `bound` comes in at `/bound`.
pub fn start(privileged: bool, bound: Option<&Path>, words: &[&str]) -> Walls {
    let mut plan = harness::plan_for(privileged, "");
    let content = Content::from(&b"nameserver 198.18.0.1\n"[..]);
    plan.root.push(Step::File { at: "/etc/resolv.conf".into(), content, mode: 0o444 });
    plan.landlock.push(PathRule { at: "/etc".into(), access: Access::Read });
    if let Some(bound) = bound {
        plan.root.push(Step::Bind {
            source: bound.to_str().unwrap().into(),
            at: "/bound".into(),
            writable: false,
            executable: true,
            devices: false,
            owner: Owner::Everybody,
        });
        plan.landlock.push(PathRule { at: "/bound".into(), access: Access::Execute });
    }
    plan.command.program = words[0].into();
    plan.command.arguments = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    harness::start(&plan, &[]).expect("a cell")
}
