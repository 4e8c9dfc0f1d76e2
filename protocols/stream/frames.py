"""The bytes of frames (docs/wire.md, section 5). STREAM is packed and read in place, where the speed is decided."""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from protocols.errors import RemoteError
from protocols.stream.events import Buffer
from protocols.stream.limits import ACK_RANGES_MAX, CONTROL_BYTES_MAX, REASON_BYTES_MAX

PADDING, ACK, STREAM, MAX_DATA, MAX_STREAM_DATA, RESET, STOP, MAX_STREAMS, PING, CLOSE, CONTROL = range(11)

FIN_BIT = 0x8000_0000  # in the length
U32_MAX = 2**32 - 1
STREAM_FRAME = struct.Struct("!BIQI")
STREAM_FRAME_BYTES = STREAM_FRAME.size
ACK_HEAD = struct.Struct("!BQIBI")
ACK_RANGE = struct.Struct("!II")
ONE_U32 = struct.Struct("!BI")
ONE_U64 = struct.Struct("!BQ")
MAX_STREAM_DATA_FRAME = struct.Struct("!BIQ")
RESET_FRAME = struct.Struct("!BIHQ")
STOP_FRAME = struct.Struct("!BIH")
CLOSE_HEAD = struct.Struct("!BHB")
CONTROL_HEAD = struct.Struct("!BBH")


class Ack(NamedTuple):
    largest: int
    delay_ns: int
    ranges: list[tuple[int, int]]  # both ends included, highest first


@dataclass(frozen=True, slots=True)
class MaxData:
    bytes_max: int


@dataclass(frozen=True, slots=True)
class MaxStreamData:
    stream_id: int
    bytes_max: int


@dataclass(frozen=True, slots=True)
class MaxStreams:
    streams_max: int


@dataclass(frozen=True, slots=True)
class Reset:
    stream_id: int
    code: int
    final_size: int


@dataclass(frozen=True, slots=True)
class Stop:
    stream_id: int
    code: int


@dataclass(frozen=True, slots=True)
class Ping:
    pass


@dataclass(frozen=True, slots=True)
class Close:
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Control:
    kind: int
    body: bytes


Frame: TypeAlias = Ack | MaxData | MaxStreamData | MaxStreams | Reset | Stop | Ping | Close | Control


def encode_ack(ranges: Sequence[Sequence[int]], delay_ns: int) -> bytes:
    """`ranges` as in `Ack`, at least one. What 32 bits can't say is left out: the oldest part."""
    low, high = ranges[0]
    parts: list[bytes] = []
    first = min(high - low + 1, U32_MAX)
    lowest = high - first + 1
    for below, above in ranges[1:ACK_RANGES_MAX]:
        gap = lowest - above - 1
        if gap > U32_MAX:
            break
        length = min(above - below + 1, U32_MAX)
        parts.append(ACK_RANGE.pack(gap, length))
        lowest = above - length + 1
    head = ACK_HEAD.pack(ACK, high, min(delay_ns // 1000, U32_MAX), len(parts), first)
    return head + b"".join(parts)


def encode_close(code: int, reason: str) -> bytes:
    text = reason.encode()[:REASON_BYTES_MAX]
    return CLOSE_HEAD.pack(CLOSE, code, len(text)) + text


def encode_control(kind: int, body: bytes) -> bytes:
    assert len(body) <= CONTROL_BYTES_MAX, "a control frame is small"
    return CONTROL_HEAD.pack(CONTROL, kind, len(body)) + body


def decode_frame(data: Buffer, at: int) -> tuple[Frame, int]:
    """Any frame but STREAM and PADDING, and where it ends. Raises RemoteError("bad_frame") or ("bad_ack")."""
    decoder = DECODERS.get(data[at])
    if decoder is None:
        raise RemoteError("bad_frame", f"type {data[at]}")
    try:
        return decoder(data, at)
    except struct.error:
        raise RemoteError("bad_frame", "cut short") from None


def _decode_max_data(data: Buffer, at: int) -> tuple[MaxData, int]:
    return MaxData(ONE_U64.unpack_from(data, at)[1]), at + ONE_U64.size


def _decode_max_stream_data(data: Buffer, at: int) -> tuple[MaxStreamData, int]:
    _, stream_id, bytes_max = MAX_STREAM_DATA_FRAME.unpack_from(data, at)
    return MaxStreamData(stream_id, bytes_max), at + MAX_STREAM_DATA_FRAME.size


def _decode_max_streams(data: Buffer, at: int) -> tuple[MaxStreams, int]:
    return MaxStreams(ONE_U32.unpack_from(data, at)[1]), at + ONE_U32.size


def _decode_reset(data: Buffer, at: int) -> tuple[Reset, int]:
    _, stream_id, code, final_size = RESET_FRAME.unpack_from(data, at)
    return Reset(stream_id, code, final_size), at + RESET_FRAME.size


def _decode_stop(data: Buffer, at: int) -> tuple[Stop, int]:
    _, stream_id, code = STOP_FRAME.unpack_from(data, at)
    return Stop(stream_id, code), at + STOP_FRAME.size


def _decode_ping(data: Buffer, at: int) -> tuple[Ping, int]:  # noqa: ARG001 - a decoder like the others
    return Ping(), at + 1


def _decode_close(data: Buffer, at: int) -> tuple[Close, int]:
    _, code, length = CLOSE_HEAD.unpack_from(data, at)
    text, end = _text(data, at + CLOSE_HEAD.size, length)
    return Close(code, text.decode(errors="replace")), end


def _decode_control(data: Buffer, at: int) -> tuple[Control, int]:
    _, kind, length = CONTROL_HEAD.unpack_from(data, at)
    if length > CONTROL_BYTES_MAX:
        raise RemoteError("bad_frame", "control too long")
    body, end = _text(data, at + CONTROL_HEAD.size, length)
    return Control(kind, body), end


def _text(data: Buffer, start: int, length: int) -> tuple[bytes, int]:
    end = start + length
    if end > len(data):
        raise RemoteError("bad_frame", "cut short")
    return bytes(data[start:end]), end


def _decode_ack(data: Buffer, at: int) -> tuple[Ack, int]:
    _, largest, delay_us, count, first = ACK_HEAD.unpack_from(data, at)
    if count >= ACK_RANGES_MAX:
        raise RemoteError("bad_ack", "too many ranges")
    at += ACK_HEAD.size
    low = largest - first + 1
    if first == 0 or low < 0:
        raise RemoteError("bad_ack", "first range")
    ranges = [(low, largest)]
    for _ in range(count):
        gap, length = ACK_RANGE.unpack_from(data, at)
        at += ACK_RANGE.size
        high = low - gap - 1
        low = high - length + 1
        if gap == 0 or length == 0 or low < 0:
            raise RemoteError("bad_ack", "range")
        ranges.append((low, high))
    return Ack(largest, delay_us * 1000, ranges), at


DECODERS: Mapping[int, Callable[[Buffer, int], tuple[Frame, int]]] = MappingProxyType(
    {
        ACK: _decode_ack,
        MAX_DATA: _decode_max_data,
        MAX_STREAM_DATA: _decode_max_stream_data,
        RESET: _decode_reset,
        STOP: _decode_stop,
        MAX_STREAMS: _decode_max_streams,
        PING: _decode_ping,
        CLOSE: _decode_close,
        CONTROL: _decode_control,
    }
)
