"""Questions and answers of the service "mesh", in canonical msgpack. Decoders are total: RemoteError or a value."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

from meshnode.services.mesh.limits import (
    ANSWER_BYTES_MAX,
    HOPS_MAX,
    PREFIX_BYTES,
    QUESTION_BYTES_MAX,
    TIES_MAX,
    TRACE_MS_MAX,
    TRANSPORT_BYTES_MAX,
)
from protocols.codec import Value, decode_map, encode
from protocols.errors import RemoteError
from protocols.ids import NODE_ID_BYTES, NodeId

COST_MAX = 65_535
LEFT_OUT_MAX = 1 << 20
US_MAX = 600_000_000  # ten minutes: no answer is that late

StepEnd: TypeAlias = Literal[
    "arrived", "no_route", "loop", "too_far", "out_of_time", "silent", "refused", "busy"
]
ENDS = frozenset(get_args(StepEnd))
WORD_BYTES_MAX = 32


@dataclass(frozen=True, slots=True)
class Tie:
    """A neighbour of the node that answers."""

    id: bytes  # a NodeId where it shows itself to everyone, else its first 12 bytes
    cost: int  # 16 is one good hop
    transport: str


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    ties: tuple[Tie, ...]
    left_out: int = 0

    def encode(self) -> bytes:
        return encode(
            {"ties": [[tie.id, tie.cost, tie.transport] for tie in self.ties], "more": self.left_out}
        )


@dataclass(frozen=True, slots=True)
class Question:
    """`seen`: first bytes of those who were asked before, so that a way in a circle ends."""

    to: NodeId
    hops_left: int
    left_ms: int
    seen: tuple[bytes, ...]

    def encode(self) -> bytes:
        return encode({"to": self.to, "hops": self.hops_left, "ms": self.left_ms, "seen": list(self.seen)})


@dataclass(frozen=True, slots=True)
class Step:
    """What one node on the way says: where it would send it, and why."""

    id: bytes  # of the node that says it: NodeId or first bytes, as in a tie
    reason: str  # a word of `ports.StepReason`
    next: bytes  # empty: nowhere
    cost: int | None
    transport: str  # of the link to the next
    answered_us: (
        int | None
    )  # until the next had answered for all that follows; None: it was not asked, or never did
    end: StepEnd | None  # why nothing follows; None: the next step does


def encode_steps(steps: list[Step]) -> bytes:
    return encode(
        {
            "steps": [
                [step.id, step.reason, step.next, step.cost, step.transport, step.answered_us, step.end]
                for step in steps
            ]
        }
    )


def decode_neighbourhood(data: bytes) -> Neighbourhood:
    body = decode_map(data, bytes_max=ANSWER_BYTES_MAX)
    ties, left_out = body.get("ties"), body.get("more")
    if not isinstance(ties, list) or len(ties) > TIES_MAX:
        raise RemoteError("bad_answer", "ties")
    return Neighbourhood(tuple(map(_tie, ties)), _number(left_out, 0, LEFT_OUT_MAX))


def decode_question(data: bytes) -> Question:
    body = decode_map(data, bytes_max=QUESTION_BYTES_MAX)
    to, seen = body.get("to"), body.get("seen")
    if not isinstance(to, bytes) or len(to) != NODE_ID_BYTES:
        raise RemoteError("bad_question", "to")
    if not isinstance(seen, list) or len(seen) > HOPS_MAX:
        raise RemoteError("bad_question", "seen")
    return Question(
        NodeId(to),
        _number(body.get("hops"), 1, HOPS_MAX),
        _number(body.get("ms"), 1, TRACE_MS_MAX),
        tuple(_id(each, (PREFIX_BYTES,)) for each in seen),
    )


def decode_steps(data: bytes) -> list[Step]:
    steps = decode_map(data, bytes_max=ANSWER_BYTES_MAX).get("steps")
    if not isinstance(steps, list) or not 1 <= len(steps) <= HOPS_MAX:
        raise RemoteError("bad_answer", "steps")
    read = list(map(_step, steps))
    if any((step.end is None) != (place < len(read) - 1) for place, step in enumerate(read)):
        raise RemoteError("bad_answer", "an end in the middle, or none")
    return read


def _tie(value: Value) -> Tie:
    if not isinstance(value, list) or len(value) != 3:
        raise RemoteError("bad_answer", "tie")
    return Tie(_id(value[0]), _number(value[1], 0, COST_MAX), _word(value[2], TRANSPORT_BYTES_MAX))


def _step(value: Value) -> Step:
    if not isinstance(value, list) or len(value) != 7:
        raise RemoteError("bad_answer", "step")
    node, reason, following, cost, transport, answered_us, end = value
    if end is not None and end not in ENDS:
        raise RemoteError("bad_answer", "end")
    return Step(
        _id(node),
        _word(reason, WORD_BYTES_MAX),
        b"" if following == b"" else _id(following),
        None if cost is None else _number(cost, 0, COST_MAX),
        _word(transport, TRANSPORT_BYTES_MAX),
        None if answered_us is None else _number(answered_us, 0, US_MAX),
        cast("StepEnd | None", end),
    )


def _id(value: Value, sizes: tuple[int, ...] = (PREFIX_BYTES, NODE_ID_BYTES)) -> bytes:
    if not isinstance(value, bytes) or len(value) not in sizes:
        raise RemoteError("bad_answer", "id")
    return value


def _word(value: Value, bytes_max: int) -> str:
    if not isinstance(value, str) or len(value.encode()) > bytes_max:
        raise RemoteError("bad_answer", "word")
    return value


def _number(value: Value, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise RemoteError("bad_answer", "number")
    return value
