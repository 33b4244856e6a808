"""A cargo build inside, beside the same build without walls."""

import json
import os
import shutil
import subprocess
import time
import tomllib

from figures import Figure
from host import HOUSE

PACKAGES = ["serde", "serde_json", "thiserror", "clap"]
BUILDS = 10
MAIN = """use clap::Parser;
#[derive(Parser, serde::Serialize)]
struct Arguments { name: Option<String>, #[arg(long, default_value_t = 1)] count: u32 }
#[derive(Debug, thiserror::Error)]
#[error("bad: {0}")]
struct Bad(#[from] serde_json::Error);
fn main() -> Result<(), Bad> { println!("{}", serde_json::to_string(&Arguments::parse())?); Ok(()) }
"""


def vendor(into):
    """Copies what the packages need out of cargo's own cache, as a directory source: no network on either side."""
    home = os.environ.get("CARGO_HOME", os.path.join(os.path.expanduser("~"), ".cargo"))
    sources = os.path.join(home, "registry", "src")
    with open(os.path.join(HOUSE, "Cargo.lock"), "rb") as file:
        locked = {package["name"]: package for package in tomllib.load(file)["package"]}
    wanted, todo = set(), list(PACKAGES)
    while todo:
        name = todo.pop().split()[0]
        if name not in wanted:
            wanted.add(name)
            todo += locked[name].get("dependencies", [])
    for name in wanted:
        package = locked[name]
        found = next(
            path for registry in os.listdir(sources)
            if os.path.isdir(path := os.path.join(sources, registry, f"{name}-{package['version']}"))
        )
        place = os.path.join(into, name)
        shutil.copytree(found, place)
        with open(os.path.join(place, ".cargo-checksum.json"), "w") as file:
            json.dump({"files": {}, "package": package["checksum"]}, file)
    return {name: locked[name]["version"] for name in PACKAGES}


def project(person):
    """A small program with real dependencies, made as this person."""
    place = os.path.join(person.workspace, "crate")
    os.makedirs(os.path.join(place, "src"))
    os.makedirs(os.path.join(place, ".cargo"))
    versions = vendor(os.path.join(place, "vendor"))
    features = {"serde": ', features = ["derive"]', "clap": ', features = ["derive"]'}
    lines = [f'{name} = {{ version = "={version}"{features.get(name, "")} }}' for name, version in versions.items()]
    files = {
        "Cargo.toml": '[package]\nname = "small"\nversion = "0.1.0"\nedition = "2021"\n[workspace]\n[dependencies]\n'
        + "\n".join(lines) + "\n",
        "src/main.rs": MAIN,
        ".cargo/config.toml": '[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = "vendor"\n'
        "[net]\noffline = true\n",
    }
    for name, text in files.items():
        with open(os.path.join(place, name), "w") as file:
            file.write(text)
    return place


def seconds(text):
    """As the shell's `times` says it, for example 1m2.5s."""
    minutes, rest = text.rstrip("s").split("m")
    return 60 * int(minutes) + float(rest)


def measure(host, rounds):
    # A toolchain of root's is not readable for others; the walls of a build are the same for both.
    person = host.people()[0]
    sysroot = subprocess.run(
        ["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True, cwd=HOUSE
    ).stdout.strip()
    place = project(person)
    script = (
        f"export PATH={sysroot}/bin:/usr/bin:/bin; cd {place}; s=$(date +%s%N); cargo build -q --offline 2>&1 || exit 1;"
        # Not through a pipe: its side would be a process of its own, whose children took no time.
        " e=$(date +%s%N); times; echo $((e - s))"
    )
    native = ["/bin/sh", "-c", script]
    cell = [os.path.join(person.host.bin, "bastide"), "run", "--read", sysroot, "--", "/bin/sh", "-c", script]
    took, whole, processor = ({"native": [], "cell": []} for _ in range(3))
    for round in range(BUILDS + 1):
        for side, argv in [("native", native), ("cell", cell)][:: 1 if round % 2 else -1]:
            before = time.monotonic()
            told = person.output(argv)
            # The first round fills the caches of both sides.
            if round:
                whole[side].append(time.monotonic() - before)
                took[side].append(int(told.split()[-1]) / 1e9)
                processor[side].append(sum(seconds(word) for word in told.split()[-3:-1]))
            shutil.rmtree(os.path.join(place, "target"), ignore_errors=True)
            person.forget_sessions()
    yield Figure("1.13", f"cargo build, {person.name}", "s", took["cell"], took["native"], "native", times=1.05)
    yield Figure(
        "1.13", f"its processor time, {person.name}", "s", processor["cell"], processor["native"], "native",
        note="user and system, which other work on the host disturbs less",
    )
    yield Figure(
        "1.13", f"start and summary too, {person.name}", "s", whole["cell"], whole["native"], "native",
        note="the build with starting the cell and listing every changed file",
    )
