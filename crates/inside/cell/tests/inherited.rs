//! What whoever starts a cell has of himself, and what he shares with it: neither changes what the agent is, nor takes from him.

mod harness;

use harness::{ORDINARY, plan_for, start, start_by, ways};
use plan::{Ending, Report};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Where SIGCHLD is ignored the kernel tells nobody that a child ended, and an old personality undoes hardening.
#[test]
fn a_cell_ends_with_its_agent_whatever_signals_and_personality_its_starter_had() {
    let by = ["setarch", "--mmap-page-zero", "env", "--ignore-signal=CHLD"];
    for privileged in ways() {
        let plan = plan_for(privileged, "cat /proc/self/personality; exit 7");
        let (said, ended) = start_by(&by, &plan, &[]).expect("starts").finish();
        assert_eq!((said.as_str(), ended), ("00000000\n", Report::Ended(Ending::Exited(7))));
    }
}

/// Whether this user of the host can begin to watch files.
fn can_watch(privileged: bool) -> bool {
    let mut command = Command::new("perl");
    command.args(["-e", "exit(syscall(294, 0) < 0)"]).current_dir("/");
    if !privileged {
        command.uid(ORDINARY).gid(ORDINARY);
    }
    command.status().expect("perl").success()
}

/// The kernel counts groups of watches for a user and all his namespaces together, however the cell is mapped.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_cell_that_watches_all_that_it_may_leaves_the_operator_as_much() {
    for privileged in ways() {
        let script = "exec perl -e '$| = 1; $n++ while syscall(294, 0) >= 0; print \"$n\\n\"; sleep 100'";
        let mut plan = plan_for(privileged, script);
        // More descriptors than groups.
        plan.limits.rlimits = vec![(7, 20_000)];
        let cell = start(&plan, &[]).expect("starts");
        let mut line = String::new();
        let out = std::fs::File::from(cell.stdio[1].try_clone().expect("stdout"));
        BufReader::new(out).read_line(&mut line).expect("a number");
        let many: u64 = line.trim().parse().expect("a number");
        assert!(many > 8 && can_watch(privileged), "{many}");
        cell.order(plan::Order::Signal(9));
        assert_eq!(cell.next(), Report::Ended(Ending::Signalled(9)));
    }
}
