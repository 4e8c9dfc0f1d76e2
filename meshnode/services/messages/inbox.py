"""What may come in: a pure decision for each message of a batch, and the tallies it rests on."""

from dataclasses import dataclass
from typing import Literal

from meshnode.services.messages.frames import BAD_TEXT, TEXT, UNSUPPORTED_KIND, WireMessage
from meshnode.services.messages.message import RequestView
from meshnode.settings import QuotaSettings
from policies.quotas import Accept, QuotaLimits, QuotaView, decide_accept
from protocols.ids import NodeId

INBOX_FULL = "inbox_full"
SETTING_OF = {  # what refuses for now -> the setting by which its owner can change that
    INBOX_FULL: "quotas.inbox_bytes",
    "sender_messages": "quotas.stranger_messages",
    "sender_bytes": "quotas.stranger_bytes",
    "too_many_strangers": "quotas.strangers",
    "box_full": "quotas.requests_bytes",
}


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

    def __init__(self, bytes_left: int) -> None:
        self._left = bytes_left

    def refusal(self, size: int) -> str | None:
        if size > self._left:
            return INBOX_FULL
        self._left -= size
        return None


class StrangerGate:
    """Lets a stranger's messages into the request box, within its quota. One gate for one batch."""

    requested = True

    def __init__(self, view: QuotaView, limits: QuotaLimits) -> None:
        self._view, self._limits = view, limits

    def refusal(self, size: int) -> str | None:
        view = self._view
        asked = QuotaView(size, view.sender_messages, view.sender_bytes, view.strangers, view.total_bytes)
        decision = decide_accept(asked, self._limits)
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
    """How much is in: of all contacts together, and of each stranger. At a quota the newest is refused, and its sender
    tries again later.
    """

    def __init__(self, quotas: QuotaSettings) -> None:
        self._contact_bytes_max = quotas.inbox_bytes
        self._limits = QuotaLimits(
            sender_messages_max=quotas.stranger_messages,
            sender_bytes_max=quotas.stranger_bytes,
            strangers_max=quotas.strangers,
            total_bytes_max=quotas.requests_bytes,
        )
        self._told: dict[str, None] = {}  # refusals that the owner has heard of
        self.contact_bytes = 0
        self.tombstones = 0  # of messages that were in
        self._box: dict[NodeId, Tally] = {}

    def furnish(self, contact_bytes: int, box: dict[NodeId, Tally], tombstones: int) -> None:
        self.contact_bytes, self._box, self.tombstones = contact_bytes, dict(box), tombstones

    def gate(self, peer: NodeId, *, contact: bool) -> Gate:
        if contact:
            return ContactGate(self._contact_bytes_max - self.contact_bytes)
        tally = self._box.get(peer, Tally())
        total = sum(each.nbytes for each in self._box.values())
        view = QuotaView(0, tally.messages, tally.nbytes, len(self._box), total)
        return StrangerGate(view, self._limits)

    def newly_full(self, outcome: str) -> str | None:
        """The setting behind an outcome that is a refusal; once, until room was made. None: nothing to tell."""
        setting = SETTING_OF.get(outcome)
        if setting is None or outcome in self._told:
            return None
        self._told[outcome] = None
        return setting

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
        if nbytes:
            self._told.pop(INBOX_FULL, None)

    def has_request(self, peer: NodeId) -> bool:
        return peer in self._box

    def request_over(self, peer: NodeId, *, accepted: bool) -> None:
        tally = self._box.pop(peer, Tally())
        self._told = {outcome: None for outcome in self._told if outcome == INBOX_FULL}
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
