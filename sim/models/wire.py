"""A link between two processes, in both lanes: two directions with delay, loss, capacity, and a state that faults set.

Datagrams may be lost, doubled and overtaken. What goes on the reliable lane arrives in order: a loss costs it a
resending, a closed way holds it back. An end that hears nothing for `dead_ns` gives up, as QUIC's idle timeout and BLE's
supervision timeout make it; it says nothing then, so the other end gives up as long after that.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from protocols.errors import LocalError
from sim.models.chance import Chance
from sim.models.way import Way
from sim.timeline import NEVER_NS, NS_PER_MS, NS_PER_S, Timeline
from transports.api import FRAME_BYTES_MAX, LinkObserver, LinkStats, LinkTraits

UNSENT_BYTES_MAX = 1 << 20
UNSENT_FACTOR_MAX = 8  # times UNSENT_BYTES_MAX: an owner who ignores back-pressure this long has a bug
EARLY_BYTES_MAX = 1 << 20  # came before `attach`; beyond it the link is closed
RESENDS_MAX = 12  # a frame that was lost so often arrives all the same: the link would have died otherwise
RTT_SHARE = 8  # of a new sample in the smoothed round trip (RFC 9002, section 5.3)
RESEND_NS = (
    25 * NS_PER_MS
)  # beside a round trip: how long QUIC waits before it sends again (RFC 9002: max_ack_delay)


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a medium is on an ordinary day, one way."""

    delay_min_ns: int = 0
    delay_mean_ns: int = 0  # above the minimum, exponential
    loss: float = 0.0  # of datagrams and of attempts on the reliable lane
    duplicate: float = 0.0  # of datagrams
    bytes_per_s: int | None = None  # capacity of one direction of one link
    queue_bytes: int = 256 * 1_024  # what waits for capacity; datagrams beyond it are dropped
    dead_ns: int = 8 * NS_PER_S  # silence after which the ends give up


