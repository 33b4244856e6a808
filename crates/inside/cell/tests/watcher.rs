//! What pid 1 tells of connects and executions, and what a hostile agent makes of it.

mod harness;

use harness::{Cell, plan_for, start, ways};
use plan::{Ending, Layer, Report, Sighting};

fn sighting(cell: &Cell) -> Option<Sighting> {
    let gate = &cell.door[7];
    let mut bytes = [0; plan::MAX_SIGHTING];
    match rustix::net::recv(gate, &mut bytes[..], rustix::net::RecvFlags::empty()).expect("receives") {
        (_, 0) => None,
        (_, length) => Some(plan::Frame::decode(&bytes[..length]).expect("a sighting")),
    }
}

/// All that the gate was told until the cell ended.
fn told(mut cell: Cell) -> (Vec<Sighting>, String, Report) {
    let mut all = Vec::new();
    let gate = rustix::io::fcntl_dupfd_cloexec(&cell.door[7], 3).expect("a descriptor");
    let door = std::mem::take(&mut cell.door);
    let reader = std::thread::spawn(move || {
        let cell = Cell { door, ..cell };
        let (text, ended) = cell.finish();
        (text, ended)
    });
    let mut bytes = [0; plan::MAX_SIGHTING];
    while let Ok((_, length @ 1..)) = rustix::net::recv(&gate, &mut bytes[..], rustix::net::RecvFlags::empty()) {
        all.push(plan::Frame::decode(&bytes[..length]).expect("a sighting"));
    }
    let (text, ended) = reader.join().expect("the reader");
    (all, text, ended)
}

const CONNECT: &str = "perl -MSocket -e 'socket(my $s, PF_INET, SOCK_STREAM, 0); \
    connect($s, sockaddr_in(80, inet_aton(\"203.0.113.9\"))) or die; print \"through\\n\"; \
    socket(my $u, PF_UNIX, SOCK_STREAM, 0); connect($u, sockaddr_un(\"/tmp/none\")); print \"local\\n\";'; true";

#[test]
fn connects_and_executions_are_told_with_their_programs() {
    for privileged in ways() {
        let (all, text, ended) = told(start(&plan_for(privileged, CONNECT), &[]).expect("starts"));
        assert_eq!((text.as_str(), ended), ("through\nlocal\n", Report::Ended(Ending::Exited(0))));
        let Some(Sighting::Execute { by, claimed, arguments, pid, parent }) = all.first() else {
            panic!("the agent's own execution comes first: {all:?}")
        };
        assert_eq!((by.as_str(), claimed.as_str(), *pid, *parent), ("bastide-cell", "/usr/bin/sh", 2, 1));
        assert_eq!(arguments[1], "-c");
        let connects: Vec<_> = all.iter().filter(|one| matches!(one, Sighting::Connect { .. })).collect();
        let [Sighting::Connect { cookie, chain, .. }] = connects[..] else { panic!("one connect: {all:?}") };
        assert_ne!(*cookie, 0);
        assert!(chain[0].starts_with("/usr/bin/perl"), "{chain:?}");
        assert_eq!(chain.len(), 2, "{chain:?}");
    }
}

/// Of a process that connects more than once something is kept: never what it executed then.
#[test]
fn a_process_that_executes_another_program_is_told_as_that() {
    let reach =
        "use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0); connect($s, sockaddr_in(80, inet_aton(\"203.0.113.9\")));";
    let bash = "exec 3<>/dev/tcp/203.0.113.9/80 4<>/dev/tcp/203.0.113.9/80; exec perl -e \"$REACH\"";
    // The agent itself, another one's child, and one whose parent becomes another.
    let script = format!(
        "export REACH='{reach}'; bash -c '{bash}'; perl -e \"$REACH $REACH\"; \
         exec bash -c 'perl -e \"$REACH\"; exec 3<>/dev/tcp/203.0.113.9/80; {bash}'"
    );
    for privileged in ways() {
        let (all, text, ended) = told(start(&plan_for(privileged, &script), &[]).expect("starts"));
        assert_eq!(ended, Report::Ended(Ending::Exited(0)), "{text}");
        let name = |path: &String| path.rsplit('/').next().unwrap_or_default().to_owned();
        let connects = all.iter().filter_map(|one| match one {
            Sighting::Connect { pid, chain, .. } => {
                Some((*pid, chain.iter().map(name).collect::<Vec<_>>().join(" < ")))
            }
            Sighting::Execute { .. } => None,
        });
        let (pids, chains): (Vec<u32>, Vec<String>) = connects.unzip();
        let shell = chains[0].strip_prefix("bash < ").expect("a shell's child").to_owned();
        let within = |program: &str| format!("{program} < {shell}");
        let (bash, perl) = (within("bash"), within("perl"));
        let last = ["perl < bash", "bash", "bash", "bash", "perl"].map(str::to_owned);
        assert_eq!(
            chains,
            [vec![bash.clone(), bash, perl.clone(), perl.clone(), perl], last.to_vec()].concat(),
            "{text}"
        );
        assert!(pids[0] == pids[2] && pids[2] != pids[3] && pids[6..].iter().all(|pid| *pid == 2), "{pids:?}");
    }
}

#[test]
fn a_gate_that_does_not_read_holds_the_agent_but_not_pid_1() {
    let cell = start(&plan_for(true, "while :; do /usr/bin/true; done"), &[]).expect("starts");
    // The socket fills up with executions that nobody takes.
    std::thread::sleep(std::time::Duration::from_secs(2));
    cell.order(plan::Order::Signal(9));
    assert_eq!(cell.next(), Report::Ended(Ending::Signalled(9)));
    let Some(Sighting::Execute { .. }) = sighting(&cell) else { panic!("what was told is there") };
}

#[test]
fn bad_pointers_and_floods_hurt_only_the_agent() {
    let script = "perl -e 'for (1..2000) { syscall(59, -1, -1, -1); syscall(42, 9999, -1, 16); syscall(42, -5, 0, 0); \
                  syscall(322, -1, 8, 8, 8, 0x1000) } print \"alive\\n\"'; true";
    for privileged in ways() {
        let (_, text, ended) = told(start(&plan_for(privileged, script), &[]).expect("starts"));
        assert_eq!((text.as_str(), ended), ("alive\n", Report::Ended(Ending::Exited(0))));
    }
}

#[test]
fn without_a_network_of_its_own_there_is_no_door() {
    let mut plan = plan_for(true, "true");
    plan.without.insert(Layer::NetworkNamespace);
    let cell = start(&plan, &[]).expect("starts");
    assert!(cell.door.is_empty());
    let whole = start(&plan_for(true, "true"), &[]).expect("starts");
    assert_eq!(whole.door.len(), 8);
}
