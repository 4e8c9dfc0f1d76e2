"""Our direction of one stream: what waits, what must go again, and what is still out.

Every byte is in exactly one place: unsent, in one record that is out, or waiting to go again. So a count of the
frames that are out says when all has arrived, and no record of acknowledged ranges is needed.
"""

from collections import deque

from protocols.stream.events import Buffer
from protocols.stream.limits import STREAM_BYTES_INITIAL


class SendHalf:
    __slots__ = (
        "_chunks",
        "_head",
        "again",
        "again_bytes",
        "fin",
        "fin_sent",
        "flying",
        "full",
        "limit",
        "reset_code",
        "sent",
        "unsent",
    )

    def __init__(self) -> None:
        self._chunks: deque[Buffer] = deque()
        self._head = 0  # bytes of the first chunk that have gone
        self.unsent = 0  # bytes that never went
        self.sent = 0  # offset of the next new byte
        self.limit = STREAM_BYTES_INITIAL  # the peer's window ends here
        self.fin = self.fin_sent = False
        self.full = False  # was above unsent_bytes_max and owes a StreamWritable
        self.flying = 0  # frames out, neither acknowledged nor lost
        self.again: deque[tuple[int, Buffer, bool]] = deque()  # lost: offset, data, fin
        self.again_bytes = 0
        self.reset_code: int | None = None

    @property
    def done(self) -> bool:
        """Nothing of this direction matters any more."""
        if self.reset_code is not None:
            return True
        return self.fin_sent and not self.flying and not self.again

    def append(self, data: Buffer) -> None:
        self._chunks.append(data)
        self.unsent += len(data)

    def sendable(self, credit: int) -> bool:
        """Whether a frame could go now; `credit` is what the connection's window leaves."""
        if self.again:
            return True
        if self.unsent:
            return credit > 0 and self.limit > self.sent
        return self.fin and not self.fin_sent

    def take(self, nbytes: int, parts: list[Buffer]) -> None:
        """Move so many unsent bytes, at most `unsent`, to the end of `parts` without copying them."""
        chunks, head = self._chunks, self._head
        self.unsent -= nbytes
        self.sent += nbytes
        if not self.unsent and not head:
            parts += chunks
            chunks.clear()
            return
        while nbytes:
            chunk = chunks[0]
            left = len(chunk) - head
            if left > nbytes:
                parts.append(memoryview(chunk)[head : head + nbytes])
                head += nbytes
                break
            parts.append(memoryview(chunk)[head:] if head else chunk)
            del chunks[0]
            head, nbytes = 0, nbytes - left
        self._head = head

    def lost(self, offset: int, data: Buffer, *, fin: bool) -> None:
        self.again.append((offset, data, fin))
        self.again_bytes += len(data)

    def take_again(self, bytes_max: int) -> tuple[int, Buffer, bool]:
        """The first of what must go again, cut to `bytes_max`."""
        offset, data, fin = self.again.popleft()
        if len(data) > bytes_max:
            rest = memoryview(data)
            self.again.appendleft((offset + bytes_max, rest[bytes_max:], fin))
            data, fin = rest[:bytes_max], False
        self.again_bytes -= len(data)
        return offset, data, fin

    def reset(self, code: int) -> int:
        """Forget all that waits; gives the number of bytes forgotten."""
        forgotten = self.unsent + self.again_bytes
        self._chunks.clear()
        self.again.clear()
        self._head = self.unsent = self.again_bytes = 0
        self.reset_code = code
        return forgotten
