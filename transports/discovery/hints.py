"""A tag by which those who know a NodeId recognise its announcement, and nobody else can.

hint = HMAC-SHA256(key = NodeId, "meshnode/discovery/1" ‖ token)[:8], token = 16 random bytes of this announcement.

Two announcements of one node share nothing that an observer who doesn't know the NodeId could link. Whoever has
ever learnt the NodeId (a former contact too) can recognise the node while it is nearby: a NodeId is a name, not a
password. A wrong guess costs one handshake that fails, so 8 bytes are plenty.
"""

import hashlib
import hmac

from protocols.ids import NodeId
from transports.discovery.api import Sighting

TOKEN_BYTES = 16
HINT_BYTES = 8
LABEL = b"meshnode/discovery/1"


def hint_for(node: NodeId, token: bytes) -> bytes:
    return hmac.digest(node, LABEL + token, hashlib.sha256)[:HINT_BYTES]


def recognises(node: NodeId, sighting: Sighting) -> bool:
    """True when the sighting was announced by somebody who knows `node`: most likely that node itself."""
    return bool(sighting.hint) and hmac.compare_digest(sighting.hint, hint_for(node, sighting.token))
