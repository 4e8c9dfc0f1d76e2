"""The table of what the control API offers: one row, one operation.

The server dispatches by it, the client finds its paths in it, the OpenAPI document is written from it. `operation` is
the name of the method on `Backend` and on `MeshClient`. There are no path parameters: a peer may be given by a name or
an invite, which hold slashes and worse. A GET takes its request from the query, a POST from a JSON body.
"""

from dataclasses import dataclass
from typing import Any, Literal

from meshnode.control import shapes

EVENTS_PATH = "/v1/events"
HEALTH_PATH = "/healthz"
METRICS_PATH = "/metrics"
OPENAPI_PATH = "/openapi.json"


@dataclass(frozen=True, slots=True)
class Route:
    method: Literal["GET", "POST"]
    path: str
    operation: str
    request: type[shapes.Request] | None
    answer: Any  # a shape, or a list of one
    summary: str


ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/identity", "identity", None, shapes.Identity, "Who this node is"),
    Route("GET", "/v1/status", "status", None, shapes.Status, "How the node is"),
    Route("POST", "/v1/stop", "stop", None, shapes.Stopping, "Stop the node cleanly"),
    Route(
        "GET",
        "/v1/config",
        "config",
        None,
        list[shapes.Setting],
        "Settings in force, and where each comes from",
    ),
    Route(
        "GET", "/v1/doctor", "doctor", None, list[shapes.Check], "Checks that only the running node can make"
    ),
    Route(
        "GET",
        "/v1/transports",
        "transports",
        None,
        list[shapes.TransportInfo],
        "Transports and their addresses",
    ),
    Route("GET", "/v1/peers", "peers", None, list[shapes.Peer], "Everybody this node knows"),
    Route("GET", "/v1/peers/resolve", "resolve", shapes.PeerQuery, shapes.Resolved, "Who is meant by a PEER"),
    Route(
        "POST", "/v1/peers/add", "add_peer", shapes.AddPeer, shapes.Peer, "Add by invite, NodeId or address"
    ),
    Route("POST", "/v1/peers/name", "name_peer", shapes.NamePeer, shapes.Peer, "Pin a name to a peer"),
    Route(
        "POST", "/v1/peers/block", "block_peer", shapes.PeerQuery, shapes.Peer, "Refuse a peer from now on"
    ),
    Route("POST", "/v1/peers/unblock", "unblock_peer", shapes.PeerQuery, shapes.Peer, "Take a block back"),
    Route("POST", "/v1/peers/remove", "remove_peer", shapes.PeerQuery, shapes.Peer, "Forget a peer"),
    Route(
        "GET", "/v1/peers/requests", "peer_requests", None, list[shapes.PeerRequest], "Strangers who wrote"
    ),
    Route("POST", "/v1/peers/accept", "accept_peer", shapes.PeerQuery, shapes.Peer, "Let a stranger in"),
    Route(
        "GET",
        "/v1/peers/verify",
        "verifications",
        None,
        list[shapes.Verification],
        "Verifications under way, also those that the peer began",
    ),
    Route(
        "POST",
        "/v1/peers/verify",
        "verify_peer",
        shapes.PeerQuery,
        shapes.Verification,
        "Begin a verification, or join the peer's; answers with the code to compare",
    ),
    Route(
        "POST",
        "/v1/peers/verify/confirm",
        "confirm_verification",
        shapes.ConfirmVerification,
        shapes.Peer,
        "Say whether both people saw the same code",
    ),
    Route(
        "POST",
        "/v1/peers/revoked",
        "import_revocation",
        shapes.ImportRevocation,
        shapes.Peer,
        "Honour a revocation for ever",
    ),
    Route("POST", "/v1/invites", "create_invite", shapes.CreateInvite, shapes.Invite, "Make an invite"),
    Route("GET", "/v1/invites", "invites", None, list[shapes.InviteInfo], "Invites that can still be used"),
    Route(
        "POST",
        "/v1/invites/revoke",
        "revoke_invite",
        shapes.RevokeInvite,
        shapes.InviteInfo,
        "Void an invite",
    ),
    Route("POST", "/v1/messages", "send", shapes.SendMessage, shapes.Sent, "Send a text"),
    Route("GET", "/v1/messages", "messages", shapes.ListMessages, list[shapes.Message], "Stored messages"),
    Route(
        "POST",
        "/v1/messages/read",
        "mark_read",
        shapes.MarkRead,
        shapes.Marked,
        "Mark received messages as read",
    ),
    Route("POST", "/v1/ping", "ping", shapes.Ping, shapes.Pong, "Measure round trips to a peer's node"),
    Route(
        "GET",
        "/v1/policy/explain",
        "explain_policy",
        shapes.ExplainPolicy,
        shapes.PolicyAnswer,
        "Which link would carry something, and why",
    ),
)


def route_of(operation: str) -> Route:
    return next(route for route in ROUTES if route.operation == operation)
