"""One figure, its peer and its target, and how they are printed."""

import statistics
import typing


class Samples(typing.NamedTuple):
    """What is kept of the samples of one side."""
    least: float | None
    median: float | None
    count: int

    @classmethod
    def of(cls, taken):
        return cls(min(taken), statistics.median(taken), len(taken)) if taken else cls(None, None, 0)


class Figure:
    """Ours beside the peer's, each the samples in one unit or what was kept of them; a target is a ratio (`times`), a
    difference (`more`) or a bound (`most`)."""

    def __init__(self, clause, name, unit, ours, peer=None, peer_name="", times=None, more=None, most=None, note=""):
        self.clause, self.name, self.unit, self.note = clause, name, unit, note
        self.ours, self.peer = (side if isinstance(side, Samples) else Samples.of(side or []) for side in (ours, peer))
        self.peer_name = peer_name
        self.times, self.more, self.most = times, more, most

    def compared(self):
        """What the target bounds, for the least and for the median; none where nothing can be said."""
        ours, peer = self.ours[:2], self.peer[:2]
        if self.most is not None:
            return ours
        if not self.ours.count or not self.peer.count:
            return (None, None)
        if self.more is not None:
            return tuple(a - b for a, b in zip(ours, peer))
        # Nothing is a multiple of nothing.
        return tuple(a / b if b else None for a, b in zip(ours, peer))

    def target(self):
        if self.times is not None:
            return f"<= {self.times}x"
        if self.more is not None:
            return f"<= +{self.more} {self.unit}"
        return f"<= {self.most} {self.unit}" if self.most is not None else ""

    def passes(self):
        """Both the least and the median hold, and are known; none where nothing is promised."""
        bound = next((b for b in (self.times, self.more, self.most) if b is not None), None)
        return None if bound is None else all(value is not None and value <= bound for value in self.compared())

    def json(self):
        (low, middle, count), (peer_low, peer_middle, peer_count) = self.ours, self.peer
        a, b = self.compared()
        return {
            "clause": self.clause, "name": self.name, "unit": self.unit, "min": low, "median": middle,
            "peer": self.peer_name, "peer_min": peer_low, "peer_median": peer_middle,
            "compared_min": a, "compared_median": b, "target": self.target(), "passes": self.passes(),
            "samples": count, "peer_samples": peer_count, "note": self.note,
        }


def number(value):
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def table(figures):
    """At most 80 columns."""
    lines = [f"{'':4} {'figure':30} {'min':>7} {'median':>7} {'peer':>7} {'median':>7}  {'min':>5} {'med':>5}", ""]
    for figure in figures:
        (low, middle, _), (peer_low, peer_middle, _), (a, b) = figure.ours, figure.peer, figure.compared()
        if figure.most is not None:
            a = b = None
        lines.append(
            f"{figure.clause:4} {figure.name[:30]:30} {number(low):>7} {number(middle):>7}"
            f" {number(peer_low):>7} {number(peer_middle):>7}  {number(a):>5} {number(b):>5}"
        )
        verdict = {True: "PASS", False: "FAIL", None: "told"}[figure.passes()]
        against = f"; peer: {figure.peer_name}" if figure.peer_name else ""
        lines.append(f"     {verdict} {figure.target()} ({figure.unit}{against})"[:80])
        if figure.note:
            lines.append(f"     {figure.note}"[:80])
    return "\n".join(lines)
