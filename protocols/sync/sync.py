"""Anti-entropy of recent broadcasts between neighbours.

    one of a pair, about every 15 s            the other
    SUMMARY: a fingerprint for each bucket  -->
                                            <--  IDS or SPLIT, of each bucket that differs
    IDS as answer: what it seems to lack    -->
    WANT: what I lack                       <->  WANT
                                            the frames themselves

Lists only offer. Each side asks for what it lacks, one neighbour at a time (`wants`), after a moment in which a flood
may bring it anyway. A pair that has nothing new compares less and less often; whatever comes in makes it eager again.
"""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from protocols.ids import NodeId
from protocols.routing.broadcast import Rates
from protocols.sync.account import Account
from protocols.sync.events import Suspicion, Suspicious
from protocols.sync.frames import (
    DEPTH_MAX,
    KEY_BYTES,
    KEYS_MAX,
    SUMMARY_ROWS_MAX,
    WANT_MAX,
    Cell,
    Ids,
    Split,
    Summary,
    Want,
    decode_body,
)
from protocols.sync.limits import DEFAULT, NS_PER_S, SyncLimits
from protocols.sync.shelf import Kept, Shelf
from protocols.sync.wants import Wants
from protocols.timers import earliest

__all__ = ["Kept", "Sync"]

KIB = 1_024
NEIGHBOURS_MAX = 256  # as protocols/routing/broadcast: far more than a device has links
MINUTE_NS = 60 * NS_PER_S


@dataclass(slots=True)
class _Pair:
    account: Account
    due_ns: int  # when we compare, unless it does before
    pause_ns: int
    bodies: list[bytes] = field(default_factory=list[bytes])


