"""Who is where, and who hears whom, as pure functions of a die and the time."""

from sim.models.movement.contacts import ContactChange, ContactWatch, contact_changes, contacts
from sim.models.movement.groups import group
from sim.models.movement.place import Area, Position, distance_m
from sim.models.movement.placement import Ground, clusters, lattice, random_geometric, scattered
from sim.models.movement.streets import Streets, street_walk
from sim.models.movement.trace_csv import (
    TRACE_BYTES_MAX,
    TraceError,
    import_contacts,
    read_contacts,
    write_contacts,
)
from sim.models.movement.traces import Contact, ContactTrace
from sim.models.movement.walk import Gait, Mover, Still, Walk
from sim.models.movement.waypoint import random_waypoint
from sim.models.movement.working_days import WorkingDays, working_days

__all__ = [
    "TRACE_BYTES_MAX",
    "Area",
    "Contact",
    "ContactChange",
    "ContactTrace",
    "ContactWatch",
    "Gait",
    "Ground",
    "Mover",
    "Position",
    "Still",
    "Streets",
    "TraceError",
    "Walk",
    "WorkingDays",
    "clusters",
    "contact_changes",
    "contacts",
    "distance_m",
    "group",
    "import_contacts",
    "lattice",
    "random_geometric",
    "random_waypoint",
    "read_contacts",
    "scattered",
    "street_walk",
    "working_days",
    "write_contacts",
]
