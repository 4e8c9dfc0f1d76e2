"""Where a node is that is out of scope: its landmark, signed by itself; and the landmarks' memory of that."""

import struct
from dataclasses import dataclass

from protocols.directory.fields import is_bytes, is_number
from protocols.directory.signed import open_body, sign_body
from protocols.errors import RemoteError
from protocols.ids import NODE_ID_BYTES, NodeId
from protocols.keys import REAL, Identity, Suite
from protocols.routing.frames import KEY_BYTES
from protocols.routing.limits import RoutingLimits, S

HEAD = struct.Struct("!QQ")
LABEL = b"meshnode/locator/1"
VERSION = 1
LOCATOR_BYTES_MAX = 256  # 163 today; unknown keys of later versions fit


@dataclass(frozen=True, slots=True)
class Locator:
    node: NodeId
    sequence: int  # wall-clock milliseconds, or one above the last: the higher one is newer
    landmark: NodeId


def sign_locator(identity: Identity, *, sequence: int, landmark: NodeId) -> bytes:
    return sign_body(identity, LABEL, VERSION, {"seq": sequence, "lm": landmark})


def open_locator(data: bytes, suite: Suite = REAL) -> Locator:
    """Verify, then read. Raises RemoteError: as `open_body`, and "bad_locator"."""
    node, body = open_body(data, LABEL, VERSION, bytes_max=LOCATOR_BYTES_MAX, suite=suite)
    sequence, landmark = body.get("seq"), body.get("lm")
    if not is_number(sequence) or not is_bytes(landmark, NODE_ID_BYTES):
        raise RemoteError("bad_locator")
    return Locator(node, sequence, NodeId(landmark))


class Keeper:
    """What a landmark knows of nodes that are elsewhere. When full, the one told longest ago goes."""

    def __init__(self, limits: RoutingLimits, suite: Suite) -> None:
        self._limits, self._suite = limits, suite
        self._kept: dict[bytes, bytes] = {}  # key -> sequence ‖ second when told ‖ signed

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, signed: bytes, now_ns: int) -> Locator:
        """Raises RemoteError, also "old_locator" for one that a newer one replaced already."""
        locator = open_locator(signed, self._suite)
        key = locator.node[:KEY_BYTES]
        before = self._kept.pop(key, None)
        if before is not None and HEAD.unpack_from(before)[0] > locator.sequence:
            self._kept[key] = before
            raise RemoteError("old_locator")
        if len(self._kept) >= self._limits.locators_max:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = HEAD.pack(locator.sequence, now_ns // S) + signed
        return locator

    def find(self, node: NodeId, now_ns: int) -> bytes | None:
        kept = self._kept.get(node[:KEY_BYTES])
        return None if kept is None or self._is_old(kept, now_ns) else kept[HEAD.size :]

    def sweep(self, now_ns: int) -> None:
        while self._kept and self._is_old(self._kept[next(iter(self._kept))], now_ns):
            del self._kept[next(iter(self._kept))]

    def _is_old(self, kept: bytes, now_ns: int) -> bool:
        return now_ns - HEAD.unpack_from(kept)[1] * S > self._limits.locator_ns
