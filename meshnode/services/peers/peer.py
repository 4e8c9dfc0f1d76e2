"""What is kept of one NodeId."""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Literal, TypeAlias

from meshnode.services.peers.limits import GIVEN_ADDRESSES_MAX
from protocols.ids import NodeId, node_id_text

HYBRID = "mlkem768"  # the feature by which a record offers the hybrid handshake

PeerState: TypeAlias = Literal["connected", "known", "requested", "blocked"]


class Trust(IntEnum):
    """How the owner came to know it. From MET on it is a contact.

    STRANGER --owner wrote, accepted, or vouched for its address--> MET --named or invited--> PINNED
    any of them --short authentication string compared--> VERIFIED
    """

    STRANGER, MET, PINNED, VERIFIED = range(4)


class Standing(Enum):
    OPEN = "open"
    REQUESTED = "requested"  # something of it waits in the request box
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Peer:
    node: NodeId
    trust: Trust = Trust.STRANGER
    standing: Standing = Standing.OPEN
    petname: str = ""  # the owner's word; "": none
    self_name: str = ""  # the peer's word, fit to print; never resolves
    record: bytes = b""  # the latest it signed; b"": none seen
    sequence: int = -1  # of that record
    record_addresses: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    x25519: bytes = b""  # from the record, or the invite while there is none
    given: tuple[str, ...] = ()  # addresses from the owner or an invite
    hybrid_seen: bool = False  # once had a hybrid session: never again one without
    met_at: int | None = None  # Unix seconds of the first session; None: never
    seen_at: int | None = None  # Unix seconds of the last session's start or end

    @property
    def is_contact(self) -> bool:
        return self.trust >= Trust.MET and self.standing is not Standing.BLOCKED

    @property
    def name(self) -> str:
        return self.petname or self.self_name

    @property
    def addresses(self) -> tuple[str, ...]:
        """The owner's first, then the record's; no address twice."""
        return tuple(dict.fromkeys(self.given + self.record_addresses))

    def given_with(self, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """Its given addresses with these put first; the oldest fall off at the limit."""
        return tuple(dict.fromkeys(addresses + self.given))[:GIVEN_ADDRESSES_MAX]


@dataclass(frozen=True, slots=True)
class PeerView:
    """A peer as the control API tells it."""

    node_id: str
    name: str  # the petname, else the self-given one; see `pinned_name`
    state: PeerState
    trust: Literal["verified", "pinned", "met", "stranger"]
    pinned_name: bool  # False: `name` is only what it calls itself
    petname: str
    self_name: str
    addresses: tuple[str, ...]
    last_seen: int | None  # Unix seconds; `now` is told by state
    first_met: int | None
    revoked: bool  # its owner declared the key lost; treated as blocked, for ever
    conflict: bool  # it calls itself what another NodeId is pinned as
    hybrid: bool  # has had a hybrid session


def view_of(peer: Peer, *, connected: bool, revoked: bool, conflict: bool) -> PeerView:
    return PeerView(
        node_id=node_id_text(peer.node),
        name=peer.name,
        state=_state(peer, connected=connected, revoked=revoked),
        trust=_TRUST_WORDS[peer.trust],
        pinned_name=bool(peer.petname),
        petname=peer.petname,
        self_name=peer.self_name,
        addresses=peer.addresses,
        last_seen=peer.seen_at,
        first_met=peer.met_at,
        revoked=revoked,
        conflict=conflict,
        hybrid=peer.hybrid_seen,
    )


_TRUST_WORDS: dict[Trust, Literal["verified", "pinned", "met", "stranger"]] = {
    Trust.STRANGER: "stranger",
    Trust.MET: "met",
    Trust.PINNED: "pinned",
    Trust.VERIFIED: "verified",
}


def _state(peer: Peer, *, connected: bool, revoked: bool) -> PeerState:
    if revoked or peer.standing is Standing.BLOCKED:
        return "blocked"
    if connected:
        return "connected"
    return "requested" if peer.standing is Standing.REQUESTED else "known"
