//! Sessions, signals and ends: job control on the pty, orphans, and nothing that survives.

mod harness;

use harness::{Cell, plan_for, start, ways};
use plan::{Ending, Frame, Order, Plan, Report, Stream, WindowSize};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

fn on_a_terminal(privileged: bool, program: &str, arguments: &[&str]) -> Plan {
    let mut plan = plan_for(privileged, "");
    plan.stdio.streams = [Stream::Terminal; 3];
    plan.stdio.size = WindowSize { rows: 24, columns: 80 };
    plan.command.program = program.into();
    plan.command.arguments = arguments.iter().map(|text| text.as_bytes().to_vec()).collect();
    plan
}

fn master(cell: &Cell) -> std::fs::File {
    std::fs::File::from(cell.stdio[0].try_clone().expect("the master"))
}

#[test]
fn a_command_that_is_no_shell_stops_and_goes_on() {
    for privileged in ways() {
        let cell = start(&on_a_terminal(privileged, "/usr/bin/cat", &["cat"]), &[]).expect("starts");
        let mut terminal = master(&cell);
        for _ in 0..2 {
            terminal.write_all(b"\x1a").expect("^Z");
            assert_eq!(cell.next(), Report::Stopped(libc::SIGTSTP as u8));
            cell.order(Order::Signal(libc::SIGCONT as u8));
            // It goes on: the terminal echoes a line, and cat writes it again.
            terminal.write_all(b"x\n").expect("a line");
            let (mut seen, mut byte) = (0, [0]);
            while seen < 2 && terminal.read(&mut byte).expect("the terminal") == 1 {
                seen += usize::from(byte[0] == b'x');
            }
        }
        terminal.write_all(b"\x03").expect("^C");
        assert_eq!(cell.next(), Report::Ended(Ending::Signalled(libc::SIGINT as u8)));
    }
}

/// The state of each process of the cell but pid 1, as /proc says it.
fn states(cell: &Cell) -> Vec<char> {
    let all = descendants(cell.pid_1());
    let state =
        |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?.rsplit(") ").next()?.chars().next();
    all.iter().filter_map(state).collect()
}

/// Stopped, ended and not reaped, or in a `vfork` whose child is stopped.
fn is_still(state: &char) -> bool {
    matches!(state, 'T' | 't' | 'Z' | 'D')
}

/// In sessions, groups and pipelines of their own, and while they fork: none goes on, and none is made.
#[test]
fn a_pause_stops_every_process_and_the_client_is_not_told() {
    let script = "(setsid sh -c 'while :; do sleep 0.001; done' & ); \
                  sh -c 'trap \"\" TSTP TERM; while :; do (:); done' & \
                  while :; do echo x; sleep 0.002; done";
    for privileged in ways() {
        let cell = start(&plan_for(privileged, script), &[]).expect("starts");
        let mut out = std::fs::File::from(cell.stdio[1].try_clone().expect("stdout"));
        let mut read = [0; 2];
        out.read_exact(&mut read).expect("it runs");
        cell.order(Order::Pause);
        assert_eq!(cell.next(), Report::Paused(true));
        // What it was in when it was told ends at once.
        let since = Instant::now();
        while !states(&cell).iter().all(is_still) {
            assert!(since.elapsed() < Duration::from_secs(10), "{:?}", states(&cell));
            std::thread::sleep(Duration::from_millis(2));
        }
        let before = descendants(cell.pid_1());
        // A shell that continues the client does not continue the cell.
        cell.order(Order::Signal(libc::SIGCONT as u8));
        std::thread::sleep(Duration::from_millis(200));
        assert!(before.len() >= 3 && states(&cell).iter().all(is_still), "{:?}", states(&cell));
        assert_eq!(descendants(cell.pid_1()), before);
        cell.order(Order::Resume);
        while states(&cell).iter().any(|state| matches!(state, 'T' | 't')) {
            assert!(since.elapsed() < Duration::from_secs(20), "{:?}", states(&cell));
            std::thread::sleep(Duration::from_millis(2));
        }
        // Neither its stop nor its going on was told: the next report is its end.
        cell.order(Order::Pause);
        assert_eq!(cell.next(), Report::Paused(true));
        cell.order(Order::Signal(libc::SIGKILL as u8));
        assert_eq!(cell.next(), Report::Ended(Ending::Signalled(9)));
    }
}

