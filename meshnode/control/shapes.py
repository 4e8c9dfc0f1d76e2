"""Every request and answer of the control API, as it stands in the JSON. The OpenAPI document is made from these.

Answers may gain keys; none goes away or changes its meaning. A request with an unknown key is refused by its name.
Times are RFC 3339 in UTC. PEER is a name, a short id, a NodeId or an invite.
"""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct, field

MessageState: TypeAlias = Literal["queued", "sent", "delivered", "read", "expired"]
PeerState: TypeAlias = Literal["connected", "known", "requested", "blocked"]
Trust: TypeAlias = Literal["verified", "pinned", "met", "stranger"]
WaitFor: TypeAlias = Literal["sent", "delivered", "read"]
Traffic: TypeAlias = Literal["interactive", "bulk", "background", "emergency"]
CheckState: TypeAlias = Literal["ok", "warning", "failed"]
VerificationState: TypeAlias = Literal["waiting", "compare", "confirmed", "refused"]

DAY_S = 86_400
WAIT_S_MAX = 3_600  # a caller who wants to wait longer follows the events
LIST_MAX = 1_000  # messages in one answer; more are asked for with `since`
SEND_MANY_MAX = 256  # messages in one request, stored by one commit
PINGS_MAX = 1_000  # in one request
PEER_CHARS_MAX = 4_096  # the longest is an invite with all its addresses
TEXT_CHARS_MAX = 65_536  # the messages service refuses more than 64 KiB of UTF-8
EXPIRY_S_MAX = 366 * DAY_S  # a year and a day
INVITE_USES_MAX = 1_000  # a club; beyond that, invites are the wrong tool

PeerText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=PEER_CHARS_MAX)]
NameText: TypeAlias = Annotated[str, Meta(max_length=256)]
WaitSeconds: TypeAlias = Annotated[float, Meta(ge=0, le=WAIT_S_MAX)]
ExpirySeconds: TypeAlias = Annotated[int, Meta(ge=1, le=EXPIRY_S_MAX)]


