"""What went over each neighbour's links since this node started, for people who ask."""

from collections import Counter
from collections.abc import Sequence

from protocols.ids import NodeId

TALLIES_MAX = (
    1_024  # neighbours; as many as links. The one met longest ago is forgotten, and stays in the sum
)


class Tally:
    __slots__ = (
        "bytes_in",
        "bytes_out",
        "control_bytes_out",
        "dropped",
        "duplicates",
        "frames_in",
        "frames_out",
        "relayed_bytes",
        "relayed_frames",
    )

    def __init__(self) -> None:
        self.frames_in = self.frames_out = self.bytes_in = self.bytes_out = 0
        self.control_bytes_out = 0
        self.relayed_frames = self.relayed_bytes = 0  # that came from it, for somebody else, and went on
        self.duplicates = 0
        self.dropped: Counter[str] = Counter()  # of what it gave us, by reason

    def sent(self, frames: Sequence[bytes]) -> None:
        self.frames_out += len(frames)
        self.bytes_out += sum(map(len, frames))

    def received(self, frames: Sequence[bytes]) -> None:
        self.frames_in += len(frames)
        self.bytes_in += sum(map(len, frames))

    def add(self, other: "Tally") -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Tallies:
    def __init__(self) -> None:
        self._of: dict[NodeId, Tally] = {}
        self._gone = Tally()  # of those that were forgotten

    def of(self, peer: NodeId) -> Tally:
        tally = self._of.get(peer)
        if tally is None:
            if len(self._of) >= TALLIES_MAX:
                self._gone.add(self._of.pop(next(iter(self._of))))
            tally = self._of[peer] = Tally()
        return tally

    def in_all(self) -> Tally:
        total = Tally()
        total.add(self._gone)
        for tally in self._of.values():
            total.add(tally)
        return total
