"""One simulated world: hosts, the media between them, and what happens there. Made in either lane.

Lane A runs bare cores on the heap, lane B whole daemons on a `SimLoop`; faults, traffic and oracles see no difference.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from meshnode.settings import NodeSettings
from protocols.ids import NodeId
from protocols.keys import Suite
from sim.crypto import SharedSuite
from sim.dice import Dice
from sim.host import Host, Process
from sim.journal import Journal
from sim.media import Medium, MediumKind
from sim.timeline import SimulationError, Timeline

EPOCH_NS = 1_800_000_000 * 1_000_000_000  # where wall clocks start


class Lane(Enum):
    CORE = "a"
    DAEMON = "b"


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that was broken, and where and when."""

    oracle: str
    who: str
    what: str
    when_ns: int


class BreachError(SimulationError):
    """Ends a run at the first breach."""

    def __init__(self, breach: Breach) -> None:
        super().__init__(f"{breach.oracle}: {breach.who}: {breach.what}")
        self.breach = breach


@dataclass
class Village:
    lane: Lane
    dice: Dice
    timeline: Timeline
    process_of: Callable[[Host], Process]  # boots a node of this lane
    settings: NodeSettings = field(
        default_factory=NodeSettings
    )  # of every node, but for its name and its links
    suite: Suite = field(default_factory=SharedSuite)  # of everybody's keys
    stop_at_breach: bool = True
    media: dict[str, Medium] = field(default_factory=dict[str, Medium])  # by scheme
    hosts: dict[str, Host] = field(default_factory=dict[str, Host])  # by name, in the order of their making
    names: dict[NodeId, str] = field(default_factory=dict[NodeId, str])
    breaches: list[Breach] = field(default_factory=list[Breach])
    excuse: "Callable[[Host, BaseException], bool] | None" = (
        None  # of a node that ended by itself, by whoever troubled it
    )

    def __post_init__(self) -> None:
        self.journal = Journal(self.timeline)
        self.sightings = self.dice.die("sightings")  # one die for all cores: thousands of dice are megabytes

    # -- making it --------------------------------------------------------------------------------------------

    def add_medium(self, kind: MediumKind) -> Medium:
        medium = self.media[kind.scheme] = Medium(kind, self.timeline, self.dice)
        return medium

    def add_host(self, host: Host) -> Host:
        assert host.name not in self.hosts, "names are unique"
        self.hosts[host.name] = host
        self.names[host.node_id] = host.name
        return host

    def acquaint(self, one: Host, other: Host) -> None:
        """Their owners know each other."""
        if one is not other and other not in one.acquaintances:
            one.acquaintances.append(other)
            other.acquaintances.append(one)

    def boot_all(self, hosts: Iterable[Host] | None = None) -> None:
        for host in self.hosts.values() if hosts is None else hosts:
            host.boot()

    # -- what is known of it ----------------------------------------------------------------------------------

    def host_of(self, node: NodeId) -> Host | None:
        return self.hosts.get(self.names.get(node, ""))

    def up(self) -> Sequence[Host]:
        return [host for host in self.hosts.values() if host.up]

    def joined(self) -> list[tuple[str, str]]:
        """Pairs with a link between them, each once."""
        pairs: dict[tuple[str, str], None] = {}
        for medium in self.media.values():
            for one, other in medium.joined():
                pairs[min(one, other), max(one, other)] = None
        return list(pairs)

    def links(self) -> int:
        return sum(medium.links() for medium in self.media.values())

    @property
    def open_to_strangers(self) -> bool:
        return self.settings.visibility == "everyone"

    # -- what processes report --------------------------------------------------------------------------------

    def linked(self, host: Host, peer: NodeId, *, up: bool) -> None:
        self.journal.count("links_up" if up else "links_lost")
        if up:
            self.journal.meet(host.name, self.names.get(peer, ""))
        self.timeline.note(host.name, f"{'meets' if up else 'loses'} {self.names.get(peer, 'a stranger')}")

    def node_died(self, host: Host, error: BaseException) -> None:
        if self.excuse is None or not self.excuse(host, error):
            self.broke("alive", host.name, f"its node ended by itself: {type(error).__name__}: {error}")

    def broke(self, oracle: str, who: str, what: str) -> None:
        breach = Breach(oracle, who, what, self.timeline.now_ns)
        self.breaches.append(breach)
        self.timeline.note(who, f"BREACH of {oracle}: {what}")
        if self.stop_at_breach:
            self.timeline.stop(BreachError(breach))
