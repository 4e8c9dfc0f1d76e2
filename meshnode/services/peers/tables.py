"""All that the service keeps, in memory; `store` moves it to and from the disk."""

from dataclasses import dataclass, field

from meshnode.services.peers.kept import Kept
from meshnode.services.peers.peer import Peer
from protocols.ids import NodeId


@dataclass(frozen=True, slots=True)
class Awaited:
    """An address the owner typed without knowing whose it is. Whoever proves an identity there first is taken."""

    address: str
    petname: str  # to give to whom we meet; "": none
    asked_at: int  # Unix seconds


@dataclass(frozen=True, slots=True)
class Issued:
    """An invite that we gave out. The secret itself is kept nowhere: only its hash."""

    id: bytes  # 8, random; names the invite in lists
    secret_hash: bytes
    created_at: int  # Unix seconds
    expires_at: int  # Unix seconds
    uses: int
    redeemers: tuple[NodeId, ...] = ()  # each consumed one use

    @property
    def uses_left(self) -> int:
        return self.uses - len(self.redeemers)


@dataclass(frozen=True, slots=True)
class Redemption:
    """Somebody's invite that we were given and it has not answered for yet."""

    node: NodeId
    secret: bytes = field(repr=False)
    expires_at: int  # Unix seconds, by the issuer's clock


def _no_peers() -> Kept[NodeId, Peer]:
    return Kept({})


def _no_revocations() -> Kept[NodeId, bytes]:
    return Kept({})


def _no_awaited() -> Kept[str, Awaited]:
    return Kept({})


def _no_invites() -> Kept[bytes, Issued]:
    return Kept({})


def _no_redemptions() -> Kept[NodeId, Redemption]:
    return Kept({})


@dataclass(frozen=True, slots=True)
class Tables:
    peers: Kept[NodeId, Peer] = field(default_factory=_no_peers)
    revocations: Kept[NodeId, bytes] = field(default_factory=_no_revocations)  # signed; in the order learnt
    awaited: Kept[str, Awaited] = field(default_factory=_no_awaited)
    invites: Kept[bytes, Issued] = field(default_factory=_no_invites)
    redemptions: Kept[NodeId, Redemption] = field(default_factory=_no_redemptions)
