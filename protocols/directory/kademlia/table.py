"""The routing table: whom we know on the ring, many of those next door, few far away.

A bucket holds k seats, in order of when their holders were last heard. A newcomer to a full bucket waits; it gets the
first seat whose holder stops answering. Who has been there long tends to stay longer, and a flood of newcomers moves
nobody (Maymounkov & Mazières 2002, sections 2.2 and 4.1). Only who answered under a session of its own gets a seat,
and of one network only a few, so that one owner of many addresses does not surround us.
"""

import heapq
from collections import Counter
from dataclasses import dataclass, field, replace

from protocols.directory.kademlia.card import Card
from protocols.directory.kademlia.groups import Group
from protocols.directory.kademlia.limits import DirectoryLimits
from protocols.directory.kademlia.places import bucket_of, place_of
from protocols.ids import NodeId


@dataclass(frozen=True, slots=True)
class Seat:
    card: Card
    group: Group
    trusted: bool  # a contact of the owner: networks don't bound those
    heard_ns: int
    failures: int = 0


@dataclass(slots=True)
class Bucket:
    """Both in the order of hearing, the latest last."""

    seats: dict[NodeId, Seat] = field(default_factory=dict[NodeId, Seat])
    waiting: dict[NodeId, Seat] = field(default_factory=dict[NodeId, Seat])
    looked_ns: int = 0  # when a lookup last went there


