//! Real programs under both filters, and the probes as the agent runs them.

mod harness;

use harness::{plan_for, run_plan, ways};
use plan::{Access, Ending, Owner, PathRule, Plan, Report, Step};

fn with_programs(privileged: bool, script: &str) -> Plan {
    let mut plan = plan_for(privileged, script);
    plan.root[7] = Step::Tmpfs { at: "/tmp".into(), bytes: 64 << 20, inodes: 4096, mode: 0o1777 };
    for at in ["/dev/urandom", "/dev/zero"] {
        plan.root.push(Step::Bind {
            source: at.into(),
            at: at.into(),
            writable: true,
            executable: false,
            devices: true,
            owner: Owner::Everybody,
        });
    }
    plan.command.environment =
        ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp"].map(|text| text.as_bytes().to_vec()).to_vec();
    plan
}

const GUESTS: [(&str, &str); 4] = [
    ("git", "git init -q r && cd r && echo a > a && git add a && git -c user.name=a -c user.email=a@b commit -qm a"),
    ("/usr/bin/python3", "/usr/bin/python3 -c 'import subprocess,threading;subprocess.check_call([\"true\"])'"),
    ("gdb", "gdb -nx -batch -ex run -ex 'info registers' --args /usr/bin/true 2>&1 | grep -q 'exited normally'"),
    ("node", "node -e 'require(\"child_process\").execSync(\"true\")'"),
];

#[test]
fn guests_work_in_a_whole_cell() {
    for privileged in ways() {
        for (name, script) in GUESTS {
            let script = format!("command -v {name} >/dev/null || exit 0; {{ {script}; }}");
            let (text, ended) = run_plan(&with_programs(privileged, &script));
            assert_eq!(ended, Report::Ended(Ending::Exited(0)), "{name}: {text}");
        }
    }
}

#[test]
fn every_probe_is_stopped_and_each_layer_answers() {
    let base = format!("/tmp/bastide-probe-{}", std::process::id());
    std::fs::create_dir_all(&base).expect("makes");
    std::fs::copy(env!("CARGO_BIN_EXE_bastide-cell"), format!("{base}/bastide-cell")).expect("copies");
    for privileged in ways() {
        let mut plan = plan_for(privileged, "");
        plan.root.push(Step::Bind {
            source: format!("{base}/bastide-cell"),
            at: "/probe".into(),
            writable: false,
            executable: true,
            devices: false,
            owner: Owner::Everybody,
        });
        plan.landlock.push(PathRule { at: "/probe".into(), access: Access::Execute });
        plan.command.program = "/probe".into();
        plan.command.arguments = vec![b"bastide-cell".to_vec(), b"probe".to_vec()];
        let (text, ended) = run_plan(&plan);
        let open: Vec<_> = text.lines().filter(|line| !line.contains("\"stopped\":true")).collect();
        assert!(open.is_empty(), "privileged {privileged}: {open:#?}");
        assert_eq!(ended, Report::Ended(Ending::Exited(0)));
        for layer in plan::Layer::ALL {
            assert!(text.contains(&format!("\"layer\":\"{}\"", layer.name())), "{}", layer.name());
        }
    }
    std::fs::remove_dir_all(base).expect("cleans");
}

#[test]
fn a_fork_bomb_ends_at_the_limit() {
    let cgroup = std::path::Path::new("/sys/fs/cgroup/pids");
    let own = cgroup.join(format!("bastide-test-{}", std::process::id()));
    if std::fs::create_dir(&own).is_err() {
        eprintln!("no pids cgroup here: not tested");
        return;
    }
    std::fs::write(own.join("pids.max"), "40").expect("a limit");
    let mut plan = plan_for(true, "b() { b | b & }; b 2>/dev/null; sleep 0.3; echo alive");
    plan.limits.join = vec![own.join("tasks").to_str().expect("UTF-8").into()];
    let (_, ended) = run_plan(&plan);
    assert!(matches!(ended, Report::Ended(_)), "{ended:?}");
    let events = std::fs::read_to_string(own.join("pids.events")).expect("what the limit refused");
    let refused = events.lines().find_map(|line| line.strip_prefix("max ")?.parse::<u64>().ok());
    assert!(refused.is_some_and(|refused| refused > 0), "the limit refused nothing: {events}");
    for _ in 0..200 {
        if std::fs::remove_dir(&own).is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("processes are left in the cgroup");
}
