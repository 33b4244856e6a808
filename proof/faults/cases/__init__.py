"""The cases, a file for each thing that breaks."""

from . import killed, gate, full, host, terminal, limits, policies, modes, questions, family  # noqa: F401