/// A timer's SIGCONT comes from no process that could be stopped: to a program that catches it, and to one that makes others.
#[test]
fn a_pause_holds_what_would_let_itself_go_on() {
    let perl = "$SIG{CONT} = sub {}; my $timer = pack('i', 0); \
                my ($what, $when) = (pack('qiix48', 0, 18, 0), pack('q4', 0, 1000000, 0, 1000000)); \
                syscall(222, 1, $what, $timer) == 0 or die; \
                syscall(223, unpack('i', $timer), 0, $when, 0) == 0 or die; \
                $| = 1; for (;;) { print 'x'; select(undef, undef, undef, 0.002); if (@ARGV) { fork or exit; wait } }";
    let perl = perl.replace('$', "\\$");
    let script = format!("perl -e \"{perl}\" forks & exec perl -e \"{perl}\"");
    for privileged in ways() {
        let cell = start(&plan_for(privileged, &script), &[]).expect("starts");
        let mut out = std::fs::File::from(cell.stdio[1].try_clone().expect("stdout"));
        let mut read = [0; 64];
        out.read_exact(&mut read).expect("it runs");
        for _ in 0..5 {
            cell.order(Order::Pause);
            assert_eq!(cell.next(), Report::Paused(true));
            std::thread::sleep(Duration::from_millis(50));
            rustix::fs::fcntl_setfl(&out, rustix::fs::OFlags::NONBLOCK).expect("set");
            while matches!(out.read(&mut [0; 4096]), Ok(1..)) {}
            std::thread::sleep(Duration::from_millis(300));
            assert!(states(&cell).iter().all(is_still), "{:?}", states(&cell));
            assert!(out.read(&mut read).is_err(), "it goes on");
            rustix::fs::fcntl_setfl(&out, rustix::fs::OFlags::empty()).expect("set");
            cell.order(Order::Resume);
            out.read_exact(&mut read).expect("it goes on");
        }
        cell.order(Order::Signal(libc::SIGKILL as u8));
        assert_eq!(cell.next(), Report::Ended(Ending::Signalled(9)));
    }
}

/// A pause takes no signal from anybody, and gives none.
#[test]
fn a_signal_that_comes_in_a_pause_is_there_after_it() {
    let script =
        "exec perl -e '$SIG{TERM} = sub { print \"told\\n\"; exit 3 }; $| = 1; print \"up\\n\"; sleep 1 for 1..100'";
    for privileged in ways() {
        let cell = start(&plan_for(privileged, script), &[]).expect("starts");
        let mut out = std::fs::File::from(cell.stdio[1].try_clone().expect("stdout"));
        let mut up = [0; 3];
        out.read_exact(&mut up).expect("it runs");
        cell.order(Order::Pause);
        assert_eq!(cell.next(), Report::Paused(true));
        cell.order(Order::Signal(libc::SIGTERM as u8));
        std::thread::sleep(Duration::from_millis(100));
        cell.order(Order::Resume);
        assert_eq!(cell.next(), Report::Ended(Ending::Exited(3)));
    }
}

#[test]
fn without_a_pid_namespace_nobody_is_stopped() {
    let mut plan = plan_for(true, "sleep 100");
    plan.without.insert(plan::Layer::PidNamespace);
    let cell = start(&plan, &[]).expect("starts");
    cell.order(Order::Pause);
    assert_eq!(cell.next(), Report::Paused(false));
    cell.order(Order::Kill);
}

