//! What the operator can do about a host that does not give a layer or a limit. Each remedy names one cause that was
//! found; where none was, the kernel's own word is told.

use record::Wall;
use wire::command::Remedy;

use super::host::Host;

/// The first kernel that has all that a cell needs.
const NEEDED: (u32, u32) = (6, 12);
/// From which kernel on Landlock had which ABI.
const LANDLOCK: [((u32, u32), u32); 6] =
    [((5, 13), 1), ((5, 19), 2), ((6, 2), 3), ((6, 7), 4), ((6, 10), 5), ((6, 12), 6)];
/// What a user is told whom no cell can tell from owners that it does not know.
pub(in crate::session) const NOBODY: &str = "run as a user with a uid of its own: `sudo useradd -m agent && sudo -u agent -H bastide \
    run …`, in a container `--user 1000:1000`";
/// What the kernel's limits of namespaces are raised to.
const ENOUGH: u64 = 15_000;

/// Facts that explain what is missing.
pub(super) fn host() -> Vec<(String, String)> {
    Host::look().facts()
}

/// Remedies for layers and limits that do not hold; `cause` is why nothing could be run at all.
pub(super) fn for_what_is_missing(layers: &[Wall], limits: &[Wall], cause: Option<&str>) -> Vec<Remedy> {
    let host = Host::look();
    let missing = layers.iter().filter(|layer| !layer.holds);
    let mut remedies: Vec<_> =
        missing.flat_map(|layer| for_layer(&host, &layer.name, cause.unwrap_or(&layer.detail))).collect();
    let partial: Vec<&str> =
        limits.iter().filter(|limit| !limit.holds && limit.name != "disk").map(|limit| limit.name.as_str()).collect();
    if !partial.is_empty() {
        remedies.push(remedy(&format!("control groups that we may make, for: {}", partial.join(", ")), groups(&host)));
    }
    remedies
}

fn remedy(missing: &str, hint: impl Into<String>) -> Remedy {
    Remedy { missing: missing.into(), hint: hint.into() }
}

fn for_layer(host: &Host, layer: &str, cause: &str) -> Vec<Remedy> {
    let found = match layer {
        "socket-shadow" if host.nobody => vec![nobody(host)],
        "landlock" => vec![old_kernel(host).unwrap_or_else(|| {
            let hint = "start this kernel with `landlock` in the `lsm=` option of its command line";
            remedy("Landlock", hint)
        })],
        "user-namespace" | "host-uid" | "private-root" | "socket-shadow" | "pid-namespace" | "network-namespace"
        | "ipc-namespace" | "uts-namespace" | "cgroup-namespace" => {
            // The nearest cause that alone suffices comes first; what follows it is only worth a try without it.
            let first = [exhausted(host, layer, cause), modules(cause), old_kernel(host)].into_iter().flatten().next();
            first.map_or_else(|| [user_namespaces(host), surroundings(host, cause)].concat(), |one| vec![one])
        }
        _ => Vec::new(),
    };
    if found.is_empty() { vec![remedy(layer, format!("the kernel said: {cause}"))] } else { found }
}

/// To a cell of such a user all that is root's seems to be his.
fn nobody(host: &Host) -> Remedy {
    let missing =
        format!("a user that is told from others: uid {} stands for every owner that a cell does not know", host.uid);
    remedy(&missing, NOBODY)
}

/// The kernel is older than what a cell is made of.
fn old_kernel(host: &Host) -> Option<Remedy> {
    let mut numbers = host.kernel.split(['.', '-', '+']).map_while(|part| part.parse().ok());
    let version: (u32, u32) = (numbers.next()?, numbers.next()?);
    if version >= NEEDED {
        return None;
    }
    let abi = LANDLOCK.into_iter().rev().find(|(from, _)| version >= *from).map_or(0, |(_, abi)| abi);
    let missing = format!("Linux 6.12: {} lacks Landlock with scopes (it has ABI {abi} of 6)", host.kernel);
    let also = if version < (6, 8) { ", and overlays and mapped mounts as a cell lays them" } else { "" };
    Some(remedy(&format!("{missing}{also}"), "boot Linux 6.12 or newer: distributions have one among their backports"))
}

/// No more namespaces of a kind may be made.
fn exhausted(host: &Host, layer: &str, cause: &str) -> Option<Remedy> {
    let kind = match layer {
        "user-namespace" | "host-uid" => "user",
        "private-root" => "mnt",
        "network-namespace" => "net",
        other => other.strip_suffix("-namespace")?,
    };
    // As the kernel says it of namespaces, and not of a disk.
    let full = cause.contains("os error 28") && (cause.contains("build the layer") || cause.contains("make a map"));
    let (_, most) = host.most.iter().find(|(name, _)| *name == kind)?;
    (*most == 0 || full).then(|| {
        let hint = format!("sudo sysctl -w user.max_{kind}_namespaces={}", ENOUGH.max(most.saturating_mul(2)));
        remedy(&format!("{kind} namespaces: at most {most} are allowed"), hint)
    })
}

