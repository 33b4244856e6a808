"""The cases, a file for each thing that breaks."""

from . import killed, gate, full, host, terminal, limits, policies, modes, questions, family, budgets, daemon, damage, clock  # noqa: F401
