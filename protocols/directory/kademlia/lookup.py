"""One lookup over disjoint paths: each node is asked on one path only, so that a liar spoils one of them at most.

    seeds ─► path 1 ─► asks the nearest it knows ─► is told of nearer ones ─► ... ─► its nearest have all answered
         ├─► path 2 ...                                                             (or it has found enough)
         └─► path 3 ...

Together the paths ask the k nodes nearest to the target, a third of them each (Baumgart & Mies 2007, section 4.2).
What was found is compared over all paths: of a node's records the newest counts, whoever told it.
"""

from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from protocols.directory.kademlia.card import Card
from protocols.directory.kademlia.groups import group_of
from protocols.directory.kademlia.holding import Holding
from protocols.directory.kademlia.limits import DirectoryLimits
from protocols.directory.kademlia.places import place_of_key
from protocols.ids import NodeId

NO_PATH = -1  # whose that is, is never asked


class Goal(Enum):
    NODES, RECORD, HOLDERS = range(3)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one node said, all of it verified by whoever decoded it."""

    near: tuple[Card, ...] = ()
    record: Card | None = None
    holdings: tuple[Holding, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    record: Card | None  # the newest
    replicas: int  # nodes that gave it, we ourselves among them
    older: int  # nodes that gave an older one
    paths: int  # there were
    paths_found: int  # on which the newest was found
    holdings: tuple[Holding, ...]  # the newest statement of each holder, withdrawn ones too
    nearest: tuple[Card, ...]  # at most k that answered, nearest first: where to store
    without: tuple[
        Card, ...
    ]  # on each path, the nearest that answered and did not have it: where to leave a copy
    asked: int
    failed: int
    steps: int  # from a seed to the farthest that was asked


class State(Enum):
    NEW, ASKED, ANSWERED, FAILED = range(4)


@dataclass(slots=True, order=True)
class Candidate:
    distance: int
    card: Card = field(compare=False)
    depth: int = field(compare=False)
    state: State = field(default=State.NEW, compare=False)
    found: bool = field(default=False, compare=False)


class Path:
    """Bounded: of candidates that were not asked, the farthest go."""

    def __init__(self, number: int, limits: DirectoryLimits) -> None:
        self.number, self._limits = number, limits
        self.candidates: list[Candidate] = []  # nearest first
        self.by_node: dict[NodeId, Candidate] = {}
        self.in_flight = 0
        self.sequences: list[int] = []  # of the records found
        self.found = 0  # answers that held what is looked for
        self._groups: Counter[str] = Counter()

    def add(self, card: Card, distance: int, depth: int) -> None:
        if card.node in self.by_node:
            return
        group = group_of(card.record.addresses[0]) if card.record.addresses else None
        if group is not None and not group.near:
            if self._groups[group.name] >= self._limits.group_max:
                return
            self._groups[group.name] += 1
        candidate = self.by_node[card.node] = Candidate(distance, card, depth)
        insort(self.candidates, candidate)
        if len(self.candidates) > self._limits.candidates_max:
            self._drop_farthest()

    def _drop_farthest(self) -> None:
        for at in range(len(self.candidates) - 1, -1, -1):
            if self.candidates[at].state is State.NEW:
                del self.by_node[self.candidates.pop(at).card.node]
                return

    def next(self, width: int, claimed: dict[NodeId, int]) -> Candidate | None:
        """The nearest to ask, among the `width` nearest that are this path's and did not fail."""
        live = 0
        for candidate in self.candidates:
            if (
                candidate.state is State.FAILED
                or claimed.get(candidate.card.node, self.number) != self.number
            ):
                continue
            if candidate.state is State.NEW:
                return candidate
            live += 1
            if live >= width:
                return None
        return None


