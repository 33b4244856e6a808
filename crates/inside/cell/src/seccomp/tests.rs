//! The compiled program against a naive reading of the table, for every rule of every profile.

use super::compile::{NATIVE, verdict};
use super::interpret::{Call, run};
use super::table::{Action, Profile};
use super::table::{Condition, Rule, Width};
use super::{AGENT, PID1, WATCHER, compile};

const PROFILES: [&Profile; 3] = [&AGENT, &PID1, &WATCHER];

fn holds(condition: &Condition, arguments: &[u64; 6]) -> bool {
    let seen = arguments[usize::from(condition.argument)];
    let seen = if condition.width == Width::Int { u64::from(seen as u32) } else { seen };
    seen & condition.mask == condition.value
}

/// What the table says, without a tree.
fn naive(profile: &Profile, rules: &[Rule], number: u32, arguments: &[u64; 6]) -> Action {
    let applies = |rule: &&Rule| rule.number == number && rule.when.iter().all(|c| holds(c, arguments));
    rules.iter().find(applies).map_or(profile.default, |rule| rule.action)
}

/// Arguments that tell the rules of one call apart: each rule's own, each one bit away, each with a dirty upper half, each
/// with all set that it does not look at.
fn witnesses(profile: &Profile, number: u32) -> Vec<[u64; 6]> {
    let mut found = vec![[0; 6], [u64::MAX; 6]];
    for rule in profile.rules.iter().filter(|rule| rule.number == number) {
        let exact = exact(rule);
        found.push(exact);
        let looked = |at: usize| rule.when.iter().any(|condition| usize::from(condition.argument) == at);
        found.push(std::array::from_fn(|at| if looked(at) { exact[at] } else { u64::MAX }));
        for condition in rule.when {
            for bit in 0..64 {
                let mut near = exact;
                near[usize::from(condition.argument)] ^= 1 << bit;
                found.push(near);
            }
        }
    }
    found
}

fn exact(rule: &Rule) -> [u64; 6] {
    let mut arguments = [0; 6];
    for condition in rule.when {
        arguments[usize::from(condition.argument)] |= condition.value;
    }
    arguments
}

