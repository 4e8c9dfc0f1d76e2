"""Who is wanted and out of scope: our own locator is registered, others' are looked up and remembered."""

from collections.abc import Callable
from random import Random

from protocols.errors import RemoteError
from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.routing.landmarks import Landmarks
from protocols.routing.limits import RoutingLimits
from protocols.routing.locators import Keeper, open_locator, sign_locator
from protocols.routing.routed import Answer, Lookup, NoRoute, Register, Routed


class Wanted:
    """One watched peer."""

    __slots__ = ("due_ns", "is_found", "pause_ns", "token")

    def __init__(self, due_ns: int, pause_ns: int) -> None:
        self.is_found = False
        self.due_ns, self.pause_ns = due_ns, pause_ns
        self.token: int | None = None  # of the lookup under way


class Finder:
    def __init__(
        self,
        identity: Identity,
        landmarks: Landmarks,
        *,
        die: Random,
        wall_ms: Callable[[], int],
        limits: RoutingLimits,
    ) -> None:
        self.outbox: list[tuple[NodeId, bytes]] = []
        self.watched: dict[NodeId, Wanted] = {}
        self.keeper = Keeper(limits, identity.suite)
        self.located: dict[NodeId, tuple[NodeId, int, int]] = {}  # peer -> (landmark, sequence, when)
        self.found_some = False  # `located` changed since somebody looked
        self.now_ns = 0
        self._identity, self._landmarks, self._limits = identity, landmarks, limits
        self._die, self._wall_ms = die, wall_ms
        self._own = b""  # our locator
        self._own_landmark: NodeId | None = None
        self._own_sequence = 0
        self._signed_ns: int | None = None
        self._told: dict[NodeId, int] = {}  # landmarks that keep our locator -> when told
        self._known = -1  # how many landmarks there were when we last reckoned who keeps it
        self._hinted: dict[NodeId, int] = {}  # sources of envelopes without a way -> when told

    def next_timeout(self) -> int | None:
        return min((wanted.due_ns for wanted in self.watched.values() if not wanted.is_found), default=None)

    # -- our own locator --------------------------------------------------------------------------------------

    def check(self) -> None:
        """Now and then: sign anew where our landmark changed, and tell those who should keep it."""
        landmark, now_ns = self._landmarks.ours, self.now_ns
        self.keeper.sweep(now_ns)
        if landmark is None or landmark == self._identity.node_id:
            self._own, self._own_landmark = b"", None  # everybody knows the way without it
            return
        if landmark != self._own_landmark:
            if self._signed_ns is not None and now_ns - self._signed_ns < self._limits.register_min_ns:
                return
            self._own_sequence = max(self._wall_ms(), self._own_sequence + 1)
            self._own = sign_locator(self._identity, sequence=self._own_sequence, landmark=landmark)
            self._own_landmark, self._signed_ns = landmark, now_ns
            self._told, self._known = {}, -1
        self._register()

    def _register(self) -> None:
        known, now_ns = len(self._landmarks.known()), self.now_ns
        due = any(now_ns - told_ns >= self._limits.register_ns for told_ns in self._told.values())
        if known == self._known and not due:
            return
        self._known = known
        keepers = self._landmarks.keepers(self._identity.node_id)
        before, self._told = self._told, {}
        for keeper in keepers:
            told_ns = before.get(keeper)
            if told_ns is None or now_ns - told_ns >= self._limits.register_ns:
                told_ns = now_ns
                self._send(keeper, Register(self._own))
            self._told[keeper] = told_ns

    # -- looking up -------------------------------------------------------------------------------------------

    def watch(self, peer: NodeId) -> None:
        if peer not in self.watched and len(self.watched) < self._limits.watched_max:
            self.watched[peer] = Wanted(self.now_ns, self._limits.lookup_retry_ns)

    def unwatch(self, peer: NodeId) -> None:
        self.watched.pop(peer, None)

    def set_found(self, wanted: Wanted, *, is_found: bool) -> None:
        wanted.is_found = is_found
        wanted.due_ns, wanted.pause_ns = self.now_ns, self._limits.lookup_retry_ns
        wanted.token = None

    def handle_timeout(self) -> None:
        for peer, wanted in self.watched.items():
            if wanted.is_found or wanted.due_ns > self.now_ns:
                continue
            wanted.due_ns = self.now_ns + self._die.randint(wanted.pause_ns // 2, wanted.pause_ns)
            wanted.pause_ns = min(2 * wanted.pause_ns, self._limits.lookup_retry_max_ns)
            wanted.token = self._die.getrandbits(32)
            for keeper in self._landmarks.keepers(peer):
                if keeper == self._identity.node_id:
                    signed = self.keeper.find(peer, self.now_ns)
                    if signed is not None:
                        self._take(peer, signed)
                else:
                    self._send(keeper, Lookup(wanted.token, peer, self._own))

    def landmark_of(self, peer: NodeId, now_ns: int) -> NodeId | None:
        found = self.located.get(peer)
        if found is None or now_ns - found[2] > self._limits.located_ns:
            return None
        return found[0]

    # -- what comes -------------------------------------------------------------------------------------------

    def receive(self, source: NodeId, routed: Routed) -> None:
        """Raises RemoteError where a signature is wrong, or a locator old, or of somebody else."""
        match routed:
            case Register(locator):
                if self._landmarks.ours != self._identity.node_id:
                    raise RemoteError("not_a_landmark")
                self.keeper.keep(locator, self.now_ns)
            case Lookup(token, wanted, locator):
                self._answer(source, token, wanted, locator)
            case Answer(token, wanted, locator):
                waiting = self.watched.get(wanted)
                if (
                    locator and waiting is not None and waiting.token == token
                ):  # the second answer comes too late
                    self._take(wanted, locator)
            case NoRoute(destination):
                self._doubt(destination)

    def _answer(self, source: NodeId, token: int, wanted: NodeId, locator: bytes) -> None:
        if locator and source not in self.located:
            self._take(source, locator)
        self._send(source, Answer(token, wanted, self.keeper.find(wanted, self.now_ns) or b""))

    def _take(self, peer: NodeId, signed: bytes) -> None:
        locator = open_locator(signed, self._identity.suite)
        if locator.node != peer:
            raise RemoteError("bad_locator", "of another node")
        before = self.located.pop(peer, None)
        if before is not None and before[1] > locator.sequence:
            self.located[peer] = before
            return
        if len(self.located) >= self._limits.located_max:
            del self.located[next(iter(self.located))]
        self.located[peer] = (locator.landmark, locator.sequence, self.now_ns)
        self.found_some = True

    def _doubt(self, destination: NodeId) -> None:
        """Its landmark does not know it any more; a forged hint costs a lookup, and no fresh locator."""
        found = self.located.get(destination)
        if found is not None and self.now_ns - found[2] >= self._limits.doubt_ns:
            del self.located[destination]
            self.found_some = True

    def no_route(self, source: NodeId, destination: NodeId) -> None:
        told_ns = self._hinted.pop(source, None)
        if told_ns is not None and self.now_ns - told_ns < self._limits.hint_ns:
            self._hinted[source] = told_ns
            return
        if len(self._hinted) >= self._limits.hints_max:
            del self._hinted[next(iter(self._hinted))]
        self._hinted[source] = self.now_ns
        self._send(source, NoRoute(destination))

    def _send(self, destination: NodeId, routed: Routed) -> None:
        if len(self.outbox) >= self._limits.outbox_max:
            self.outbox.pop(0)
        self.outbox.append((destination, routed.encode()))
