"""Who the owner knows: names, trust, invites, verification, blocks, revocations."""

from meshnode.services.peers.invites import InviteView
from meshnode.services.peers.owner import AwaitedView, ForgottenAddress
from meshnode.services.peers.peer import PeerView
from meshnode.services.peers.resolve import PeerTextError
from meshnode.services.peers.service import PeersService
from meshnode.services.peers.store import DATABASE, MIGRATIONS
from meshnode.services.peers.verification import VerificationView

__all__ = [
    "DATABASE",
    "MIGRATIONS",
    "AwaitedView",
    "ForgottenAddress",
    "InviteView",
    "PeerTextError",
    "PeerView",
    "PeersService",
    "VerificationView",
]
