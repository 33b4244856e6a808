"""Compares findings by gitleaks' own rules file, here and by gitleaks itself: compare.py WORK PROGRAM; see `run`."""

import json
import random
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

try:
    from re import _parser as sre
except ImportError:
    import sre_parse as sre

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def rules_file(binary):
    """The file that the program has in it."""
    data = binary.read_bytes()
    begin = data.index(b"# This file has been auto-generated. Do not edit manually.\n# If you would like to contribute")
    last = data.index(b'id = "zendesk-secret-key"', begin)
    end = data.index(b"\n", data.index(b"keywords = [", last))
    return data[begin:end + 1]


def written(parsed, chance):
    """A text that an expression, as Python has it, matches."""
    out = ""
    for kind, value in parsed:
        kind = str(kind)
        if kind == "LITERAL":
            out += chr(value)
        elif kind == "NOT_LITERAL":
            out += chance.choice([letter for letter in LETTERS if ord(letter) != value])
        elif kind == "ANY":
            out += chance.choice(LETTERS)
        elif kind == "IN":
            fits = [letter for letter in LETTERS + " -_.=/+\"'" if re.match(klass(value), letter)]
            out += chance.choice(fits or ['"'])
        elif kind == "BRANCH":
            out += written(chance.choice(value[1]), chance)
        elif kind == "SUBPATTERN":
            out += written(value[3], chance)
        elif kind in ("MAX_REPEAT", "MIN_REPEAT"):
            least, most, inner = value
            for _ in range(chance.randint(int(least), min(int(most), int(least) + 3))):
                out += written(inner, chance)
    return out


def klass(items):
    out = ""
    for kind, value in items:
        kind = str(kind)
        if kind == "NEGATE":
            out += "^"
        elif kind == "LITERAL":
            out += f"\\U{value:08x}"
        elif kind == "RANGE":
            out += f"\\U{value[0]:08x}-\\U{value[1]:08x}"
        elif kind == "CATEGORY":
            out += {"CATEGORY_DIGIT": r"\d", "CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w"}.get(str(value), r"\S")
    return f"[{out}]"


def samples(rules):
    chance = random.Random(5)
    for rule in rules:
        regex = re.sub(r"\(\?-?[is]+\)", "", rule.get("regex", "")).replace("(?-i:", "(?:").replace("(?i:", "(?:").replace(r"\z", r"\Z")
        if not regex:
            continue
        try:
            parsed = sre.parse(regex)
        except re.error:
            continue
        for _ in range(8):
            text = written(parsed, chance)
            word = next(iter(rule.get("keywords") or []), "")
            yield f"# {word}\n{text}\n"


def main(work, program):
    work = Path(work)
    file = work / "gitleaks.toml"
    file.write_bytes(rules_file(work / "gitleaks"))
    rules = tomllib.loads(file.read_text())["rules"]
    of_files = {rule["id"] for rule in rules if "path" in rule}
    texts = list(samples(rules))
    inputs = work / "inputs"
    shutil.rmtree(inputs, ignore_errors=True)
    inputs.mkdir()
    for number, text in enumerate(texts):
        (inputs / f"{number:05}").write_text(text)
    report = work / "report.json"
    subprocess.run([work / "gitleaks", "dir", inputs, "--config", file, "--report-path", report, "--report-format", "json", "--exit-code", "0",
                    "--no-banner", "--log-level", "error", "--max-decode-depth", "0"], check=True)
    theirs = [set() for _ in texts]
    for one in json.loads(report.read_text()):
        theirs[int(Path(one["File"]).name)].add(one["RuleID"])
    said = subprocess.run([program, file], input="".join(json.dumps({"text": text}) + "\n" for text in texts), capture_output=True, text=True, check=True)
    print(said.stderr.strip())
    ours = [set(json.loads(line)["rules"]) for line in said.stdout.splitlines()]
    found = sum(bool(one - of_files) for one in theirs)
    both = sum(bool(one - of_files) and bool(other) for one, other in zip(theirs, ours))
    missed = sorted({rule for one, other in zip(theirs, ours) if (one - of_files) and not other for rule in one})
    alone = sorted({rule for one, other in zip(theirs, ours) if not one for rule in other})
    kinds = {rule for one in theirs for rule in one}
    print(f"{len(texts)} texts of {len(rules)} rules: gitleaks finds a secret in {found} (by {len(kinds)} rules), here in {both} of these; missed by rules: {missed}")
    print(f"found here alone, by rules: {alone}")


if __name__ == "__main__":
    main(*sys.argv[1:])
