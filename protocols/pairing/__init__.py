"""Two people compare seven digits, and know whether somebody sits between their nodes."""

from protocols.pairing.session import Pairing, State

__all__ = ["Pairing", "State"]
