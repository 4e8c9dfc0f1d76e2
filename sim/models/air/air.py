"""The air itself: `transmit` now, and at the end of the airtime all who could receive it have it.

A frame is missed by who sends at the same time, by who sleeps during a part of it, by who hears another one over it,
and by chance. Work is by neighbours of the sender: nothing here looks at all hosts.
"""

import zlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from protocols.errors import LocalError
from sim.models.air.kinds import PPM, AirKind
from sim.models.air.scan import ALWAYS, Windows
from sim.models.movement import ContactChange
from sim.timeline import Entry, Timeline

__all__ = ["FRAMES_WAITING_MAX", "LISTEN_TRIES_MAX", "PLAIN", "Air", "Hearing", "edge_loss"]

FRAMES_WAITING_MAX = 64  # of one sender, for its turn; later ones are dropped
LISTEN_TRIES_MAX = 16  # a frame that found the channel busy so often is dropped

Heard = Callable[[int, bytes], None]  # sender, frame
Spend = Callable[[int, int], None]  # bytes out, bytes in


class Hearing(NamedTuple):
    """How one host hears another."""

    distance_m: float = 1.0  # decides who is captured, where the kind says so
    loss: float = 0.0  # beside the air's own


PLAIN = Hearing()


def edge_loss(distance_m: float, range_m: float, *, soft_share: float) -> float:
    """None up to a part of the range, then rising to certain loss at its end. `soft_share` 0: a hard disc."""
    if distance_m > range_m:
        return 1.0
    soft_m = range_m * soft_share
    return max(0.0, (distance_m - range_m + soft_m) / soft_m) if soft_m else 0.0


@dataclass(eq=False, slots=True)
class _Flight:
    """One frame on the air."""

    sender: int
    frame: bytes
    end_ns: int
    missed: dict[int, str] = field(default_factory=dict[int, str])  # receiver -> why


@dataclass(eq=False, slots=True)
class _Radio:
    heard: Heard
    spend: Spend | None
    windows: Windows
    phase_ns: int  # of its slots
    near: dict[int, Hearing] = field(default_factory=dict[int, Hearing])  # who hears it
    arriving: dict[_Flight, Hearing] = field(default_factory=dict[_Flight, Hearing])
    sending: bool = False
    waiting: deque[bytes] = field(default_factory=deque[bytes])
    free_ns: int = 0  # before then it may not start again
    tries: int = 0  # at the first of those that wait
    turn: Entry | None = None  # when it looks again


