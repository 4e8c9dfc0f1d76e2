"""rpc service "mesh": what a node tells others of the network around it, and the way something would go, hop by hop."""

from meshnode.services.mesh.frames import Step, StepEnd, Tie
from meshnode.services.mesh.service import MeshService
from meshnode.services.mesh.trace import Trace

__all__ = ["MeshService", "Step", "StepEnd", "Tie", "Trace"]
