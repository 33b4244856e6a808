"""What one decision costs with 1,000 hosts, beside a scan over the same rules."""

import os
import subprocess

from figures import Figure
from host import HOUSE


def measure(host, rounds):
    command = ["cargo", "run", "-q", "--release", "-p", "bastide-policy", "--example", "decide_bench"]
    told = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=True, env=os.environ).stdout
    for line in told.splitlines()[1:]:
        kind, *values = line.split()
        low, middle, scan_low, scan_middle = [float(value) / 1000 for value in values[:4]]
        # The example says its own least and median: three samples with that least and that median.
        ours, scan = [low, middle, middle], [scan_low, scan_middle, scan_middle]
        yield Figure("1.16", f"decide, {kind}", "us", ours, scan, "a scan over the rules", most=1.0)
