"""Prekeys: ours on disk under the storage key, and those that others gave us."""

import sqlite3
from dataclasses import replace

from meshnode.services.courier.desk import Desk
from meshnode.services.courier.frames import BundleCall
from meshnode.services.courier.tables import Start, drop_prekeys, put_bundle, put_prekey
from protocols.courier import Bundle, OwnPrekey, PrekeyRing, open_bundle
from protocols.errors import RefusedError, RemoteError
from protocols.ids import NodeId
from protocols.keys import open_secret, seal_secret

LABEL = b"meshnode/prekey-secret/1"


class Keeper:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.ring = PrekeyRing(desk.identity, desk.kem)
        self._bundles: dict[NodeId, Bundle] = {}

    def furnish(self, start: Start) -> None:
        """A secret that doesn't open belongs to the identity that was here before; it is no use to this one."""
        desk, kept = self._desk, list[OwnPrekey]()
        for prekey in start.prekeys:
            try:
                secret = open_secret(desk.identity.storage_key, LABEL, prekey.id, prekey.secret)
                mine = open_bundle(prekey.bundle, desk.identity.suite).node == desk.me
            except RemoteError:
                mine, secret = False, b""
            if mine:
                kept.append(replace(prekey, secret=secret))
            else:
                desk.counts["prekeys_skipped"] += 1
        self.ring = PrekeyRing(desk.identity, desk.kem, kept)
        self._bundles = {bundle.node: bundle for bundle, _ in start.bundles}

    # -- ours -------------------------------------------------------------------------------------------------

    async def rotate_if_due(self) -> None:
        """Raises StoreError; then it stays due."""
        now_s = self._desk.now_s()
        if self.ring.is_due(now_s):
            await self.rotate()
        elif over := self.ring.take_over(now_s):
            await self._desk.store.write(lambda connection: drop_prekeys(connection, over))

    async def rotate(self) -> OwnPrekey:
        """A new one, on disk before anybody hears of it. Raises StoreError; RefusedError without a clock."""
        desk = self._desk
        if not desk.clock_is_set:
            raise RefusedError("no_clock", "the clock of this machine is not set; set it, then try again")
        ring = PrekeyRing(desk.identity, desk.kem, self.ring.kept)
        made = ring.rotate(desk.now_s(), desk.entropy)
        over = ring.take_over(desk.now_s())
        sealed = seal_secret(desk.identity.storage_key, LABEL, made.id, made.secret, desk.entropy)

        def work(connection: sqlite3.Connection) -> None:
            put_prekey(connection, replace(made, secret=sealed), over)

        await desk.store.write(work)
        self.ring = ring
        desk.counts["prekeys_rotated"] += 1
        desk.emit("prekeys_rotated", {"id": made.id.hex(), "kept": ring.count})
        return made

    # -- of others --------------------------------------------------------------------------------------------

    @property
    def known(self) -> int:
        return len(self._bundles)

    def usable(self, peer: NodeId) -> Bundle | None:
        """To seal to now."""
        bundle = self._bundles.get(peer)
        return bundle if bundle is not None and bundle.is_usable(self._desk.now_s()) else None

    def call_for(self, peer: NodeId, *, whole: bool) -> BundleCall:
        """What to tell a peer of ours, and of what we have of it."""
        current, theirs = self.ring.current, self._bundles.get(peer)
        return BundleCall(
            current.sequence if current else 0,
            theirs.sequence if theirs else 0,
            current.bundle if current and whole else b"",
        )

    async def take(self, peer: NodeId, data: bytes) -> None:
        """A peer's own bundle; an older one than we had is refused. Raises RemoteError, StoreError."""
        desk = self._desk
        bundle = open_bundle(data, desk.identity.suite)
        if bundle.node != peer:
            raise RemoteError("foreign_bundle", "a peer hands out its own")
        known = self._bundles.get(peer)
        if known is not None and bundle.sequence <= known.sequence:
            if bundle != known:
                desk.counts["old_bundles"] += 1
            return
        if desk.clock_is_set and not bundle.is_usable(desk.now_s()):
            raise RemoteError("bad_bundle", "over, or made by a wrong clock")
        stranger, now_s = not desk.standings.is_contact(peer), desk.now_s()
        gone = await desk.store.write(
            lambda connection: put_bundle(connection, bundle, now_s, stranger=stranger)
        )
        self._bundles[peer] = bundle
        for node in gone:
            self._bundles.pop(node, None)
