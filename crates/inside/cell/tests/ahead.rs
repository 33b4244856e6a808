//! A cell that is made before there is a session: the same walls in the end, and nothing of anybody's until then.

mod harness;

use harness::{Cell, children, holds_socket, inode, plan_for, report, ways};
use plan::{Frame, Ground, Likely, Order, Plan, Report, Step};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::{Duration, Instant};

/// The first steps and rules of a plan, and the ids that most sessions of the tests get.
fn ground(plan: &Plan) -> Ground {
    let host = (plan.identity.host_uid, plan.identity.host_gid);
    let likely = plan.identity.privileged.then_some(Likely { inside: (1000, 1000), host, owner: (0, 0) });
    Ground { steps: plan.root[..6].to_vec(), rules: plan.landlock[..2].to_vec(), join: Vec::new(), likely }
}

/// One that waits, with the door that it handed out.
fn park(plan: &Plan) -> (Child, Cell) {
    park_on(plan, ground(plan))
}

fn park_on(plan: &Plan, ground: Ground) -> (Child, Cell) {
    let (launcher, mut socket) = harness::spawn(plan.identity.privileged);
    let foundation = plan::Foundation { ground: Some(ground), ..plan.foundation() };
    socket.write_all(&Frame::encode(&foundation).expect("encodes")).expect("sends");
    let mut cell = Cell { socket, launcher: launcher.id(), stdio: Vec::new(), door: Vec::new(), walls: Vec::new() };
    while cell.door.is_empty() {
        match report(&cell.socket).expect("the cell left without a word") {
            (Report::Door, door) => cell.door = door,
            (Report::Born { .. }, _) => {}
            (other, _) => panic!("{other:?}"),
        }
    }
    // It is the launcher's until that has ended, and says nothing then.
    let until = Instant::now() + Duration::from_secs(60);
    while pid_1(&cell.socket).is_none() {
        assert!(Instant::now() < until, "pid 1 is not there");
        std::thread::sleep(Duration::from_millis(1));
    }
    (launcher, cell)
}

fn pid_1(socket: &UnixStream) -> Option<u32> {
    let at = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let first = |pid: &u32| at(pid).lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1"));
    children().into_iter().filter(|pid| holds_socket(*pid, inode(socket))).find(first)
}

/// Tells it the plan, and lets it begin.
fn begin(cell: Cell, plan: Plan) -> Result<Cell, Report> {
    let ground = ground(&plan);
    begin_on(cell, &ground, plan)
}

fn begin_on(mut cell: Cell, ground: &Ground, mut plan: Plan) -> Result<Cell, Report> {
    assert!(ground.leave_out_of(&mut plan));
    cell.socket.write_all(&Frame::encode(&plan).expect("encodes")).expect("sends");
    cell.order(Order::Begin);
    loop {
        match report(&cell.socket).expect("the cell left without a word") {
            (Report::Stdio, stdio) => cell.stdio = stdio,
            (Report::Walls(walls), _) => cell.walls = walls,
            (Report::Born { .. }, _) => {}
            (Report::Started { .. }, _) => return Ok(cell),
            (other, _) => return Err(other),
        }
    }
}

const LOOK: &str = "ls -A / /dev /usr; id; cat /proc/self/uid_map; grep -E 'Cap|Seccomp|NoNew' /proc/self/status; \
                    echo >/tmp/made && cat /tmp/made; echo x >/dev/null; touch /usr/x 2>/dev/null || echo refused; hostname";

#[test]
fn its_walls_are_those_of_one_that_is_made_at_once() {
    for privileged in ways() {
        for uid in [1000, 1001] {
            let mut plan = plan_for(privileged, LOOK);
            // An ordinary user is mapped before anything is made; root's cells may turn out to be others'.
            plan.identity.inside_uid = if privileged { uid } else { 1000 };
            plan.identity.hostname = format!("host-{uid}");
            let (mut launcher, cell) = park(&plan);
            assert_eq!(launcher.wait().expect("the launcher").code(), Some(0));
            let ahead = begin(cell, plan.clone()).expect("starts");
            let at_once = harness::start(&plan, &[]).expect("starts");
            let holding = |cell: &Cell| cell.walls.iter().map(|wall| (wall.layer, wall.holds)).collect::<Vec<_>>();
            assert_eq!(holding(&ahead), holding(&at_once));
            assert!(ahead.walls.iter().all(|wall| wall.holds), "{:?}", ahead.walls);
            let (said, ended) = ahead.finish();
            let (other, _) = at_once.finish();
            assert!(said.contains("refused") && said.contains(&format!("host-{uid}")), "{said}");
            let sorted = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            assert_eq!(sorted(&said), sorted(&other));
            assert!(matches!(ended, Report::Ended(_)), "{ended:?}");
        }
    }
}

/// A sub-agent may use less memory than most sessions.
#[test]
fn a_tree_in_memory_grows_as_far_as_the_session_lets_it() {
    const FILL: &str = "yes | dd of=/tmp/made bs=4096 count=2048 iflag=fullblock 2>/dev/null; stat -c %s /tmp/made; df -k --output=size /tmp";
    for privileged in ways() {
        let plan = plan_for(privileged, FILL);
        for bytes in [64 << 10, 32 << 20] {
            let ground = Ground { steps: plan.root.clone(), ..ground(&plan) };
            let mut wanted = plan.clone();
            let Some(Step::Tmpfs { bytes: most, .. }) = wanted.root.last_mut() else { panic!("no tree in memory") };
            *most = bytes;
            let (mut launcher, cell) = park_on(&plan, ground.clone());
            launcher.wait().expect("the launcher");
            let (said, _) = begin_on(cell, &ground, wanted).expect("starts").finish();
            let numbers: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            assert_eq!(numbers, [bytes.min(8 << 20), bytes >> 10], "{said}");
        }
    }
}

/// While it waits it has no stdio, no program and no word to say; and it goes with the plane.
#[test]
fn one_without_a_session_ends_without_a_word() {
    for privileged in ways() {
        let plan = plan_for(privileged, "true");
        let (mut launcher, cell) = park(&plan);
        launcher.wait().expect("the launcher");
        let waiting = pid_1(&cell.socket).expect("pid 1");
        let below = std::fs::read_to_string(format!("/proc/{waiting}/task/{waiting}/children")).expect("there");
        assert_eq!(below, "");
        std::thread::sleep(std::time::Duration::from_millis(100));
        cell.socket.shutdown(std::net::Shutdown::Write).expect("ends");
        while let Some((said, _)) = report(&cell.socket) {
            assert!(matches!(said, Report::Born { .. }), "{said:?}");
        }
    }
}

#[test]
fn a_plan_that_stands_elsewhere_is_refused() {
    for privileged in ways() {
        let plan = plan_for(privileged, "true");
        let (mut launcher, cell) = park(&plan);
        launcher.wait().expect("the launcher");
        let mut other = plan.clone();
        other.door.tcp_port += 1;
        let Err(Report::Failed(failure)) = begin(cell, other) else { panic!("it ran") };
        assert_eq!((failure.exit, failure.errno), (125, libc::EPROTO));
        // Nothing is made ahead of a cell without a layer.
        let mut open = plan.clone();
        open.without = [plan::Layer::Landlock].into_iter().collect();
        let (mut launcher, mut socket) = harness::spawn(privileged);
        let foundation = plan::Foundation { ground: Some(ground(&open)), ..open.foundation() };
        socket.write_all(&Frame::encode(&foundation).expect("encodes")).expect("sends");
        assert_eq!(launcher.wait().expect("the launcher").code(), Some(125));
    }
}