class SimLink:
    """One end; `transports.api.Link`. What it sends travels its own direction."""

    __slots__ = (
        "_busy_ns",
        "_chance",
        "_conditions",
        "_congested",
        "_died_ns",
        "_early",
        "_early_bytes",
        "_held",
        "_in_order_ns",
        "_lost",
        "_number",
        "_observer",
        "_ready",
        "_shut_ns",
        "_timeline",
        "address",
        "binding",
        "dialled",
        "forget",
        "gone",
        "peer",
        "spend",
        "stats",
        "traits",
        "unsent_bytes",
        "unsent_bytes_max",
        "way",
    )

    peer: "SimLink"  # the other end, joined before anything else happens

    def __init__(
        self,
        timeline: Timeline,
        conditions: Conditions,
        way: Way,
        traits: LinkTraits,
        *,
        address: str,
        binding: bytes,
        dialled: bool,
        chance: Chance,
        forget: "Callable[[SimLink], None]",
        spend: Callable[[int, int], None] | None = None,
    ) -> None:
        """`forget`: called once when it is over. `spend(bytes out, bytes in)`: who pays with battery."""
        self._timeline, self._conditions, self._chance, self.way = timeline, conditions, chance, way
        self._number = zlib.crc32(binding, dialled)  # in the digest
        self.traits, self.address, self.binding, self.dialled = traits, address, binding, dialled
        self.forget, self.spend = forget, spend
        self.stats = LinkStats(rtt_ns=2 * (conditions.delay_min_ns + conditions.delay_mean_ns))
        self.unsent_bytes, self.unsent_bytes_max = 0, UNSENT_BYTES_MAX
        self.gone = False
        self._observer: LinkObserver | None = None
        self._ready = False
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._busy_ns = 0  # until then earlier bytes occupy the direction
        self._in_order_ns = 0  # when the last of the reliable lane arrives
        self._held: list[tuple[list[bytes], int]] = []  # reliable, behind a closed way; with their sizes
        self._shut_ns = 0  # when the way was last shut
        self._died_ns = NEVER_NS  # what had not left by then never leaves
        self._congested = False
        self._lost = ""  # why, where the owner could not be told yet
        way.links[self] = None

    # -- Link -------------------------------------------------------------------------------------------------

    def attach(self, observer: LinkObserver) -> None:
        assert self._observer is None, "a link has one owner for life"
        self._observer = observer
        self._timeline.at(self._timeline.now_ns, "attach", self._hand_over)

    def send(self, frames: Sequence[bytes], *, reliable: bool = False) -> None:
        if self.gone:
            return
        size_max = FRAME_BYTES_MAX if reliable else self.traits.datagram_bytes_max
        size = 0
        for frame in frames:
            if not 0 < len(frame) <= size_max:
                raise LocalError(f"a frame on this lane has 1 to {size_max} bytes")
            size += len(frame)
        if reliable and self.unsent_bytes > UNSENT_FACTOR_MAX * UNSENT_BYTES_MAX:
            raise LocalError("the owner of this link does not heed unsent_bytes")
        self._count_out(size, len(frames))
        if self.way.tampers:
            for tamper in self.way.tampers:
                frames = tamper.sent(self, frames, reliable=reliable)
            size = sum(map(len, frames))
            if self.gone or not frames:
                return
        if reliable:
            self._send_reliable(list(frames), size)
        else:
            self._send_datagrams(frames, size)

    async def close(self, reason: str = "closed") -> None:
        self.shut(reason)

    def shut(self, reason: str) -> None:
        """As `close`, for those who can't await: the neighbour hears of it where the way is open."""
        if not self.gone:
            if self.way.open:
                arrives_ns = max(self._in_order_ns, self._timeline.now_ns + self._delay_ns())
                self._timeline.at(arrives_ns, "close", self.peer.lose, "peer_closed")
            else:
                self._fall_silent()
            self._lose(reason)

    # -- what the world does to it ----------------------------------------------------------------------------

    def inject(self, frames: Sequence[bytes], *, reliable: bool) -> None:
        """By a tamper or an attacker: of any size, past all tampers, and no more than the lane takes."""
        if not reliable:
            frames = [frame[: self.traits.datagram_bytes_max] for frame in frames]
        if self.gone or not frames or (reliable and self.unsent_bytes > UNSENT_BYTES_MAX):
            return
        size = sum(map(len, frames))
        self._count_out(size, len(frames))
        if reliable:
            self._send_reliable(list(frames), size)
        else:
            self._send_datagrams(frames, size)

    def vanish(self) -> None:
        """Its process was killed: nobody is told here, and the neighbour only by the silence."""
        if not self.gone:
            self._observer = None
            self._died_ns = self._timeline.now_ns
            self._over()
            self._fall_silent()

    def lose(self, reason: str) -> None:
        """It broke; what had not left yet is lost with it."""
        if not self.gone:
            self._died_ns = self._timeline.now_ns
            self._lose(reason)

    def way_shut(self) -> None:
        self._shut_ns = self._timeline.now_ns
        self._timeline.after(self._conditions.dead_ns, "silence", self._still_shut, self._shut_ns)

    def way_open(self) -> None:
        held, self._held = self._held, []
        for frames, size in held:
            self._fly_in_order(frames, size)

    def _still_shut(self, since_ns: int) -> None:
        """Where it opened in between, another `_still_shut` is under way if it is shut again."""
        if not self.way.open and self._shut_ns == since_ns and not self.peer.gone:
            self.peer.lose("timed_out")
            self.peer._fall_silent()  # noqa: SLF001 - the other end of the same link

    def _fall_silent(self) -> None:
        self._timeline.after(self._conditions.dead_ns, "silence", self.peer.lose, "timed_out")

    def _lose(self, reason: str) -> None:
        self._over()
        self._lost = reason
        if self._ready and self._observer is not None:
            self._timeline.at(self._timeline.now_ns, "lost", self._tell_lost)

    def _tell_lost(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:  # else its process was killed in this very moment
            observer.link_lost(self, self._lost)

    def _over(self) -> None:
        self.gone = True
        self.way.links.pop(self, None)
        self._held.clear()
        self.forget(self)

    # -- on the way -------------------------------------------------------------------------------------------

    def _count_out(self, size: int, frames: int) -> None:
        self.stats.bytes_out += size
        self.stats.datagrams_out += frames
        if self.spend is not None:
            self.spend(size, 0)

    def _delay_ns(self) -> int:
        conditions, stats = self._conditions, self.stats
        delay_ns = conditions.delay_min_ns + self.way.delay_ns + self.way.air.delay_ns
        if conditions.delay_mean_ns:
            delay_ns += int(self._chance.exponential() * conditions.delay_mean_ns)
        if stats.rtt_ns is not None:
            stats.rtt_ns += (2 * delay_ns - stats.rtt_ns) // RTT_SHARE
        return delay_ns

    def _loss(self) -> float:
        passes = (1.0 - self._conditions.loss) * (1.0 - self.way.loss) * (1.0 - self.way.air.loss)
        return 1.0 - passes

    def _leaves_ns(self, size: int) -> int:
        """When the last of these bytes has left, behind those before."""
        now_ns, rate = self._timeline.now_ns, self._conditions.bytes_per_s
        if rate is None:
            return now_ns
        self._busy_ns = max(self._busy_ns, now_ns) + size * NS_PER_S // rate
        return self._busy_ns

    def _room_bytes(self) -> int:
        """That the queue still takes."""
        conditions = self._conditions
        if conditions.bytes_per_s is None:
            return conditions.queue_bytes
        waiting_ns = max(0, self._busy_ns - self._timeline.now_ns)
        return conditions.queue_bytes - waiting_ns * conditions.bytes_per_s // NS_PER_S

    def _send_datagrams(self, frames: Sequence[bytes], size: int) -> None:
        if not self.way.open:
            self.drop("way_closed", len(frames))
            return
        room = self._room_bytes()
        if size > room:
            frames = _that_fit(frames, room, self)
            size = sum(map(len, frames))
        leaves_ns, loss, chance = self._leaves_ns(size), self._loss(), self._chance
        kept = frames if not loss else [frame for frame in frames if chance.random() >= loss]
        if len(kept) < len(frames):
            self.drop("lost", len(frames) - len(kept))
        if not kept:
            return
        twice = self._conditions.duplicate and chance.random() < self._conditions.duplicate
        for _ in range(2 if twice else 1):
            self._timeline.at(
                leaves_ns + self._delay_ns(), "datagrams", self._land_datagrams, kept, leaves_ns
            )

    def _land_datagrams(self, frames: Sequence[bytes], left_ns: int) -> None:
        if left_ns <= self._died_ns:
            self.peer.take(frames)

    def _send_reliable(self, frames: list[bytes], size: int) -> None:
        self.unsent_bytes += size
        self._congested = self._congested or self.unsent_bytes > UNSENT_BYTES_MAX
        if self.way.open:
            self._fly_in_order(frames, size)
        else:
            self._held.append((frames, size))

    def _fly_in_order(self, frames: list[bytes], size: int) -> None:
        left_ns = self._leaves_ns(size)
        arrives_ns = left_ns + self._delay_ns()
        loss = self._loss()
        if loss:
            resends = 0
            while resends < RESENDS_MAX and self._chance.random() < loss:
                left_ns = arrives_ns + RESEND_NS + self._delay_ns()
                arrives_ns = left_ns + self._delay_ns()
                resends += 1
        self._in_order_ns = max(self._in_order_ns, arrives_ns)
        self._timeline.at(self._in_order_ns, "frames", self._land, frames, size, left_ns)

    def _land(self, frames: list[bytes], size: int, left_ns: int) -> None:
        self.unsent_bytes -= size
        if left_ns <= self._died_ns:
            self.peer.take(frames)
        if self._congested and self.unsent_bytes <= UNSENT_BYTES_MAX // 2:
            self._congested = False
            if self._ready and not self.gone and self._observer is not None:
                self._observer.link_writable(self)

    def drop(self, reason: str, count: int) -> None:
        self.stats.dropped[reason] = self.stats.dropped.get(reason, 0) + count

    # -- at the other end -------------------------------------------------------------------------------------

    def take(self, frames: Sequence[bytes]) -> None:
        if self.gone:
            return
        size, checksum, odd = 0, self._number, False
        for frame in frames:
            odd = odd or not 0 < len(frame) <= FRAME_BYTES_MAX
            size += len(frame)
            checksum = zlib.crc32(frame, checksum)
        self._timeline.mark(checksum)
        self.stats.bytes_in += size
        self.stats.datagrams_in += len(frames)
        if self.spend is not None:
            self.spend(0, size)
        if odd:
            frames = self._without_odd(frames)
            if self.gone or not frames:
                return
        for tamper in self.way.tampers:
            tamper.heard(self, frames)
        if self._ready and self._observer is not None:
            self._observer.link_received(self, list(frames))
            return
        self._early += frames
        self._early_bytes += size
        if self._early_bytes > EARLY_BYTES_MAX:
            self._early.clear()
            self.shut("nobody_listens")

    def _without_odd(self, frames: Sequence[bytes]) -> Sequence[bytes]:
        """As a transport receives what no honest one sends: nothing is skipped, too much ends the link."""
        if any(len(frame) > FRAME_BYTES_MAX for frame in frames):
            self.drop("oversize_frame", 1)
            self.shut("oversize_frame")
        return [frame for frame in frames if frame]

    def _hand_over(self) -> None:
        self._ready = True
        early, self._early, self._early_bytes = self._early, [], 0
        if early and self._observer is not None:
            self._observer.link_received(self, early)
        if self._lost:
            self._tell_lost()


def _that_fit(frames: Sequence[bytes], room: int, link: SimLink) -> list[bytes]:
    """The first of them; the others find the queue full."""
    kept: list[bytes] = []
    for frame in frames:
        room -= len(frame)
        if room < 0:
            break
        kept.append(frame)
    link.drop("datagram_queue_full", len(frames) - len(kept))
    return kept
