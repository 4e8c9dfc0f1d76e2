"""Links inside one process: a full member of the transports, for tests and for the simulator.

A MemoryNetwork is handed to each transport that shall hear the others; there is no global one. Time passes through
the event loop only, so it works on a virtual-time loop; the same calls and the same die give the same run. Its
addresses are `memory://name`.
"""

import asyncio
import hashlib
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from random import Random

from protocols.errors import LinkError, LocalError, SettingsError
from transports.api import FRAME_BYTES_MAX, LinkObserver, LinkStats, LinkTraits

SCHEME = "memory://"
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
ACCEPT_MAX = 64  # links that nobody took yet; further dials are refused
DATAGRAMS_UNSENT_MAX = 256  # in flight, one way; the oldest are dropped
EARLY_BYTES_MAX = 1 << 20  # came before `attach`; beyond it the link is closed
UNSENT_BYTES_MAX = 1 << 20
UNSENT_FACTOR_MAX = 8  # times UNSENT_BYTES_MAX: an owner who ignores back-pressure this long has a bug


@dataclass(frozen=True, slots=True)
class MemoryConditions:
    """How the air is, between any two."""

    delay_s: float = 0.0  # one way
    loss: float = 0.0  # of datagrams; the reliable lane does not lose
    datagram_bytes_max: int = 1200


class MemoryNetwork:
    """The hub: who listens under which name, and which pairs cannot hear each other."""

    def __init__(self, conditions: MemoryConditions | None = None, *, die: Random | None = None) -> None:
        """`die` decides which datagrams are lost; without one none is."""
        self.conditions = conditions or MemoryConditions()
        self._die = die
        self._listeners: dict[str, MemoryTransport] = {}
        self._cut: dict[tuple[str, str], None] = {}  # an ordered set
        self._links: dict[MemoryLink, None] = {}
        self._made = 0

    def cut(self, one: str, other: str) -> None:
        """Their links break at once, what is in flight is lost, and new ones do not come about until `mend`."""
        pair = _pair(one, other)
        self._cut[pair] = None
        for link in list(self._links):
            if link.hosts == pair:
                link.lose("cut")

    def mend(self, one: str, other: str) -> None:
        self._cut.pop(_pair(one, other), None)

    # What transports and links ask

    def register(self, name: str, transport: "MemoryTransport") -> None:
        if name in self._listeners:
            raise LinkError(f"{SCHEME}{name} is taken; choose another name")
        self._listeners[name] = transport

    def unregister(self, transport: "MemoryTransport") -> None:
        for name in [name for name, owner in self._listeners.items() if owner is transport]:
            del self._listeners[name]

    def connect(self, caller: "MemoryTransport", name: str) -> "MemoryLink":
        listener = self._listeners.get(name)
        if listener is None or _pair(caller.host, listener.host) in self._cut:
            raise LinkError(f"nobody answers at {SCHEME}{name}; is that node running?")
        self._made += 1
        binding = hashlib.sha256(f"memory/{self._made}".encode()).digest()
        pair = _pair(caller.host, listener.host)
        near = MemoryLink(self, caller, pair, SCHEME + name, binding, dialled=True)
        far = MemoryLink(self, listener, pair, SCHEME + caller.host, binding, dialled=False)
        near.join(far)
        far.join(near)
        listener.arrived(far)
        for link in (near, far):
            link.owner.links[link] = None
            self._links[link] = None
        return near

    def loses_datagram(self) -> bool:
        return self._die is not None and self._die.random() < self.conditions.loss

    def forget(self, link: "MemoryLink") -> None:
        self._links.pop(link, None)
        link.owner.links.pop(link, None)


@dataclass(frozen=True, slots=True)
class Parcel:
    """In flight, one way."""

    due_s: float  # on the loop's clock
    frames: list[bytes]
    reliable: bool
    closes: bool = False  # the sender is gone after this


