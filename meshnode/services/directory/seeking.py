"""Contacts that are away, and when to look for each in the directory: sans-IO.

away ──► due (the dialler has tried by then) ──► sought ──► due again, later and later
▲                                              │
└── somebody came who may know more ───────────┘
"""

from dataclasses import dataclass
from random import Random

from meshnode.services.directory.limits import (
    SEEK_AGAIN_NS,
    SEEK_FIRST_NS,
    SEEK_NEWS_NS,
    SEEK_REST_NS_MAX,
    SEEKS_AT_ONCE_MAX,
)
from protocols.ids import NodeId


@dataclass(slots=True)
class Absence:
    due_ns: int
    failures: int = 0
    sought_ns: int | None = None
    running: bool = False


class Absences:
    """Bounded by the contacts in the book."""

    def __init__(self, die: Random) -> None:
        self._die = die
        self._away: dict[NodeId, Absence] = {}
        self._running = 0

    def __len__(self) -> int:
        return len(self._away)

    def away(self, peer: NodeId, *, now_ns: int) -> None:
        if peer not in self._away:
            wait_ns = self._die.randint(SEEK_FIRST_NS, 2 * SEEK_FIRST_NS)
            self._away[peer] = Absence(now_ns + wait_ns)

    def back(self, peer: NodeId) -> None:
        absence = self._away.pop(peer, None)
        if absence is not None and absence.running:
            self._running -= 1

    def hurry(self, peer: NodeId, *, now_ns: int) -> None:
        """Something waits for it, or what is known of it does not work."""
        if (absence := self._away.get(peer)) is not None:
            self._bring_forward(absence, now_ns)

    def news(self, *, now_ns: int) -> None:
        """Somebody came who may know where the others are."""
        for absence in self._away.values():
            self._bring_forward(absence, now_ns)

    def _bring_forward(self, absence: Absence, now_ns: int) -> None:
        wait_ns = self._die.randint(SEEK_NEWS_NS // 3, SEEK_NEWS_NS)
        at_ns = now_ns + wait_ns
        if absence.sought_ns is not None:
            at_ns = max(at_ns, absence.sought_ns + SEEK_AGAIN_NS)
        absence.due_ns = min(absence.due_ns, at_ns)

    def take(self, *, now_ns: int) -> list[NodeId]:
        """Look for these; each is answered by `sought`."""
        due = sorted(
            (absence.due_ns, peer)
            for peer, absence in self._away.items()
            if not absence.running and absence.due_ns <= now_ns
        )
        taken = [peer for _, peer in due[: SEEKS_AT_ONCE_MAX - self._running]]
        for peer in taken:
            absence = self._away[peer]
            absence.running, absence.sought_ns = True, now_ns
            low_ns = min(SEEK_AGAIN_NS << absence.failures, SEEK_REST_NS_MAX)
            absence.due_ns = now_ns + self._die.randint(low_ns, low_ns + low_ns // 4)
            absence.failures = min(absence.failures + 1, 32)
        self._running += len(taken)
        return taken

    def sought(self, peer: NodeId) -> None:
        absence = self._away.get(peer)
        if absence is not None and absence.running:
            absence.running = False
            self._running -= 1

    def next_timeout(self) -> int | None:
        if self._running >= SEEKS_AT_ONCE_MAX:
            return None
        return min((each.due_ns for each in self._away.values() if not each.running), default=None)
