"""What joins hosts: a medium per transport, with everybody who can be reached over it just now.

A `Port` is one process's foot in a medium: it listens under its host's name, dials others and sees who appears. Both
lanes use it: the daemon through `sim.daemon.ports`, the bare core directly.

    hearing    `meet` and `part`, by places and movement; only where an address alone does not reach
    barriers   `bar` and `lift`: no frame crosses
    ways       what else may befall one direction between two hosts, or all of them: see `sim.models.ways`
    diversions `divert` and `undivert`: somebody answers at another's address
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sim.dice import Dice
from sim.models.chance import Chance
from sim.models.ways import Barrier, Ways
from sim.models.wire import Conditions, SimLink
from sim.timeline import NS_PER_S, Timeline
from transports.api import LinkTraits

DIAL_NS = 3 * NS_PER_S  # after which a dial that nobody answers is given up
DIAL_AGAIN_NS = (
    NS_PER_S  # a lost attempt is made again so much later, then twice that (RFC 9002, section 6.2.2)
)
LINKS_WAITING_MAX = 64  # that nobody took yet; further dials are refused

Answer = Callable[["SimLink | None", str], None]


@dataclass(frozen=True, slots=True)
class MediumKind:
    """What a medium is by nature."""

    scheme: str  # of its addresses, and the name that policies know
    traits: LinkTraits
    conditions: Conditions
    links_max: int | None = None  # of one host; a BLE radio holds few
    everywhere: bool = False  # an address reaches its host wherever it is; else only whoever hears it


@dataclass(eq=False, slots=True)
class Diversion:
    """Somebody answers at another's address, to a share of those who dial it."""

    port: "Port"
    share: float
    chance: Chance


