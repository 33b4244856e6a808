//! Root's files in a cell that root started: the agent's own inside, root's again on the disk.

mod harness;

use harness::{plan_for, run_plan};
use plan::{Access, Ending, Owner, PathRule, Report, Step};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

#[test]
fn roots_files_are_the_agents_inside_and_roots_on_the_disk() {
    let base = format!("/tmp/bastide-owners-{}", std::process::id());
    for name in ["work", "changes/upper", "changes/work", "home"] {
        fs::create_dir_all(format!("{base}/{name}")).expect("makes");
        fs::set_permissions(format!("{base}/{name}"), fs::Permissions::from_mode(0o755)).expect("sets");
    }
    for (name, mode) in [("work/plain", 0o644), ("work/closed", 0o600), ("home/kept", 0o600)] {
        fs::write(format!("{base}/{name}"), name).expect("writes");
        fs::set_permissions(format!("{base}/{name}"), fs::Permissions::from_mode(mode)).expect("sets");
    }
    let script = "cat plain closed /home/kept; id -u; stat -c %u closed; echo more >> closed; echo new > new; \
                  mkdir made; mv plain moved; rm -f absent; echo x >> /home/kept; echo y > /home/new";
    let mut plan = plan_for(true, script);
    plan.command.directory = "/work".into();
    let owner = Owner::Agent { uid: 0, gid: 0 };
    plan.root.push(Step::Overlay {
        source: format!("{base}/work"),
        at: "/work".into(),
        changes: Some(format!("{base}/changes")),
        owner,
    });
    plan.root.push(Step::Bind {
        source: format!("{base}/home"),
        at: "/home".into(),
        writable: true,
        executable: true,
        devices: false,
        owner,
    });
    for at in ["/work", "/home"] {
        plan.landlock.push(PathRule { at: at.into(), access: Access::Write });
    }
    let (text, ended) = run_plan(&plan);
    assert_eq!(ended, Report::Ended(Ending::Exited(0)), "{text}");
    assert_eq!(text, "work/plainwork/closedhome/kept1000\n1000\n");
    for name in ["upper/closed", "upper/new", "upper/made", "upper/moved"] {
        let of = fs::symlink_metadata(format!("{base}/changes/{name}")).expect("in the upper");
        assert_eq!((of.uid(), of.gid()), (0, 0), "{name}");
    }
    for name in ["kept", "new"] {
        assert_eq!(fs::metadata(format!("{base}/home/{name}")).expect("in the home").uid(), 0, "{name}");
    }
    assert_eq!(fs::read_to_string(format!("{base}/work/closed")).expect("reads"), "work/closed", "untouched");
    fs::remove_dir_all(base).expect("cleans");
}
