"""One record on its way out: first a draft that fills up, then what must be remembered of it until it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from protocols.stream.events import Buffer
from protocols.stream.frames import FIN_BIT, STREAM, STREAM_FRAME, STREAM_FRAME_BYTES

if TYPE_CHECKING:
    from protocols.stream.lane import Lane
    from protocols.stream.table import Stream


class Path(NamedTuple):
    """How the next record will travel. The owner makes one for each decision."""

    lane: int  # token of link and lane; its loss makes its unacknowledged records lost at once
    reliable: bool  # ordered and lossless while the link lives, over every hop of the way
    bytes_max: int  # of plaintext that fits
    only: Literal["", "control", "answers"] = ""
    """"control": CONTROL and PING meant for this lane (the link may not be bound yet); "answers": an
    acknowledgement owed on this way. Nothing else then."""


def way_of(lane: int) -> int:
    """Lanes 2n and 2n + 1 are those of one link: way n."""
    return lane >> 1


class Carried(NamedTuple):
    """A piece of a stream inside a record."""

    stream: Stream
    offset: int  # in the stream
    start: int  # in the record
    length: int
    fin: bool


class SentRecord:
    """`contents` is kept whole: should it be lost, its pieces go again as views of it."""

    __slots__ = (
        "answers_upto",
        "contents",
        "counter",
        "flight_bytes",
        "frames",
        "lane",
        "nbytes",
        "number",
        "ordinal",
        "pieces",
        "sent_ns",
        "settled",
    )

    def __init__(
        self, draft: Draft, contents: bytes, counter: int, ordinal: int, lane: Lane, now_ns: int
    ) -> None:
        self.contents = contents
        self.counter = counter
        self.ordinal = ordinal  # among all records
        self.number = 0  # among those of its lane that ask for an answer; the lane sets it
        self.flight_bytes = 0  # out on its lane when it left, itself included; the lane sets it
        self.lane = lane
        self.nbytes = len(contents)
        self.sent_ns = now_ns
        self.pieces = draft.pieces
        self.frames = draft.frames
        self.answers_upto = draft.answers_upto
        self.settled = False


class Draft:
    __slots__ = ("answers_upto", "frames", "parts", "pieces", "room", "used")

    def __init__(self, room: int) -> None:
        self.room = room
        self.used = 0
        self.parts: list[Buffer] = []
        self.pieces: list[Carried] = []
        self.frames: list[
            tuple[bytes, int | None]
        ] = []  # others that ask for an answer; the one lane they may take
        self.answers_upto = -1  # largest counter in this record's own ACK

    @property
    def asks(self) -> bool:
        return bool(self.pieces or self.frames)

    def reserve(self, nbytes: int) -> None:
        """Leave room at the front, for `put_front`."""
        self.parts.append(b"")
        self.used += nbytes
        self.room -= nbytes

    def put_front(self, frame: bytes) -> None:
        self.parts[0] = frame

    def put_frame(self, frame: bytes, lane: int | None = None) -> bool:
        """False where it does not fit. `lane`: it may go on no other, should it be lost."""
        if len(frame) > self.room:
            return False
        self.parts.append(frame)
        self.frames.append((frame, lane))
        self.used += len(frame)
        self.room -= len(frame)
        return True

    def put_header(self, stream: Stream, offset: int, length: int, *, fin: bool) -> None:
        """A STREAM frame begins; the caller appends exactly `length` bytes to `parts`."""
        self.parts.append(STREAM_FRAME.pack(STREAM, stream.id, offset, length | FIN_BIT if fin else length))
        self.pieces.append(Carried(stream, offset, self.used + STREAM_FRAME_BYTES, length, fin))
        self.used += STREAM_FRAME_BYTES + length
        self.room -= STREAM_FRAME_BYTES + length
