//! Each restraint on the real kernel, on a thread of the test's own.

use super::*;
use plan::{Access, PathRule};
use std::fs;

fn on_a_thread<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(body).join().expect("the thread")
}

fn status(field: &str) -> String {
    let text = fs::read_to_string("/proc/thread-self/status").expect("own status");
    let line = text.lines().find(|line| line.starts_with(field)).expect("the field");
    line.rsplit('\t').next().expect("a value").to_string()
}

#[test]
fn no_capability_is_left_in_any_set() {
    let sets = on_a_thread(|| {
        empty_bounding_set().expect("empties");
        set_capabilities(0).expect("drops");
        ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(status)
    });
    assert_eq!(sets, ["0000000000000000"; 5]);
}

#[test]
fn one_capability_can_be_kept() {
    let ptrace = 1 << 19;
    let effective = on_a_thread(move || {
        let before = u64::from_str_radix(&status("CapPrm"), 16).expect("hex");
        set_capabilities(ptrace & before).expect("drops");
        (before, status("CapEff"))
    });
    assert_eq!(effective.1, format!("{:016x}", ptrace & effective.0));
}

#[test]
fn no_new_privileges_is_what_the_kernel_says() {
    let said = on_a_thread(|| {
        no_new_privileges().expect("sets");
        status("NoNewPrivs")
    });
    assert_eq!(said, "1");
}

#[test]
fn landlock_grants_what_is_named_and_nothing_else() {
    let tree = std::env::temp_dir().join(format!("bastide-domain-{}", std::process::id()));
    for name in ["readable", "system", "writable", "absent-from-rules"] {
        fs::create_dir_all(tree.join(name)).expect("makes");
        fs::write(tree.join(name).join("file"), "text").expect("writes");
    }
    let rule = |name: &str, access| PathRule { at: tree.join(name).to_str().expect("UTF-8").to_string(), access };
    let mut rules =
        vec![rule("readable", Access::Read), rule("writable", Access::Write), rule("no-such", Access::Write)];
    rules.push(rule("system", Access::System));
    let at = tree.clone();
    on_a_thread(move || {
        no_new_privileges().expect("sets");
        let mut granted = Rules::begin(None, false).expect("builds");
        granted.add(&rules).expect("adds");
        granted.domain().expect("is whole").enter().expect("binds");
        assert!(fs::read(at.join("readable/file")).is_ok());
        assert!(fs::write(at.join("readable/file"), "x").is_err(), "reading is not writing");
        let truncated = fs::OpenOptions::new().write(true).truncate(true).open(at.join("readable/file"));
        assert!(truncated.is_err(), "nor truncating");
        assert!(fs::read(at.join("system/file")).is_ok() && fs::write(at.join("system/file"), "x").is_err());
        assert!(fs::write(at.join("system/new"), "x").is_err() && fs::remove_file(at.join("system/file")).is_err());
        assert!(fs::write(at.join("writable/new"), "x").is_ok());
        assert!(fs::read(at.join("absent-from-rules/file")).is_err());
        let moved = fs::rename(at.join("absent-from-rules/file"), at.join("writable/file"));
        assert!(moved.is_err(), "nothing comes out of a tree that is not named");
    });
    fs::remove_dir_all(tree).expect("cleans");
}
