"""Which of our messages is in which sealed object."""

from collections.abc import Iterable, Sequence

from protocols.ids import MessageId


class Parcels:
    """Bounded by the objects of ours that are under way, and by the messages that one object holds."""

    def __init__(self) -> None:
        self._object_of: dict[MessageId, bytes] = {}
        self._messages_of: dict[bytes, list[MessageId]] = {}

    def furnish(self, kept: Iterable[tuple[MessageId, bytes]]) -> None:
        for message, sealed_id in kept:
            self.put(sealed_id, [message])

    def put(self, sealed_id: bytes, messages: Sequence[MessageId]) -> None:
        for message in messages:
            self._object_of[message] = sealed_id
        self._messages_of.setdefault(sealed_id, []).extend(messages)

    def object_of(self, message: MessageId) -> bytes | None:
        return self._object_of.get(message)

    def messages_of(self, sealed_id: bytes) -> list[MessageId]:
        return list(self._messages_of.get(sealed_id, ()))

    def drop(self, sealed_id: bytes) -> None:
        for message in self._messages_of.pop(sealed_id, ()):
            self._object_of.pop(message, None)

    def over(self, messages: Iterable[MessageId]) -> tuple[list[MessageId], list[bytes]]:
        """(those that were in an object, objects in which nothing is left)."""
        gone: list[MessageId] = []
        empty: list[bytes] = []
        for message in messages:
            sealed_id = self._object_of.pop(message, None)
            if sealed_id is None:
                continue
            gone.append(message)
            left = self._messages_of[sealed_id]
            left.remove(message)
            if not left:
                del self._messages_of[sealed_id]
                empty.append(sealed_id)
        return gone, empty
