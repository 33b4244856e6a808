"""The cases, one file for each class."""

from . import control, credentials, door, family, filesystem, ipc, network, petition, process, resources, server  # noqa: F401
