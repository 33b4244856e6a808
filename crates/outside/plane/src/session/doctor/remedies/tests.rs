//! Which remedy a host gets, by what was found there. That each remedy is true is shown on real kernels: `proof/hosts`.

use super::*;

fn user() -> Host {
    let most = ["user", "mnt", "net"].map(|name| (name, 7000)).into();
    Host { uid: 1000, kernel: "6.18.15+deb13".into(), unified: true, most, ..Host::default() }
}

fn hints(host: &Host, layer: &str, cause: &str) -> Vec<String> {
    for_layer(host, layer, cause).into_iter().map(|remedy| remedy.hint).collect()
}

const REFUSED: &str = "cannot build the layer `user-namespace`: Operation not permitted (os error 1)";

#[test]
fn what_is_missing_has_a_remedy_and_what_holds_has_none() {
    let wall = |name: &str, holds| Wall { name: name.into(), holds, detail: "EPERM".into() };
    let found = for_what_is_missing(&[wall("landlock", false), wall("seccomp", true)], &[wall("memory", false)], None);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|remedy| !remedy.hint.is_empty()));
    assert!(for_what_is_missing(&[wall("landlock", true)], &[wall("disk", false)], None).is_empty());
    assert_eq!(hints(&user(), "seccomp", "EPERM"), ["the kernel said: EPERM"]);
    assert_eq!(hints(&user(), "user-namespace", REFUSED), [format!("the kernel said: {REFUSED}")]);
}

#[test]
fn namespaces_that_are_used_up_can_be_raised() {
    let mut host = user();
    let full = "cannot build the layer `network-namespace`: No space left on device (os error 28)";
    assert_eq!(hints(&host, "network-namespace", full), ["sudo sysctl -w user.max_net_namespaces=15000"]);
    host.most = vec![("user", 0), ("mnt", 20_000)];
    let map = "cannot make a map for the owner of a tree: No space left on device (os error 28)";
    assert_eq!(hints(&host, "host-uid", map), ["sudo sysctl -w user.max_user_namespaces=15000"]);
    let full = full.replace("network-namespace", "private-root");
    assert_eq!(hints(&host, "private-root", &full), ["sudo sysctl -w user.max_mnt_namespaces=40000"]);
    let disk = "cannot write `/x`: No space left on device (os error 28)";
    assert!(hints(&host, "private-root", disk)[0].starts_with("the kernel said"), "a full disk is another matter");
}

#[test]
fn users_are_kept_from_namespaces_in_two_ways_and_root_in_none() {
    let mut host =
        Host { apparmor_restricts: true, clone_forbidden: true, cell: "/opt/a b/bastide-cell".into(), ..user() };
    let found = hints(&host, "user-namespace", REFUSED);
    assert_eq!(found[1], "sudo sysctl -w kernel.unprivileged_userns_clone=1");
    assert!(found[0].contains("profile bastide-cell \"/opt/a b/bastide-cell\" flags=(unconfined) { userns, }"));
    host.uid = 0;
    assert!(hints(&host, "user-namespace", REFUSED)[0].starts_with("the kernel said"));
}

#[test]
fn an_old_kernel_is_told_before_all_that_it_refuses() {
    let mut host = Host { kernel: "6.1.0-50-cloud-amd64".into(), ..user() };
    for layer in ["landlock", "private-root"] {
        let found = for_layer(&host, layer, "cannot mount overlay: Invalid argument (os error 22)");
        assert_eq!(found.len(), 1);
        assert!(found[0].missing.contains("ABI 2 of 6") && found[0].hint.contains("6.12"), "{found:?}");
    }
    for (kernel, old) in [("6.11.9", true), ("6.12", false), ("7.0.0-43-generic", false), ("strange", false)] {
        host.kernel = kernel.into();
        assert_eq!(old_kernel(&host).is_some(), old, "{kernel}");
    }
    assert!(hints(&host, "landlock", "")[0].contains("lsm="));
}

#[test]
fn modules_are_named_where_the_door_finds_none() {
    let cause = "cannot lead the network to the door: No such file or directory (os error 2)";
    assert!(hints(&user(), "network-namespace", cause)[0].contains("modprobe -a nf_tables"));
}

#[test]
fn a_container_is_asked_for_what_it_lacks_and_no_more() {
    let mut host = Host { container: Some("docker"), filtered: true, profiled: true, masked: true, ..user() };
    host.state_on_overlay = true;
    let whole = "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt \
                 systempaths=unconfined -v DIR:/state -e XDG_STATE_HOME=/state …, where DIR is a directory of the \
                 host's that uid 1000 owns";
    assert_eq!(hints(&host, "user-namespace", REFUSED), [whole]);
    // Root that may not do more than a user is better one.
    host.uid = 0;
    assert_eq!(hints(&host, "private-root", REFUSED), [whole.replace("run ", "run --user 1000:1000 ")]);
    let host = Host { container: Some("podman"), masked: true, ..user() };
    assert_eq!(hints(&host, "private-root", REFUSED), ["podman run --security-opt systempaths=unconfined …"]);
    let open = Host { container: Some("a container"), ..user() };
    assert!(hints(&open, "private-root", REFUSED)[0].starts_with("the kernel said"));
    let state = "cannot mount overlay with upperdir=/x: Invalid argument (os error 22)";
    assert!(hints(&open, "private-root", state)[0].starts_with("docker run -v DIR:/state"));
}

#[test]
fn a_filesystem_that_cannot_serve_is_named_as_such() {
    let root = Host { uid: 0, admin: true, ..user() };
    let owner = "cannot map the owner of `/mnt/x`: Invalid argument (os error 22)";
    assert!(hints(&root, "private-root", owner)[0].starts_with("run as the user whose workspace it is"));
    let upper = "cannot mount overlay with upperdir=/x: Invalid argument (os error 22)";
    assert!(hints(&user(), "private-root", upper)[0].starts_with("XDG_STATE_HOME=DIR"));
}

#[test]
fn the_user_that_stands_for_unknown_owners_is_told_so() {
    let cause = "`/etc` is no overlay";
    let nobody = Host { uid: 65_534, nobody: true, ..user() };
    let found = for_layer(&nobody, "socket-shadow", cause);
    assert!(
        found.len() == 1 && found[0].missing.contains("uid 65534") && found[0].hint.contains("useradd"),
        "{found:?}"
    );
    assert_eq!(hints(&user(), "socket-shadow", cause), [format!("the kernel said: {cause}")]);
}

#[test]
fn control_groups_come_from_whoever_has_them() {
    let mut host = user();
    assert!(groups(&host).starts_with("sudo sh -c 'cd /sys/fs/cgroup"));
    host.uid = 0;
    assert_eq!(groups(&host), "echo '+memory +pids +cpu' > /sys/fs/cgroup/cgroup.subtree_control");
    (host.uid, host.systemd) = (1000, true);
    assert!(groups(&host).starts_with("systemd-run --user --scope"));
    host.unified = false;
    assert!(groups(&host).starts_with("run as root"));
    host.container = Some("docker");
    assert!(groups(&host).starts_with("give the container"));
}
