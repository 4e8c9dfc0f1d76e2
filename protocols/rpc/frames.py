"""Messages on a call's stream (docs/wire.md, section 7)."""

import struct
from dataclasses import dataclass

from protocols.codec import decode_map, encode
from protocols.envelope import TrafficClass
from protocols.errors import RefusedError, RemoteError
from protocols.rpc.limits import (
    DEADLINE_MS_MAX,
    MESSAGE_BYTES_MAX,
    REFUSAL_BYTES_MAX,
    REFUSAL_CODE_CHARS_MAX,
    REQUEST_BYTES_MAX,
    SENTENCE_BYTES_MAX,
    SMALL_BYTES_MAX,
)
from protocols.stream import Buffer

REQUEST, MESSAGE, END, REFUSED = 1, 2, 3, 4
HEAD = struct.Struct("!IB")  # length of what follows it, type
HEAD_BYTES = HEAD.size
LENGTH_BYTES = 4
BODY_BYTES_MAX = {REQUEST: REQUEST_BYTES_MAX, MESSAGE: MESSAGE_BYTES_MAX, END: 0, REFUSED: REFUSAL_BYTES_MAX}
CLASSES = frozenset(int(traffic) for traffic in TrafficClass)
END_FRAME = HEAD.pack(1, END)


@dataclass(frozen=True, slots=True)
class Request:
    service: str
    method: str
    deadline_ms: int  # from its arrival; 0: none
    traffic: TrafficClass

    def encode(self) -> bytes:
        """The whole message. Raises RefusedError("too_long") when the names are."""
        body = encode({"s": self.service, "m": self.method, "t": self.deadline_ms, "c": int(self.traffic)})
        if len(body) > REQUEST_BYTES_MAX:
            raise RefusedError(
                "too_long", f"the names of service and method take more than {REQUEST_BYTES_MAX} bytes"
            )
        return HEAD.pack(len(body) + 1, REQUEST) + body


@dataclass(frozen=True, slots=True)
class Refusal:
    code: str
    sentence: str

    def encode(self) -> bytes:
        """The whole message, cut to what the peer takes."""
        code = self.code[:REFUSAL_CODE_CHARS_MAX].encode("ascii", "replace").decode()
        sentence = self.sentence.encode(errors="replace")[:SENTENCE_BYTES_MAX].decode(errors="ignore")
        body = encode({"c": code, "s": sentence})
        return HEAD.pack(len(body) + 1, REFUSED) + body


def message_head(nbytes: int) -> bytes:
    """What goes before a message. Raises RefusedError("too_long")."""
    if nbytes > MESSAGE_BYTES_MAX:
        raise RefusedError(
            "too_long", f"a message of {nbytes} bytes; send at most {MESSAGE_BYTES_MAX} at a time"
        )
    return HEAD.pack(nbytes + 1, MESSAGE)


def decode_request(body: bytes) -> Request:
    """Raises RemoteError("bad_request")."""
    match decode_map(body, bytes_max=REQUEST_BYTES_MAX):
        case {"s": str(service), "m": str(method), "t": int(deadline_ms), "c": int(traffic), **rest}:
            if not rest and 0 <= deadline_ms <= DEADLINE_MS_MAX and traffic in CLASSES:
                return Request(service, method, int(deadline_ms), TrafficClass(traffic))
        case _:
            pass
    raise RemoteError("bad_request")


def decode_refusal(body: bytes) -> Refusal:
    """Raises RemoteError("bad_refusal")."""
    match decode_map(body, bytes_max=REFUSAL_BYTES_MAX):
        case {"c": str(code), "s": str(sentence), **rest} if not rest:
            return Refusal(code, sentence)
        case _:
            raise RemoteError("bad_refusal")


class MessageReader:
    """Cuts a stream into messages, however its bytes are cut. Holds at most one unfinished message."""

    __slots__ = ("_parts", "_wanted", "held_bytes")

    def __init__(self) -> None:
        self._parts: list[Buffer | bytearray] = []  # of the unfinished message, from its first byte
        self.held_bytes = 0
        self._wanted = HEAD_BYTES  # held bytes at which there is something to do

    def feed(self, data: Buffer) -> list[tuple[int, list[bytes]]]:
        """Runs of messages of one type. Raises RemoteError("bad_message")."""
        if self._parts:
            self._gather(data)
            if self.held_bytes < self._wanted:
                return []
            data = b"".join(self._parts)
            self._parts.clear()
        runs, taken = _cut(data)
        self.held_bytes = len(data) - taken
        if self.held_bytes:
            rest = memoryview(data)[taken:]
            self._wanted = _wanted(rest)
            self._parts.append(rest if 2 * len(rest) >= len(data) else bytes(rest))
        return runs

    def _gather(self, data: Buffer) -> None:
        self.held_bytes += len(data)
        last = self._parts[-1]
        if isinstance(last, bytearray) and len(data) < SMALL_BYTES_MAX:
            last += data
        else:
            self._parts.append(bytearray(data) if len(data) < SMALL_BYTES_MAX else data)


def _wanted(rest: memoryview) -> int:
    if len(rest) < HEAD_BYTES:
        return HEAD_BYTES
    length, kind = HEAD.unpack_from(rest)
    _check(length, kind)
    return LENGTH_BYTES + length


def _check(length: int, kind: int) -> None:
    bytes_max = BODY_BYTES_MAX.get(kind)
    if bytes_max is None or not 1 <= length <= bytes_max + 1:
        raise RemoteError("bad_message", f"{kind=} {length=}")


def _cut(data: Buffer) -> tuple[list[tuple[int, list[bytes]]], int]:
    """All whole messages in `data`, and how many bytes they take."""
    runs: list[tuple[int, list[bytes]]] = []
    run: list[bytes] = []
    run_kind = at = 0
    end = len(data)
    while at + HEAD_BYTES <= end:
        length, kind = HEAD.unpack_from(data, at)
        stop = at + LENGTH_BYTES + length
        if stop > end:
            break
        if kind != MESSAGE or not 1 <= length <= MESSAGE_BYTES_MAX:
            _check(length, kind)
        if kind != run_kind:
            run, run_kind = [], kind
            runs.append((kind, run))
        if not at and 2 * stop <= end:
            data = bytes(data)  # many small ones: slices of bytes are cheaper than of views
        run.append(bytes(data[at + HEAD_BYTES : stop]))
        at = stop
    return runs, at
