//! Every layer is measured, and each can be switched off by itself without breaking the start.

mod harness;

use harness::{OWN, plan_for, run_plan, start, ways};
use plan::{Ending, Layer, LayerSet, Report, Stream};
use std::os::fd::OwnedFd;

#[test]
fn every_layer_is_measured_in_order() {
    for privileged in ways() {
        let cell = start(&plan_for(privileged, "true"), &[]).expect("starts");
        let layers: Vec<_> = cell.walls.iter().map(|one| one.layer).collect();
        assert_eq!(layers, Layer::ALL);
        assert!(cell.walls.iter().all(|one| one.holds), "{:?}", cell.walls);
        let host = if privileged { OWN } else { harness::ORDINARY };
        assert_eq!(cell.walls[1].detail, format!("uid_map 1000 {host} 1"));
        assert_eq!(cell.walls[14].detail, "pipe, pipe, pipe");
        assert_eq!(cell.finish().1, Report::Ended(Ending::Exited(0)));
    }
}

/// Without these an ordinary user can make no namespace at all, and nothing is run.
fn is_refused(privileged: bool, without: LayerSet) -> bool {
    !privileged && without.contains(Layer::UserNamespace)
}

fn runs_without(privileged: bool, without: LayerSet) {
    let mut plan = plan_for(privileged, "echo works");
    plan.without = without;
    if without.contains(Layer::PrivateRoot) {
        plan.command.directory = "/".into();
    }
    let names: Vec<_> = without.iter().map(Layer::name).collect();
    if without.contains(Layer::RelayedStdio) {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
        let null = || OwnedFd::from(std::fs::File::open("/dev/null").expect("opens"));
        let passed = [null(), write, null()];
        let started = start(&plan, &passed);
        drop(passed);
        if is_refused(privileged, without) {
            return assert!(started.is_err());
        }
        let cell = started.unwrap_or_else(|other| panic!("without {names:?}: {other:?}"));
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::fs::File::from(read), &mut text).expect("reads");
        assert_eq!(text, "works\n", "without {names:?}");
        assert_eq!(cell.next(), Report::Ended(Ending::Exited(0)));
        return;
    }
    match start(&plan, &[]) {
        Ok(cell) => {
            assert!(!is_refused(privileged, without), "without {names:?}");
            for one in &cell.walls {
                assert_eq!(one.holds, !without.contains(one.layer), "without {names:?}: {one:?}");
            }
            let (text, ended) = cell.finish();
            assert_eq!((text.as_str(), ended), ("works\n", Report::Ended(Ending::Exited(0))), "without {names:?}");
        }
        Err(other) => assert!(is_refused(privileged, without), "privileged {privileged} without {names:?}: {other:?}"),
    }
}

#[test]
fn each_layer_can_be_switched_off_alone() {
    for privileged in ways() {
        for layer in Layer::ALL {
            runs_without(privileged, [layer].into_iter().collect());
        }
    }
}

#[test]
fn any_two_layers_and_all_of_them_can_be_switched_off_by_root() {
    for one in Layer::ALL {
        for other in Layer::ALL {
            runs_without(true, [one, other].into_iter().collect());
        }
        runs_without(true, Layer::ALL.into_iter().filter(|layer| *layer != one).collect());
    }
    runs_without(true, Layer::ALL.into_iter().collect());
}

#[test]
fn a_layer_switched_off_is_off_in_the_agent() {
    let cases = [
        (Layer::Seccomp, "grep Seccomp_filters: /proc/self/status | cut -f2", "1"),
        (Layer::NoNewPrivileges, "grep NoNewPrivs: /proc/self/status | cut -f2", "0"),
        (Layer::HostUid, "cut -c12-22 /proc/self/uid_map | tr -d ' '", "0"),
        (Layer::PrivateRoot, "test -d /etc && echo host", "host"),
        (Layer::PidNamespace, "test $$ -gt 2 && echo host", "host"),
        (Layer::Landlock, "echo named > /proc/self/comm && echo open", "open"),
    ];
    for (layer, script, expected) in cases {
        let mut plan = plan_for(true, script);
        plan.without.insert(layer);
        if layer == Layer::PrivateRoot {
            plan.command.directory = "/".into();
        }
        let (text, ended) = run_plan(&plan);
        assert_eq!(text.trim(), expected, "{}: {ended:?}", layer.name());
    }
    let mut plan = plan_for(true, "grep CapEff: /proc/self/status | cut -f2");
    plan.without.insert(Layer::Capabilities);
    let (text, _) = run_plan(&plan);
    assert_ne!(text.trim().trim_start_matches('0'), "", "capabilities are kept");
}

#[test]
fn a_passed_stream_is_refused_where_it_was_not_accepted() {
    let mut plan = plan_for(true, "true");
    plan.without.insert(Layer::RelayedStdio);
    let Err(Report::Failed(failure)) = start(&plan, &[]) else { panic!("no stdio, yet it ran") };
    assert_eq!(failure.layer, Some(Layer::RelayedStdio));
    assert_eq!(failure.exit, 125);
    assert_eq!(plan.stdio.streams, [Stream::Pipe; 3]);
}

/// A tree of the agent's own user that is bound and no overlay would show the host's sockets in it.
#[test]
fn a_wall_that_is_measured_not_to_hold_runs_nothing() {
    let tree = format!("/tmp/bastide-bound-{}", std::process::id());
    std::fs::create_dir_all(&tree).expect("makes");
    std::os::unix::fs::chown(&tree, Some(harness::ORDINARY), Some(harness::ORDINARY)).expect("gives away");
    let mut plan = plan_for(false, "echo ran");
    plan.root.push(plan::Step::Bind {
        source: tree.clone(),
        at: "/bound".into(),
        writable: false,
        executable: false,
        devices: false,
        owner: plan::Owner::Everybody,
    });
    let (text, ended) = run_plan(&plan);
    let Report::Failed(failure) = ended else { panic!("it ran: {text} {ended:?}") };
    assert_eq!((failure.layer, failure.exit, text.as_str()), (Some(Layer::SocketShadow), 125, ""));
    std::fs::remove_dir(tree).expect("cleans");
}

/// Landlock's scope holds where the network namespace does not: an abstract socket of the host.
#[test]
fn an_abstract_socket_of_the_host_is_stopped_by_landlock_alone() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("bastide-abstract-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name.as_bytes()).expect("an address");
    let _listener = std::os::unix::net::UnixListener::bind_addr(&address).expect("binds");
    let script = format!(
        "perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_STREAM, 0); \
         print connect($s, pack(\"Sa*\", 1, \"\\0{name}\")) ? \"through\" : $!+0'"
    );
    for (off, expected) in
        [(vec![Layer::NetworkNamespace], "1"), (vec![Layer::NetworkNamespace, Layer::Landlock], "through")]
    {
        let mut plan = plan_for(true, &script);
        plan.without = off.into_iter().collect();
        assert_eq!(run_plan(&plan).0, expected);
    }
}
