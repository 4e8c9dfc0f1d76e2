"""Whom we try to reach, at which addresses, and when next. Sans-IO.

A target is a peer whose NodeId we expect, or a bare address whose owner we don't know yet. Its addresses are
tried happy-eyeballs style (RFC 8305): the next one starts STAGGER_NS after the last, the first link that binds
wins. When all have failed, the target rests for a back-off that `policies.backoff` ranges and our die picks.

    IDLE --due--> TRYING --all failed--> IDLE (later)
      ^             |
      |             `--bound--> HELD --link lost--> IDLE (at once)
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from policies.backoff import backoff_range_ns
from protocols.ids import NodeId

TARGETS_MAX = 2_048  # contacts we keep calling; each is one small object and, at worst, one dial a minute
ADDRESSES_MAX = 24  # per target; a record holds 16, the rest are sightings and the owner's own
STAGGER_NS = 250_000_000  # RFC 8305, section 8: "Connection Attempt Delay"
DIALS_AT_ONCE = 16  # a start with 1,000 contacts must not flood the network or our CPU; fewer to save energy


class State(Enum):
    IDLE, TRYING, HELD = range(3)


@dataclass(slots=True)
class Target:
    """Key: a NodeId in bytes, or an address in text."""

    key: NodeId | str
    addresses: list[str]
    due_ns: int
    keep: bool  # False: forget it once it failed (a sighting on the local network)
    state: State = State.IDLE
    untried: list[str] = field(default_factory=list[str])
    in_flight: int = 0
    failures: int = 0
    last_reason: str = ""


@dataclass(frozen=True, slots=True)
class Dial:
    """Please open a link; answer with LinkUp or DialFailed carrying the same target."""

    target: NodeId | str
    address: str


class Dialer:
    """Feed it wishes and outcomes, drain `dials`, heed `next_timeout`."""

    def __init__(self, die: Random, *, own_addresses: Callable[[], frozenset[str]]) -> None:
        self._targets: dict[NodeId | str, Target] = {}
        self._unheld: dict[NodeId | str, Target] = {}  # those that may have to be dialled
        self._die, self._own_addresses = die, own_addresses
        self._in_flight = 0
        self.at_once_max = DIALS_AT_ONCE  # the energy policy's word, once it spoke

    def want(
        self, key: NodeId | str, addresses: list[str], *, keep: bool, now_ns: int, after_ns: int = 0
    ) -> None:
        """Try to reach this target; asking again adds addresses and, for a resting target, hurries it."""
        target = self._targets.get(key)
        if target is None:
            if len(self._targets) >= TARGETS_MAX:
                return
            target = self._targets[key] = self._unheld[key] = Target(key, [], now_ns + after_ns, keep)
        target.keep |= keep
        fresh = [address for address in addresses if address not in target.addresses]
        if fresh:
            target.addresses = (fresh + target.addresses)[:ADDRESSES_MAX]
        if target.state is State.TRYING:
            target.untried += fresh
        elif target.state is State.IDLE and addresses:  # also one that is known: it was seen there again
            target.due_ns = min(target.due_ns, now_ns + after_ns)

    def hurry(self, key: NodeId | str, *, now_ns: int) -> None:
        """Something waits for this target: forget the back-off once."""
        if (
            (target := self._targets.get(key)) is not None
            and target.state is State.IDLE
            and target.failures > 0
        ):
            target.failures, target.due_ns = 0, now_ns

    def hurry_all(self, *, now_ns: int) -> None:
        """The network changed: what failed before may work now."""
        for target in self._unheld.values():
            self.hurry(target.key, now_ns=now_ns)

    def drop(self, key: NodeId | str) -> None:
        """Forget a target; dials in flight finish and are then not wanted."""
        if (target := self._targets.pop(key, None)) is not None:
            self._unheld.pop(key, None)
            self._in_flight -= target.in_flight

    def held(self, key: NodeId | str) -> None:
        """A link to this target is bound: no more dials until it is lost."""
        if (target := self._targets.get(key)) is not None:
            target.state, target.failures, target.untried = State.HELD, 0, []
            self._unheld.pop(key, None)

    def met(self, key: NodeId | str | None, peer: NodeId, address: str, *, now_ns: int) -> None:
        """A link is bound to `peer`. What we wanted at its address, whoever was there, is this peer from now on."""
        keep = False
        for target in [each for each in self._targets.values() if isinstance(each.key, str)]:
            if target.key == key or address in target.addresses:
                keep |= target.keep
                self.drop(target.key)
        if peer in self._targets or isinstance(key, str):
            self.want(peer, [address] if key is not None else [], keep=keep, now_ns=now_ns)
        self.held(peer)

    def lost(self, key: NodeId | str, *, now_ns: int) -> None:
        """Its last link is gone: try again at once, then with back-off."""
        if (target := self._targets.get(key)) is not None and target.state is State.HELD:
            target.state, target.due_ns = State.IDLE, now_ns
            self._unheld[key] = target

    def finished(self, key: NodeId | str, *, now_ns: int, failed: str | None) -> None:
        """A dial ended: with a link that is being bound (`failed` None), or with a reason."""
        target = self._targets.get(key)
        if target is None or target.in_flight == 0:
            return
        target.in_flight -= 1
        self._in_flight -= 1
        if failed is not None:
            self.rejected(key, now_ns=now_ns, reason=failed)

    def rejected(self, key: NodeId | str, *, now_ns: int, reason: str) -> None:
        """An address led nowhere: no answer, or a link that did not bind."""
        target = self._targets.get(key)
        if target is None or target.state is not State.TRYING:
            return
        target.last_reason = reason
        target.due_ns = now_ns
        if not target.untried and target.in_flight == 0:
            self._rest(target, now_ns)

    def next_timeout(self) -> int | None:
        if self._in_flight >= self.at_once_max:
            return None
        return min(
            [target.due_ns for target in self._unheld.values() if self._may_dial(target)], default=None
        )

    def dials(self, *, now_ns: int) -> list[Dial]:
        """What to open now."""
        wanted: list[Dial] = []
        for target in list(self._unheld.values()):
            if self._in_flight >= self.at_once_max:
                break
            if target.due_ns > now_ns or not self._may_dial(target):
                continue
            if target.state is State.IDLE:
                own = self._own_addresses()
                target.untried = [address for address in target.addresses if address not in own]
                target.state = State.TRYING
            if not target.untried:
                self._rest(target, now_ns)
                continue
            target.in_flight += 1
            self._in_flight += 1
            target.due_ns = now_ns + STAGGER_NS
            wanted.append(Dial(target.key, target.untried.pop(0)))
        return wanted

    def describe(self, key: NodeId | str) -> Target | None:
        return self._targets.get(key)

    @staticmethod
    def _may_dial(target: Target) -> bool:
        if target.state is State.IDLE:
            return bool(target.addresses)
        return target.state is State.TRYING and bool(target.untried)

    def _rest(self, target: Target, now_ns: int) -> None:
        if not target.keep:
            self._targets.pop(target.key, None)
            self._unheld.pop(target.key, None)
            return
        low_ns, high_ns = backoff_range_ns(target.failures)
        target.failures += 1
        target.state, target.due_ns = State.IDLE, now_ns + self._die.randint(low_ns, high_ns)
