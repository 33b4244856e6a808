//! Links the command at a fixed address: a program that moves itself writes to each page that holds an address, before `main`
//! and in each process anew. See docs/decisions/0046.

#[path = "../../packaging/order/link.rs"]
mod order;

fn main() {
    order::link("bastide");
    println!("cargo::rerun-if-changed=build.rs");
    for argument in ["-no-pie", "-static"] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
