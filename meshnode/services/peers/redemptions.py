"""Invites that we were given and their issuers have not answered for yet. Sans-IO.

A wall clock alone ends none of them: it may be wrong. The issuer's word does; past the expiry we merely stop
looking for the issuer, and still show the secret should we meet it.
"""

from meshnode.services.peers.limits import CLOCK_SKEW_S, REDEMPTIONS_MAX
from meshnode.services.peers.tables import Redemption, Tables
from protocols.errors import RefusedError
from protocols.ids import NodeId

FINAL = frozenset(
    {"invite_unknown", "invite_used_up", "refused"}
)  # codes after which asking again is in vain


class Redemptions:
    def __init__(self, tables: Tables) -> None:
        self._table = tables.redemptions

    def make_room(self, issuer: NodeId, *, now_s: int) -> None:
        """For one more; expired ones go first. Raises RefusedError when too many wait."""
        if issuer not in self._table and len(self._table) >= REDEMPTIONS_MAX:
            over = [one for one in self._table.values() if _is_over(one, now_s)]
            if not over:
                raise RefusedError(
                    "too_many_invites", f"{REDEMPTIONS_MAX} invites wait for their issuers already"
                )
            self._table.drop(min(over, key=lambda one: one.expires_at).node)

    def put(self, redemption: Redemption) -> None:
        """After `make_room`. A newer invite of the same issuer replaces the older."""
        self._table.put(redemption.node, redemption)

    def get(self, issuer: NodeId) -> Redemption | None:
        return self._table.get(issuer)

    def drop(self, issuer: NodeId) -> None:
        self._table.drop(issuer)

    def worth_looking_for(self, *, now_s: int) -> list[NodeId]:
        """Issuers whose invites have not expired by our clock."""
        return [one.node for one in self._table.values() if not _is_over(one, now_s)]

    def is_final(self, issuer: NodeId, code: str, *, now_s: int) -> bool:
        """Whether a refusal ends it. "Expired" does once both clocks say so: the issuer's may be ahead for a while."""
        pending = self._table.get(issuer)
        return code in FINAL or (code == "invite_expired" and (pending is None or _is_over(pending, now_s)))


def _is_over(redemption: Redemption, now_s: int) -> bool:
    return now_s > redemption.expires_at + CLOCK_SKEW_S
