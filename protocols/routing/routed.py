"""Payloads of ROUTE envelopes (docs/wire.md). They are not authenticated; what counts in them is signed.

Kind u8, then: REGISTER: locator. LOOKUP: token u32 ‖ NodeId wanted ‖ the asker's own locator or nothing.
ANSWER: token u32 ‖ NodeId wanted ‖ its locator or nothing. NO_ROUTE: NodeId that couldn't be reached.
"""

import struct
from dataclasses import dataclass
from typing import TypeAlias

from protocols.errors import RemoteError
from protocols.ids import NODE_ID_BYTES, NodeId
from protocols.routing.limits import ROUTED_BYTES_MAX

REGISTER, LOOKUP, ANSWER, NO_ROUTE = 1, 2, 3, 4
QUESTION = struct.Struct("!BI32s")


@dataclass(frozen=True, slots=True)
class Register:
    locator: bytes

    def encode(self) -> bytes:
        return bytes([REGISTER]) + self.locator


@dataclass(frozen=True, slots=True)
class Lookup:
    token: int
    wanted: NodeId
    locator: bytes  # the asker's, so that the answer finds back; may be empty

    def encode(self) -> bytes:
        return QUESTION.pack(LOOKUP, self.token, self.wanted) + self.locator


@dataclass(frozen=True, slots=True)
class Answer:
    token: int
    wanted: NodeId
    locator: bytes  # empty: not known here

    def encode(self) -> bytes:
        return QUESTION.pack(ANSWER, self.token, self.wanted) + self.locator


@dataclass(frozen=True, slots=True)
class NoRoute:
    destination: NodeId

    def encode(self) -> bytes:
        return bytes([NO_ROUTE]) + self.destination


Routed: TypeAlias = Register | Lookup | Answer | NoRoute


def decode_routed(body: bytes) -> Routed:
    """Raises RemoteError("bad_routed"). Locators are not opened here."""
    if not body or len(body) > ROUTED_BYTES_MAX:
        raise RemoteError("bad_routed", f"{len(body)} bytes")
    kind = body[0]
    if kind == REGISTER and len(body) > 1:
        return Register(body[1:])
    if kind in {LOOKUP, ANSWER} and len(body) >= QUESTION.size:
        _, token, wanted = QUESTION.unpack_from(body)
        shape = Lookup if kind == LOOKUP else Answer
        return shape(token, NodeId(wanted), body[QUESTION.size :])
    if kind == NO_ROUTE and len(body) == 1 + NODE_ID_BYTES:
        return NoRoute(NodeId(body[1:]))
    raise RemoteError("bad_routed", f"{kind=} in {len(body)} bytes")