class Answer(Struct, frozen=True, kw_only=True):
    """What the node says."""


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller asks."""


# Errors


class Candidate(Answer, frozen=True, kw_only=True):
    node_id: str
    label: str


class Problem(Answer, frozen=True, kw_only=True):
    code: str  # a fixed word, for programs
    message: str  # a sentence, for people
    candidates: list[Candidate] = field(default_factory=list[Candidate])
    trace: str = ""  # of an internal error: the same word stands in the log


class ErrorAnswer(Answer, frozen=True, kw_only=True):
    error: Problem


# The node


class Identity(Answer, frozen=True, kw_only=True):
    node_id: str
    short: str
    name: str
    fingerprint: str  # SHA-256 of the NodeId in hex


class TransportInfo(Answer, frozen=True, kw_only=True):
    name: str
    state: Literal["up", "down"]
    listening: list[str]  # bound addresses
    links: int
    detail: str = ""  # engine in use, or why it is down
    dropped: dict[str, int] = field(default_factory=dict[str, int])  # reason -> count


class Status(Answer, frozen=True, kw_only=True):
    node_id: str
    name: str
    version: str
    uptime_s: float
    peers: int  # known, blocked ones included
    links: int  # live
    transports: list[TransportInfo]
    services: list[str]
    store: dict[str, str]  # store -> "ok", or a sentence on what is wrong or was recovered
    connected: int = 0  # peers with a live session
    queued: int = 0  # messages that wait to be delivered
    requests: int = 0  # strangers in the request box
    energy: str = ""  # full, careful, saver or critical


class Stopping(Answer, frozen=True, kw_only=True):
    stopping: bool = True


class Setting(Answer, frozen=True, kw_only=True):
    name: str  # dotted: "links.mdns"
    value: Any
    source: Literal["default", "file", "flag"]


class Check(Answer, frozen=True, kw_only=True):
    name: str
    state: CheckState
    detail: str
    mend: str = ""  # what to do about it


class Health(Answer, frozen=True, kw_only=True):
    status: Literal["ok", "degraded"]
    problems: dict[str, str]  # part -> sentence


# Peers


class LinkInfo(Answer, frozen=True, kw_only=True):
    transport: str
    address: str
    rtt_ms: float | None
    up_s: float
    bytes_in: int
    bytes_out: int


class Peer(Answer, frozen=True, kw_only=True):
    node_id: str  # "" while an address that was added has not answered yet
    name: str  # the petname, else what it calls itself (see `pinned_name`)
    state: PeerState
    trust: Trust
    links: list[LinkInfo]
    pinned_name: bool = False  # False: `name` is only what it calls itself
    self_name: str = ""
    addresses: list[str] = field(default_factory=list[str])
    last_seen: str | None = None
    first_met: str | None = None
    revoked: bool = False
    conflict: bool = False  # it calls itself what another NodeId is pinned as
    hybrid: bool = False  # has had a session that is safe against quantum computers


class ForgetAddress(Request, frozen=True, kw_only=True):
    address: Annotated[str, Meta(min_length=1, max_length=512)]


class Forgotten(Answer, frozen=True, kw_only=True):
    address: str
    awaited: bool  # somebody was awaited there
    peers: list[str]  # NodeIds for whom it had been given


class PeerRequest(Answer, frozen=True, kw_only=True):
    """A stranger who wrote and waits to be accepted."""

    node_id: str
    self_name: str  # its own word; proves nothing
    messages: int
    bytes: int
    first_at: str


class Resolved(Answer, frozen=True, kw_only=True):
    node_id: str
    short: str
    name: str


class Verification(Answer, frozen=True, kw_only=True):
    """Two people read the code to each other; `compare` is the moment to do so."""

    node_id: str
    name: str
    state: VerificationState
    code: str = ""  # "" until both nodes have revealed their part


class PeerQuery(Request, frozen=True, kw_only=True):
    peer: PeerText


class AddPeer(Request, frozen=True, kw_only=True):
    peer: PeerText  # an invite, a NodeId, or an address such as quic://host:port
    name: NameText = ""
    address: Annotated[str, Meta(max_length=512)] = ""  # where to find a NodeId


class NamePeer(Request, frozen=True, kw_only=True):
    peer: PeerText
    name: NameText
    another_device: bool = False  # the name may stay pinned to the person's other devices too


class ConfirmVerification(Request, frozen=True, kw_only=True):
    peer: PeerText
    matches: bool


class ImportRevocation(Request, frozen=True, kw_only=True):
    revocation: Annotated[str, Meta(max_length=4_096)]  # base64, as `meshctl id revoke` prints it


# Invites


class CreateInvite(Request, frozen=True, kw_only=True):
    expires_s: ExpirySeconds = DAY_S
    uses: Annotated[int, Meta(ge=1, le=INVITE_USES_MAX)] = 1


class Invite(Answer, frozen=True, kw_only=True):
    invite: str  # the link; its secret is shown once and never again
    id: str
    expires_at: str
    uses: int


class InviteInfo(Answer, frozen=True, kw_only=True):
    id: str
    expires_at: str
    uses: int
    uses_left: int


class RevokeInvite(Request, frozen=True, kw_only=True):
    id: Annotated[str, Meta(min_length=1, max_length=64)]


# Messages


class Outgoing(Request, frozen=True, kw_only=True):
    """One message to be sent."""

    to: PeerText
    text: Annotated[str, Meta(max_length=TEXT_CHARS_MAX)]
    expires_s: ExpirySeconds | None = None  # None: the setting messages.expires_s
    traffic: Traffic = "interactive"


class SendMessage(Outgoing, frozen=True, kw_only=True):
    wait: WaitFor | None = None  # None: until it is safely stored here
    timeout_s: WaitSeconds = 10.0  # how long to wait; the message itself goes on


class SendMany(Request, frozen=True, kw_only=True):
    """Each of them is stored whole or refused by itself; those to one peer keep their order."""

    messages: Annotated[list[Outgoing], Meta(min_length=1, max_length=SEND_MANY_MAX)]
    wait: WaitFor | None = None  # for each of them
    timeout_s: WaitSeconds = 10.0  # for all of them together


class Sent(Answer, frozen=True, kw_only=True):
    message_id: str
    state: MessageState  # short of `wait`: the time ran out, the message stays queued
    to: str
    trace: str = ""


class SendResult(Answer, frozen=True, kw_only=True):
    """What became of one of many: either word is null."""

    sent: Sent | None = None
    error: Problem | None = None  # it was refused, and is not stored


class Message(Answer, frozen=True, kw_only=True):
    message_id: str
    sender: str = field(name="from")
    to: str
    text: str
    at: str
    direction: Literal["in", "out"]
    state: MessageState
    from_name: str = ""
    to_name: str = ""
    trace: str = ""
    request: bool = False  # from a stranger who waits in the request box
    couriers: int = 0  # neighbours who carry it, sealed, while it is queued


class ListMessages(Request, frozen=True, kw_only=True):
    peer: PeerText | None = field(name="with", default=None)
    since: Annotated[str, Meta(max_length=64)] | None = (
        None  # a message id: only what came after it; "": from the first
    )
    limit: Annotated[int, Meta(ge=1, le=LIST_MAX)] = 100  # the newest so many; with `since`, the oldest


class MarkRead(Request, frozen=True, kw_only=True):
    message_ids: Annotated[list[str], Meta(min_length=1, max_length=LIST_MAX)]


class Marked(Answer, frozen=True, kw_only=True):
    marked: int


# Paths and policies


class Ping(Request, frozen=True, kw_only=True):
    peer: PeerText
    count: Annotated[int, Meta(ge=1, le=PINGS_MAX)] = 4
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 5.0  # for each


class RoundTrips(Answer, frozen=True, kw_only=True):
    min: float | None  # None: nothing came back
    p50: float | None
    p99: float | None


class Pong(Answer, frozen=True, kw_only=True):
    sent: int
    received: int
    rtt_ms: RoundTrips
    path: list[str]  # the links and relays it went over


class ExplainPolicy(Request, frozen=True, kw_only=True):
    """What isn't given is taken from the device as it is now."""

    peer: PeerText
    size: Annotated[int, Meta(ge=0)] = 1_024  # bytes
    traffic: Traffic = field(name="class", default="interactive")
    battery: Annotated[float, Meta(ge=0, le=100)] | None = None
    discharging: bool | None = None
    metered: bool | None = None
    censored: bool | None = None


class Considered(Answer, frozen=True, kw_only=True):
    transport: str
    score: float
    why: str


class PolicyAnswer(Answer, frozen=True, kw_only=True):
    transport: str | None  # None: wait
    link: str | None
    reason: str
    considered: list[Considered]


# Events


class Event(Answer, frozen=True, kw_only=True):
    """Something that happened. `id` is opaque; "" on what the stream itself has to say (see control-api.md)."""

    id: str
    kind: str
    at: str
    fields: dict[str, Any]
