"""The reliable lane's framing: `length u32 || frame`, back to back on one QUIC stream (docs/quic.md).

A frame of length zero says nothing; the dialling side sends one to open the stream.
"""

import struct

from protocols.errors import RemoteError
from transports.api import FRAME_BYTES_MAX

LENGTH = struct.Struct("!I")
LANE_OPENER = LENGTH.pack(0)


class FrameReader:
    """Cuts the stream into frames. Holds less than one frame plus the last chunk."""

    def __init__(self, *, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._chunks: list[bytes] = []
        self._have = 0
        self._need = LENGTH.size

    def feed(self, chunks: list[bytes]) -> list[bytes]:
        """Raises RemoteError("oversize_frame") before memory is taken; the reader is of no use afterwards."""
        self._chunks += chunks
        self._have += sum(map(len, chunks))
        if self._have < self._need:
            return []
        data = b"".join(self._chunks) if len(self._chunks) != 1 else self._chunks[0]
        frames: list[bytes] = []
        start, end = 0, len(data)
        self._need = LENGTH.size
        while end - start >= LENGTH.size:
            (length,) = LENGTH.unpack_from(data, start)
            if length > self._frame_bytes_max:
                raise RemoteError("oversize_frame", f"{length} bytes, at most {self._frame_bytes_max}")
            stop = start + LENGTH.size + length
            if stop > end:
                self._need = LENGTH.size + length
                break
            if length:
                frames.append(data[start + LENGTH.size : stop])
            start = stop
        self._chunks = [data[start:]] if start < end else []
        self._have = end - start
        return frames
