"""The cases, one file for each class."""

from . import control, credentials, filesystem, ipc, network, process, resources  # noqa: F401
