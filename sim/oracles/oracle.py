"""What an oracle is, and what it may look at."""

from dataclasses import dataclass, field

from meshnode.node import Node
from protocols.ids import MessageId
from sim.daemon import Daemon
from sim.faults import Faults, Patience
from sim.faults.patience import LIMITS
from sim.host import Host
from sim.journal import Letter, Stray
from sim.village import Village

LISTED_MAX = 500  # messages asked of a node at a time


@dataclass
class Ground:
    """Where oracles stand: they watch the village, and know what was done to it."""

    village: Village
    faults: Faults | None = None  # None: nothing was
    asked: dict[str, None] = field(default_factory=dict[str, None])  # hosts that could answer, at the end
    states: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """(sender, text) -> how its node has it in the end. Lane B."""

    @property
    def patience(self) -> Patience:
        return Patience() if self.faults is None else self.faults.patience

    def meeting_ns(self, one: Host, other: Host) -> int:
        """How long two who can reach each other may take to meet. Whoever found no free connection rests, though one
        may be free the moment after.
        """
        media = [self.village.media[scheme] for scheme in one.media if scheme in other.media]
        rest_ns = LIMITS.longest_ns if any(each.kind.links_max is not None for each in media) else 0
        return self.patience.meeting_ns(one.name, other.name) + rest_ns

    @property
    def calm_since_ns(self) -> int:
        """When the last fault ended; the end of time while a storm may still come."""
        if self.faults is None:
            return 0
        healed_ns = self.faults.healed_ns
        return self.village.timeline.now_ns if healed_ns is None else healed_ns

    def honest(self, name: str) -> bool:
        return self.faults is None or name not in self.faults.dishonest

    def spoiled(self, name: str) -> bool:
        """Its disk lost what it had synced: nobody can ask it for that."""
        return self.faults is not None and name in self.faults.spoiled

    def together_since_ns(self, one: Host, other: Host) -> int | None:
        """Since when both have run, and could reach each other over one medium. None: they don't, or can't."""
        if not one.up or not other.up:
            return None
        reached = [
            since_ns
            for scheme in one.media
            if scheme in other.media
            and (since_ns := self.village.media[scheme].reaches_since(one.name, other.name)) is not None
            and self.village.media[scheme].ways.passes(one.name, other.name)
            and not self.village.media[scheme].full(one.name)
            and not self.village.media[scheme].full(other.name)
        ]
        if not reached:
            return None
        return max(min(reached), one.booted_ns, other.booted_ns, self.calm_since_ns)

    async def ask(self) -> None:
        """Those nodes whose letters have not all arrived, what became of them."""
        waiting = (
            each for each in self.village.journal if each.accepted_ns is not None and not each.arrivals
        )
        for name in dict.fromkeys(letter.sender for letter in waiting):
            process = self.village.hosts[name].process
            if isinstance(process, Daemon) and process.node is not None:
                await self._ask(name, process.node)

    async def _ask(self, name: str, node: Node) -> None:
        since: MessageId | None = None
        while True:
            found = await node.messages.messages(since=since, limit=LISTED_MAX, oldest=True)
            for message in found:
                since = message.message_id
                if message.direction == "out":
                    self.states[name, message.text] = message.state
            if len(found) < LISTED_MAX:
                self.asked[name] = None
                return


@dataclass
class Oracle:
    """Holds until it says otherwise. An oracle of its own overrides what it heeds."""

    ground: Ground
    name: str = field(init=False, default="")

    @property
    def village(self) -> Village:
        return self.ground.village

    def broke(self, who: str, what: str) -> None:
        self.village.broke(self.name, who, what)

    # -- as it happens ----------------------------------------------------------------------------------------

    def accepted(self, letter: Letter) -> None:
        """Its sender's node said that it is safe."""

    def arrived(self, letter: Letter) -> None:
        """Its receiver's application has it."""

    def strayed(self, stray: Stray) -> None:
        """Something arrived that nobody wrote so."""

    def told(self, host: str, event: str, message_id: str) -> None:
        """A node told its owner what became of a message."""

    # -- once a second, and at the end ------------------------------------------------------------------------

    def look(self, hosts: list[Host]) -> None:
        """At those whose turn it is."""

    def finish(self) -> None:
        """At the end of the calm."""
