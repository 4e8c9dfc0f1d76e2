"""What may come in: a pure decision for each message of a batch, and the tallies it rests on."""

from dataclasses import dataclass
from typing import Literal

from meshnode.services.messages.frames import BAD_TEXT, TEXT, UNSUPPORTED_KIND, WireMessage
from meshnode.services.messages.limits import INBOX_BYTES_MAX
from meshnode.services.messages.message import RequestView
from policies.quotas import Accept, QuotaView, decide_accept
from protocols.ids import NodeId


def unusable(message: WireMessage) -> Literal["unsupported_kind", "bad_text"] | None:
    """Why this message can't be taken, now or later; None: it can."""
    if message.kind != TEXT:
        return UNSUPPORTED_KIND
    try:
        message.body.decode()
    except UnicodeDecodeError:
        return BAD_TEXT
    return None


class ContactGate:
    """Lets a contact's messages in while there is room. One gate for one batch."""

    requested = False

    def __init__(self, bytes_held: int) -> None:
        self._left = INBOX_BYTES_MAX - bytes_held

    def refusal(self, size: int) -> str | None:
        if size > self._left:
            return "inbox_full"
        self._left -= size
        return None


class StrangerGate:
    """Lets a stranger's messages into the request box, within its quota. One gate for one batch."""

    requested = True

    def __init__(self, view: QuotaView) -> None:
        self._view = view

    def refusal(self, size: int) -> str | None:
        view = self._view
        asked = QuotaView(size, view.sender_messages, view.sender_bytes, view.strangers, view.total_bytes)
        decision = decide_accept(asked)
        if not isinstance(decision, Accept):
            return decision.reason
        self._view = QuotaView(
            0,
            view.sender_messages + 1,
            view.sender_bytes + size,
            view.strangers + (view.sender_messages == 0),
            view.total_bytes + size,
        )
        return None


Gate = ContactGate | StrangerGate


@dataclass(frozen=True, slots=True)
class Tally:
    messages: int = 0
    nbytes: int = 0
    first_at_ms: int = 0


class Inbox:
    """How much is in: of all contacts together, and of each stranger. The box is bounded by its quota."""

    def __init__(self) -> None:
        self.contact_bytes = 0
        self.tombstones = 0  # of messages that were in
        self._box: dict[NodeId, Tally] = {}

    def furnish(self, contact_bytes: int, box: dict[NodeId, Tally], tombstones: int) -> None:
        self.contact_bytes, self._box, self.tombstones = contact_bytes, dict(box), tombstones

    def gate(self, peer: NodeId, *, contact: bool) -> Gate:
        if contact:
            return ContactGate(self.contact_bytes)
        tally = self._box.get(peer, Tally())
        total = sum(each.nbytes for each in self._box.values())
        return StrangerGate(QuotaView(0, tally.messages, tally.nbytes, len(self._box), total))

    def came(self, peer: NodeId, *, requested: bool, messages: int, nbytes: int, first_at_ms: int) -> None:
        """These are on disk."""
        if not requested:
            self.contact_bytes += nbytes
            return
        before = self._box.get(peer, Tally(first_at_ms=first_at_ms))
        self._box[peer] = Tally(before.messages + messages, before.nbytes + nbytes, before.first_at_ms)

    def went(self, nbytes: int, *, tombstones: int) -> None:
        """So much of contacts' messages was deleted, and there are so many more tombstones."""
        self.contact_bytes -= nbytes
        self.tombstones += tombstones

    def has_request(self, peer: NodeId) -> bool:
        return peer in self._box

    def request_over(self, peer: NodeId, *, accepted: bool) -> None:
        tally = self._box.pop(peer, Tally())
        if accepted:
            self.contact_bytes += tally.nbytes

    def requests(self) -> list[RequestView]:
        return [
            RequestView(peer, each.messages, each.nbytes, each.first_at_ms * 1_000_000)
            for peer, each in self._box.items()
        ]

    @property
    def strangers(self) -> int:
        return len(self._box)