/// Parts of the kernel that the door is made of are neither there nor loaded on demand.
fn modules(cause: &str) -> Option<Remedy> {
    // No such file, protocol or operation.
    let absent = ["os error 2)", "os error 93)", "os error 95)"].iter().any(|error| cause.contains(error));
    let hint = "sudo modprobe -a nf_tables nft_chain_nat nft_redir nft_tproxy nft_ct nft_reject_ipv4 nft_reject_ipv6";
    (absent && cause.contains("to the door")).then(|| remedy("modules of the kernel that lead the network", hint))
}

/// What keeps ordinary users from making user namespaces.
fn user_namespaces(host: &Host) -> Vec<Remedy> {
    let mut found = Vec::new();
    if host.uid != 0 && host.apparmor_restricts && host.container.is_none() {
        let profile = format!("profile bastide-cell \"{}\" flags=(unconfined) {{ userns, }}", host.cell.display());
        let file = "/etc/apparmor.d/bastide-cell";
        let hint = format!("echo '{profile}' | sudo tee {file} && sudo apparmor_parser -r {file}");
        found.push(remedy("user namespaces for this program: AppArmor restricts them", hint));
    }
    if host.uid != 0 && host.clone_forbidden {
        found.push(remedy("user namespaces for users", "sudo sysctl -w kernel.unprivileged_userns_clone=1"));
    }
    found
}

/// What a container, or a filesystem, keeps from being laid out.
fn surroundings(host: &Host, cause: &str) -> Vec<Remedy> {
    let unmapped = host.uid == 0 && cause.contains("map the owner of");
    let no_upper = cause.contains("upperdir=");
    let Some(container) = host.container else {
        let filesystems = "ext4, xfs, btrfs or tmpfs";
        let mapped = remedy(
            "a filesystem whose owners can be mapped",
            format!("run as the user whose workspace it is, or keep workspace and state on {filesystems}"),
        );
        let upper = remedy(
            "a filesystem for the state that an overlay can write to",
            format!("XDG_STATE_HOME=DIR bastide …, where DIR is on {filesystems}"),
        );
        return [unmapped.then_some(mapped), no_upper.then_some(upper)].into_iter().flatten().collect();
    };
    let ordinary = host.uid == 0 && (!host.admin || unmapped);
    let state = host.state_on_overlay || no_upper;
    let uid = if ordinary { 1000 } else { host.uid };
    let options = [
        (ordinary, "--user 1000:1000"),
        (host.filtered, "--security-opt seccomp=unconfined"),
        (host.profiled, "--security-opt apparmor=unconfined"),
        (host.masked, "--security-opt systempaths=unconfined"),
        (state, "-v DIR:/state -e XDG_STATE_HOME=/state"),
    ];
    let options: Vec<_> = options.into_iter().filter_map(|(wanted, option)| wanted.then_some(option)).collect();
    if options.is_empty() {
        return Vec::new();
    }
    let program = if container == "podman" { "podman" } else { "docker" };
    let place =
        if state { format!(", where DIR is a directory of the host's that uid {uid} owns") } else { String::new() };
    let missing = "a container that lets user namespaces, mounts and a fresh /proc be made";
    vec![remedy(missing, format!("{program} run {} …{place}", options.join(" ")))]
}

/// How to come by control groups.
fn groups(host: &Host) -> String {
    let all = "+memory +pids +cpu";
    match host.container {
        Some(_) => "give the container limits as a whole: docker run --memory 4g --pids-limit 1024 --cpus 2 …".into(),
        None if !host.unified => "run as root, or start the host with `systemd.unified_cgroup_hierarchy=1` on the \
            kernel's command line"
            .into(),
        None if host.uid == 0 => format!("echo '{all}' > /sys/fs/cgroup/cgroup.subtree_control"),
        None if host.systemd => "systemd-run --user --scope -p Delegate=yes bastide run …, or for every session: \
            `sudo systemctl edit user@.service` with [Service] Delegate=cpu memory pids"
            .into(),
        None => format!(
            "sudo sh -c 'cd /sys/fs/cgroup && echo {all} >cgroup.subtree_control && mkdir -p bastide/shell && \
             echo {all} >bastide/cgroup.subtree_control && cd bastide && \
             chown {} . cgroup.procs cgroup.subtree_control && echo $0 >shell/cgroup.procs' $$",
            host.uid
        ),
    }
}

#[cfg(test)]
mod tests;
