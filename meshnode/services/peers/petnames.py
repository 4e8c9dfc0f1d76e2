"""Who is called what: by the owner (petnames, which resolve) and by themselves (which never does)."""

import re

from meshnode.services.peers.kept import Kept
from meshnode.services.peers.limits import DEVICES_MAX, PETNAME_CHARS_MAX
from meshnode.services.peers.names import name_key, parse_petname, shown_name
from meshnode.services.peers.peer import Peer
from protocols.errors import RefusedError
from protocols.ids import SHORT_ID, NodeId, from_base32, short_id

SUFFIX_MAX = 99  # "bob-2" to "bob-99"; then the short id stands in


class Petnames:
    """An index over the peers' petnames; the book tells it of every change."""

    def __init__(self, peers: Kept[NodeId, Peer]) -> None:
        self._peers = peers
        self._devices: dict[
            str, list[NodeId]
        ] = {}  # name key -> NodeIds pinned under it, the first pinned first
        for peer in peers.values():
            self.replace(None, peer)

    def replace(self, before: Peer | None, after: Peer | None) -> None:
        old = name_key(before.petname) if before else ""
        new = name_key(after.petname) if after else ""
        if old == new:
            return
        if before and old:
            self._devices[old].remove(before.node)
            if not self._devices[old]:
                del self._devices[old]
        if after and new:
            self._devices.setdefault(new, []).append(after.node)

    def devices(self, name: str) -> tuple[NodeId, ...]:
        return tuple(self._devices.get(name_key(name), ()))

    def with_short_id(self, short: str) -> list[NodeId]:
        if not SHORT_ID.fullmatch(short):
            return []
        start = from_base32(short)  # 8 characters are exactly 5 bytes
        return [node for node in self._peers if node.startswith(start)]

    def calling_themselves(self, name: str) -> list[Peer]:
        key = name_key(name)
        return [peer for peer in self._peers.values() if peer.self_name and name_key(peer.self_name) == key]

    def impersonated_by(self, peer: Peer) -> tuple[NodeId, ...]:
        """Whom the owner pinned under the name that this other peer gives itself."""
        pinned = self.devices(peer.self_name) if peer.self_name else ()
        return () if peer.node in pinned else pinned

    def check(self, node: NodeId | None, petname: str, *, another_device: bool = False) -> str:
        """The name as it would be pinned to `node`. Raises RefusedError where it may not be."""
        pinned = parse_petname(petname)
        others = [one for one in self.devices(pinned) if one != node]
        if others and not another_device:
            raise RefusedError(
                "name_taken",
                f"{pinned!r} is already {short_id(others[0])}; choose another name, or say that it is another device "
                "of the same person",
            )
        if len(others) >= DEVICES_MAX:
            raise RefusedError(
                "too_many_devices", f"{pinned!r} already has {DEVICES_MAX} devices; remove one first"
            )
        if any(other != node for other in self.with_short_id(name_key(pinned))):
            raise RefusedError(
                "name_taken", f"{pinned!r} is the short id of another known node; choose another name"
            )
        return pinned

    def free(self, node: NodeId, suggestion: str) -> str:
        """A petname close to what was suggested that nobody has: itself, with a number, or the short id."""
        wish = re.sub(r".*://", "", shown_name(suggestion))
        for number in range(1, SUFFIX_MAX + 1):
            suffix = "" if number == 1 else f"-{number}"
            try:
                return self.check(node, wish[: PETNAME_CHARS_MAX - len(suffix)] + suffix)
            except RefusedError as error:
                if error.code != "name_taken":
                    break
        return short_id(node)