class Lookup:
    """Ask whom `asks` names, tell `answered` or `failed`, until `over`; then see `outcome`."""

    def __init__(
        self,
        me: NodeId,
        goal: Goal,
        place: int,
        seeds: Iterable[Card],
        limits: DirectoryLimits,
        *,
        known: Card | None = None,
        newer_than: int = -1,
        is_barred: Callable[[NodeId], bool] = lambda _: False,
    ) -> None:
        """`known`: what we keep of it ourselves. `newer_than`: a record of this sequence is known already, and not worth stopping for. Barred nodes are
        neither asked nor believed to exist.
        """
        self.goal, self.place = goal, place
        self._limits, self._newer_than, self._is_barred = limits, newer_than, is_barred
        self._claimed: dict[NodeId, int] = {me: NO_PATH}
        chosen = sorted(
            {card.node: card for card in seeds if card.node != me and not is_barred(card.node)}.values(),
            key=lambda card: card.place ^ place,
        )
        count = max(1, min(limits.paths, len(chosen)))
        self._paths = [Path(number, limits) for number in range(count)]
        for at, card in enumerate(chosen):
            self._paths[at % count].add(card, card.place ^ place, 0)
        self._width = -(-limits.k // count)
        self._abreast = max(1, limits.alpha // count)  # questions under way on one path
        self._told = (
            {} if known is None else {me: known}
        )  # who answered -> the record of the target that it gave
        self._holdings: dict[NodeId, Holding] = {}
        self.asked = self.unanswered = self.steps = 0

    # -- driving ----------------------------------------------------------------------------------------------

    def asks(self) -> list[Card]:
        """Whom to ask now; each is answered by `answered` or `failed`."""
        wanted: list[Card] = []
        for path in self._paths:
            while path.in_flight < self._abreast and self.asked < self._limits.asks_max:
                if self._has_enough(path):
                    break
                candidate = path.next(self._width, self._claimed)
                if candidate is None:
                    break
                candidate.state = State.ASKED
                self._claimed[candidate.card.node] = path.number
                path.in_flight += 1
                self.asked += 1
                self.steps = max(self.steps, candidate.depth + 1)
                wanted.append(candidate.card)
        return wanted

    @property
    def over(self) -> bool:
        """Nothing is under way, and `asks` would name nobody."""
        if any(path.in_flight for path in self._paths):
            return False
        return self.asked >= self._limits.asks_max or all(
            self._has_enough(path) or path.next(self._width, self._claimed) is None for path in self._paths
        )

    def answered(self, node: NodeId, answer: Answer) -> None:
        asked = self._settle(node, State.ANSWERED)
        if asked is None:
            return
        path, candidate = asked
        for card in answer.near[: self._limits.adopt_max]:
            if card.listed and card.node not in self._claimed and not self._is_barred(card.node):
                path.add(card, card.place ^ self.place, candidate.depth + 1)
        record = answer.record if self.goal is Goal.RECORD else None
        if record is not None and record.place == self.place and not self._is_barred(record.node):
            candidate.found = True
            self._told[node] = record
            path.sequences.append(record.sequence)
        if self.goal is Goal.HOLDERS and answer.holdings:
            candidate.found = True
            path.found += 1
            self._learn(answer.holdings)

    def failed(self, node: NodeId) -> None:
        """It can't be reached, refused, or answered with rubbish."""
        if self._settle(node, State.FAILED) is not None:
            self.unanswered += 1

    def _settle(self, node: NodeId, state: State) -> tuple[Path, Candidate] | None:
        number = self._claimed.get(node, NO_PATH)
        candidate = self._paths[number].by_node.get(node) if number != NO_PATH else None
        if candidate is None or candidate.state is not State.ASKED:
            return None
        candidate.state = state
        self._paths[number].in_flight -= 1
        return self._paths[number], candidate

    def _learn(self, holdings: Iterable[Holding]) -> None:
        for each in holdings:
            if place_of_key(each.key) != self.place or self._is_barred(each.node):
                continue
            old = self._holdings.get(each.node)
            if old is None and len(self._holdings) >= self._limits.key_holders_max:
                continue
            if old is None or each.sequence > old.sequence:
                self._holdings[each.node] = each

    def _has_enough(self, path: Path) -> bool:
        if self.goal is Goal.HOLDERS:
            return path.found >= self._limits.replicas_enough
        news = [each for each in path.sequences if each > self._newer_than]
        return bool(news) and news.count(max(news)) >= self._limits.replicas_enough

    # -- what came of it --------------------------------------------------------------------------------------

    def outcome(self) -> Outcome:
        newest = max(self._told.values(), key=lambda card: card.sequence, default=None)
        givers = [
            node
            for node, card in self._told.items()
            if newest is not None and card.sequence == newest.sequence
        ]
        replies = sorted(
            each for path in self._paths for each in path.candidates if each.state is State.ANSWERED
        )
        without = [
            next((e.card for e in path.candidates if e.state is State.ANSWERED and not e.found), None)
            for path in self._paths
        ]
        return Outcome(
            record=newest,
            replicas=len(givers),
            older=len(self._told) - len(givers),
            paths=len(self._paths),
            paths_found=len({self._claimed[node] for node in givers} - {NO_PATH}),
            holdings=tuple(self._holdings.values()),
            nearest=tuple(each.card for each in replies[: self._limits.k]),
            without=tuple(card for card in without if card is not None),
            asked=self.asked,
            failed=self.unanswered,
            steps=self.steps,
        )
