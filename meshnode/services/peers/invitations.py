"""Giving out invites."""

from meshnode.services.peers.desk import Desk
from meshnode.services.peers.invites import InviteView, invite_view
from meshnode.services.peers.limits import INVITE_ADDRESS_BYTES_MAX, INVITE_ADDRESSES_MAX
from protocols.directory import Invite
from protocols.keys import Identity


class Invitations:
    def __init__(self, desk: Desk, identity: Identity, name: str) -> None:
        self._desk, self._identity, self._name = desk, identity, name

    async def issue(
        self, *, expires_s: int, uses: int, addresses: tuple[str, ...]
    ) -> tuple[Invite, InviteView]:
        """The invite, once its hash is on disk: the secret is in this answer and nowhere else.

        `addresses`: where the guest can reach us, the best first; four go in. Raises RefusedError.
        """
        issued, secret = self._desk.invites.issue(expires_s=expires_s, uses=uses, now_s=self._desk.now_s())
        await self._desk.save()
        short = [one for one in addresses if len(one.encode()) <= INVITE_ADDRESS_BYTES_MAX]
        invite = Invite(
            node=self._identity.node_id,
            x25519=self._identity.x25519_public,
            secret=secret,
            expires_at=issued.expires_at,
            uses=issued.uses,
            addresses=tuple(short[:INVITE_ADDRESSES_MAX]),
            name=self._name,
        )
        return invite, invite_view(issued, now_s=self._desk.now_s())

    def list(self) -> list[InviteView]:
        return self._desk.invites.views(now_s=self._desk.now_s())

    async def revoke(self, invite_id: str) -> InviteView:
        """Nobody can redeem it from now on. The invite as it was; RefusedError for an unknown id."""
        view = self._desk.invites.revoke(invite_id, now_s=self._desk.now_s())
        await self._desk.save()
        return view
