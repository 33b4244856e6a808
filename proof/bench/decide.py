"""What one decision costs with 1,000 hosts, and with 1,000 rules about paths at one, beside a scan over the same rules."""

import os
import re
import subprocess

from figures import Figure, Samples
from host import HOUSE


def measure(host, rounds):
    command = ["cargo", "run", "-q", "--release", "-p", "bastide-policy", "--example", "decide_bench"]
    told = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=True, env=os.environ).stdout
    head, *lines = told.splitlines()
    # The example says its own least and median, and of how many.
    count = int(re.search(r"(\d+) rounds", head)[1])
    for line in lines:
        kind, *values = line.split()
        low, middle, scan_low, scan_middle = [float(value) / 1000 for value in values[:4]]
        ours, scan = Samples(low, middle, count), Samples(scan_low, scan_middle, count)
        clause, most = ("2.18", 2.0) if "pat" in kind else ("1.16", 1.0)
        yield Figure(clause, f"decide, {kind}", "us", ours, scan, "a scan over the rules", most=most)
