"""From start to exit, beside bubblewrap with a minimal root and beside no walls at all; then with a cell kept ready."""

import contextlib
import json
import subprocess

from figures import Figure

TARGET = "/bin/true"
SECONDS = 5
# Milliseconds between two starts.
PAUSE = 20
BWRAP = [
    "/usr/bin/bwrap", "--unshare-all", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
    "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--symlink", "usr/sbin", "/sbin",
    "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--", TARGET,
]


def timed(host, person, rounds, sides):
    argv = [host.program("launch"), str(rounds), str(SECONDS), str(PAUSE)]
    for index, side in enumerate(sides):
        argv += ["-+-"] * bool(index) + side
    told = json.loads(person.output(argv))
    # What hung was killed, so it failed too.
    if any(failed > hung for failed, hung in zip(told["failed"], told["hangs"])):
        raise RuntimeError(f"sides that failed: {told['failed']} of {rounds} rounds, of these hung: {told['hangs']}")
    return told


@contextlib.contextmanager
def standby(host, person):
    """A cell is kept ready meanwhile."""
    keeper = person.spawn([host.bastide, "standby"], stdout=subprocess.DEVNULL)
    keeper.stderr.readline()
    try:
        yield
    finally:
        keeper.terminate()
        keeper.wait()
        keeper.stderr.close()


def measure(host, rounds):
    for person in host.people():
        ours = [host.bastide, "run", "--", TARGET]
        warm = timed(host, person, 3, [ours, BWRAP, [TARGET]])
        told = timed(host, person, rounds, [ours, BWRAP, [TARGET]])
        bastide, bwrap, native = [[one / 1000 for one in side] for side in told["ns"]]
        yield Figure("1.12", f"start to exit, {person.name}", "us", bastide, bwrap, "bwrap --unshare-all", times=1.0)
        yield Figure("1.12", f"the same, {person.name}", "us", bastide, native, "no walls at all")
        person.forget_sessions()
        with standby(host, person):
            timed(host, person, 3, [ours])
            ready = timed(host, person, rounds, [ours, BWRAP])
        bastide, bwrap = [[one / 1000 for one in side] for side in ready["ns"]]
        yield Figure("1.12", f"with standby, {person.name}", "us", bastide, bwrap, "bwrap --unshare-all")
        person.forget_sessions()
        hung, peer, none = [sum(pair) for pair in zip(warm["hangs"], told["hangs"])]
        yield Figure(
            "1.12", f"hangs beside, {person.name}", "hangs", [hung], [peer], "bwrap --unshare-all", most=0,
            note=f"in {rounds + 3} runs of each side; without walls {none}",
        )
        times = max(1000, rounds)
        many = timed(host, person, times, [ours])
        yield Figure("1.12", f"hangs in {times:,} runs, {person.name}", "hangs", many["hangs"], most=0)
        person.forget_sessions()
