"""What the control API asks of the node. The server knows no more of it than this."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from meshnode.control.broadcast_shapes import BroadcastInfo, ListBroadcasts, SendBroadcast
from meshnode.control.courier_shapes import CourierStatus, Prekey
from meshnode.control.directory_shapes import (
    AskHolders,
    DirectoryStatus,
    FindPeer,
    FoundPeer,
    HolderInfo,
    Published,
)
from meshnode.control.events import EventHub
from meshnode.control.mesh_shapes import (
    AskTies,
    MeshMap,
    MessageTrace,
    NetStats,
    Ties,
    TraceInfo,
    TraceMessage,
    TracePeer,
    TrustInfo,
)
from meshnode.control.reach_shapes import ReachInfo
from meshnode.control.shapes import (
    AddPeer,
    Check,
    ConfirmVerification,
    CreateInvite,
    ExplainPolicy,
    ForgetAddress,
    Forgotten,
    Health,
    Identity,
    ImportRevocation,
    Invite,
    InviteInfo,
    ListMessages,
    Marked,
    MarkRead,
    Message,
    NamePeer,
    Peer,
    PeerQuery,
    PeerRequest,
    Ping,
    PolicyAnswer,
    Pong,
    Resolved,
    RevokeInvite,
    SendMany,
    SendMessage,
    SendResult,
    Sent,
    Setting,
    Status,
    Stopping,
    TransportInfo,
    Verification,
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One number for `/metrics`. Samples of one name share kind and help."""

    name: str  # meshnode_..., with its unit: meshnode_link_bytes_total
    value: float
    kind: Literal["counter", "gauge"]
    help: str
    labels: dict[str, str] = field(default_factory=dict[str, str])


class Backend(Protocol):
    """One method for each row of `ROUTES`, plus what is not JSON.

    Any may raise RefusedError (one with an attribute `candidates`, pairs of NodeId and label, hands these on),
    LinkError when the peer can't be reached, TimeoutError, SettingsError, StoreError. Anything else is a bug: it is
    logged under a trace id and answered as an internal error.
    """

    @property
    def events(self) -> EventHub: ...

    async def metrics(self) -> list[Sample]: ...

    async def health(self) -> Health: ...

    async def identity(self) -> Identity: ...

    async def status(self) -> Status: ...

    async def stop(self) -> Stopping:
        """Returns at once; the stop follows when the answer has left."""
        ...

    async def config(self) -> list[Setting]: ...

    async def doctor(self) -> list[Check]: ...

    async def transports(self) -> list[TransportInfo]: ...

    async def peers(self) -> list[Peer]: ...

    async def resolve(self, request: PeerQuery) -> Resolved: ...

    async def add_peer(self, request: AddPeer) -> Peer: ...

    async def name_peer(self, request: NamePeer) -> Peer: ...

    async def block_peer(self, request: PeerQuery) -> Peer: ...

    async def unblock_peer(self, request: PeerQuery) -> Peer: ...

    async def remove_peer(self, request: PeerQuery) -> Peer:
        """The peer as it was."""
        ...

    async def peer_requests(self) -> list[PeerRequest]: ...

    async def accept_peer(self, request: PeerQuery) -> Peer: ...

    async def decline_peer(self, request: PeerQuery) -> Peer: ...

    async def forget_address(self, request: ForgetAddress) -> Forgotten: ...

    async def verifications(self) -> list[Verification]: ...

    async def verify_peer(self, request: PeerQuery) -> Verification:
        """Waits for the peer's half, so that the answer holds the code. TimeoutError when it doesn't come."""
        ...

    async def confirm_verification(self, request: ConfirmVerification) -> Peer: ...

    async def import_revocation(self, request: ImportRevocation) -> Peer: ...

    async def create_invite(self, request: CreateInvite) -> Invite: ...

    async def invites(self) -> list[InviteInfo]: ...

    async def revoke_invite(self, request: RevokeInvite) -> InviteInfo: ...

    async def send(self, request: SendMessage) -> Sent:
        """With `wait`, returns when the state is reached or the time is out: no TimeoutError, the state tells."""
        ...

    async def send_many(self, request: SendMany) -> list[SendResult]:
        """One result for each, in order. StoreError where none could be stored."""
        ...

    async def messages(self, request: ListMessages) -> list[Message]:
        """Oldest first, in the order in which they were stored here."""
        ...

    async def mark_read(self, request: MarkRead) -> Marked: ...

    async def send_broadcast(self, request: SendBroadcast) -> BroadcastInfo: ...

    async def broadcasts(self, request: ListBroadcasts) -> list[BroadcastInfo]:
        """Oldest first, in the order in which they were stored here."""
        ...

    async def courier_status(self) -> CourierStatus: ...

    async def rotate_prekeys(self) -> Prekey: ...

    async def ping(self, request: Ping) -> Pong: ...

    async def explain_policy(self, request: ExplainPolicy) -> PolicyAnswer: ...

    async def find(self, request: FindPeer) -> FoundPeer:
        """Asks around; what was not found is said, and no error."""
        ...

    async def directory_status(self) -> DirectoryStatus: ...

    async def publish_record(self) -> Published: ...

    async def holders(self, request: AskHolders) -> list[HolderInfo]: ...

    async def mesh_map(self) -> MeshMap: ...

    async def mesh_ties(self, request: AskTies) -> Ties:
        """Asks that node itself."""
        ...

    async def trace_peer(self, request: TracePeer) -> TraceInfo: ...

    async def trace_message(self, request: TraceMessage) -> MessageTrace: ...

    async def net_stats(self) -> NetStats: ...

    async def reach(self) -> ReachInfo: ...

    async def trust(self) -> list[TrustInfo]: ...

    async def trust_why(self, request: PeerQuery) -> TrustInfo: ...
