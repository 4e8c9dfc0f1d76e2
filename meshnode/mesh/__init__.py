"""The core: parent of the machines, sans-IO itself. It holds the ifs; the machines below compute.

Told what happened (`MeshEvent`), it answers with what it wants done (`Effect`). Time is handed in. The daemon's
shell (`meshnode.node`) and the simulator drive the very same object.
"""

from meshnode.mesh.channel import Channel
from meshnode.mesh.dialer import Dial, Dialer
from meshnode.mesh.events import (
    BroadcastHeard,
    ChannelClosed,
    CloseLink,
    DeviceChanged,
    DialFailed,
    Effect,
    LinkDown,
    LinkReceived,
    LinkUp,
    LinkWritable,
    MeshEvent,
    NetworkChanged,
    Noticed,
    PeerConnected,
    PeerDisconnected,
    RpcHappened,
    SendOn,
)
from meshnode.mesh.facts import PeerFacts
from meshnode.mesh.links import LinkState
from meshnode.mesh.mesh import Mesh

__all__ = [
    "BroadcastHeard",
    "Channel",
    "ChannelClosed",
    "CloseLink",
    "DeviceChanged",
    "Dial",
    "DialFailed",
    "Dialer",
    "Effect",
    "LinkDown",
    "LinkReceived",
    "LinkState",
    "LinkUp",
    "LinkWritable",
    "Mesh",
    "MeshEvent",
    "NetworkChanged",
    "Noticed",
    "PeerConnected",
    "PeerDisconnected",
    "PeerFacts",
    "RpcHappened",
    "SendOn",
]
