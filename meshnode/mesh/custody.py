"""Hop by hop over a radio: a relayed frame is kept until the next hop says that it has it, else it goes again.

A radio link that went out of range is noticed only seconds later, and what was handed to it meanwhile is gone. So
whoever relays over one asks for an answer (HOP_ACK), and after a short silence tries another neighbour. A frame that
came twice, because its answer was lost, is answered again and goes no further. Where a link is no radio, its own
retransmissions and the streams' are enough.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

from protocols.envelope import Kind, TrafficClass, header_bytes
from protocols.errors import RemoteError
from protocols.ids import MESSAGE_ID_BYTES, UNKNOWN_NODE, NodeId

KEPT_MAX = (
    256  # frames of one node that wait for an answer, some 300 KiB on radios; then the oldest is let go
)
SEEN_MAX = 1_024  # ids of what came over radios: at 20 kB/s, the last 15 s of small frames
ACKS_MAX = 28  # ids in one HOP_ACK: it fits the datagrams of BLE (469 bytes)
WAIT_NS = 400_000_000  # at least: four connection intervals of a slow phone there and back, a loss in each direction
WAIT_NS_MAX = 5_000_000_000  # at most, of a neighbour that is slow because it is busy; then another is tried
TRIES_MAX = 5  # the first included


@dataclass(slots=True)
class Kept:
    frame: bytes
    destination: NodeId
    neighbour: NodeId
    came_from: NodeId  # who gave it to us, ourselves perhaps: it does not go back there
    sent_ns: int
    due_ns: int = 0
    tries: int = 1
    tried: list[NodeId] = field(default_factory=list[NodeId])  # neighbours that did not answer


class _Pace:
    """How long a neighbour takes to answer, as RFC 6298 reckons, of frames that went once (Karn's rule)."""

    __slots__ = ("silences", "smoothed_ns", "varies_ns")

    def __init__(self) -> None:
        self.smoothed_ns = self.varies_ns = 0
        self.silences = 0  # answers missed in a row

    def sample(self, took_ns: int) -> None:
        if not self.smoothed_ns:
            self.smoothed_ns, self.varies_ns = took_ns, took_ns // 2
            return
        self.varies_ns += (abs(self.smoothed_ns - took_ns) - self.varies_ns) // 4
        self.smoothed_ns += (took_ns - self.smoothed_ns) // 8

    def wait_ns(self, tries: int) -> int:
        return min(max(WAIT_NS, self.smoothed_ns + 4 * self.varies_ns) << (tries - 1), WAIT_NS_MAX)


class Custody:
    def __init__(self) -> None:
        self._kept: dict[bytes, Kept] = {}  # by the envelope's id, oldest first
        self._due: list[
            tuple[int, bytes]
        ] = []  # a heap; entries whose frame was answered stay until they surface
        self._seen: dict[bytes, None] = {}
        self._acks: dict[NodeId, list[bytes]] = {}
        self._paces: dict[NodeId, _Pace] = {}  # of neighbours that have a link

    def __len__(self) -> int:
        return len(self._kept)

    # -- as the next hop --------------------------------------------------------------------------------------

    def arrived(self, neighbour: NodeId, envelope_id: bytes) -> bool:
        """Over a radio. False where it came before: then it is only answered."""
        self._acks.setdefault(neighbour, []).append(envelope_id)
        if envelope_id in self._seen:
            return False
        self._seen[envelope_id] = None
        if len(self._seen) > SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        return True

    def acks(self) -> Iterator[tuple[NodeId, bytes]]:
        """Frames that say what has come, for the neighbours that sent it."""
        acks, self._acks = self._acks, {}
        for neighbour, ids in acks.items():
            for start in range(0, len(ids), ACKS_MAX):
                yield neighbour, _encode(ids[start : start + ACKS_MAX])

    # -- as the hop before ------------------------------------------------------------------------------------

    def sent(
        self,
        envelope_id: bytes,
        frame: bytes,
        destination: NodeId,
        neighbour: NodeId,
        came_from: NodeId,
        now_ns: int,
    ) -> None:
        """For the first time, or again."""
        before = self._kept.pop(envelope_id, None)
        kept = Kept(frame, destination, neighbour, came_from, now_ns)
        if before is not None:
            kept.tries, kept.tried = before.tries + 1, before.tried
        elif len(self._kept) >= KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        pace = self._paces.setdefault(neighbour, _Pace())
        self._kept[envelope_id] = kept
        self._set_due(envelope_id, kept, now_ns + pace.wait_ns(kept.tries))

    def answered(self, neighbour: NodeId, payload: bytes | memoryview, now_ns: int) -> None:
        """A HOP_ACK. Raises RemoteError where it makes no sense; ids that we don't wait for are late answers."""
        if not payload or len(payload) % MESSAGE_ID_BYTES or len(payload) > ACKS_MAX * MESSAGE_ID_BYTES:
            raise RemoteError("bad_hop_ack")
        pace = self._paces.setdefault(neighbour, _Pace())
        pace.silences = 0
        for start in range(0, len(payload), MESSAGE_ID_BYTES):
            kept = self._kept.pop(bytes(payload[start : start + MESSAGE_ID_BYTES]), None)
            if kept is not None and kept.tries == 1 and kept.neighbour == neighbour:
                pace.sample(now_ns - kept.sent_ns)

    def is_silent(self, neighbour: NodeId) -> bool:
        """It missed an answer, and has not given another since."""
        pace = self._paces.get(neighbour)
        return pace is not None and pace.silences > 0

    def next_timeout(self) -> int | None:
        while self._due:
            due_ns, envelope_id = self._due[0]
            kept = self._kept.get(envelope_id)
            if kept is not None and kept.due_ns == due_ns:
                return due_ns
            heapq.heappop(self._due)
        return None

    def take_due(self, now_ns: int) -> Iterator[tuple[bytes, Kept]]:
        """What was not answered in time; each has to be `sent` again, `put_off`, or `dropped`."""
        while (due_ns := self.next_timeout()) is not None and due_ns <= now_ns:
            envelope_id = heapq.heappop(self._due)[1]
            yield envelope_id, self._kept[envelope_id]

    def missed(self, kept: Kept) -> None:
        """Its neighbour should have answered."""
        if kept.neighbour not in kept.tried:
            kept.tried.append(kept.neighbour)
        self._paces.setdefault(kept.neighbour, _Pace()).silences += 1

    def put_off(self, envelope_id: bytes, kept: Kept, now_ns: int) -> None:
        """It has not even left: its link is busy."""
        self._set_due(envelope_id, kept, now_ns + WAIT_NS)

    def dropped(self, envelope_id: bytes) -> None:
        self._kept.pop(envelope_id, None)

    def lost(self, neighbour: NodeId, now_ns: int) -> None:
        """Its last link is gone: what it had not answered is due at once."""
        self._paces.pop(neighbour, None)
        self._acks.pop(neighbour, None)
        for envelope_id, kept in self._kept.items():
            if kept.neighbour == neighbour:
                self._set_due(envelope_id, kept, now_ns)

    def _set_due(self, envelope_id: bytes, kept: Kept, due_ns: int) -> None:
        kept.due_ns = due_ns
        heapq.heappush(self._due, (due_ns, envelope_id))


def _encode(ids: list[bytes]) -> bytes:
    """The first id stands in for the envelope's own, which nobody looks at."""
    header = header_bytes(
        Kind.HOP_ACK, TrafficClass.INTERACTIVE, 1, ids[0], UNKNOWN_NODE, UNKNOWN_NODE, local=True
    )
    return header + b"".join(ids)
