"""Reference protocols, tiny and sans-IO, that run on the same world as the node so that it can be scored against them."""

from sim.baselines.registry import BASELINES, Baseline, run_baseline
from sim.baselines.world import BaselineResult, Graph, World

__all__ = ["BASELINES", "Baseline", "BaselineResult", "Graph", "World", "run_baseline"]
