"""What a case is: a function that runs inside a cell and tries to get out, and what is known of it.

The function returns evidence when it got out, and raises OSError when it was stopped. Nothing it does may harm the
host when it succeeds: with its layers off it does succeed."""

import dataclasses
import typing

CASES: dict[str, "Case"] = {}


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    kind: str                      # filesystem, process, ipc, network, credentials, door, petition, server, resources, control
    attempt: typing.Callable       # runs inside
    layers: tuple[str, ...]        # each alone stops it; with all of them off it succeeds. Started by root
    user: tuple[str, ...] | None   # the same, started by an ordinary user; None: he could not do it outside either
    host: tuple[str, ...]          # what must stand on the host, by name of a fixture; it judges what happened
    args: tuple[str, ...]          # flags of `bastide run` in every run of it
    word: tuple[str, ...]          # flags by which the operator himself allows it: off, where no layer stops it
    control: tuple[str, ...] | None  # where no word does: flags of the run that shows the case to be alive
    adversary: str                 # A: a hijacked model's ordinary act; B: hostile code
    alone: bool                    # needs a cell to itself
    root: bool                     # whether it is tried as root at all
    silence: str                   # what the output must hold where it was stopped before it could say so

    @property
    def story(self) -> str:
        return (self.attempt.__doc__ or "").strip().splitlines()[0]


def case(layers: str = "", *, user: str | None = "same", host: str = "", args: str = "", word: str = "",
         control: str | None = None, adversary: str = "B", alone: bool = False, root: bool = True, silence: str = "",
         name: str | None = None):
    """Makes a case of a function. Lists are words in one string; `user="same"` means the same set, None no run.

    A case that nothing at all opens has a control: the same program against the same thing on the host, in a run where
    `host.control` is true and the one fact that stops it is another. It must get through, or the case proves nothing."""
    def register(attempt):
        called = name or attempt.__name__.strip("_").replace("_", "-")
        if called in CASES:
            raise ValueError(f"two cases are called {called}")
        kind = attempt.__module__.rpartition(".")[2]
        theirs = None if user is None else tuple((layers if user == "same" else user).split())
        CASES[called] = Case(called, kind, attempt, tuple(layers.split()), theirs, tuple(host.split()),
                             tuple(args.split()), tuple(word.split()),
                             None if control is None else tuple(control.split()), adversary, alone, root, silence)
        return attempt
    return register
