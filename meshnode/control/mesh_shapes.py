"""What the control API tells of the network around this node: the map, traces, figures, trust.

A node is named by its `key`, 20 characters of base32 that stand for the first 12 bytes of its NodeId: routing knows no
more of most. `node_id` is "" where the whole is not known, `name` is "" where we have none for it.
"""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, field

from meshnode.control.shapes import Answer, LinkInfo, Message, PeerText, PolicyAnswer, Request

Place: TypeAlias = Literal["full", "last", "none"]
TraceEnd: TypeAlias = Literal[
    "arrived", "no_route", "loop", "too_far", "out_of_time", "silent", "refused", "busy"
]
AnswerSeconds: TypeAlias = Annotated[float, Meta(gt=0, le=30)]


class StandingInfo(Answer, frozen=True, kw_only=True):
    score: float  # 0 to 1; 1: nothing speaks against it
    place: Place  # "last": tried after all others; "none": nothing goes through it
    cost_factor: float | None  # of its links; null without a place
    reasons: list[str]  # sentences with figures, the weightiest first


class MapNode(Answer, frozen=True, kw_only=True):
    key: str
    node_id: str
    short: str
    name: str
    neighbour: bool
    contact: bool
    landmark: bool
    cost: int  # of the way there; 16 is one good hop
    hops: int  # 1 for a neighbour; for others a guess from the cost
    via: str  # key of the next hop; "" for a neighbour over its own link
    others: list[str]  # keys of further next hops that lead there
    links: list[LinkInfo]
    standing: StandingInfo | None  # of neighbours


class Tie(Answer, frozen=True, kw_only=True):
    """A link between two others, as one of them tells it."""

    key: str
    node_id: str
    short: str
    name: str
    cost: int
    transport: str


class MeshMap(Answer, frozen=True, kw_only=True):
    key: str  # of this node
    node_id: str
    short: str
    name: str
    is_landmark: bool
    landmark: str  # key of the nearest landmark; "" while the network needs none
    nodes: list[MapNode]  # nearest first
    left_out: int  # farther ones that the answer has no room for


class AskTies(Request, frozen=True, kw_only=True):
    peer: PeerText
    timeout_s: AnswerSeconds = 5.0


class Ties(Answer, frozen=True, kw_only=True):
    key: str  # of the node that was asked
    ties: list[Tie]  # the cheapest first
    left_out: int


class TracePeer(Request, frozen=True, kw_only=True):
    peer: PeerText
    timeout_s: AnswerSeconds = 10.0


class TraceStep(Answer, frozen=True, kw_only=True):
    """What one node on the way says: where it would send it now, and why."""

    key: str
    node_id: str
    short: str
    name: str
    reason: str  # arrived, neighbour, table, breadcrumb, landmark, no_route
    cost: int | None  # of the rest of the way
    transport: str  # of the link to the next
    next: str  # key of the next; "" where there is none
    next_name: str
    hop_ms: float | None  # there and back over this hop; null: the next never answered
    end: TraceEnd | None  # why nothing follows


class TraceInfo(Answer, frozen=True, kw_only=True):
    peer: str
    name: str
    end: TraceEnd
    hops: int
    took_ms: float | None
    steps: list[TraceStep]


class TraceMessage(Request, frozen=True, kw_only=True):
    message_id: Annotated[str, Meta(min_length=1, max_length=64)]


class Way(Answer, frozen=True, kw_only=True):
    """How something for a peer leaves us, or left us."""

    over: Literal["link", "relay", "nothing"]
    reason: str  # why this link, or this next hop; or why nothing
    link: str = ""
    transport: str = ""
    next: str = ""  # key of the relay
    next_name: str = ""
    cost: int | None = None  # of the whole way


class Happening(Answer, frozen=True, kw_only=True):
    at: str
    kind: str  # as on the event stream: message_queued, message_sent, ...
    way: Way | None  # that it took, or looked for, at that moment
    reason: str = ""


class MessageTrace(Answer, frozen=True, kw_only=True):
    message: Message
    happened: list[Happening]  # oldest first, since this node started
    now: Way | None  # of one that has not arrived yet
    connected: bool  # the peer is
    decision: PolicyAnswer | None  # which link would carry it now, where there is a choice to make


class PassedInfo(Answer, frozen=True, kw_only=True):
    """Counted since this node started."""

    frames_in: int
    frames_out: int
    bytes_in: int
    bytes_out: int
    control_bytes_out: int  # what keeps ways and broadcasts known
    control_share: float  # of all bytes out
    relayed_frames: int  # that came from it, for others, and went on
    relayed_bytes: int
    duplicates: int  # heard again and suppressed
    queued_frames: int  # that wait for its links
    queued_bytes: int
    dropped: dict[str, int]  # reason -> frames


class NeighbourStats(Answer, frozen=True, kw_only=True):
    key: str
    node_id: str
    short: str
    name: str
    cost: int
    place: Place
    transports: list[str]
    passed: PassedInfo


class RelayedForInfo(Answer, frozen=True, kw_only=True):
    key: str
    node_id: str
    short: str
    name: str
    frames: int
    bytes: int


class NetStats(Answer, frozen=True, kw_only=True):
    passed: PassedInfo  # over all links
    neighbours: list[NeighbourStats]
    relayed_for: list[RelayedForInfo]  # the heaviest sources
    relays_for: Literal["everyone", "contacts", "nobody"]
    destinations: int  # that routing knows a way to
    routing_bytes: int  # of memory for that
    is_landmark: bool
    landmark: str  # key; "" where there is none


class TrustInfo(Answer, frozen=True, kw_only=True):
    key: str
    node_id: str
    short: str
    name: str
    contact: bool
    present: bool  # a neighbour now
    standing: StandingInfo
    figures: dict[str, float] = field(default_factory=dict[str, float])  # faded counts behind it
