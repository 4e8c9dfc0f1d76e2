"""How much a node holds, beside the most that it may: the named limits of the node's own code."""

from collections.abc import Iterator
from typing import NamedTuple

from meshnode.mesh import Mesh
from meshnode.mesh.channels import CHANNELS_MAX
from meshnode.mesh.dialer import TARGETS_MAX
from meshnode.mesh.links import FRESH_LINKS_MAX, LINKS_MAX
from protocols.session.limits import SessionLimits
from sim.core import Core
from sim.daemon import Daemon
from sim.host import Host
from sim.models.wire import UNSENT_BYTES_MAX, UNSENT_FACTOR_MAX

SESSIONS = SessionLimits()


class Size(NamedTuple):
    what: str
    held: int
    most: int


def mesh_of(host: Host) -> Mesh | None:
    """None while no node serves there."""
    process = host.process
    if isinstance(process, Core):
        return process.mesh
    return process.node.driver.mesh if isinstance(process, Daemon) and process.node is not None else None


def sizes_of(host: Host) -> Iterator[Size]:
    mesh = mesh_of(host)
    if mesh is None:
        return
    # These numbers have no other reader than this one, so the node's parts don't show them.
    links, dialer, sessions, channels = mesh.links, mesh.dialer, mesh._sessions, mesh._channels  # noqa: SLF001
    handshakes = sessions._handshakes  # noqa: SLF001
    contacts = len(host.acquaintances)
    yield Size("links", len(links._links), LINKS_MAX)  # noqa: SLF001
    fresh = sum(1 for link in links._fresh.values() if not link.up.dialled)  # noqa: SLF001
    yield Size("links of strangers", fresh, FRESH_LINKS_MAX)
    yield Size("channels", len(channels._by_index), CHANNELS_MAX)  # noqa: SLF001
    yield Size("targets of the dialler", len(dialer._targets), max(TARGETS_MAX, contacts))  # noqa: SLF001
    yield Size("sessions", len(sessions), SESSIONS.sessions_max)
    yield Size("half-open handshakes", sessions.half_open, SESSIONS.half_open_max)
    yield Size("handshakes of its own", len(handshakes._dials), SESSIONS.dials_max)  # noqa: SLF001
    for scheme in host.media:
        port = host.village.media[scheme].port(host.name)
        if port is not None:
            unsent = max((link.unsent_bytes for link in port.links), default=0)
            yield Size(f"unsent bytes on a {scheme} link", unsent, (UNSENT_FACTOR_MAX + 1) * UNSENT_BYTES_MAX)
            if port.medium.kind.links_max is not None:
                yield Size(f"{scheme} links", len(port.links), port.medium.kind.links_max)
