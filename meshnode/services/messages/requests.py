"""The request box: strangers' messages that wait for the owner's word."""

from meshnode.services.messages.desk import Desk
from meshnode.services.messages.message import RequestView
from meshnode.services.messages.table_owner import accept_requested, drop_requested
from protocols.ids import NodeId


class Requests:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def list(self) -> list[RequestView]:
        return self._desk.inbox.requests()

    async def accept(self, peer: NodeId) -> int:
        """Its messages are a contact's from now on. Gives how many; asked again, it gives 0."""
        desk = self._desk
        moved = await desk.store.write(lambda connection: accept_requested(connection, peer))
        if moved:
            desk.inbox.request_over(peer, accepted=True)
        return moved

    async def drop(self, peer: NodeId) -> int:
        """Its messages are deleted. Gives how many."""
        desk = self._desk
        dropped = await desk.store.write(lambda connection: drop_requested(connection, peer))
        if dropped:
            desk.inbox.request_over(peer, accepted=False)
            desk.inbox.tombstones += dropped
        return dropped
