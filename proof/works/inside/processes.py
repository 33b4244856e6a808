"""Processes: groups, signals, zombies reaped, pidfds, limits lowered, threads, event descriptors, a parallel make."""
import asyncio
import concurrent.futures
import os
import resource
import select
import signal
import subprocess
import sys
import time

assert subprocess.run(["sh", "-c", "kill -TERM $$"]).returncode == -signal.SIGTERM
group = subprocess.Popen(["sh", "-c", "sleep 99 & sleep 99"], start_new_session=True)
os.killpg(group.pid, signal.SIGKILL)
assert group.wait(20) == -signal.SIGKILL

sleeper = subprocess.Popen(["sleep", "99"])
pidfd = os.pidfd_open(sleeper.pid)
signal.pidfd_send_signal(pidfd, signal.SIGTERM)
assert select.select([pidfd], [], [], 20)[0]
sleeper.wait(20)

# An orphan is reaped by the cell's pid 1, not left as a zombie.
orphan = int(subprocess.run(["sh", "-c", "sleep 0.1 >/dev/null 2>&1 & echo $!"], capture_output=True, text=True).stdout)
end = time.monotonic() + 20
while os.path.exists(f"/proc/{orphan}"):
    assert time.monotonic() < end, "an orphan was not reaped"
    time.sleep(0.05)

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
assert soft >= 1024
resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))

with concurrent.futures.ThreadPoolExecutor(32) as pool:
    assert sum(pool.map(lambda count: count, range(1000))) == 499500


async def children():
    running = [await asyncio.create_subprocess_exec(sys.executable, "-c", "print(1)", stdout=-1) for _ in range(8)]
    return [(await child.communicate())[0] for child in running]

assert asyncio.run(children()) == [b"1\n"] * 8

with open("Makefile", "w", encoding="utf-8") as file:
    file.write("all: a b c d\n%:\n\t@sleep 0.05; echo $@ >$@\n")
subprocess.run(["make", "-s", "-j4"], check=True)
assert os.path.exists("d")
assert subprocess.run(["ps", "ax"], capture_output=True).returncode == 0
assert os.cpu_count() >= 1 and os.sysconf("SC_PAGE_SIZE") > 0
print("works")
