//! What the operator can do about a host that does not give a layer or a limit. Each remedy names one cause that was
//! looked for and found.

use std::fs;
use std::path::Path;

use record::Wall;
use wire::command::Remedy;

/// Facts that explain what is missing.
pub(super) fn host() -> Vec<(String, String)> {
    let uname = rustix::system::uname();
    let kernel = format!("{} {}", uname.release().to_string_lossy(), uname.machine().to_string_lossy());
    let user = match rustix::process::geteuid().as_raw() {
        0 => "root".to_owned(),
        uid => format!("uid {uid}"),
    };
    let mut facts = vec![("kernel".to_owned(), kernel), ("user".to_owned(), user)];
    facts.push(("security modules".into(), read("/sys/kernel/security/lsm").unwrap_or_else(|| "not readable".into())));
    facts.push(("container".into(), container().unwrap_or("none found").into()));
    facts
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The container that this host is, if it says so.
fn container() -> Option<&'static str> {
    if Path::new("/.dockerenv").exists() {
        return Some("docker");
    }
    if Path::new("/run/.containerenv").exists() {
        return Some("podman");
    }
    match read("/proc/1/environ") {
        Some(variables) if variables.contains("container=") => Some("a container"),
        _ => None,
    }
}

/// Remedies for layers and limits that do not hold; `cause` is why nothing could be run at all.
pub(super) fn for_what_is_missing(layers: &[Wall], limits: &[Wall], cause: Option<&str>) -> Vec<Remedy> {
    let mut remedies = Vec::new();
    for layer in layers.iter().filter(|layer| !layer.holds) {
        remedies.extend(layer_remedy(&layer.name, cause.unwrap_or(&layer.detail)));
    }
    let partial: Vec<&str> =
        limits.iter().filter(|limit| !limit.holds && limit.name != "disk").map(|limit| limit.name.as_str()).collect();
    if !partial.is_empty() {
        remedies.push(delegation(&partial.join(", ")));
    }
    remedies
}

fn layer_remedy(layer: &str, cause: &str) -> Vec<Remedy> {
    let remedy = |missing: &str, hint: &str| Remedy { missing: missing.into(), hint: hint.into() };
    let mut found = Vec::new();
    match layer {
        "landlock" => found.push(remedy(
            "Landlock with scopes (ABI 6)",
            "run Linux 6.12 or newer; if it is, start it with `landlock` in the `lsm=` option of the kernel's command line",
        )),
        "user-namespace" | "private-root" | "pid-namespace" | "network-namespace" | "cgroup-namespace" => {
            found.extend(namespace_remedies());
            if container().is_some() {
                found.push(remedy(
                    "a container that lets user namespaces, mounts and a fresh /proc be made",
                    "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
                     --security-opt systempaths=unconfined …",
                ));
            }
        }
        _ => {}
    }
    if found.is_empty() {
        found.push(remedy(layer, &format!("the kernel said: {cause}")));
    }
    found
}

fn namespace_remedies() -> Vec<Remedy> {
    let ordinary = !rustix::process::geteuid().is_root();
    let set = |path: &str, value: &str| read(path).is_some_and(|text| text == value);
    let remedy = |missing: &str, hint: String| Remedy { missing: missing.into(), hint };
    let mut found = Vec::new();
    if ordinary && set("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        let own = std::env::current_exe().unwrap_or_default();
        let cell = own.parent().unwrap_or(Path::new("/")).join("bastide-cell");
        let profile = format!("profile bastide-cell {} flags=(unconfined) {{ userns, }}", cell.display());
        found.push(remedy(
            "user namespaces for this program: AppArmor restricts them",
            format!(
                "echo '{profile}' | sudo tee /etc/apparmor.d/bastide-cell && sudo apparmor_parser -r \
                 /etc/apparmor.d/bastide-cell"
            ),
        ));
    }
    if ordinary && set("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        found.push(remedy("user namespaces for users", "sudo sysctl -w kernel.unprivileged_userns_clone=1".into()));
    }
    if set("/proc/sys/user/max_user_namespaces", "0") {
        found.push(remedy("user namespaces: none are allowed", "sudo sysctl -w user.max_user_namespaces=15000".into()));
    }
    found
}

fn delegation(limits: &str) -> Remedy {
    let hint = if Path::new("/run/systemd/system").is_dir() {
        "systemd-run --user --scope -p Delegate=yes bastide run …, or for every session: `sudo systemctl edit \
         user@.service` with [Service] Delegate=cpu memory pids"
    } else {
        "as root, pass the controllers on: `echo '+memory +pids +cpu' > /sys/fs/cgroup/cgroup.subtree_control`"
    };
    Remedy { missing: format!("control groups that we may make, for: {limits}"), hint: hint.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_has_a_remedy_and_what_holds_has_none() {
        let wall = |name: &str, holds| Wall { name: name.into(), holds, detail: "EPERM".into() };
        let found =
            for_what_is_missing(&[wall("landlock", false), wall("seccomp", true)], &[wall("memory", false)], None);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|remedy| !remedy.hint.is_empty()));
        assert!(for_what_is_missing(&[wall("landlock", true)], &[wall("disk", false)], None).is_empty());
    }
}
