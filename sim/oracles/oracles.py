"""All oracles of one run: who they are, when they look, and what they say in the end."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from protocols.errors import SettingsError
from sim.faults import Faults
from sim.host import Host
from sim.journal import Letter, Stray
from sim.oracles.bounded import Bounded
from sim.oracles.kept import Kept
from sim.oracles.liveness import Delivered, Reunited
from sim.oracles.oracle import Ground, Oracle
from sim.oracles.routes import NoLoops, Present, Reached, Shouts
from sim.oracles.safety import Alive, ExactlyOnce, InOrder, Monotone, NoForgery
from sim.timeline import NS_PER_S
from sim.village import Village

LOOK_NS = NS_PER_S
LOOKED_AT_MAX = 500  # hosts at each look; in larger villages each has its turn
HELD = "held"

ORACLES: Mapping[str, Callable[[Ground], Oracle]] = MappingProxyType(
    {
        "exactly_once": ExactlyOnce,
        "in_order": InOrder,
        "no_forgery": NoForgery,
        "alive": Alive,
        "bounded": Bounded,
        "monotone": Monotone,
        "kept": Kept,
        "delivered": Delivered,
        "reunited": Reunited,
        "reached": Reached,
        "present": Present,
        "no_loops": NoLoops,
        "shouts": Shouts,
    }
)
WHERE_ASKED = (
    "reached",
    "present",
    "no_loops",
    "shouts",
)  # by a scenario's `oracles`: see sim/oracles/routes.py
ALWAYS = tuple(
    name for name in ORACLES if name not in WHERE_ASKED
)  # these hold in every world that there is so far


class Oracles:
    """The journal's witness for all of them."""

    def __init__(self, village: Village, names: Sequence[str] = (), faults: Faults | None = None) -> None:
        """`names`: beside those that always hold. Raises SettingsError for one that there is not."""
        ground = self._ground = Ground(village, faults)
        self._village = village
        self._oracles: dict[str, Oracle] = {}
        for name in dict.fromkeys((*ALWAYS, *names)):
            if name not in ORACLES:
                raise SettingsError(f"there is no oracle {name!r}; there are {', '.join(ORACLES)}")
            oracle = self._oracles[name] = ORACLES[name](ground)
            oracle.name = name
        self._next = 0

    def start(self) -> None:
        self._village.journal.witnesses.append(self)
        self._village.timeline.after(LOOK_NS, "oracles", self._look)

    async def ask(self) -> None:
        """Lane B: while the nodes still run, at the end of the calm."""
        await self._ground.ask()

    def finish(self) -> None:
        """At the end of the calm; not after a breach, when it did not come to its end."""
        for oracle in self._oracles.values():
            oracle.look(self._turn())
            oracle.finish()

    def verdicts(self) -> dict[str, str]:
        """Name -> "held", or how it was first broken."""
        said: dict[str, str] = dict.fromkeys(self._oracles, HELD)
        for breach in reversed(self._village.breaches):
            said[breach.oracle] = f"{breach.who}: {breach.what}"
        return said

    def __getitem__(self, name: str) -> Oracle:
        return self._oracles[name]

    # -- Witness ----------------------------------------------------------------------------------------------

    def accepted(self, letter: Letter) -> None:
        for oracle in self._oracles.values():
            oracle.accepted(letter)

    def arrived(self, letter: Letter) -> None:
        for oracle in self._oracles.values():
            oracle.arrived(letter)

    def strayed(self, stray: Stray) -> None:
        for oracle in self._oracles.values():
            oracle.strayed(stray)

    def told(self, host: str, event: str, message_id: str) -> None:
        for oracle in self._oracles.values():
            oracle.told(host, event, message_id)

    # -- looking ----------------------------------------------------------------------------------------------

    def _look(self) -> None:
        hosts = self._turn()
        for oracle in self._oracles.values():
            oracle.look(hosts)
        self._village.timeline.after(LOOK_NS, "oracles", self._look)

    def _turn(self) -> list[Host]:
        hosts = list(self._village.hosts.values())
        turn = (hosts + hosts)[self._next : self._next + min(LOOKED_AT_MAX, len(hosts))]
        self._next = (self._next + len(turn)) % max(1, len(hosts))
        return turn
