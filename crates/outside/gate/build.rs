//! Links what a start of the gate runs in one place.

#[path = "../../../packaging/order/link.rs"]
mod order;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    order::link("bastide-gate");
}
