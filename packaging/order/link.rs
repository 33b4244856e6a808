//! Links the functions that a start runs next to each other: see README.md here.

use std::path::{Path, PathBuf};
use std::{env, process};

/// Says to cargo how a program of this package is linked.
pub(crate) fn link(program: &str) {
    let set = |name: &str| env::var(name).unwrap_or_default();
    let manifest = PathBuf::from(set("CARGO_MANIFEST_DIR"));
    let Some(house) = manifest.ancestors().find(|above| above.join("Cargo.lock").exists()) else { return };
    let order = house.join("packaging/order").join(program);
    println!("cargo::rerun-if-changed={}", order.display());
    // A linker that somebody chose is theirs.
    let chosen = env::var_os("RUSTC_LINKER").is_some() || set("CARGO_ENCODED_RUSTFLAGS").contains("fuse-ld");
    if chosen || set("PROFILE") != "release" || !set("TARGET").starts_with("x86_64-") {
        return;
    }
    if let Some(linkers) = lld(&set("RUSTC"), &set("HOST")) {
        let place = format!("-B{}", linkers.display());
        let names = format!("-Wl,--symbol-ordering-file={}", order.display());
        for argument in [&place, "-fuse-ld=lld", &names, "-Wl,--no-warn-symbol-ordering"] {
            println!("cargo::rustc-link-arg-bin={program}={argument}");
        }
    }
}

/// Where the compiler has its own LLD: the only linker here that takes such a list.
fn lld(rustc: &str, host: &str) -> Option<PathBuf> {
    let told = process::Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
    let root = String::from_utf8(told.stdout).ok()?;
    let place = Path::new(root.trim()).join("lib/rustlib").join(host).join("bin/gcc-ld");
    place.join("ld.lld").exists().then_some(place)
}
