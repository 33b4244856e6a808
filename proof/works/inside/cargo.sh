# Builds, tests and runs a crate without dependencies; then again, from what the first build left.
set -eu
mkdir -p src
printf '[package]\nname = "works"\nversion = "0.1.0"\nedition = "2024"\n' >Cargo.toml
cat >build.rs <<'END'
fn main() { println!("cargo::rustc-env=WORKS=works"); }
END
cat >src/main.rs <<'END'
fn main() { println!("{}", env!("WORKS")); }
#[test]
fn counts() { assert_eq!(std::thread::spawn(|| 1 + 1).join().unwrap(), 2); }
END
cargo build -q --offline
cargo test -q --offline
cargo run -q --offline