class Table:
    def __init__(self, me: NodeId, limits: DirectoryLimits) -> None:
        self.me = place_of(me)
        self._limits = limits
        self._buckets: dict[int, Bucket] = {}
        self._groups: Counter[str] = Counter()  # seats of each public network, in the whole table

    def __len__(self) -> int:
        return sum(len(bucket.seats) for bucket in self._buckets.values())

    def __contains__(self, node: NodeId) -> bool:
        place = place_of(node)
        bucket = self._buckets.get(bucket_of(self.me, place)) if place != self.me else None
        return bucket is not None and node in bucket.seats

    def seats(self) -> list[Seat]:
        return [seat for _, bucket in sorted(self._buckets.items()) for seat in bucket.seats.values()]

    def sizes(self) -> dict[int, tuple[int, int]]:
        """Bucket -> seats taken, and how many wait."""
        return {
            number: (len(each.seats), len(each.waiting)) for number, each in sorted(self._buckets.items())
        }

    # -- who comes and goes -----------------------------------------------------------------------------------

    def met(self, card: Card, *, group: Group, trusted: bool, now_ns: int) -> bool:
        """It answered, under its own session. True: it took a seat that it did not have."""
        if card.place == self.me:
            return False
        number = bucket_of(self.me, card.place)
        bucket = self._buckets.get(number)
        if not card.listed:  # it may have been before
            if bucket is not None:
                self._leave(bucket, card.node)
            return False
        if bucket is None:
            bucket = self._buckets[number] = Bucket(looked_ns=now_ns)
        fresh = Seat(card, group, trusted, now_ns)
        old = self._leave(bucket, card.node)
        if old is not None and old.card.sequence > card.sequence:
            fresh = replace(fresh, card=old.card)
        if self._may_sit(bucket, fresh):
            self._sit(bucket, fresh)
            return old is None
        if len(bucket.seats) >= self._limits.k and (idle := self._silent(bucket)) is not None:
            self._leave(bucket, idle)
            if self._may_sit(bucket, fresh):
                self._sit(bucket, fresh)
                return True
        self._wait(bucket, fresh)
        return False

    def failed(self, node: NodeId) -> None:
        """It did not answer, while others did."""
        found = self._find(node)
        if found is None:
            return
        bucket, seat = found
        seat = bucket.seats[node] = replace(seat, failures=seat.failures + 1)
        if seat.failures >= self._limits.failures_gone:
            self._leave(bucket, node)
        if seat.failures >= self._limits.failures_max:
            self._promote(bucket, node)

    def forget(self, node: NodeId) -> None:
        """It was blocked or revoked."""
        place = place_of(node)
        if place != self.me and (bucket := self._buckets.get(bucket_of(self.me, place))) is not None:
            bucket.waiting.pop(node, None)
            if self._leave(bucket, node) is not None:
                self._promote(bucket, None)

    def _promote(self, bucket: Bucket, instead_of: NodeId | None) -> None:
        """The latest who waits and may sit gets the seat of the silent one."""
        for node in reversed(list(bucket.waiting)):
            if instead_of is not None:
                silent = self._leave(bucket, instead_of)
                if not self._may_sit(bucket, bucket.waiting[node]):
                    if silent is not None:
                        self._sit(bucket, silent)
                    continue
            elif not self._may_sit(bucket, bucket.waiting[node]):
                continue
            self._sit(bucket, bucket.waiting.pop(node))
            return

    def _may_sit(self, bucket: Bucket, seat: Seat) -> bool:
        limits, group = self._limits, seat.group
        if len(bucket.seats) >= limits.k:
            return False
        if seat.trusted or not group.name:
            return True
        there = sum(each.group.name == group.name for each in bucket.seats.values() if not each.trusted)
        if group.near:
            return there < limits.near_group_max
        return there < limits.group_max and self._groups[group.name] < limits.group_table_max

    def _sit(self, bucket: Bucket, seat: Seat) -> None:
        bucket.waiting.pop(seat.card.node, None)
        bucket.seats[seat.card.node] = seat
        if not (seat.trusted or seat.group.near):
            self._groups[seat.group.name] += 1

    def _leave(self, bucket: Bucket, node: NodeId) -> Seat | None:
        seat = bucket.seats.pop(node, None)
        if seat is not None and not (seat.trusted or seat.group.near):
            self._groups[seat.group.name] -= 1
            if not self._groups[seat.group.name]:
                del self._groups[seat.group.name]
        return seat

    def _wait(self, bucket: Bucket, seat: Seat) -> None:
        bucket.waiting.pop(seat.card.node, None)
        bucket.waiting[seat.card.node] = seat
        if len(bucket.waiting) > self._limits.waiting_max:
            del bucket.waiting[next(iter(bucket.waiting))]

    def _silent(self, bucket: Bucket) -> NodeId | None:
        """Whoever was heard longest ago of those that did not answer lately."""
        return next((node for node, seat in bucket.seats.items() if seat.failures), None)

    def _find(self, node: NodeId) -> tuple[Bucket, Seat] | None:
        place = place_of(node)
        if place == self.me:
            return None
        bucket = self._buckets.get(bucket_of(self.me, place))
        seat = bucket.seats.get(node) if bucket is not None else None
        return None if bucket is None or seat is None else (bucket, seat)

    # -- asking -----------------------------------------------------------------------------------------------

    def nearest(self, place: int, count: int) -> list[Card]:
        """Those that answer, nearest first."""
        most = self._limits.failures_max
        live = [
            seat.card
            for bucket in self._buckets.values()
            for seat in bucket.seats.values()
            if seat.failures < most
        ]
        return heapq.nsmallest(count, live, key=lambda card: card.place ^ place)

    def doubtful(self, *, now_ns: int) -> list[Card]:
        """Of each full bucket where others wait, whoever was heard longest ago, if that is long: does it live?"""
        found: list[Card] = []
        for bucket in self._buckets.values():
            if len(bucket.seats) >= self._limits.k and bucket.waiting:
                oldest = next(iter(bucket.seats.values()))
                if now_ns - oldest.heard_ns >= self._limits.stale_ns:
                    found.append(oldest.card)
        return found

    def looked(self, place: int, *, now_ns: int) -> None:
        """A lookup went there."""
        if place != self.me and (bucket := self._buckets.get(bucket_of(self.me, place))) is not None:
            bucket.looked_ns = now_ns

    def unlooked(self, *, now_ns: int) -> int | None:
        """The bucket that has waited longest for a lookup, if that is too long."""
        number = min(self._buckets, key=lambda each: (self._buckets[each].looked_ns, each), default=None)
        if number is None or now_ns - self._buckets[number].looked_ns < self._limits.refresh_ns:
            return None
        return number