class Medium:
    def __init__(self, kind: MediumKind, timeline: Timeline, dice: Dice) -> None:
        self.kind, self.timeline = kind, timeline
        self._seed = f"{dice.seed}/{kind.scheme}"
        self._ports: dict[str, Port] = {}
        self._guests: dict[str, dict[Port, None]] = {}  # by host: who listens there under another name
        self._heard: dict[str, dict[str, int]] = {}  # who hears whom since when, both ways
        self.ways = Ways(self.reaches)
        self._diversions: dict[str, Diversion] = {}
        self._ends = 0

    # -- who hears whom ---------------------------------------------------------------------------------------

    def meet(self, one: str, other: str) -> None:
        """From now on they hear each other: they see each other's announcements, and a dial gets through."""
        if other not in self._heard.get(one, ()):
            self._heard.setdefault(one, {})[other] = self.timeline.now_ns
            self._heard.setdefault(other, {})[one] = self.timeline.now_ns
            if not self.kind.everywhere:
                for way in self.ways.both(one, other):
                    way.reopen()
        self.show(one, other)
        self.show(other, one)

    def part(self, one: str, other: str) -> None:
        """Out of each other's hearing: links between them fall silent unless the medium is everywhere."""
        if self._heard.get(one, {}).pop(other, None) is not None:
            self._heard[other].pop(one)
            if not self.kind.everywhere:
                for way in self.ways.both(one, other):
                    way.shut()

    def neighbours(self, name: str) -> list[str]:
        return list(self._heard.get(name, ()))

    def reaches(self, caller: str, name: str) -> bool:
        """By nature and place, whatever faults say."""
        return self.kind.everywhere or name in self._heard.get(caller, ())

    def reaches_since(self, caller: str, name: str) -> int | None:
        """None: it does not."""
        return 0 if self.kind.everywhere else self._heard.get(caller, {}).get(name)

    # -- faults -----------------------------------------------------------------------------------------------

    def bar(self, these: Iterable[str], *, one_way: bool = False) -> Barrier:
        """Causes of silence are counted: each is lifted by itself."""
        return self.ways.bar(these, one_way=one_way)

    def lift(self, barrier: Barrier) -> None:
        """Twice is harmless. Who hears each other again sees each other again, as by the next announcement."""
        if self.ways.lift(barrier):
            for name in barrier.these:
                for other in self.neighbours(name):
                    if other not in barrier.these:
                        self.show(name, other)
                        self.show(other, name)

    def divert(self, name: str, port: "Port", share: float) -> None:
        """From now on `port` answers a share of the dials to this host's address."""
        chance = Chance(f"{self._seed}/divert/{name}/{port.name}")
        self._diversions[name] = Diversion(port, share, chance)

    def undivert(self, port: "Port") -> None:
        for name in [name for name, each in self._diversions.items() if each.port is port]:
            del self._diversions[name]

    # -- what is known of it ----------------------------------------------------------------------------------

    def listening(self) -> list[str]:
        """Hosts whose process listens now."""
        return list(self._ports)

    def port(self, name: str) -> "Port | None":
        return self._ports.get(name)

    def links_of(self, name: str) -> int:
        port = self._ports.get(name)
        return 0 if port is None else len(port.links)

    def full(self, name: str) -> bool:
        port = self._ports.get(name)
        return port is not None and port.full

    def links(self) -> int:
        return self._ends // 2

    def joined(self) -> list[tuple[str, str]]:
        """Pairs of hosts with a link between them, each once."""
        return self.ways.joined()

    # -- what ports ask ---------------------------------------------------------------------------------------

    def address(self, name: str) -> str:
        return f"{self.kind.scheme}://{name}"

    def open(self, port: "Port") -> None:
        if port.name == port.host:
            self._ports[port.name] = port
        else:
            self._guests.setdefault(port.host, {})[port] = None
        for other in self.neighbours(port.host):
            self.show(port.host, other)
            self.show(other, port.host)

    def close(self, port: "Port") -> None:
        if self._ports.get(port.name) is port:
            del self._ports[port.name]
        self._guests.get(port.host, {}).pop(port, None)

    def dial(self, caller: "Port", address: str, done: Answer) -> None:
        """`done(link, "")` one round trip later, or `done(None, reason)`; a killed caller gets no answer."""
        scheme, _, name = address.partition("://")
        callee = self._callee(caller, name) if scheme == self.kind.scheme else None
        wait_ns = DIAL_NS if callee is None else self._dial_ns(caller, callee)
        give_up_ns = self.timeline.now_ns + DIAL_NS
        if callee is None or wait_ns >= DIAL_NS:
            self.timeline.at(give_up_ns, "dial", self._answer, caller, done, "nobody answers")
        else:
            self.timeline.after(wait_ns, "dial", self._connect, caller, callee, name, done, give_up_ns)

    def _dial_ns(self, caller: "Port", callee: "Port") -> int:
        """A round trip, and the attempts that were lost."""
        conditions, chance = self.kind.conditions, self._chance(caller, callee, "dial")
        trip_ns = 2 * (conditions.delay_min_ns + conditions.delay_mean_ns + self.ways.air.delay_ns)
        passes = ((1.0 - conditions.loss) * (1.0 - self.ways.air.loss)) ** 2
        for way in self.ways.both(caller.host, callee.host):
            trip_ns += way.delay_ns
            passes *= 1.0 - way.loss
        lost_ns = 0
        while lost_ns < DIAL_NS and chance.random() >= passes:
            lost_ns = 2 * lost_ns + DIAL_AGAIN_NS
        return lost_ns + trip_ns

    def _callee(self, caller: "Port", name: str) -> "Port | None":
        """Who would answer now at this address."""
        diversion = self._diversions.get(name)
        if (
            diversion is not None
            and diversion.port.host != caller.host
            and self.ways.passes(caller.host, diversion.port.host)
            and diversion.chance.random() < diversion.share
        ):
            return diversion.port
        for guest in self._guests.get(_host_of(name), ()):
            if guest.name == name and self.ways.passes(caller.host, guest.host):
                return guest
        port = self._ports.get(name)
        return port if port is not None and self.ways.passes(caller.host, name) else None

    def _connect(self, caller: "Port", callee: "Port", name: str, done: Answer, give_up_ns: int) -> None:
        if callee.closed or not self.ways.passes(caller.host, callee.host):
            self.timeline.at(give_up_ns, "dial", self._answer, caller, done, "nobody answers")
        elif caller.closed:
            self._answer(caller, done, "closed")
        elif caller.full or callee.full:
            self._answer(caller, done, "no free connection")
        else:
            caller.dialled += 1
            text = f"{self.kind.scheme}/{caller.name}/{callee.name}/{self.timeline.now_ns}/{caller.dialled}"
            binding = hashlib.sha256(text.encode()).digest()
            near = self._end(caller, callee, self.address(name), binding, dialled=True)
            far = self._end(callee, caller, self.address(caller.name), binding, dialled=False)
            near.peer, far.peer = far, near
            callee.on_link(far)
            done(near, "")

    def _answer(self, caller: "Port", done: Answer, reason: str) -> None:
        if not caller.killed:
            done(None, reason)

    def _end(self, port: "Port", other: "Port", address: str, binding: bytes, *, dialled: bool) -> SimLink:
        self._ends += 1
        link = SimLink(
            self.timeline,
            self.kind.conditions,
            self.ways.get(port.host, other.host),
            self.kind.traits,
            address=address,
            binding=binding,
            dialled=dialled,
            chance=self._chance(port, other, "link"),
            forget=port.forget,
            spend=port.spend,
        )
        port.links[link] = None
        return link

    def gone(self, link: SimLink) -> None:
        self._ends -= 1
        self.ways.tidy(link.way.sender, link.way.receiver)

    def _chance(self, port: "Port", other: "Port", concern: str) -> Chance:
        """Its draws are the same whatever happens between others."""
        return Chance(
            f"{self._seed}/{concern}/{port.name}/{other.name}/{self.timeline.now_ns}/{port.dialled}"
        )

    def show(self, viewer: str, seen: str) -> None:
        """Tell the viewer's process that the other listens within its hearing."""
        port, other = self._ports.get(viewer), self._ports.get(seen)
        if port is None or port.on_seen is None or not self.ways.is_open(seen, viewer):
            return
        for each in (*((other,) if other is not None else ()), *self._guests.get(seen, ())):
            self.timeline.at(self.timeline.now_ns, "seen", port.see, each)


