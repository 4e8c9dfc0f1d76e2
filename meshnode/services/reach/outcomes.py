"""What became of meetings, and when the next one with a peer may begin. Sans-IO."""

from dataclasses import dataclass
from random import Random

from meshnode.services.reach.limits import MeetingLimits
from meshnode.services.reach.views import MeetingView, Outcome
from policies.backoff import backoff_range_ns
from protocols.ids import NodeId


@dataclass(slots=True)
class Entry:
    outcome: Outcome
    reason: str
    due_ns: int | None  # when we may begin the next; None: one is under way
    failures: int = 0
    answered_ns: int | None = None  # when it last began one


class Outcomes:
    def __init__(self, me: NodeId, die: Random, limits: MeetingLimits) -> None:
        self._me, self._die, self._limits = me, die, limits
        self._entries: dict[NodeId, Entry] = {}  # oldest first

    def may_begin(self, peer: NodeId, *, now_ns: int) -> bool:
        """A peer that is new here is entered: the lower NodeId begins at once, the higher one where nothing came."""
        entry = self._entries.get(peer)
        if entry is None:
            entry = self._enter(peer, Entry("waiting", "", now_ns + self._patience_ns(peer)))
        return entry.due_ns is not None and entry.due_ns <= now_ns

    def may_answer(self, peer: NodeId, *, now_ns: int) -> bool:
        """One meeting at a time and peer. Of two that begin at once, that of the lower NodeId stands."""
        entry = self._entries.get(peer)
        if entry is None:
            entry = self._enter(peer, Entry("under_way", "", None))
        elif entry.outcome == "under_way" and entry.due_ns is None and self._me < peer:
            return False
        pause_ns = self._limits.answered_ns << min(entry.failures, self._limits.answered_doublings_max)
        if entry.answered_ns is not None and now_ns - entry.answered_ns < pause_ns:
            return False
        entry.answered_ns = now_ns
        return True

    def began(self, peer: NodeId) -> None:
        entry = self._entries.get(peer) or self._enter(peer, Entry("under_way", "", None))
        entry.outcome, entry.reason, entry.due_ns = "under_way", "", None

    def direct(self, peer: NodeId, *, now_ns: int) -> None:
        """Should it come to relays again, the first try follows soon."""
        self._end(peer, "direct", "", now_ns + self._limits.rest.first_ns, failures=0)

    def found_direct(self, peer: NodeId) -> None:
        """A link came about by itself: whoever is in the middle of a meeting with it will say so."""
        entry = self._entries.get(peer)
        if entry is not None and entry.due_ns is not None and entry.outcome != "direct":
            del self._entries[peer]

    def failed(self, peer: NodeId, reason: str, *, now_ns: int) -> None:
        entry = self._entries.get(peer)
        failures = 0 if entry is None else entry.failures
        low_ns, high_ns = backoff_range_ns(failures, self._limits.rest)
        self._end(peer, "failed", reason, now_ns + self._die.randint(low_ns, high_ns), failures=failures + 1)

    def relayed(self, peer: NodeId, reason: str, *, now_ns: int) -> None:
        """It can't be done as things are: ask again after the longest rest."""
        entry = self._entries.get(peer)
        failures = 0 if entry is None else entry.failures
        self._end(peer, "relayed", reason, now_ns + self._limits.rest.longest_ns, failures=failures)

    def hurry(self) -> None:
        """Our reachability changed: what failed before may work now."""
        self._entries = {peer: entry for peer, entry in self._entries.items() if entry.due_ns is None}

    def next_due(self, peers: list[NodeId]) -> int | None:
        due = [entry.due_ns for peer in peers if (entry := self._entries.get(peer)) is not None]
        return min((each for each in due if each is not None), default=None)

    def views(self, *, now_ns: int) -> tuple[MeetingView, ...]:
        return tuple(
            MeetingView(
                peer,
                entry.outcome,
                entry.reason,
                entry.failures,
                None if entry.due_ns is None or entry.outcome == "direct" else max(0, entry.due_ns - now_ns),
            )
            for peer, entry in self._entries.items()
        )

    def _end(self, peer: NodeId, outcome: Outcome, reason: str, due_ns: int, *, failures: int) -> None:
        entry = self._entries.pop(peer, None)
        answered_ns = None if entry is None else entry.answered_ns
        if outcome != "direct":
            due_ns += self._patience_ns(peer)
        self._enter(peer, Entry(outcome, reason, due_ns, failures, answered_ns))

    def _patience_ns(self, peer: NodeId) -> int:
        return 0 if self._me < peer else self._limits.patience_ns

    def _enter(self, peer: NodeId, entry: Entry) -> Entry:
        while len(self._entries) >= self._limits.peers_max:
            del self._entries[next(iter(self._entries))]
        self._entries[peer] = entry
        return entry
