"""A core of somebody's own, beside the host's honest node: it speaks Noise, knows nobody, and has no application."""

from collections.abc import Callable

from meshnode.build import BOOT_BYTES, build_mesh
from meshnode.mesh import CloseLink, Effect, LinkDown, LinkReceived, LinkUp, MeshEvent, RpcHappened, SendOn
from protocols.keys import Identity
from protocols.rpc import CallReceived
from sim.faults.behaviours.spot import Spot
from sim.models.wire import SimLink
from sim.timeline import NS_PER_MS
from transports.api import Link

SEED_BYTES = 32
EXPIRES_S = 2**40  # of records that are shown; never
TICK_NS = 100 * NS_PER_MS
LETTERS = ("post", "messages")  # services that are told what is meant for one node only


class Intruder:
    """Hand it links with `adopt`. It looks at its timers each TICK_NS, which is soon enough for one who is not honest."""

    def __init__(
        self, spot: Spot, name: str, record_of: Callable[[Identity], bytes], *, listens: bool = True
    ) -> None:
        """`name`: at whose address it stands, for the journal. `listens`: False heeds no answer."""
        self._spot, self._name, self._listens = spot, name, listens
        entropy = spot.village.dice.entropy(f"intruder/{name}/{spot.number}")
        self.identity = Identity.from_seed(entropy(SEED_BYTES), spot.village.suite)
        record = record_of(self.identity)
        self._mesh = build_mesh(
            self.identity,
            own_record=lambda: record,
            own_addresses=frozenset,
            answer_strangers=True,
            boot=entropy(BOOT_BYTES),
            kem=None,
            entropy=entropy,
            dice=spot.village.dice.of(f"intruder/{name}/{spot.number}"),
            wall_ms=lambda: spot.village.timeline.now_ns // NS_PER_MS,
        )
        self.links: dict[int, SimLink] = {}
        self._numbers: dict[SimLink, int] = {}
        self._made = 0
        self._over = False

    def start(self) -> None:
        self._tick()

    def stop(self) -> None:
        self._over = True
        for link in list(self.links.values()):
            link.shut("closed")

    def adopt(self, link: SimLink) -> None:
        if self._over:
            link.shut("closed")
            return
        self._made += 1
        number = self._made
        self.links[number], self._numbers[link] = link, number
        self._tell(LinkUp.of(number, link, None))
        link.attach(self)

    # -- LinkObserver -----------------------------------------------------------------------------------------

    def link_received(self, link: Link, frames: list[bytes]) -> None:
        if self._listens and (number := self._number(link)) is not None:
            self._tell(LinkReceived(number, frames))

    def link_writable(self, link: Link) -> None:
        """It heeds no back-pressure; the link takes no more than it can."""

    def link_lost(self, link: Link, reason: str) -> None:
        if (number := self._number(link)) is not None:
            del self.links[number]
            del self._numbers[self._as_sim(link)]
            self._tell(LinkDown(number, reason))

    # -- driving ----------------------------------------------------------------------------------------------

    def _as_sim(self, link: Link) -> SimLink:
        assert isinstance(link, SimLink), "it stands on simulated media only"
        return link

    def _number(self, link: Link) -> int | None:
        return self._numbers.get(self._as_sim(link))

    def _tick(self) -> None:
        if self._over:
            return
        now_ns = self._spot.timeline.now_ns
        if (due_ns := self._mesh.next_timeout()) is not None and due_ns <= now_ns:
            self._execute(self._mesh.handle_timeout(now_ns=now_ns))
        self._spot.timeline.after(TICK_NS, "byzantine", self._tick)

    def _tell(self, event: MeshEvent) -> None:
        self._execute(self._mesh.handle(event, now_ns=self._spot.timeline.now_ns))

    def _execute(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case SendOn():
                    if (link := self.links.get(effect.link)) is not None:
                        link.inject(effect.frames, reliable=effect.reliable)
                case CloseLink():
                    if (link := self.links.pop(effect.link, None)) is not None:
                        self._numbers.pop(link, None)
                        link.shut(effect.reason)
                case RpcHappened(_, CallReceived() as call) if call.service in LETTERS:
                    text = call.body.decode(errors="replace")
                    self._spot.village.journal.arrive(self._name, "somebody honest", text)
                case _:
                    pass
