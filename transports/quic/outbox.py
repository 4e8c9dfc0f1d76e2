"""What a link was given to send and the engine has not sent yet, lane by lane."""

from collections.abc import Sequence

from protocols.errors import LocalError
from transports.api import FRAME_BYTES_MAX
from transports.quic.engine import Engine
from transports.quic.frames import LENGTH
from transports.quic.limits import QuicLimits

UNSENT_FACTOR_MAX = 8  # times `unsent_bytes_max`: an owner who ignores back-pressure this long has a bug
JOIN_BYTES_MAX = 4096  # a longer frame goes to the engine without being copied behind its length first


class Outbox:
    def __init__(self, engine: Engine, limits: QuicLimits, *, lane_open: bool) -> None:
        """`lane_open`: we open the stream ourselves; else frames are held until the peer has."""
        self.unsent = 0  # bytes of the reliable lane
        self.datagrams_dropped = 0
        self._engine, self._limits = engine, limits
        self._held: list[bytes] | None = None if lane_open else []
        self._datagrams: list[bytes] = []
        self._congested = False

    def add_frames(self, frames: Sequence[bytes]) -> None:
        for frame in frames:
            if not 0 < len(frame) <= FRAME_BYTES_MAX:
                raise LocalError(f"a frame has 1 to {FRAME_BYTES_MAX} bytes, not {len(frame)}")
        size = sum(map(len, frames)) + LENGTH.size * len(frames)
        full = self._limits.unsent_bytes_max
        if self.unsent > UNSENT_FACTOR_MAX * full:
            raise LocalError("the owner of this link does not heed unsent_bytes")
        self.unsent += size
        self._congested = self._congested or self.unsent > full
        small: list[bytes] = []
        for frame in frames:
            small.append(LENGTH.pack(len(frame)))
            if len(frame) > JOIN_BYTES_MAX:
                self._give(b"".join(small))
                small.clear()
                self._give(frame)
            else:
                small.append(frame)
        if small:
            self._give(b"".join(small))

    def _give(self, data: bytes) -> None:
        if self._held is None:
            self._engine.send_stream(data)
        else:
            self._held.append(data)

    def add_datagrams(self, frames: Sequence[bytes], size_max: int) -> None:
        for frame in frames:
            if not 0 < len(frame) <= size_max:
                raise LocalError(f"a datagram has 1 to {size_max} bytes on this link, not {len(frame)}")
        queue = self._datagrams
        queue.extend(frames)
        surplus = len(queue) - self._limits.datagrams_unsent_max
        if surplus > 0:
            del queue[:surplus]
            self.datagrams_dropped += surplus

    def lane_opened(self) -> None:
        """The peer opened the stream: what was held for it may go. Again is harmless."""
        if self._held is not None:
            held, self._held = self._held, None
            for data in held:
                self._engine.send_stream(data)

    def before_flight(self) -> None:
        if self._datagrams:
            self._engine.take_datagrams(self._datagrams)

    def after_flight(self) -> bool:
        """True once when a full lane has room again."""
        if self.unsent == 0 or self._held is not None:
            return False
        self.unsent = self._engine.stream_unsent()
        if self._congested and self.unsent <= self._limits.unsent_bytes_max // 2:
            self._congested = False
            return True
        return False

    def clear(self) -> None:
        self._datagrams.clear()
        self._held = None
        self.unsent = 0
