"""The daemon: wiring, services, storage, control API and command lines."""

__version__ = "0.1.0"
