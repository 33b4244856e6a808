//! Reads the policy of who names none when the plane is built: to read its text takes half a millisecond of every start. Links
//! the plane at a fixed address: a program that moves itself keeps a copy of each page that holds an address, in each of its
//! processes (docs/decisions/0046).

use std::error::Error;
use std::path::Path;

use policy::read::{blueprint, read};

#[path = "../../../packaging/order/link.rs"]
mod order;

fn main() -> Result<(), Box<dyn Error>> {
    order::link("bastided");
    println!("cargo::rerun-if-changed=build.rs");
    for argument in ["-no-pie", "-static"] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    let source = blueprint("hardened").ok_or("there is no such blueprint")?;
    // Without a home: what depended on one could not be read here.
    let policy = read(&source, None, &mut |name| blueprint(name)).map_err(|found| format!("{found:?}"))?;
    let directory = std::env::var("OUT_DIR")?;
    Ok(std::fs::write(Path::new(&directory).join("hardened.json"), serde_json::to_vec(&policy)?)?)
}
