"""Letters carried by people who meet, over a trace of contacts."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from sim.baselines.world import BaselineResult, Setup, in_seconds
from sim.models.movement import ContactTrace
from sim.timeline import NS_PER_S

__all__ = ["Carrier", "Direct", "Epidemic", "Prophet", "Spray", "run_carry"]


class Carrier(Protocol):
    """One node's part: what it hands to whom it meets. Copies are those that it may still give away, itself included."""

    def meet(self, other: int, carrier: "Carrier", now_ns: int) -> None:
        """They hear each other now; each is told of the other."""
        ...

    def copies_for(self, other: "Carrier", receiver: int, copies: int) -> int:
        """Of a letter to `receiver`, of which it holds `copies`: how many the other one gets. 0: not now."""
        ...


@dataclass(slots=True)
class Direct:
    """Only whom it is for."""

    copies: int = 1

    def meet(self, other: int, carrier: Carrier, now_ns: int) -> None: ...

    def copies_for(self, other: Carrier, receiver: int, copies: int) -> int:  # noqa: ARG002 - see Carrier
        return 0


@dataclass(slots=True)
class Spray(Direct):
    """Binary spray and wait (Spyropoulos and others, 2005): half of the copies, until one is left to be carried."""

    def copies_for(self, other: Carrier, receiver: int, copies: int) -> int:  # noqa: ARG002 - see Carrier
        return copies // 2


@dataclass(slots=True)
class Epidemic(Direct):
    """A copy to everybody: nothing delivers more."""

    def copies_for(self, other: Carrier, receiver: int, copies: int) -> int:  # noqa: ARG002 - see Carrier
        return 1


# PRoPHET's, as its authors first had them; it ages by the 30 seconds (our choice of its unit of time).
MEET, THROUGH, AGE, AGE_NS = 0.75, 0.25, 0.98, 30 * NS_PER_S


@dataclass(slots=True)
class Prophet(Direct):
    """A copy to whoever is likelier to meet the receiver (RFC 6693)."""

    likely: dict[int, float] = field(default_factory=dict[int, float])  # to meet whom; as of `aged_ns`
    aged_ns: int = 0

    def meet(self, other: int, carrier: Carrier, now_ns: int) -> None:
        assert isinstance(carrier, Prophet), "all nodes follow one rule"
        self.age(now_ns)
        carrier.age(now_ns)
        self.likely[other] = met = self.likely.get(other, 0.0) * (1 - MEET) + MEET
        for third, theirs in carrier.likely.items():
            ours = self.likely.get(third, 0.0)
            self.likely[third] = ours + (1 - ours) * met * theirs * THROUGH

    def age(self, now_ns: int) -> None:
        steps = (now_ns - self.aged_ns) // AGE_NS
        if steps:
            self.aged_ns += steps * AGE_NS
            factor = AGE**steps
            self.likely = {node: each * factor for node, each in self.likely.items()}

    def copies_for(self, other: Carrier, receiver: int, copies: int) -> int:  # noqa: ARG002 - see Carrier
        assert isinstance(other, Prophet), "all nodes follow one rule"
        return int(other.likely.get(receiver, 0.0) > self.likely.get(receiver, 0.0))


@dataclass(slots=True)
class _Letter:
    number: int
    sender: int
    receiver: int
    offered_ns: int
    holders: dict[int, int] = field(default_factory=dict[int, int])  # node -> its copies


class _Carrying:
    """Contacts carry everything at once; a letter that has arrived is handed on no more."""

    def __init__(self, carriers: list[Carrier], setup: Setup) -> None:
        self._carriers, self._setup = carriers, setup
        self._luck = setup.dice.die("baseline/air")
        self._near: list[dict[int, None]] = [{} for _ in carriers]
        self._held: list[dict[int, _Letter]] = [{} for _ in carriers]  # by number
        self.sent = 0
        self.latencies_ns: list[int] = []

    def offer(self, letter: _Letter, copies: int) -> None:
        self._keep(letter, letter.sender, copies)
        self._spread(letter, letter.sender, letter.offered_ns)

    def meet(self, one: int, other: int, now_ns: int) -> None:
        self._near[one][other] = self._near[other][one] = None
        self._carriers[one].meet(other, self._carriers[other], now_ns)
        self._carriers[other].meet(one, self._carriers[one], now_ns)
        for giver, taker in ((one, other), (other, one)):
            for letter in list(self._held[giver].values()):
                if self._give(letter, giver, taker, now_ns):
                    self._spread(letter, taker, now_ns)

    def part(self, one: int, other: int) -> None:
        del self._near[one][other], self._near[other][one]

    def _keep(self, letter: _Letter, node: int, copies: int) -> None:
        letter.holders[node] = copies
        self._held[node][letter.number] = letter

    def _spread(self, letter: _Letter, node: int, now_ns: int) -> None:
        """Who has just got it is in touch with others already."""
        row = deque([node])
        while row:
            giver = row.popleft()
            for taker in self._near[giver]:
                if self._give(letter, giver, taker, now_ns):
                    row.append(taker)

    def _give(self, letter: _Letter, giver: int, taker: int, now_ns: int) -> bool:
        """Whether the taker carries it from now on."""
        if giver not in letter.holders:  # it arrived, or it is too old, while we went through the others
            return False
        if now_ns - letter.offered_ns > self._setup.lifetime_ns:
            self._forget(letter)
            return False
        if taker == letter.receiver:
            self._transmit()
            self.latencies_ns.append(now_ns - letter.offered_ns)
            self._forget(letter)
            return False
        copies = letter.holders[giver]
        given = self._carriers[giver].copies_for(self._carriers[taker], letter.receiver, copies)
        if not given or taker in letter.holders:
            return False
        self._transmit()
        letter.holders[giver] = max(1, copies - given)
        self._keep(letter, taker, given)
        return True

    def _transmit(self) -> None:
        """Until it is there: a contact that is lost for good is not in the trace."""
        self.sent += 1
        while self._luck.random() < self._setup.loss:
            self.sent += 1

    def _forget(self, letter: _Letter) -> None:
        for node in letter.holders:
            del self._held[node][letter.number]
        letter.holders.clear()


def run_carry(name: str, carrier: Callable[[], Carrier], copies: int, setup: Setup) -> BaselineResult:
    """Letters between any two, offered while their whole life still lies within the trace."""
    trace = setup.world
    assert isinstance(trace, ContactTrace), "the registry looked"
    run = _Carrying([carrier() for _ in range(trace.nodes)], setup)
    die = setup.dice.die("baseline/messages")
    latest_ns = max(1, trace.span_s * NS_PER_S - setup.lifetime_ns)
    letters = sorted(
        (_letter(die, number, trace.nodes, latest_ns) for number in range(setup.messages)),
        key=lambda letter: letter.offered_ns,
    )
    row = deque(letters)
    for change in trace.changes():
        while row and row[0].offered_ns <= change.at_ns:
            run.offer(row.popleft(), copies)
        if change.up:
            run.meet(change.a, change.b, change.at_ns)
        else:
            run.part(change.a, change.b)
    return BaselineResult(
        name=name,
        nodes=trace.nodes,
        messages=setup.messages,
        wanted=setup.messages,
        delivered=len(run.latencies_ns),
        transmissions=run.sent,
        link_writes=run.sent,
        latency_s=in_seconds(run.latencies_ns),
    )


def _letter(die: Random, number: int, nodes: int, latest_ns: int) -> _Letter:
    sender, receiver = die.sample(range(nodes), 2)
    return _Letter(number, sender, receiver, die.randrange(latest_ns))