class Air:
    """Hosts are numbered in the order in which they are added."""

    def __init__(self, kind: AirKind, timeline: Timeline, die: Random, *, loss: float = 0.0) -> None:
        self.kind, self.loss = kind, loss
        self._timeline, self._die = timeline, die
        self._radios: list[_Radio] = []
        self.counts: dict[str, int] = {}  # sent, received, and why not: words are fixed
        self.airtime_ns = 0  # of all senders

    def __len__(self) -> int:
        return len(self._radios)

    # -- who is there -----------------------------------------------------------------------------------------

    def add(self, heard: Heard, *, windows: Windows = ALWAYS, spend: Spend | None = None) -> int:
        """Its number. `heard(sender, frame)` is called for each frame that it received."""
        phase_ns = self._die.randrange(self.kind.slot_ns) if self.kind.slot_ns else 0
        self._radios.append(_Radio(heard, spend, windows, phase_ns))
        return len(self._radios) - 1

    def tune(self, host: int, windows: Windows) -> None:
        """From the next frame on it listens then."""
        self._radios[host].windows = windows

    def meet(self, one: int, other: int, hearing: Hearing = PLAIN) -> None:
        """Each hears what the other begins to send from now on; said again, it changes how."""
        self._radios[one].near[other] = hearing
        self._radios[other].near[one] = hearing

    def part(self, one: int, other: int) -> None:
        """What is on the way still arrives. Harmless between those who are apart."""
        self._radios[one].near.pop(other, None)
        self._radios[other].near.pop(one, None)

    def follow(self, changes: Iterable[ContactChange]) -> None:
        for change in changes:
            (self.meet if change.up else self.part)(change.a, change.b)

    def degree(self, host: int) -> int:
        return len(self._radios[host].near)

    # -- sending ----------------------------------------------------------------------------------------------

    def transmit(self, host: int, frame: bytes) -> None:
        """As soon as its radio may. What can't wait any more is dropped and counted."""
        if not 0 < len(frame) <= self.kind.frame_bytes_max:
            raise LocalError(f"a frame of {self.kind.name} has 1 to {self.kind.frame_bytes_max} bytes")
        radio = self._radios[host]
        if len(radio.waiting) >= FRAMES_WAITING_MAX:
            self._count("queue_full")
            return
        radio.waiting.append(frame)
        self._turn(host, radio)

    def _turn(self, host: int, radio: _Radio) -> None:
        if radio.sending or radio.turn is not None or not radio.waiting:
            return
        kind, now_ns = self.kind, self._timeline.now_ns
        start_ns = max(now_ns, radio.free_ns)
        if kind.slot_ns:
            start_ns += (radio.phase_ns - start_ns) % kind.slot_ns
        if start_ns > now_ns:
            self._look_again(host, radio, start_ns)
        elif kind.backoff_ns is not None and radio.arriving:
            radio.tries += 1
            if radio.tries > LISTEN_TRIES_MAX:
                radio.waiting.popleft()
                radio.tries = 0
                self._count("channel_busy")
            self._look_again(host, radio, now_ns + self._die.randint(*kind.backoff_ns))
        else:
            self._start(host, radio, radio.waiting.popleft())

    def _look_again(self, host: int, radio: _Radio, when_ns: int) -> None:
        def look() -> None:
            radio.turn = None
            self._turn(host, radio)

        radio.turn = self._timeline.at(when_ns, "air/turn", look)

    def _start(self, host: int, radio: _Radio, frame: bytes) -> None:
        kind, now_ns = self.kind, self._timeline.now_ns
        airtime_ns = kind.airtime.ns(len(frame))
        flight = _Flight(host, frame, now_ns + airtime_ns)
        radio.sending, radio.tries = True, 0
        radio.free_ns = flight.end_ns + airtime_ns * (PPM - kind.duty_ppm) // kind.duty_ppm
        if kind.interval_ns:
            pause_ns = kind.interval_ns + (self._die.randrange(kind.jitter_ns) if kind.jitter_ns else 0)
            radio.free_ns = max(radio.free_ns, now_ns + pause_ns)
        self._count("sent")
        self.airtime_ns += airtime_ns
        if radio.spend is not None:
            radio.spend(len(frame), 0)
        if kind.half_duplex:
            for other in radio.arriving:
                other.missed.setdefault(host, "sending")
        receivers = list(radio.near.items())
        for receiver, hearing in receivers:
            self._reach(flight, receiver, hearing, now_ns)
        self._timeline.at(flight.end_ns, "air", self._end, flight, receivers)

    def _reach(self, flight: _Flight, receiver: int, hearing: Hearing, now_ns: int) -> None:
        kind, radio = self.kind, self._radios[receiver]
        if kind.half_duplex and radio.sending:
            flight.missed[receiver] = "sending"
        elif not radio.windows.cover(now_ns, flight.end_ns):
            flight.missed[receiver] = "asleep"
        if kind.collides:
            for other, heard in radio.arriving.items():
                if other.end_ns > now_ns:
                    self._clash(receiver, flight, hearing, other, heard)
        radio.arriving[flight] = hearing

    def _clash(self, receiver: int, one: _Flight, near: Hearing, other: _Flight, far: Hearing) -> None:
        ratio = self.kind.capture_ratio
        if ratio is None or near.distance_m * ratio > far.distance_m:
            one.missed.setdefault(receiver, "collided")
        if ratio is None or far.distance_m * ratio > near.distance_m:
            other.missed.setdefault(receiver, "collided")

    # -- receiving --------------------------------------------------------------------------------------------

    def _end(self, flight: _Flight, receivers: list[tuple[int, Hearing]]) -> None:
        """The last bit: the channel is free again, then owners hear of it."""
        radios, die, ours = self._radios, self._die, self.loss
        self._timeline.mark(zlib.crc32(flight.frame, flight.sender))
        sender = radios[flight.sender]
        sender.sending = False
        got: list[int] = []
        for receiver, hearing in receivers:
            del radios[receiver].arriving[flight]
            if (why := flight.missed.get(receiver)) is not None:
                self._count(why)
                continue
            loss = ours + hearing.loss - ours * hearing.loss if hearing.loss else ours
            if loss and die.random() < loss:
                self._count("lost")
            else:
                got.append(receiver)
        self._turn(flight.sender, sender)
        if self.kind.latency_ns:
            self._timeline.after(self.kind.latency_ns, "air/heard", self._hand_on, flight, got)
        else:
            self._hand_on(flight, got)

    def _hand_on(self, flight: _Flight, got: list[int]) -> None:
        self._count("received", len(got))
        for receiver in got:
            radio = self._radios[receiver]
            if radio.spend is not None:
                radio.spend(0, len(flight.frame))
            radio.heard(flight.sender, flight.frame)

    def _count(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number
