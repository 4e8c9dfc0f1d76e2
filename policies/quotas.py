"""What strangers may leave in the request box before the owner has looked at it.

The defaults are those of the settings `quotas.*`, which an owner may change within bounds.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Accept", "QuotaLimits", "QuotaView", "Refuse", "RefuseReason", "decide_accept"]

RefuseReason: TypeAlias = Literal["sender_messages", "sender_bytes", "too_many_strangers", "box_full"]


@dataclass(frozen=True, slots=True)
class QuotaView:
    """The box before the message. A stranger who has nothing in it counts as new."""

    size: int  # bytes of the message that asks to come in
    sender_messages: int  # of this stranger, in the box
    sender_bytes: int
    strangers: int  # with at least one message in the box
    total_bytes: int


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    sender_messages_max: int = 1_024  # a long explanation in short messages; more is a flood
    sender_bytes_max: int = 1 << 20  # 1 MiB: the largest single message, or a thousand of a page each
    strangers_max: int = 64  # what a person can look through in one sitting; 0: nobody
    total_bytes_max: int = (
        8 << 20
    )  # 8 MiB: eight full senders; all strangers together cost no more disk than this


@dataclass(frozen=True, slots=True)
class Accept:
    pass


@dataclass(frozen=True, slots=True)
class Refuse:
    reason: RefuseReason


def decide_accept(view: QuotaView, limits: QuotaLimits) -> Accept | Refuse:
    """The newest is refused, never an older one thrown out: a flood must not wash away what came before it."""
    if view.sender_messages >= limits.sender_messages_max:
        return Refuse("sender_messages")
    if view.sender_bytes + view.size > limits.sender_bytes_max:
        return Refuse("sender_bytes")
    if view.sender_messages == 0 and view.strangers >= limits.strangers_max:
        return Refuse("too_many_strangers")
    if view.total_bytes + view.size > limits.total_bytes_max:
        return Refuse("box_full")
    return Accept()
