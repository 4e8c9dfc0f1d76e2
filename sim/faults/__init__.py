"""Faults as data: what goes wrong, when and where. A run is a seed, a scenario and such a plan."""

from sim.faults.draw import draw_plan
from sim.faults.faults import Faults
from sim.faults.patience import Patience
from sim.faults.plan import Fault, Plan, decode_plan, encode_plan

__all__ = ["Fault", "Faults", "Patience", "Plan", "decode_plan", "draw_plan", "encode_plan"]