@dataclass(eq=False)
class Port:
    """Opened by `Medium.open`; `unplug` is what a kill does to it, `close` what a good end does."""

    medium: Medium
    name: str  # in its address
    on_link: Callable[[SimLink], None]  # somebody dialled us
    on_seen: Callable[["Port"], None] | None = None  # somebody else listens within hearing
    spend: Callable[[int, int], None] | None = None  # bytes out, bytes in
    host: str = ""  # where it is, if another than its name; ways and hearing are those of the host
    claims: str = ""  # the host that it says it is, if another than its own
    links: dict[SimLink, None] = field(default_factory=dict[SimLink, None])
    closed: bool = False
    killed: bool = False
    dialled: int = 0
    announcement: object = None  # what lane B's discovery tells of this process

    def __post_init__(self) -> None:
        self.host = self.host or self.name
        self.claims = self.claims or self.host

    @property
    def full(self) -> bool:
        most = self.medium.kind.links_max
        return most is not None and len(self.links) >= most

    def see(self, other: "Port") -> None:
        if not self.closed and not other.closed and self.on_seen is not None:
            self.on_seen(other)

    def forget(self, link: SimLink) -> None:
        if self.links.pop(link, 0) is None:
            self.medium.gone(link)

    def close(self, reason: str = "transport_closed") -> None:
        if not self.closed:
            self.closed = True
            self.medium.close(self)
            for link in list(self.links):
                link.shut(reason)

    def unplug(self) -> None:
        if not self.closed:
            self.closed = self.killed = True
            self.medium.close(self)
            for link in list(self.links):
                link.vanish()


def guest_name(host: str, claims: str) -> str:
    """The address of somebody at `host` who says that he is another."""
    return f"{host}~{claims}"


def _host_of(name: str) -> str:
    return name.partition("~")[0]
