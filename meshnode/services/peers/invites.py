"""Invites that we give out: issued, counted, redeemed by guests, revoked. Sans-IO.

Only a hash of each secret is kept, so whoever reads the store can't redeem. A use is consumed in memory and on disk
before the guest hears of it; the same guest asking again (our answer was lost) consumes nothing more.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from meshnode.services.peers.attempts import Attempts
from meshnode.services.peers.frames import SECRET_BYTES
from meshnode.services.peers.limits import (
    CLOCK_SKEW_S,
    INVITE_EXPIRES_S_MAX,
    INVITE_USES_MAX,
    INVITES_MAX,
    REDEEMERS_KEPT_S,
    WRONG_SECRETS_ALL_MAX,
    WRONG_SECRETS_EACH_MAX,
)
from meshnode.services.peers.tables import Issued, Tables
from protocols.errors import RefusedError
from protocols.ids import NodeId, node_id_text, to_base32

INVITE_ID_BYTES = 5  # 8 characters of base32: 256 invites don't collide by chance, and issuing checks
LABEL = b"meshnode/invite-secret/1"

InviteState: TypeAlias = Literal["open", "used_up", "expired"]


@dataclass(frozen=True, slots=True)
class InviteView:
    """An issued invite as the control API tells it; the secret went out once and is not known any more."""

    id: str
    state: InviteState
    created_at: int  # Unix seconds
    expires_at: int  # Unix seconds
    uses: int
    uses_left: int
    redeemed_by: tuple[str, ...]  # NodeIds in text


class Invites:
    def __init__(self, tables: Tables, entropy: Callable[[int], bytes]) -> None:
        self._table, self._entropy = tables.invites, entropy
        self._attempts = Attempts(each_max=WRONG_SECRETS_EACH_MAX, all_max=WRONG_SECRETS_ALL_MAX)

    def issue(self, *, expires_s: int, uses: int, now_s: int) -> tuple[Issued, bytes]:
        """A new invite and its secret. Raises RefusedError for senseless numbers, or when too many are open."""
        if not 1 <= uses <= INVITE_USES_MAX:
            raise RefusedError("bad_uses", f"an invite has 1 to {INVITE_USES_MAX} uses")
        if not 1 <= expires_s <= INVITE_EXPIRES_S_MAX:
            raise RefusedError(
                "bad_expiry", f"an invite lasts from a second to {INVITE_EXPIRES_S_MAX // 86_400} days"
            )
        self._make_room(now_s)
        secret = self._entropy(SECRET_BYTES)
        invite_id = self._entropy(INVITE_ID_BYTES)
        while invite_id in self._table:
            invite_id = self._entropy(INVITE_ID_BYTES)
        issued = Issued(invite_id, _hash(secret), now_s, now_s + expires_s, uses)
        self._table.put(invite_id, issued)
        return issued, secret

    def views(self, *, now_s: int) -> list[InviteView]:
        return [invite_view(issued, now_s=now_s) for issued in self._table.values()]

    def revoke(self, invite_id: str, *, now_s: int) -> InviteView:
        """Nobody can redeem it any more; who did stays. The invite as it was; RefusedError for an unknown id."""
        for issued in self._table.values():
            if to_base32(issued.id) == invite_id.strip().lower():
                self._table.drop(issued.id)
                return invite_view(issued, now_s=now_s)
        raise RefusedError(
            "unknown_invite", f"no invite {invite_id!r} is open; 'meshctl invite list' shows them"
        )

    def check(self, guest: NodeId, secret: bytes, *, now_s: int, now_ns: int) -> tuple[Issued, bool]:
        """The invite as it stands once `guest` has redeemed it, and whether that consumes a use; `keep` makes it so.

        Raises RefusedError: slow_down, invite_unknown, invite_expired, invite_used_up.
        """
        self._attempts.check(guest, now_ns=now_ns)
        wanted, found = _hash(secret), None
        for issued in self._table.values():  # all of them, whichever matches: time tells nothing
            if hmac.compare_digest(issued.secret_hash, wanted):
                found = issued
        if found is None:
            self._attempts.count(guest, now_ns=now_ns)
            raise RefusedError(
                "invite_unknown", "this invite does not exist here, or was withdrawn; ask for a new one"
            )
        if guest in found.redeemers:
            return found, False
        if now_s > found.expires_at + CLOCK_SKEW_S:
            raise RefusedError("invite_expired", "this invite has expired; ask for a new one")
        if found.uses_left <= 0:
            raise RefusedError("invite_used_up", "this invite has no uses left; ask for a new one")
        return replace(found, redeemers=(*found.redeemers, guest)), True

    def keep(self, issued: Issued) -> None:
        self._table.put(issued.id, issued)

    def _make_room(self, now_s: int) -> None:
        """Old ones are only forgotten where room is needed, so that a clock that jumped costs nothing before."""
        if len(self._table) < INVITES_MAX:
            return
        over = [one for one in self._table.values() if now_s > one.expires_at + REDEEMERS_KEPT_S]
        over = over or [one for one in self._table.values() if _state(one, now_s) != "open"]
        if not over:
            raise RefusedError("too_many_invites", f"{INVITES_MAX} invites are open; revoke one first")
        self._table.drop(min(over, key=lambda one: one.expires_at).id)


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(LABEL + secret).digest()


def _state(issued: Issued, now_s: int) -> InviteState:
    if issued.uses_left <= 0:
        return "used_up"
    return "expired" if now_s > issued.expires_at + CLOCK_SKEW_S else "open"


def invite_view(issued: Issued, *, now_s: int) -> InviteView:
    return InviteView(
        id=to_base32(issued.id),
        state=_state(issued, now_s),
        created_at=issued.created_at,
        expires_at=issued.expires_at,
        uses=issued.uses,
        uses_left=issued.uses_left,
        redeemed_by=tuple(node_id_text(node) for node in issued.redeemers),
    )
