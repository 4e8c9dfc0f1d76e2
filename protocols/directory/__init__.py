"""Who a node is and where: signed records, invites, revocations. Finding others: `kademlia`."""

from protocols.directory.invite import INVITE_SCHEME, Invite, format_invite, parse_invite
from protocols.directory.record import NodeRecord, open_record, sign_record, supersedes
from protocols.directory.revocation import Revocation, open_revocation, sign_revocation

__all__ = [
    "INVITE_SCHEME",
    "Invite",
    "NodeRecord",
    "Revocation",
    "format_invite",
    "open_record",
    "open_revocation",
    "parse_invite",
    "sign_record",
    "sign_revocation",
    "supersedes",
]
