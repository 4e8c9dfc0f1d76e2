"""A simulated machine: what outlives the processes that run on it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from meshnode.mesh import Mesh
from policies.device import DeviceState, NetworkInterface
from protocols.ids import MessageId, NodeId
from protocols.keys import Identity
from sim.dice import Dice
from sim.disk import SimStorage
from sim.journal import Letter
from sim.media import guest_name
from sim.models.battery import Battery, Radio
from sim.models.clock import SimClock
from sim.shouts import Shout, component_of

if TYPE_CHECKING:
    from sim.village import Village

SEED_BYTES = 32


class Process(Protocol):
    """One boot of a node, in either lane."""

    @property
    def mesh(self) -> Mesh | None:
        """Its core; None while it is not built yet."""
        ...

    def send(self, letter: Letter) -> None:
        """Hand it to the node; the journal is told what the node says."""
        ...

    def shout(self, shout: Shout) -> None:
        """To everybody around."""
        ...

    def counted(self) -> Mapping[str, int]:
        """What its node counted since it booted, by fixed words."""
        ...

    def kill(self) -> None:
        """As kill -9: nobody is told, and nothing cleans up."""
        ...

    def stop(self) -> None:
        """As SIGTERM: links say good-bye."""
        ...

    def wake(self) -> None:
        """Its clock runs again."""
        ...


@dataclass(eq=False)
class Host:
    village: "Village" = field(repr=False)
    name: str
    clock: SimClock
    media: tuple[str, ...]  # schemes of the media it has a foot in
    storage: SimStorage | None = None  # None in lane A
    battery: Battery | None = None  # None: on mains
    boots: int = 0
    process: Process | None = None
    acquaintances: "list[Host]" = field(default_factory=list["Host"])
    wanted: bool = True  # False: left for good, no restart brings it back
    moves: int = 0  # each gives it other addresses from its next boot on; lane B alone heeds it
    read_texts: dict[str, None] = field(default_factory=dict[str, None])  # lane A: what its box has taken
    read_up_to: MessageId | None = None  # of its inbox, by the application, which keeps its own place

    def __post_init__(self) -> None:
        self.seed = self.dice.entropy(f"{self.name}/identity")(SEED_BYTES)
        self.identity = Identity.from_seed(self.seed, self.village.suite)
        self.bytes_sent = self.sends = 0
        self._counted: Counter[str] = Counter()  # by processes that are over
        self.booted_ns = 0  # when it last booted

    @property
    def dice(self) -> Dice:
        return self.village.dice

    @property
    def node_id(self) -> NodeId:
        return self.identity.node_id

    @property
    def address_name(self) -> str:
        """Its name in addresses, which nobody knows after a move."""
        return guest_name(self.name, str(self.moves)) if self.moves else self.name

    @property
    def up(self) -> bool:
        return self.process is not None

    # -- life -------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        if self.process is None and self.wanted:
            self.boots += 1
            self.booted_ns = self.village.timeline.now_ns
            self.clock.boot()
            if self.storage is not None:
                self.storage.power_on()
            self.village.journal.count("boots")
            self.village.timeline.note(self.name, f"boots (number {self.boots})")
            self.process = self.village.process_of(self)

    def crash(self, *, power: bool = False) -> None:
        """The process is killed; with `power` the disk loses what was not synced."""
        if self.process is not None:
            process = self._bury()
            self.village.journal.count("crashes")
            self.village.timeline.note(self.name, "loses power" if power else "is killed")
            if self.storage is not None:
                ends = self.storage.crash if power else self.storage.kill
                ends(self.dice.die("crash", f"{self.name}/{self.boots}"))
            process.kill()

    def stop(self) -> None:
        if self.process is not None:
            self.village.timeline.note(self.name, "stops")
            self._bury().stop()

    def end(self) -> None:
        """Its process ended by itself."""
        if self.process is not None:
            self._bury()
        if self.storage is not None:
            self.storage.kill(self.dice.die("end", f"{self.name}/{self.boots}"))

    def _bury(self) -> Process:
        assert self.process is not None, "there is one"
        process, self.process = self.process, None
        self._counted.update(process.counted())
        return process

    def counted(self) -> Counter[str]:
        """By all its processes."""
        return self._counted + Counter(self.process.counted() if self.process is not None else {})

    def sleep(self) -> None:
        """Its monotonic clock stands still. Lane B's timers lie on the loop and go on: they find that nothing is due."""
        self.clock.suspend()
        self.village.timeline.note(self.name, "falls asleep")

    def wake(self) -> None:
        self.clock.resume()
        self.village.timeline.note(self.name, "wakes")
        if self.process is not None:
            self.process.wake()

    def send(self, other: "Host") -> Letter:
        """Somebody here writes to somebody there. Where no node runs, nobody can."""
        letter = self.village.journal.offer(self.name, other.name)
        if self.process is None:
            self.village.journal.refuse(letter, "the node is off")
        else:
            self.process.send(letter)
        return letter

    def shout(self) -> None:
        """Somebody here calls out to everybody around. Where no node runs, nobody can."""
        if self.process is not None:
            reachable = component_of(self.name, self.village.joined())
            self.process.shout(self.village.journal.shouts.call(self.name, reachable))

    # -- what a node is handed --------------------------------------------------------------------------------

    async def device(self) -> DeviceState:
        on_network = any(scheme in {"ip", "lan"} for scheme in self.media)
        state = DeviceState(networks=(NetworkInterface("sim0", "wifi"),) if on_network else ())
        if self.battery is None:
            return state
        return self.battery.device_state(self.village.timeline.now_ns, state)

    def spend(self, scheme: str) -> Callable[[int, int], None]:
        """What each batch of frames on this medium costs: (bytes out, bytes in)."""
        radio: Radio = "ble" if scheme == "ble" else "wifi"
        battery, timeline = self.battery, self.village.timeline

        def pay(out: int, into: int) -> None:
            if out:
                self.sends += 1
                self.bytes_sent += out
            if battery is not None:
                if out:
                    battery.send(radio, size=out, now_ns=timeline.now_ns)
                if into:
                    battery.receive(radio, size=into, now_ns=timeline.now_ns)

        return pay
