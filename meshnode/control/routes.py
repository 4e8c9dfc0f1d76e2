"""The table of what the control API offers: one row, one operation.

The server dispatches by it, the client finds its paths in it, the OpenAPI document is written from it. `operation` is
the name of the method on `Backend` and on `MeshClient`. There are no path parameters: a peer may be given by a name or
an invite, which hold slashes and worse. A GET takes its request from the query, a POST from a JSON body.
"""

from dataclasses import dataclass
from typing import Any, Literal

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
    Request,
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

EVENTS_PATH = "/v1/events"
HEALTH_PATH = "/healthz"
METRICS_PATH = "/metrics"
OPENAPI_PATH = "/openapi.json"


@dataclass(frozen=True, slots=True)
class Route:
    method: Literal["GET", "POST"]
    path: str
    operation: str
    request: type[Request] | None
    answer: Any  # a shape, or a list of one
    summary: str


ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/identity", "identity", None, Identity, "Who this node is"),
    Route("GET", "/v1/status", "status", None, Status, "How the node is"),
    Route("POST", "/v1/stop", "stop", None, Stopping, "Stop the node cleanly"),
    Route(
        "GET",
        "/v1/config",
        "config",
        None,
        list[Setting],
        "Settings in force, and where each comes from",
    ),
    Route("GET", "/v1/doctor", "doctor", None, list[Check], "Checks that only the running node can make"),
    Route(
        "GET",
        "/v1/transports",
        "transports",
        None,
        list[TransportInfo],
        "Transports and their addresses",
    ),
    Route("GET", "/v1/peers", "peers", None, list[Peer], "Everybody this node knows"),
    Route("GET", "/v1/peers/resolve", "resolve", PeerQuery, Resolved, "Who is meant by a PEER"),
    Route("POST", "/v1/peers/add", "add_peer", AddPeer, Peer, "Add by invite, NodeId or address"),
    Route("POST", "/v1/peers/name", "name_peer", NamePeer, Peer, "Pin a name to a peer"),
    Route("POST", "/v1/peers/block", "block_peer", PeerQuery, Peer, "Refuse a peer from now on"),
    Route("POST", "/v1/peers/unblock", "unblock_peer", PeerQuery, Peer, "Take a block back"),
    Route("POST", "/v1/peers/remove", "remove_peer", PeerQuery, Peer, "Forget a peer"),
    Route("GET", "/v1/peers/requests", "peer_requests", None, list[PeerRequest], "Strangers who wrote"),
    Route("POST", "/v1/peers/accept", "accept_peer", PeerQuery, Peer, "Let a stranger in"),
    Route(
        "POST",
        "/v1/peers/decline",
        "decline_peer",
        PeerQuery,
        Peer,
        "Delete what a stranger wrote; it may write again",
    ),
    Route(
        "POST",
        "/v1/peers/forget-address",
        "forget_address",
        ForgetAddress,
        Forgotten,
        "Call nobody at this address any more",
    ),
    Route(
        "GET",
        "/v1/peers/verify",
        "verifications",
        None,
        list[Verification],
        "Verifications under way, also those that the peer began",
    ),
    Route(
        "POST",
        "/v1/peers/verify",
        "verify_peer",
        PeerQuery,
        Verification,
        "Begin a verification, or join the peer's; answers with the code to compare",
    ),
    Route(
        "POST",
        "/v1/peers/verify/confirm",
        "confirm_verification",
        ConfirmVerification,
        Peer,
        "Say whether both people saw the same code",
    ),
    Route(
        "POST",
        "/v1/peers/revoked",
        "import_revocation",
        ImportRevocation,
        Peer,
        "Honour a revocation for ever",
    ),
    Route("POST", "/v1/invites", "create_invite", CreateInvite, Invite, "Make an invite"),
    Route("GET", "/v1/invites", "invites", None, list[InviteInfo], "Invites that can still be used"),
    Route(
        "POST",
        "/v1/invites/revoke",
        "revoke_invite",
        RevokeInvite,
        InviteInfo,
        "Void an invite",
    ),
    Route("POST", "/v1/messages", "send", SendMessage, Sent, "Send a text"),
    Route(
        "POST",
        "/v1/messages/many",
        "send_many",
        SendMany,
        list[SendResult],
        "Send many texts at once; one result for each, in order",
    ),
    Route("GET", "/v1/messages", "messages", ListMessages, list[Message], "Stored messages"),
    Route(
        "POST",
        "/v1/messages/read",
        "mark_read",
        MarkRead,
        Marked,
        "Mark received messages as read",
    ),
    Route("POST", "/v1/broadcasts", "send_broadcast", SendBroadcast, BroadcastInfo, "Tell everybody around"),
    Route(
        "GET",
        "/v1/broadcasts",
        "broadcasts",
        ListBroadcasts,
        list[BroadcastInfo],
        "Broadcasts, ours included",
    ),
    Route("GET", "/v1/courier", "courier_status", None, CourierStatus, "What is carried, sealed"),
    Route(
        "POST",
        "/v1/courier/rotate-prekeys",
        "rotate_prekeys",
        None,
        Prekey,
        "Give others a new key to seal to",
    ),
    Route("POST", "/v1/ping", "ping", Ping, Pong, "Measure round trips to a peer's node"),
    Route(
        "GET",
        "/v1/policy/explain",
        "explain_policy",
        ExplainPolicy,
        PolicyAnswer,
        "Which link would carry something, and why",
    ),
    Route("POST", "/v1/directory/find", "find", FindPeer, FoundPeer, "Look a node up in the directory"),
    Route("GET", "/v1/directory", "directory_status", None, DirectoryStatus, "The directory, from here"),
    Route("POST", "/v1/directory/publish", "publish_record", None, Published, "Publish our record now"),
    Route(
        "POST", "/v1/directory/holders", "holders", AskHolders, list[HolderInfo], "Who holds what a key names"
    ),
    Route("GET", "/v1/mesh", "mesh_map", None, MeshMap, "The network as this node sees it"),
    Route("POST", "/v1/mesh/ties", "mesh_ties", AskTies, Ties, "Ask another node for its neighbours"),
    Route(
        "POST", "/v1/mesh/trace", "trace_peer", TracePeer, TraceInfo, "The way to a peer, asked hop by hop"
    ),
    Route(
        "GET",
        "/v1/messages/trace",
        "trace_message",
        TraceMessage,
        MessageTrace,
        "What happened to a message so far",
    ),
    Route("GET", "/v1/mesh/stats", "net_stats", None, NetStats, "What went over the links, and for whom"),
    Route("GET", "/v1/reach", "reach", None, ReachInfo, "How others reach this node"),
    Route("GET", "/v1/trust", "trust", None, list[TrustInfo], "How neighbours stand, and why"),
    Route("GET", "/v1/trust/why", "trust_why", PeerQuery, TrustInfo, "Why one neighbour stands as it does"),
)


def route_of(operation: str) -> Route:
    return next(route for route in ROUTES if route.operation == operation)
