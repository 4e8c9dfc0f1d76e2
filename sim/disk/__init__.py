"""The simulator's disks: a node's own store code over files in memory that crash as real disks do, at their worst."""

from sim.disk.disks import Disks
from sim.disk.engine import Kind
from sim.disk.file import PlatterFile, PowerLoss
from sim.disk.platter import Platter
from sim.disk.storage import SimStorage

__all__ = ["Disks", "Kind", "Platter", "PlatterFile", "PowerLoss", "SimStorage"]