class Sync:
    """Control bodies and frames for neighbours come from `outgoing` and `frames`, after each call of the others.

    `counts`: what was given and taken, and what was left undone, by fixed words.
    """

    def __init__(self, *, die: Random, limits: SyncLimits = DEFAULT) -> None:
        self.counts: Counter[str] = Counter()
        self._die, self._limits = die, limits
        self._shelf = Shelf(limits)
        self._wants = Wants(die, limits)
        self._pairs: dict[NodeId, _Pair] = {}
        self._past: dict[NodeId, Account] = {}  # of those who are gone, the longest first
        self._frames: list[tuple[NodeId, bytes]] = []
        self._listening = Rates(per_minute=MINUTE_NS // limits.listen_ns, burst=4, nodes_max=NEIGHBOURS_MAX)
        self._talking = Rates(
            per_minute=limits.bodies_per_minute, burst=limits.bodies_burst, nodes_max=NEIGHBOURS_MAX
        )
        self._giving = Rates(
            per_minute=limits.pieces_per_minute, burst=limits.pieces_burst, nodes_max=NEIGHBOURS_MAX
        )

    def __len__(self) -> int:
        """Broadcasts that it has to give."""
        return len(self._shelf)

    # -- neighbours -------------------------------------------------------------------------------------------

    def neighbour_up(self, peer: NodeId, *, now_ns: int) -> None:
        if peer in self._pairs:
            return
        if len(self._pairs) >= NEIGHBOURS_MAX:
            self.counts["too_many_neighbours"] += 1
            return
        account = self._past.pop(peer, None) or Account()
        due_ns = now_ns + self._die.randint(*self._limits.first_ns)
        self._pairs[peer] = _Pair(account, due_ns, self._limits.every_ns)

    def neighbour_down(self, peer: NodeId, *, now_ns: int) -> None:
        pair = self._pairs.pop(peer, None)
        if pair is None:
            return
        self._wants.lost(peer, now_ns)
        self._past[peer] = pair.account
        if len(self._past) > self._limits.past_max:
            del self._past[next(iter(self._past))]

    # -- broadcasts -------------------------------------------------------------------------------------------

    def knows(self, broadcast_id: bytes) -> bool:
        return self._shelf.knows(broadcast_id[:KEY_BYTES])

    def teachers(self, peer: NodeId, broadcast_id: bytes) -> tuple[NodeId, ...] | None:
        """For a frame from this neighbour that we asked it for: all who are known to have it. None: it was not asked.

        To be looked up before `add`.
        """
        return self._wants.teachers(peer, broadcast_id[:KEY_BYTES])

    def add(self, kept: Kept, *, now_ns: int) -> None:
        """It came, was written here, or was on disk."""
        key = kept.id[:KEY_BYTES]
        asked = self._wants.came(key, now_ns)
        if asked is not None and (pair := self._pairs.get(asked)) is not None:
            pair.account.gave += 1
        if self._shelf.knows(key):
            return
        self._shelf.add(kept, now_ns)
        latest_ns = now_ns + self._limits.fresh_ns + self._limits.jitter_ns
        for pair in self._pairs.values():
            pair.pause_ns = self._limits.every_ns
            if pair.due_ns > latest_ns:
                pair.due_ns = latest_ns - self._die.randint(0, 2 * self._limits.jitter_ns)

    # -- what comes -------------------------------------------------------------------------------------------

    def receive(self, peer: NodeId, body: bytes, *, now_ns: int) -> list[Suspicious]:
        """Raises RemoteError("bad_sync")."""
        found = decode_body(body)
        pair = self._pairs.get(peer)
        if pair is None:
            self.counts["no_neighbour"] += 1
            return []
        match found:
            case Summary():
                return self._on_summary(peer, pair, found, now_ns)
            case Split():
                pair.pause_ns = self._limits.every_ns
                for digit, theirs in enumerate(found.prints):
                    self._compare(peer, pair, found.cell.child(digit), theirs, now_ns)
                return []
            case Ids():
                return self._on_ids(peer, pair, found, now_ns)
            case Want():
                return self._on_want(peer, pair, found, now_ns)

    def _on_summary(self, peer: NodeId, pair: _Pair, summary: Summary, now_ns: int) -> list[Suspicious]:
        if not self._listening.allow(peer, now_ns):
            return self._suspect(peer, pair, "compares_too_often", now_ns)
        self._shelf.sweep(now_ns)
        ours = self._shelf.buckets()[:SUMMARY_ROWS_MAX]
        differs = False
        for bucket in sorted({*ours, *summary.prints}, reverse=True):
            theirs = summary.prints.get(bucket, b"")
            differs |= self._compare(peer, pair, Cell(bucket), theirs, now_ns)
        self._pause(pair, now_ns, eager=differs)
        return []

    def _compare(self, peer: NodeId, pair: _Pair, cell: Cell, theirs: bytes, now_ns: int) -> bool:
        """Answer where it differs. Theirs is empty where they have nothing to give."""
        if self._shelf.print_of(cell) == theirs:
            return False
        keys = self._shelf.to_give(cell)
        if not keys and not theirs.strip(b"\0"):
            return False  # neither can give the other anything
        if len(keys) > KEYS_MAX and cell.depth < DEPTH_MAX:
            self._say(peer, pair, Split(cell, self._shelf.prints_of_parts(cell)).encode(), now_ns)
        else:
            self._say(peer, pair, Ids(cell, answer=False, keys=keys[:KEYS_MAX]).encode(), now_ns)
        return True

    def _on_ids(self, peer: NodeId, pair: _Pair, ids: Ids, now_ns: int) -> list[Suspicious]:
        pair.pause_ns = self._limits.every_ns
        if not ids.answer:
            theirs = dict.fromkeys(ids.keys)
            lacks = [key for key in self._shelf.to_give(ids.cell) if key not in theirs]
            for start in range(0, len(lacks), KEYS_MAX):
                part = lacks[start : start + KEYS_MAX]
                self._say(peer, pair, Ids(ids.cell, answer=True, keys=part).encode(), now_ns)
        if now_ns < pair.account.shunned_until_ns:
            self.counts["offer_passed_over"] += 1
            return []
        for key in ids.keys:
            if not self._shelf.knows(key) and not self._wants.offer(peer, key, now_ns):
                self.counts["too_much_wanted"] += 1
        return []

    def _on_want(self, peer: NodeId, pair: _Pair, want: Want, now_ns: int) -> list[Suspicious]:
        events: list[Suspicious] = []
        for key in want.keys:
            frame = self._shelf.frame(key)
            if frame is None:
                self.counts["asked_for_what_went"] += 1
            elif not pair.account.sends_again(key, self._limits):
                events += self._suspect(peer, pair, "asks_again", now_ns)
            elif not self._giving.allow(peer, now_ns, -(-len(frame) // KIB)):
                events += self._suspect(peer, pair, "asks_too_much", now_ns)
            else:
                self.counts["frames_given"] += 1
                self._frames.append((peer, frame))
        return events

    def _suspect(self, peer: NodeId, pair: _Pair, reason: Suspicion, now_ns: int) -> list[Suspicious]:
        self.counts[reason] += 1
        return [Suspicious(peer, reason)] if pair.account.may_tell(reason, self._limits, now_ns) else []

    # -- what goes --------------------------------------------------------------------------------------------

    def outgoing(self) -> list[tuple[NodeId, bytes]]:
        """SYNC bodies for neighbours."""
        out: list[tuple[NodeId, bytes]] = []
        for peer, pair in self._pairs.items():
            if pair.bodies:
                out += [(peer, body) for body in pair.bodies]
                pair.bodies = []
        return out

    def frames(self) -> list[tuple[NodeId, bytes]]:
        """Whole BROADCAST envelopes for neighbours that asked for them."""
        frames, self._frames = self._frames, []
        return [(peer, frame) for peer, frame in frames if peer in self._pairs]

    def next_timeout(self) -> int | None:
        compare_ns = min([pair.due_ns for pair in self._pairs.values()], default=None)
        return earliest(compare_ns, self._wants.next_timeout())

    def handle_timeout(self, *, now_ns: int) -> list[Suspicious]:
        events: list[Suspicious] = []
        asks = self._wants.take_due(now_ns)
        for peer in asks.vain:
            pair = self._pairs.get(peer)
            if pair is not None and pair.account.kept_waiting(self._limits, now_ns):
                events += self._suspect(peer, pair, "offers_in_vain", now_ns)
        wanted: dict[NodeId, list[bytes]] = {}
        for peer, key in asks.asked:
            wanted.setdefault(peer, []).append(key)
        for peer, keys in wanted.items():
            self.counts["frames_asked"] += len(keys)
            for start in range(0, len(keys), WANT_MAX):
                self._pairs[peer].bodies.append(Want(keys[start : start + WANT_MAX]).encode())
        for pair in self._pairs.values():
            if pair.due_ns <= now_ns:
                self._begin(pair, now_ns)
        return events

    def _begin(self, pair: _Pair, now_ns: int) -> None:
        """Compare with this neighbour. It says nothing where it has the same."""
        self._shelf.sweep(now_ns)
        newest = self._shelf.buckets()[:SUMMARY_ROWS_MAX]
        pair.bodies.append(
            Summary({bucket: self._shelf.print_of(Cell(bucket)) for bucket in newest}).encode()
        )
        self.counts["compared"] += 1
        self._pause(pair, now_ns, eager=False)

    def _pause(self, pair: _Pair, now_ns: int, *, eager: bool) -> None:
        """Until the next time."""
        pair.due_ns = self._next_ns(pair, now_ns)
        longer_ns = min(2 * pair.pause_ns, self._limits.calm_ns)
        pair.pause_ns = self._limits.every_ns if eager else longer_ns

    def _next_ns(self, pair: _Pair, now_ns: int) -> int:
        jitter_ns = self._limits.jitter_ns
        return now_ns + pair.pause_ns + self._die.randint(-jitter_ns, jitter_ns)

    def _say(self, peer: NodeId, pair: _Pair, body: bytes, now_ns: int) -> None:
        if self._talking.allow(peer, now_ns):
            pair.bodies.append(body)
        else:
            self.counts["held_back"] += 1
