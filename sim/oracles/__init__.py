"""What must hold in every run: safety as it happens, liveness at the end of the calm."""

from sim.oracles.oracle import Ground, Oracle
from sim.oracles.oracles import ALWAYS, ORACLES, Oracles

__all__ = ["ALWAYS", "ORACLES", "Ground", "Oracle", "Oracles"]