fn numbers(profile: &Profile) -> Vec<u32> {
    let mut numbers: Vec<u32> = profile.rules.iter().map(|rule| rule.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn native(number: libc::c_long, arguments: [u64; 6]) -> Call {
    Call { number: number as u32, architecture: NATIVE, arguments }
}

fn agent(number: libc::c_long, arguments: [u64; 6]) -> u32 {
    run(&compile(&AGENT).expect("compiles"), &native(number, arguments))
}

#[test]
fn the_program_decides_as_the_table_for_every_number() {
    for profile in PROFILES {
        let program = compile(profile).expect("compiles");
        for number in (0..1200).chain([0x3fff_ffff]) {
            for arguments in witnesses(profile, number) {
                let call = Call { number, architecture: NATIVE, arguments };
                let expected = verdict(naive(profile, profile.rules, number, &arguments));
                assert_eq!(run(&program, &call), expected, "{}: {call:x?}", profile.name);
            }
        }
    }
}

#[test]
fn every_rule_is_reached_and_decides_as_written() {
    for profile in PROFILES {
        let program = compile(profile).expect("compiles");
        for rule in profile.rules {
            let reached = witnesses(profile, rule.number).into_iter().any(|arguments| {
                let first = profile
                    .rules
                    .iter()
                    .find(|other| other.number == rule.number && other.when.iter().all(|c| holds(c, &arguments)));
                let call = Call { number: rule.number, architecture: NATIVE, arguments };
                first.is_some_and(|first| std::ptr::eq(first, rule)) && run(&program, &call) == verdict(rule.action)
            });
            assert!(reached, "{}: {} never applies: {rule:?}", profile.name, rule.name);
        }
    }
}

#[test]
fn no_rule_is_redundant() {
    for profile in PROFILES {
        for index in 0..profile.rules.len() {
            let rule = &profile.rules[index];
            let mut without = profile.rules.to_vec();
            without.remove(index);
            let matters = witnesses(profile, rule.number).iter().any(|arguments| {
                naive(profile, profile.rules, rule.number, arguments)
                    != naive(profile, &without, rule.number, arguments)
            });
            assert!(matters, "{}: removing `{}` changes nothing: {rule:?}", profile.name, rule.name);
        }
    }
}

#[test]
fn a_condition_can_hold_and_fits_its_width() {
    for rule in PROFILES.iter().flat_map(|profile| profile.rules) {
        for condition in rule.when {
            assert_eq!(condition.value & !condition.mask, 0, "{}: value outside its mask", rule.name);
            let fits = condition.width == Width::Long || condition.mask >> 32 == 0;
            assert!(fits, "{}: an int has 32 bits", rule.name);
        }
    }
}

#[test]
fn foreign_architectures_and_x32_are_refused() {
    const I386: u32 = 0x4000_0003;
    for profile in PROFILES {
        let program = compile(profile).expect("compiles");
        for number in numbers(profile) {
            let call = Call { number, architecture: I386, arguments: [0; 6] };
            assert_eq!(run(&program, &call), verdict(profile.foreign), "{}", profile.name);
            #[cfg(target_arch = "x86_64")]
            {
                let call = Call { number: number | super::compile::X32, architecture: NATIVE, arguments: [0; 6] };
                assert_eq!(run(&program, &call), verdict(profile.x32), "{}", profile.name);
            }
        }
        assert_ne!(profile.foreign, Action::Allow);
        assert_ne!(profile.x32, Action::Allow);
    }
}

#[test]
fn the_default_denies_what_nobody_listed() {
    let enosys = verdict(Action::Errno(libc::ENOSYS as u16));
    assert_eq!(agent(1199, [0; 6]), enosys);
    assert_eq!(agent(libc::SYS_clone3, [0; 6]), enosys);
    assert_eq!(PID1.default, Action::Errno(libc::EPERM as u16));
}

#[test]
fn sockets_are_judged_by_what_the_kernel_sees() {
    let eperm = verdict(Action::Errno(libc::EPERM as u16));
    let allow = verdict(Action::Allow);
    let socket = |family: u64, kind: u64, protocol: u64| agent(libc::SYS_socket, [family, kind, protocol, 0, 0, 0]);
    let stream = libc::SOCK_STREAM as u64 | libc::SOCK_CLOEXEC as u64 | libc::SOCK_NONBLOCK as u64;
    assert_eq!(socket(2, stream, 6), allow);
    assert_eq!(socket(10, 2, 17), allow);
    assert_eq!(socket(16, 3, 0), allow);
    assert_eq!(socket(7 << 32 | 2, 1, 0), allow, "the kernel drops the upper half");
    // MPTCP, also behind a dirty upper half; UDP-Lite, SCTP twice, ICMP, raw, packet, vsock, alg, netlink audit.
    let refused = [
        (2, 1, 262),
        (2, 1, 1 << 32 | 262),
        (10, 2, 136),
        (2, 1, 132),
        (2, 5, 132),
        (2, 2, 1),
        (2, 3, 255),
        (17, 3, 0),
        (40, 1, 0),
        (38, 5, 0),
        (16, 3, 9),
    ];
    for (family, kind, protocol) in refused {
        assert_eq!(socket(family, kind, protocol), eperm, "{family} {kind} {protocol}");
    }
}

#[test]
fn every_namespace_flag_is_refused() {
    let eperm = verdict(Action::Errno(libc::EPERM as u16));
    let flags = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ];
    for flag in flags {
        let flag = flag as u32 as u64;
        assert_eq!(agent(libc::SYS_clone, [flag | libc::SIGCHLD as u64, 0, 0, 0, 0, 0]), eperm);
        assert_eq!(agent(libc::SYS_unshare, [flag, 0, 0, 0, 0, 0]), eperm);
    }
    assert_eq!(agent(libc::SYS_unshare, [0x80, 0, 0, 0, 0, 0]), eperm, "CLONE_NEWTIME");
    assert_eq!(agent(libc::SYS_setns, [0; 6]), eperm);
}

#[test]
fn a_long_tree_jumps_far() {
    let call = Condition { argument: 0, width: Width::Long, mask: u64::MAX, value: 7 };
    let when: &'static [Condition] = Box::leak(Box::new([call]));
    let rule = |n: u32| Rule { name: "made up", number: 2 * n, action: Action::Errno(n as u16), when };
    let rules: &'static [Rule] = Box::leak((0..400).map(rule).collect::<Vec<_>>().into_boxed_slice());
    let profile = Profile { name: "long", default: Action::Kill, foreign: Action::Kill, x32: Action::Kill, rules };
    let program = compile(&profile).expect("compiles");
    assert!(program.iter().any(|i| i.code == super::compile::JUMP), "no far jump was needed");
    for number in 0..900 {
        for argument in [7, 8] {
            let arguments = [argument, 0, 0, 0, 0, 0];
            let expected = verdict(naive(&profile, rules, number, &arguments));
            assert_eq!(run(&program, &native(libc::c_long::from(number), arguments)), expected, "{number}");
        }
    }
}
