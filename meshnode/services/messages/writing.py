"""Writing: what the owner has to say goes to disk, and only then on its way."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from meshnode.ports import Presence, Standings
from meshnode.services.messages.desk import Desk
from meshnode.services.messages.frames import TEXT, WireMessage
from meshnode.services.messages.limits import EXPIRES_S_MAX, TEXT_BYTES_MAX, TRACE_BYTES
from meshnode.services.messages.message import NS_PER_MS, QUEUED, Letter, StoredMessage
from meshnode.services.messages.outbox import Item
from meshnode.services.messages.tables import Birth, insert
from protocols.errors import RefusedError
from protocols.ids import MESSAGE_ID_BYTES, MessageId, NodeId, short_id


@dataclass(frozen=True, slots=True)
class Post:
    """A letter that may go out, with its id."""

    to: NodeId
    message: WireMessage
    traffic: int


class Writer:
    def __init__(
        self,
        desk: Desk,
        presence: Presence,
        standings: Standings,
        entropy: Callable[[int], bytes],
        kick: Callable[[NodeId], None],
    ) -> None:
        """`kick`: something waits for this peer now."""
        self._desk, self._presence, self._standings = desk, presence, standings
        self._entropy, self._kick = entropy, kick

    def compose(self, letter: Letter, expires_s: int) -> Post:
        """`expires_s`: where the letter says nothing. Raises RefusedError."""
        to = letter.to
        expires_s = expires_s if letter.expires_s is None else letter.expires_s
        if to == self._desk.me:
            raise RefusedError("is_self", "this node is the recipient itself; choose another peer")
        if self._standings.is_blocked(to):
            raise RefusedError("blocked", f"{short_id(to)} is blocked; unblock it first")
        if not 0 < expires_s <= EXPIRES_S_MAX:
            raise RefusedError("bad_expiry", f"a message lives from 1 to {EXPIRES_S_MAX} seconds")
        try:
            body = letter.text.encode()
        except UnicodeEncodeError:
            raise RefusedError("bad_text", "the text holds half a character; correct it") from None
        if not 0 < len(body) <= TEXT_BYTES_MAX:
            raise RefusedError(
                "bad_text", f"a message has 1 to {TEXT_BYTES_MAX} bytes of text, this one {len(body)}"
            )
        chance = self._entropy(MESSAGE_ID_BYTES + TRACE_BYTES)
        message_id, trace = MessageId(chance[:MESSAGE_ID_BYTES]), chance[MESSAGE_ID_BYTES:]
        at_ms, ttl_ms = self._desk.wall_ms(), expires_s * 1_000
        message = WireMessage(message_id, TEXT, body, at_ms, ttl_ms, trace, letter.reply_to)
        return Post(to, message, int(letter.traffic))

    async def queue(self, posts: Sequence[Post]) -> list[StoredMessage | RefusedError]:
        """In one commit, each whole or not at all. They are on their way by then where their peers are connected.

        Raises StoreError: then none is stored.
        """
        desk, birth = self._desk, self._desk.birth()
        refusals = [self._reserve(post.to) for post in posts]
        reserved = [post for post, refusal in zip(posts, refusals, strict=True) if refusal is None]
        try:
            places = await desk.store.write(lambda db: _insert(db, reserved, birth)) if reserved else []
        except BaseException:
            for post in reserved:
                desk.outbox.release(post.to)
            raise
        queued: dict[NodeId, list[Item]] = {}
        for place, post in zip(places, reserved, strict=True):
            queued.setdefault(post.to, []).append(Item(place, post.message, post.traffic))
        for to, items in queued.items():
            self._queued(to, items)
        return [
            _stored(desk.me, post) if no is None else no for post, no in zip(posts, refusals, strict=True)
        ]

    def _reserve(self, to: NodeId) -> RefusedError | None:
        """Room for one more, whose recipient is a contact from now on."""
        try:
            self._desk.outbox.reserve(to)
        except RefusedError as full:
            return full
        try:
            if not self._standings.is_contact(to):
                self._standings.mark_contact(to)
        except RefusedError as full:
            self._desk.outbox.release(to)
            return full
        return None

    def _queued(self, to: NodeId, items: Sequence[Item]) -> None:
        """They are on disk."""
        desk, connected = self._desk, self._presence.is_connected(to)
        for item in items:
            desk.outbox.stored(to, item, keep=connected)
        desk.tell("message_queued", to, [(item.message.id, item.message.trace) for item in items])
        if not connected:
            self._presence.want(to)
        self._kick(to)
        desk.sweep_by(desk.now_ns() + min(item.message.ttl_ms for item in items) * NS_PER_MS)


def _insert(connection: sqlite3.Connection, posts: Sequence[Post], birth: Birth) -> list[int]:
    """Gives their places."""
    return [
        insert(connection, post.to, post.message, birth, outgoing=True, state=QUEUED, traffic=post.traffic)
        for post in posts
    ]


def _stored(me: NodeId, post: Post) -> StoredMessage:
    message = post.message
    return StoredMessage(
        message.id,
        me,
        post.to,
        message.body.decode(),
        message.at_ms * NS_PER_MS,
        "out",
        "queued",
        message.trace.hex(),
        message.reply_to,
    )
