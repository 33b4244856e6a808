//! Links the functions that a start runs next to each other: see README.md here.

use std::env;
use std::path::{Path, PathBuf};

/// What each package links.
const PROGRAMS: [(&str, &str); 4] = [
    ("bastide-cell", "bastide-cell"),
    ("bastide-face", "bastide"),
    ("bastide-gate", "bastide-gate"),
    ("bastide-plane", "bastided"),
];

fn main() {
    let set = |name: &str| env::var(name).unwrap_or_default();
    let manifest = PathBuf::from(set("CARGO_MANIFEST_DIR"));
    let package = set("CARGO_PKG_NAME");
    let found = PROGRAMS.iter().find(|(of, _)| *of == package);
    let (Some((_, program)), Some(house)) =
        (found, manifest.ancestors().find(|above| above.join("Cargo.lock").exists()))
    else {
        return;
    };
    let order = house.join("packaging/order").join(program);
    println!("cargo:rerun-if-changed={}", order.display());
    println!("cargo:rerun-if-changed={}", house.join("packaging/order/build.rs").display());
    // A linker that somebody chose is theirs.
    let chosen = env::var_os("RUSTC_LINKER").is_some() || set("CARGO_ENCODED_RUSTFLAGS").contains("fuse-ld");
    if set("PROFILE") != "release" || chosen || !order.exists() {
        return;
    }
    if let Some(linkers) = lld(&set("RUSTC"), &set("HOST")) {
        let names = format!("-Wl,--symbol-ordering-file={}", order.display());
        let place = format!("-B{}", linkers.display());
        for argument in [place.as_str(), "-fuse-ld=lld", &names, "-Wl,--no-warn-symbol-ordering"] {
            println!("cargo:rustc-link-arg-bin={program}={argument}");
        }
    }
}

/// Where the compiler has its own LLD: the only linker here that takes such a list.
fn lld(rustc: &str, host: &str) -> Option<PathBuf> {
    let told = std::process::Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
    let root = String::from_utf8(told.stdout).ok()?;
    let place = Path::new(root.trim()).join("lib/rustlib").join(host).join("bin/gcc-ld");
    place.join("ld.lld").exists().then_some(place)
}