#[test]
fn signals_reach_the_whole_process_group() {
    for privileged in ways() {
        let cell = start(&plan_for(privileged, "trap '' TERM; sleep 100 & wait; sleep 100"), &[]).expect("starts");
        cell.order(Order::Signal(libc::SIGKILL as u8));
        assert_eq!(cell.next(), Report::Ended(Ending::Signalled(9)));
    }
}

#[test]
fn signals_are_what_a_program_expects() {
    let (text, _) = harness::run(true, "grep -E '^Sig(Blk|Ign):' /proc/self/status | cut -f2");
    assert_eq!(text, "0000000000000000\n0000000000000000\n");
}

#[test]
fn orphans_are_reaped() {
    let script = "for i in 1 2 3 4 5; do (sleep 0 & ) ; done; sleep 0.3; ls -d /proc/[0-9]* | wc -l";
    let (text, ended) = harness::run(true, script);
    // Pid 1, the shell, ls and wc.
    assert!(matches!(text.trim().parse::<u32>(), Ok(..=5)), "{text} {ended:?}");
}

/// Waits until a process is gone, a bounded time.
fn is_gone(pid: u32) -> bool {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(10) {
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(text) if text.rsplit(") ").next().is_some_and(|rest| !rest.starts_with(['Z', 'X'])) => {}
            _ => return true,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// All processes of the pid namespace below pid 1.
fn descendants(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children: Vec<u32> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    children.iter().flat_map(|child| descendants(*child)).chain(children.iter().copied()).collect()
}

#[test]
fn nothing_survives_the_end_of_the_control_socket_or_of_pid_1() {
    for privileged in ways() {
        for kill in [false, true] {
            let cell = start(&plan_for(privileged, "setsid sleep 100 & sleep 100 & sleep 100"), &[]).expect("starts");
            let one = cell.pid_1();
            std::thread::sleep(Duration::from_millis(50));
            let all = descendants(one);
            assert!(!all.is_empty());
            if kill {
                // SAFETY: pid 1 of the cell that this test started, not waited for.
                unsafe { libc::kill(one.cast_signed(), libc::SIGKILL) };
            }
            drop(cell);
            for pid in all.into_iter().chain([one]) {
                assert!(is_gone(pid), "{pid} survived; killed: {kill}");
            }
        }
    }
}

/// A plane that dies at any moment: the control socket goes, and in half of the rounds the launcher first.
#[test]
fn a_cell_does_not_outlive_its_plane_at_any_moment() {
    let plans = ways().map(|privileged| plan_for(privileged, "sleep 77.125"));
    // As long as a whole start takes here, so that the moments lie before, within and after it.
    let start_takes = plans.iter().map(|plan| {
        let since = Instant::now();
        drop(start(plan, &[]).expect("starts"));
        since.elapsed()
    });
    let step = start_takes.max().expect("two") / 24;
    let (mut building, mut running) = (0, 0);
    for round in 0..480_u32 {
        // On a busy machine moments shift: until each kind was met.
        if round >= 48 && building > 0 && running > 0 {
            break;
        }
        let (mut launcher, ours) = harness::launch(&plans[round as usize % 2], &[]);
        let socket = harness::inode(&ours);
        std::thread::sleep(step * (round % 48));
        if round % 4 < 2 {
            launcher.kill().expect("kills the launcher");
        }
        let of_the_cell = || {
            let children = harness::children().into_iter();
            children.filter(|pid| *pid != launcher.id() && harness::holds_socket(*pid, socket)).collect::<Vec<_>>()
        };
        let mut all = of_the_cell();
        let inside: Vec<u32> = all.iter().flat_map(|one| descendants(*one)).collect();
        building += u32::from(!all.is_empty() && inside.is_empty());
        running += u32::from(!inside.is_empty());
        all.extend(inside);
        drop(ours);
        // Made after the first look, by a launcher that had not noticed yet.
        all.extend(of_the_cell());
        launcher.wait().expect("the launcher");
        all.extend(harness::children().into_iter().filter(|pid| harness::holds_socket(*pid, socket)));
        for pid in all {
            assert!(is_gone(pid), "{pid} survived in round {round}");
        }
    }
    assert!(building > 0 && running > 0, "building: {building}, running: {running}");
}

#[test]
fn many_short_runs_end_each() {
    let rounds = std::env::var("BASTIDE_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let mut plan = plan_for(true, "");
    plan.command.program = "/usr/bin/true".into();
    plan.command.arguments = vec![b"true".to_vec()];
    for round in 0..rounds {
        let (_, ended) = harness::run_plan(&plan);
        assert_eq!(ended, Report::Ended(Ending::Exited(0)), "round {round}");
    }
}

#[test]
fn pid_1_keeps_no_environment_and_is_closed_to_the_agent() {
    let secret = "VALUE-THAT-PID-1-FORGETS-70932";
    for privileged in ways() {
        let script = "for f in environ mem maps fd/0 cwd root; do cat /proc/1/$f >/dev/null 2>&1 && echo open $f; done; \
                      ls /proc/1/fd 2>/dev/null; kill -9 1 2>/dev/null; kill -TERM 1 2>/dev/null; echo ready; read line";
        let mut plan = plan_for(privileged, script);
        plan.command.environment.push(format!("SECRET={secret}").into_bytes());
        plan.command.arguments.push(format!("argument {secret}").into_bytes());
        let cell = start(&plan, &[]).expect("starts");
        let mut out = std::fs::File::from(cell.stdio[1].try_clone().expect("stdout"));
        let mut text = [0; 64];
        let got = out.read(&mut text).expect("reads");
        assert_eq!(&text[..got], b"ready\n");
        let found = memory_holds(cell.pid_1(), secret.as_bytes());
        assert_eq!(found, Some(false), "pid 1's memory, privileged: {privileged}");
        // The same search finds it where it must be: in the agent.
        let agent = descendants(cell.pid_1());
        assert_eq!(memory_holds(agent[0], secret.as_bytes()), Some(true));
        drop(cell);
    }
}

/// Whether any readable memory of a process holds these bytes; none where nothing could be read.
fn memory_holds(pid: u32, bytes: &[u8]) -> Option<bool> {
    use std::os::unix::fs::FileExt;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut read = false;
    for line in maps.lines() {
        let (range, _) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        let mut space = vec![0; usize::try_from(to - from).ok()?];
        if let Ok(got) = memory.read_at(&mut space, from) {
            read = true;
            if space[..got].windows(bytes.len()).any(|window| window == bytes) {
                return Some(true);
            }
        }
    }
    read.then_some(false)
}

/// Of the program's code in a process's memory: how much is there, and how much there could be, in KiB.
fn code(pid: u32) -> (u64, u64) {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).expect("reads");
    let of_ours = maps.lines().skip_while(|line| !(line.contains(" r-xp ") && line.ends_with("/bastide-cell")));
    let figure = |name: &str| {
        let found = of_ours.clone().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok());
        found.unwrap_or_else(|| panic!("no {name} in {maps}"))
    };
    (figure("Rss:"), figure("Size:"))
}

#[test]
fn pid_1_lets_go_of_the_code_that_built_the_walls() {
    for privileged in ways() {
        let cell = start(&plan_for(privileged, "read line; /usr/bin/true; echo served"), &[]).expect("starts");
        let since = Instant::now();
        let small = |(here, whole): (u64, u64)| here > 0 && here * 2 < whole;
        // It says first that the agent runs.
        while !small(code(cell.pid_1())) {
            assert!(since.elapsed() < Duration::from_secs(10), "{:?} KiB", code(cell.pid_1()));
            std::thread::sleep(Duration::from_millis(5));
        }
        // What it needs comes back.
        let (text, ended) = cell.finish();
        assert_eq!((text.as_str(), ended), ("served\n", Report::Ended(Ending::Exited(0))));
    }
}

/// What a launcher says but the door, which it hands out as soon as it knows the foundation.
fn after_the_door(socket: &UnixStream) -> Option<Report> {
    std::iter::from_fn(|| harness::report(socket)).map(|(told, _)| told).find(|told| *told != Report::Door)
}

/// A plane of another build may speak of other shapes: the cell says so instead of leaving without a word.
#[test]
fn words_that_are_no_plan_are_a_failure_that_is_told() {
    let plan = plan_for(true, "true");
    let foundation = Frame::encode(&plan.foundation()).expect("encodes");
    let garbled = Frame::encode(&"of another shape").expect("encodes");
    for frames in [vec![&garbled], vec![&foundation, &garbled]] {
        let (mut launcher, mut ours) = harness::spawn(true);
        for frame in frames {
            ours.write_all(frame).expect("sends");
        }
        let Some(Report::Failed(failure)) = after_the_door(&ours) else { panic!("it did not say so") };
        assert_eq!((failure.exit, failure.errno), (125, libc::EBADMSG));
        assert_eq!(launcher.wait().expect("the launcher").code(), Some(125));
    }
}

/// The record comes before what it tells of.
#[test]
fn nothing_of_the_agents_runs_before_the_word_to_begin() {
    for privileged in ways() {
        for goes in [true, false] {
            let plan = plan_for(privileged, "true");
            let (mut launcher, mut ours) = harness::spawn(privileged);
            for frame in [Frame::encode(&plan.foundation()), Frame::encode(&plan)] {
                ours.write_all(&frame.expect("encodes")).expect("sends");
            }
            let mut told = std::iter::from_fn(|| harness::report(&ours)).map(|(told, _)| told);
            assert!(told.any(|one| matches!(one, Report::Walls(_))));
            // Everything else is ready by now.
            std::thread::sleep(Duration::from_millis(100));
            assert_eq!(rustix::io::ioctl_fionread(&ours), Ok(0));
            if goes {
                ours.write_all(&Frame::encode(&Order::Begin).expect("encodes")).expect("sends");
            } else {
                ours.shutdown(std::net::Shutdown::Write).expect("ends");
            }
            let told: Vec<_> = std::iter::from_fn(|| harness::report(&ours)).map(|(told, _)| told).collect();
            assert_eq!(told.iter().any(|one| matches!(one, Report::Started { .. })), goes, "{told:?}");
            launcher.wait().expect("the launcher");
        }
    }
}

/// An ordinary user is mapped before there is a plan: one that says otherwise would be untrue.
#[test]
fn a_plan_for_another_stands_on_another_foundation() {
    let mut plan = plan_for(false, "true");
    let (mut launcher, mut ours) = harness::spawn(false);
    ours.write_all(&Frame::encode(&plan.foundation()).expect("encodes")).expect("sends");
    plan.identity.inside_uid += 1;
    ours.write_all(&Frame::encode(&plan).expect("encodes")).expect("sends");
    let Some(Report::Failed(failure)) = after_the_door(&ours) else { panic!("it did not say so") };
    assert_eq!((failure.exit, failure.errno), (125, libc::EPROTO));
    assert_eq!(launcher.wait().expect("the launcher").code(), Some(125));
}

/// A plane that leaves between two words is nobody to tell: that is no failure.
#[test]
fn a_plane_that_says_nothing_more_ends_the_launcher() {
    let foundation = Frame::encode(&plan_for(true, "true").foundation()).expect("encodes");
    for said in [&[][..], &foundation] {
        let (mut launcher, mut ours) = harness::spawn(true);
        ours.write_all(said).expect("sends");
        ours.shutdown(std::net::Shutdown::Write).expect("ends");
        assert_eq!(after_the_door(&ours), None);
        assert_eq!(launcher.wait().expect("the launcher").code(), Some(125));
    }
}

#[test]
fn a_plan_of_another_version_runs_nothing() {
    let mut plan = plan_for(true, "true");
    plan.version += 1;
    let Err(Report::Failed(failure)) = start(&plan, &[]) else { panic!("it ran") };
    assert_eq!(failure.exit, 125);
}
