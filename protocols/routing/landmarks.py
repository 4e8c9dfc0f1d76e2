"""Landmarks: who becomes one, which one is ours, and how far we are therefore known.

While everybody fits into everybody's table there is none. A node whose table overflows, and that has no landmark among
its nearest, becomes one after a random wait. Of two that are very near each other the one with the higher NodeId
steps down after a while. A node is announced as far as its landmark is, and a little farther: so the landmark, and all
on the shortest way from it, know the node (S4: Mao et al. 2007).
"""

import hashlib
from collections.abc import Iterator
from random import Random

from protocols.ids import NodeId
from protocols.routing.limits import COST_INFINITE, HOP_COST
from protocols.routing.teller import Teller
from protocols.routing.vector import Vector


class Landmarks:
    def __init__(self, me: NodeId, vector: Vector, teller: Teller, die: Random) -> None:
        self.willing = True
        self.ours: NodeId | None = None
        self._me, self._vector, self._teller, self._die = me, vector, teller, die
        self._limits = vector.limits
        self._due_ns: int | None = None  # when we become one
        self._rival_ns: int | None = None  # since when a better one is so near

    def next_timeout(self) -> int | None:
        return self._due_ns

    def known(self) -> list[NodeId]:
        """All that can be reached, ourselves included where we are one."""
        nodes = [node for _, node in self._reachable()]
        return [*nodes, self._me] if self._vector.landmark else nodes

    def keepers(self, node: NodeId) -> list[NodeId]:
        """The landmarks that keep this node's locator: rendezvous hashing (Thaler and Ravishankar 1998)."""
        ranked = sorted((hashlib.sha256(mark + node).digest(), mark) for mark in self.known() if mark != node)
        return [mark for _, mark in ranked[: self._limits.replicas]]

    def _reachable(self) -> Iterator[tuple[int, NodeId]]:
        table = self._vector.table
        for slot, name in enumerate(table.names):
            if name is not None and table.is_landmark(slot) and table.is_reachable(slot):
                yield table.cost(slot), name

    def check(self) -> None:
        """Now and then."""
        marks = sorted(self._reachable())
        if self._vector.landmark:
            self._consider_stepping_down(marks)
        else:
            self._consider_standing(marks)
        self._choose(marks)

    def _consider_standing(self, marks: list[tuple[int, NodeId]]) -> None:
        vector, now_ns, limits = self._vector, self._vector.now_ns, self._limits
        overflows = vector.overflow_ns is not None and now_ns - vector.overflow_ns < 2 * limits.period_max_ns
        if (
            not overflows
            or not self._teller.transit
            or (marks and self._nearer(marks[0][0]) < limits.near_min)
        ):
            self._due_ns = None
        elif self._due_ns is None:
            wait_ns = self._die.randint(*limits.elect_ns)
            self._due_ns = now_ns + wait_ns * (1 if self.willing else limits.unwilling_factor)
        elif self._due_ns <= now_ns:
            self._set(is_landmark=True)

    def _consider_stepping_down(self, marks: list[tuple[int, NodeId]]) -> None:
        near = self._limits.near_min // 4
        rival = any(node < self._me and self._nearer(cost) < near for cost, node in marks)
        if not rival and self._teller.transit:
            self._rival_ns = None
        elif self._rival_ns is None:
            self._rival_ns = self._vector.now_ns
        elif self._vector.now_ns - self._rival_ns >= self._limits.step_down_ns:
            self._set(is_landmark=False)

    def _set(self, *, is_landmark: bool) -> None:
        self._vector.landmark = is_landmark
        self._due_ns = self._rival_ns = None
        self._vector.floor_above()

    def _nearer(self, cost: int) -> int:
        """How many ordinary nodes are nearer than that."""
        table = self._vector.table
        return sum(
            1 for slot in table.slots.values() if table.cost(slot) < cost and not table.is_landmark(slot)
        )

    def _choose(self, marks: list[tuple[int, NodeId]]) -> None:
        """The nearest, but not another one for less than a hop; and the radius that goes with it."""
        if self._vector.landmark:
            self.ours = self._me
            self._set_radius(COST_INFINITE)
            return
        if not marks:
            self.ours = None
            self._set_radius(COST_INFINITE)
            return
        cost, nearest = marks[0]
        kept = next((mark for mark in marks if mark[1] == self.ours), None)
        if kept is None or kept[0] > cost + HOP_COST:
            self.ours = nearest
        else:
            cost = kept[0]
        self._set_radius(min(COST_INFINITE, cost + max(self._limits.slack, cost >> 3)))

    def _set_radius(self, radius: int) -> None:
        """Wider at once, narrower only where it is worth telling."""
        before = self._vector.radius
        if radius > before or radius + HOP_COST <= before:
            self._vector.radius = radius
            self._teller.tell_own()
