"""Carrying, sans-IO: what to offer to whom, what to take, when to stop.

    offered ──taker wants, the rule agrees──► handed ──taker has it on disk──► both carry
       │                                         └──failed──► copies come back
       ├──taker is the receiver──► handed ──► delivered-note ──► stop carrying, and tell the others
       └──taker has a note──────────────────► delivered-note ──► stop carrying, and tell the others

The caller owns the disk: nothing is answered to a giver before `take`'s object is on it, and after a restart `furnish`
gives back what it holds. Copies that were handed out but not written down (a crash in between) are given twice: more
copies, no harm. Time is the wall clock in seconds, but for `now_ns`, which only spaces repeated offers.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from protocols.courier.custody import Custody, Shelf
from protocols.courier.limits import (
    AGE_S_MAX,
    COPIES_MAX,
    NOTES_PER_CALL,
    OFFERS_PER_CALL,
    REOFFER_NS,
    SEALED_BYTES_MAX,
    SESSIONS_MAX,
    STRANGE_NOTES_MAX,
    WALL_S_MIN,
    CarryLimits,
)
from protocols.courier.meetings import Meetings
from protocols.courier.notes import DeliveredNote
from protocols.courier.rule import CopyView, Giving, decide_giving
from protocols.courier.sealed import Sealed, is_too_far
from protocols.errors import RefusedError
from protocols.ids import NodeId

NEVER_NS = 1 << 62

Word: TypeAlias = Literal["want", "have", "delivered", "refused"]
Willing: TypeAlias = Literal["everyone", "contacts", "nobody"]


@dataclass(frozen=True, slots=True)
class Offer:
    """All that a courier learns before it takes something."""

    id: bytes
    receiver: NodeId
    size: int
    expires_s: int


@dataclass(frozen=True, slots=True)
class Reply:
    word: Word
    age_s: int | None = None  # since the taker last met the receiver
    note: bytes = b""  # of "delivered"


@dataclass(slots=True)
class _Session:
    near: bool = True  # it has a link of its own
    due_ns: dict[bytes, int] = field(
        default_factory=dict[bytes, int]
    )  # object -> when it may be offered again
    told: dict[bytes, None] = field(
        default_factory=dict[bytes, None]
    )  # notes that it has from us, or gave us
    strange_notes: int = 0  # that it told us about what we don't carry


class Carrier:
    def __init__(
        self, me: NodeId, limits: CarryLimits, meetings: Meetings, *, willing: Willing = "everyone"
    ) -> None:
        self.shelf = Shelf(limits)
        self.counts: Counter[str] = Counter()  # fixed words
        self._me, self._limits, self._meetings, self._willing = me, limits, meetings, willing
        self._notes: dict[bytes, DeliveredNote] = {}
        self._sessions: dict[NodeId, _Session] = {}

    def furnish(self, carried: Iterable[Custody], notes: Iterable[DeliveredNote]) -> None:
        """What the disk holds at the start."""
        self.shelf.furnish(carried)
        self._notes = {note.id: note for note in notes}

    # -- neighbours -------------------------------------------------------------------------------------------

    def up(self, peer: NodeId, *, now_s: int, near: bool = True) -> None:
        """Somebody can be spoken to; may be told again. Who is `near` has a link of its own: only they count as met,
        and only to them is offered what is for others. Beyond SESSIONS_MAX nobody gets anything.
        """
        session = self._sessions.get(peer)
        if session is None:
            if len(self._sessions) >= SESSIONS_MAX:
                return
            session = self._sessions[peer] = _Session(near=False)
        if near or session.near:
            self._meetings.met(peer, now_s)
        session.near = near

    def down(self, peer: NodeId, *, now_s: int) -> None:
        session = self._sessions.pop(peer, None)
        if session is not None and session.near:
            self._meetings.met(peer, now_s)

    def age_s(self, peer: NodeId, now_s: int) -> int | None:
        """Since we last met it; 0 while it is here."""
        session = self._sessions.get(peer)
        return 0 if session is not None and session.near else self._meetings.age_s(peer, now_s)

    def take_meetings(self) -> tuple[list[tuple[NodeId, int]], list[NodeId]]:
        """What changed about them since the last call, for the disk."""
        return self._meetings.take_changes()

    # -- giving -----------------------------------------------------------------------------------------------

    def entrust(self, sealed: Sealed, *, now_s: int) -> Custody:
        """One of our own. Raises RefusedError("own_full")."""
        met_s = self._meetings.last_s(sealed.receiver)
        custody = Custody(
            sealed.id, sealed.receiver, sealed.size, sealed.expires_s, now_s, self._limits.copies, met_s, None
        )
        self.shelf.put(custody)
        return custody

    def arrivals(self, peer: NodeId, *, now_s: int, now_ns: int) -> list[Custody]:
        """What we carry for this neighbour itself. Our own goes to it by the messages service, not sealed."""
        return [each for each in self._due(peer, now_s, now_ns) if each.receiver == peer and not each.is_own]

    def offers(self, peer: NodeId, *, now_s: int, now_ns: int) -> list[Custody]:
        """What this neighbour should be asked about, at most OFFERS_PER_CALL."""
        session = self._sessions.get(peer)
        if session is None or not session.near:
            return []
        found = (each for each in self._due(peer, now_s, now_ns) if each.receiver != peer)
        return [each for each, _ in zip(found, range(OFFERS_PER_CALL), strict=False)]

    def offered(self, peer: NodeId, sealed_id: bytes, *, now_ns: int) -> None:
        """Not again before REOFFER_NS, or before it comes back."""
        session = self._sessions.get(peer)
        if session is not None:
            session.due_ns[sealed_id] = now_ns + REOFFER_NS

    def answered(self, peer: NodeId, sealed_id: bytes, reply: Reply, *, now_s: int) -> Giving | None:
        """What to hand over, if anything; those copies are the taker's until `not_taken` says otherwise.

        A "delivered" is believed only with its note, which the caller verifies and gives to `arrived`.
        """
        custody = self.shelf.get(sealed_id)
        if custody is None:
            return None
        if reply.word == "have":
            custody.held_by(peer)
        if reply.word != "want":
            return None
        met_s = None if reply.age_s is None or reply.age_s > AGE_S_MAX else now_s - max(0, reply.age_s)
        giving = decide_giving(
            CopyView(custody.copies, custody.mark_s, met_s, custody.taken_s, custody.expires_s, now_s)
        )
        if giving is not None:
            custody.copies, custody.mark_s = giving.kept, giving.mark_s
        return giving

    def taken(self, peer: NodeId, sealed_id: bytes) -> None:
        """It has it on disk."""
        custody = self.shelf.get(sealed_id)
        if custody is not None:
            custody.held_by(peer)
        self.counts["handed"] += 1

    def not_taken(self, sealed_id: bytes, giving: Giving) -> None:
        custody = self.shelf.get(sealed_id)
        if custody is not None:
            custody.copies = min(COPIES_MAX, custody.copies + giving.copies)

    # -- taking -----------------------------------------------------------------------------------------------

    def consider(self, giver: NodeId, offer: Offer, *, contact: bool, now_s: int) -> Reply:
        note = self._notes.get(offer.id)
        if note is not None and note.receiver == offer.receiver:
            return Reply("delivered", None, note.data)
        carried = self.shelf.get(offer.id)
        if carried is not None:
            carried.held_by(giver)
            self._has(giver, offer.id)
            return Reply("have")
        if offer.receiver == self._me:
            return Reply("want", 0)
        reason = self._refusal(giver, offer.size, offer.expires_s, contact=contact, now_s=now_s)
        if reason is not None:
            self.counts[f"refused_{reason}"] += 1
            return Reply("refused")
        return Reply("want", self.age_s(offer.receiver, now_s))

    def take(
        self, giver: NodeId, sealed: Sealed, *, copies: int, mark_age_s: int | None, contact: bool, now_s: int
    ) -> Custody | None:
        """Carried from now on, once the caller has it on disk (`drop`, if it can't); None: we have it already.

        Raises RefusedError.
        """
        assert sealed.receiver != self._me, "what is for us is opened, not carried"
        if sealed.id in self.shelf:
            return None
        reason = self._refusal(giver, sealed.size, sealed.expires_s, contact=contact, now_s=now_s)
        if reason is not None:
            self.counts[f"refused_{reason}"] += 1
            raise RefusedError(reason, "this node doesn't carry that at the moment")
        mark_s = None if mark_age_s is None or mark_age_s > AGE_S_MAX else now_s - mark_age_s
        custody = Custody(
            sealed.id,
            sealed.receiver,
            sealed.size,
            sealed.expires_s,
            now_s,
            max(1, min(copies, COPIES_MAX)),
            mark_s,
            giver,
        )
        custody.held_by(giver)
        self.shelf.put(custody)
        self._has(giver, custody.id)
        self.counts["taken"] += 1
        return custody

    def drop(self, sealed_id: bytes) -> Custody | None:
        for session in self._sessions.values():
            session.due_ns.pop(sealed_id, None)
        return self.shelf.pop(sealed_id)

    # -- notes ------------------------------------------------------------------------------------------------

    def note_of(self, sealed_id: bytes) -> DeliveredNote | None:
        return self._notes.get(sealed_id)

    def arrived(self, note: DeliveredNote, *, now_s: int, teller: NodeId | None = None) -> bool:
        """A (verified) note. True: it is news, and worth keeping on disk; `drop` what it is about afterwards.

        One that isn't the receiver's of what we carry is refused and counted. When full, the oldest note goes; so
        that nobody washes them away, a neighbour may tell us STRANGE_NOTES_MAX about what we don't carry.
        """
        carried = self.shelf.get(note.id)
        if carried is not None and carried.receiver != note.receiver:
            self.counts["foreign_notes"] += 1
            return False
        if note.id in self._notes or now_s > note.expires_s or is_too_far(note.expires_s, now_s):
            return False
        session = None if teller is None else self._sessions.get(teller)
        if carried is None and teller is not None:
            if session is None or session.strange_notes >= STRANGE_NOTES_MAX:
                self.counts["too_many_notes"] += 1
                return False
            session.strange_notes += 1
        if session is not None:
            session.told[note.id] = None
        self._notes[note.id] = note
        if len(self._notes) > self._limits.notes_max:
            del self._notes[next(iter(self._notes))]
        return True

    def untold(self, peer: NodeId) -> list[DeliveredNote]:
        """Notes for this neighbour, the newest NOTES_PER_CALL; they count as told."""
        session = self._sessions.get(peer)
        if session is None:
            return []
        fresh = [note for note in self._notes.values() if note.id not in session.told]
        session.told.update(dict.fromkeys(note.id for note in fresh))  # older ones are not told any more
        while len(session.told) > self._limits.notes_max:
            del session.told[next(iter(session.told))]
        return fresh[-NOTES_PER_CALL:]

    def forget_note(self, sealed_id: bytes) -> None:
        """The disk would not keep it: whoever told it may tell it again."""
        self._notes.pop(sealed_id, None)
        for session in self._sessions.values():
            session.told.pop(sealed_id, None)

    @property
    def notes(self) -> int:
        return len(self._notes)

    # -- time -------------------------------------------------------------------------------------------------

    def sweep(self, *, now_s: int) -> list[Custody]:
        """What is over; it is carried no more. A clock that was never set ends nothing."""
        if now_s < WALL_S_MIN:
            return []
        over = [each for each in self.shelf if now_s > each.expires_s]
        for custody in over:
            self.drop(custody.id)
        self._notes = {key: note for key, note in self._notes.items() if now_s <= note.expires_s}
        self.counts["expired"] += len(over)
        return over

    # -- inside -----------------------------------------------------------------------------------------------

    def _has(self, peer: NodeId, sealed_id: bytes) -> None:
        """There is no need to offer it back while it stays."""
        session = self._sessions.get(peer)
        if session is not None:
            session.due_ns[sealed_id] = NEVER_NS

    def _due(self, peer: NodeId, now_s: int, now_ns: int) -> Iterable[Custody]:
        session = self._sessions.get(peer)
        if session is None:
            return
        for custody in self.shelf:
            if now_s <= custody.expires_s and session.due_ns.get(custody.id, 0) <= now_ns:
                yield custody

    def _refusal(self, giver: NodeId, size: int, expires_s: int, *, contact: bool, now_s: int) -> str | None:
        if self._willing == "nobody" or (self._willing == "contacts" and not contact):
            return "unwilling"
        if now_s < WALL_S_MIN:
            return "no_clock"
        if now_s > expires_s or is_too_far(expires_s, now_s):
            return "bad_expiry"
        if size > SEALED_BYTES_MAX:
            return "too_long"
        return self.shelf.refusal(giver, size)
