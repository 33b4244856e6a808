"""The cases, one file for each class."""

from . import control, credentials, door, filesystem, ipc, network, process, resources  # noqa: F401
