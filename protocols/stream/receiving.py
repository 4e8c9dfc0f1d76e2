"""The peer's direction of one stream: put in order, each byte once.

What comes in order passes straight through as a view of its record. What comes early is kept; a slice that is
small beside its record is copied, so that a byte never keeps 64 KiB alive.
"""

from bisect import insort

from protocols.errors import RemoteError
from protocols.stream.credit import Credit
from protocols.stream.events import Buffer


def lean(data: memoryview, record_bytes: int) -> Buffer:
    """The slice itself, or a copy where it would keep more than twice its length alive."""
    return data if 2 * len(data) >= record_bytes else bytes(data)


class ReceiveHalf:
    __slots__ = ("_chunks", "_offsets", "credit", "done", "final_size", "held_bytes", "offset", "stop_code")

    def __init__(self, credit: Credit) -> None:
        self.credit = credit  # its `received` is the end of the furthest byte seen
        self.offset = 0  # of the next byte in order
        self.final_size: int | None = None
        self.done = False  # the end was told to the application, or it does not want to hear more
        self.stop_code: int | None = None
        self._chunks: dict[int, Buffer] = {}  # early ones, by offset; they may overlap
        self._offsets: list[int] = []  # their keys in order
        self.held_bytes = 0

    @property
    def held_chunks(self) -> int:
        return len(self._offsets)

    def reach(self, end: int, *, fin: bool) -> int:
        """A frame reaches to `end`: check it against both promises; gives by how much the furthest byte grew."""
        if self.final_size is not None and (end > self.final_size or (fin and end != self.final_size)):
            raise RemoteError("final_size", f"{end}, said to be {self.final_size}")
        grown = end - self.credit.received
        if fin:
            if grown < 0:
                raise RemoteError("final_size", f"{end}, seen {self.credit.received}")
            self.final_size = end
        if grown <= 0:
            return 0
        self.credit.receive(grown)
        return grown

    def hold(self, offset: int, data: Buffer) -> None:
        """Keep what came early."""
        kept = self._chunks.get(offset)
        if kept is None:
            insort(self._offsets, offset)
        elif len(kept) >= len(data):
            return
        else:
            self.held_bytes -= len(kept)
        self._chunks[offset] = data
        self.held_bytes += len(data)

    def advance(self, data: Buffer) -> list[Buffer]:
        """`data` is next in order: that and whatever joins on to it, in pieces."""
        self.offset += len(data)
        pieces = [data] if len(data) else []
        offsets = self._offsets
        passed = 0
        for offset in offsets:
            if offset > self.offset:
                break
            passed += 1
            chunk = self._chunks.pop(offset)
            self.held_bytes -= len(chunk)
            fresh = offset + len(chunk) - self.offset
            if fresh > 0:
                pieces.append(memoryview(chunk)[-fresh:])
                self.offset += fresh
        del offsets[:passed]
        return pieces

    def drop(self) -> None:
        """Forget what came early: nobody will read it."""
        self._chunks.clear()
        self._offsets.clear()
        self.held_bytes = 0