class MemoryLink:
    """One end. What it sends lies in its own queue until the other end has it."""

    def __init__(
        self,
        network: MemoryNetwork,
        owner: "MemoryTransport",
        hosts: tuple[str, str],
        address: str,
        binding: bytes,
        *,
        dialled: bool,
    ) -> None:
        self.owner = owner
        self.hosts, self.address, self.binding, self.dialled = hosts, address, binding, dialled
        self.stats = LinkStats()
        self.unsent_bytes = 0
        self.unsent_bytes_max = UNSENT_BYTES_MAX
        size = network.conditions.datagram_bytes_max
        self.traits = LinkTraits("memory", size, has_reliable_lane=True, on_network=False)
        self._loop = asyncio.get_running_loop()
        self._network = network
        self._peer: MemoryLink | None = None
        self._flying: deque[Parcel] = deque()
        self._datagrams_flying = 0
        self._congested = False
        self._observer: LinkObserver | None = None
        self._attached = False
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._lost: str | None = None

    def join(self, peer: "MemoryLink") -> None:
        self._peer = peer

    def attach(self, observer: LinkObserver) -> None:
        assert self._observer is None, "a link has one owner for life"
        self._observer = observer
        self._loop.call_soon(self._hand_over)

    def send(self, frames: Sequence[bytes], *, reliable: bool = False) -> None:
        if self._lost is not None:
            return
        size_max = FRAME_BYTES_MAX if reliable else self.traits.datagram_bytes_max
        if any(len(frame) > size_max for frame in frames) or not all(frames):
            raise LocalError(f"a frame on this lane has 1 to {size_max} bytes")
        size = sum(map(len, frames))
        if reliable:
            if self.unsent_bytes > UNSENT_FACTOR_MAX * UNSENT_BYTES_MAX:
                raise LocalError("the owner of this link does not heed unsent_bytes")
            self.unsent_bytes += size
            self._congested = self._congested or self.unsent_bytes > UNSENT_BYTES_MAX
            self._fly(list(frames), reliable=True)
        else:
            for frame in frames:
                if not self._network.loses_datagram():
                    self._fly([frame], reliable=False)
        self.stats.bytes_out += size
        self.stats.datagrams_out += len(frames)

    async def close(self, reason: str = "closed") -> None:
        if self._lost is None:
            self._fly([], reliable=True, closes=True)
            self._end(reason)

    def lose(self, reason: str) -> None:
        """The world cut us off: what is in flight is lost as well."""
        self._flying.clear()
        if self._lost is None:
            self._end(reason)

    def _fly(self, frames: list[bytes], *, reliable: bool, closes: bool = False) -> None:
        delay_s = self._network.conditions.delay_s
        due_s = self._loop.time() + delay_s
        if not self._flying or self._flying[-1].due_s != due_s:
            if delay_s:
                self._loop.call_at(due_s, self._land, due_s)
            else:
                self._loop.call_soon(self._land, due_s)
        self._flying.append(Parcel(due_s, frames, reliable, closes))
        if not reliable:
            self._datagrams_flying += 1
            if self._datagrams_flying > DATAGRAMS_UNSENT_MAX:
                self._drop_oldest_datagram()

    def _drop_oldest_datagram(self) -> None:
        oldest = next(index for index, parcel in enumerate(self._flying) if not parcel.reliable)
        self._flying[oldest] = Parcel(self._flying[oldest].due_s, [], reliable=True)
        self._datagrams_flying -= 1
        self.stats.dropped["datagram_queue_full"] = self.stats.dropped.get("datagram_queue_full", 0) + 1

    def _land(self, until_s: float) -> None:
        """All that is due reaches the other end in one batch."""
        frames: list[bytes] = []
        closes = False
        while self._flying and self._flying[0].due_s <= until_s:
            parcel = self._flying.popleft()
            frames += parcel.frames
            closes = closes or parcel.closes
            if parcel.reliable:
                self.unsent_bytes -= sum(map(len, parcel.frames))
            else:
                self._datagrams_flying -= 1
        assert self._peer is not None
        if frames:
            self._peer.take(frames)
        if closes:
            self._peer.lose("peer_closed")
        if self._congested and self.unsent_bytes <= UNSENT_BYTES_MAX // 2 and self._lost is None:
            self._congested = False
            if self._attached and self._observer is not None:
                self._observer.link_writable(self)

    def take(self, frames: list[bytes]) -> None:
        """From the other end."""
        if self._lost is not None:
            return
        size = sum(map(len, frames))
        self.stats.bytes_in += size
        self.stats.datagrams_in += len(frames)
        if self._attached:
            assert self._observer is not None
            self._observer.link_received(self, frames)
            return
        self._early += frames
        self._early_bytes += size
        if self._early_bytes > EARLY_BYTES_MAX:
            self._early.clear()
            self._fly([], reliable=True, closes=True)
            self._end("nobody_listens")

    def _hand_over(self) -> None:
        assert self._observer is not None
        self._attached = True
        early, self._early = self._early, []
        if early:
            self._observer.link_received(self, early)
        if self._lost is not None:
            self._observer.link_lost(self, self._lost)

    def _end(self, reason: str) -> None:
        self._lost = reason
        self._network.forget(self)
        if self._attached:
            assert self._observer is not None
            self._loop.call_soon(self._observer.link_lost, self, reason)


class MemoryTransport:
    name = "memory"

    def __init__(self, network: MemoryNetwork, host: str) -> None:
        self.host = host
        self.links: dict[MemoryLink, None] = {}
        self._network = network
        self._accepted: deque[MemoryLink] = deque()
        self._arrival = asyncio.Event()
        self._closed = False

    @property
    def dropped(self) -> dict[str, int]:
        """Nobody can send rubbish here."""
        return {}

    def network_changed(self) -> None:
        """Changes nothing: a cut is known at once."""

    def pace(self, keep_alive_ns: int) -> None:
        """Changes nothing: these links are silent for nothing, and need no sign of life."""

    def knock(self, address: str) -> None:
        """Changes nothing: nothing stands in between."""

    async def listen(self, address: str) -> list[str]:
        name = _name_in(address)
        self._network.register(name, self)
        return [SCHEME + name]

    async def dial(self, address: str) -> MemoryLink:
        """Takes one round trip."""
        if self._closed:
            raise LinkError("this node is shutting down")
        await asyncio.sleep(2 * self._network.conditions.delay_s)
        return self._network.connect(self, _name_in(address))

    async def accept(self) -> AsyncIterator[MemoryLink]:
        while True:
            while self._accepted:
                yield self._accepted.popleft()
            if self._closed:
                return
            self._arrival.clear()
            await self._arrival.wait()

    async def close(self) -> None:
        self._closed = True
        self._network.unregister(self)
        for link in list(self.links):
            await link.close("transport_closed")
        self._accepted.clear()
        self._arrival.set()

    def arrived(self, link: MemoryLink) -> None:
        """Raises LinkError when too many wait already."""
        if len(self._accepted) >= ACCEPT_MAX:
            raise LinkError(f"{SCHEME}{self.host} takes no more links now; try again later")
        self._accepted.append(link)
        self._arrival.set()


def _name_in(address: str) -> str:
    name = address.removeprefix(SCHEME)
    if name == address or not NAME.fullmatch(name):
        raise SettingsError(f"{address!r} is no memory address; write it as {SCHEME}name")
    return name


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one <= other else (other, one)
