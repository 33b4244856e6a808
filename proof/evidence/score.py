"""Scores our detectors and the peer in one run: recall at one benign text in a hundred taken for an attack, benign texts with
trigger words at the same line, and processor time per KB. Usage: score.py PACKAGES MAILBOX OURS [AGENTDYN]; see `run`."""

import json
import subprocess
import sys
import time

import corpora


def ours(program, texts):
    said = subprocess.run([program], input="".join(json.dumps({"text": text}) + "\n" for text in texts), capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in said.stdout.splitlines()]
    # What is hidden or encoded is told apart from what only reads like an order.
    hidden = {"hidden-text", "encoded-instruction"}
    return [(max(row["odds"], 6.0 if hidden & set(row["names"]) else row["odds"]), row["nanos"] / 1e9) for row in rows], [bool(row["names"]) for row in rows]


def peer(texts):
    from stackone_defender import create_prompt_defense

    defence = create_prompt_defense(block_high_risk=True)
    defence.warmup_tier2()
    defence.defend_tool_result("Nothing to see here.", "read_file")
    rows, blocks = [], []
    for text in texts:
        begun = time.process_time()
        result = defence.defend_tool_result(text, "read_file")
        took = time.process_time() - begun
        # Its patterns count beside its model, as they do in its own verdict.
        rows.append(((result.tier2_score or 0.0) + (1.0 if result.risk_level in ("high", "critical") and not result.tier2_score else 0.0), took))
        blocks.append(not result.allowed)
    return rows, blocks


def line(benign):
    """The least score that at most one in a hundred benign texts reaches."""
    ordered = sorted(benign, reverse=True)
    return ordered[len(ordered) // 100] + 1e-9


def main(packages, mailbox, program, agentdyn=None):
    sets = corpora.scoring(packages, mailbox, agentdyn)
    counts = {name: (len(texts), sum(map(len, texts)) // 1024) for name, (texts, _) in sets.items()}
    results = {}
    for who, judge in (("stackone-defender", peer), ("bastide", lambda texts: ours(program, texts))):
        scored = {name: judge(texts) for name, (texts, _) in sets.items()}
        benign = [score for name, (_, kind) in sets.items() if kind is False for score, _ in scored[name][0]]
        at = line(benign)
        rows = {}
        for name, (texts, kind) in sets.items():
            over = sum(score > at for score, _ in scored[name][0])
            rows[name] = {"kind": {True: "attacks", False: "benign", None: "trigger words"}[kind], "texts": len(texts),
                          "over": over, "share": round(over / max(1, len(texts)), 4),
                          "as_it_ships": round(sum(scored[name][1]) / max(1, len(texts)), 4)}
        took = sum(seconds for one in scored.values() for _, seconds in one[0])
        size = sum(len(text.encode()) for texts, _ in sets.values() for text in texts)
        attacks = [row for row in rows.values() if row["kind"] == "attacks"]
        words = [row for row in rows.values() if row["kind"] == "trigger words"]
        results[who] = {"line": round(at, 4), "ms_per_kb": round(took * 1000 / (size / 1024), 4), "sets": rows,
                        "recall": round(sum(row["over"] for row in attacks) / sum(row["texts"] for row in attacks), 4),
                        "recall_mean_of_sets": round(sum(row["share"] for row in attacks) / len(attacks), 4),
                        "trigger_words": round(sum(row["over"] for row in words) / sum(row["texts"] for row in words), 4)}
    for name, (texts, size) in counts.items():
        shares = "  ".join(f"{who} {results[who]['sets'][name]['share']:7.2%} ({results[who]['sets'][name]['as_it_ships']:.2%} as it ships)" for who in results)
        print(f"{name:44} {texts:5} texts {size:6} KB  {shares}")
    for who, result in results.items():
        print(f"{who:18} recall {result['recall']:.2%} (mean of sets {result['recall_mean_of_sets']:.2%}), trigger words "
              f"{result['trigger_words']:.2%}, {result['ms_per_kb']} ms/KB, line {result['line']}")
    print(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
