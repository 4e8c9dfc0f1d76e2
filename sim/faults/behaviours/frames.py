"""Misbehaviour with frames that pass: lost on purpose, repeated, damaged, held back, drowned in rubbish."""

from collections import deque
from collections.abc import Sequence

from sim.faults.behaviours.spot import Spot
from sim.models.wire import SimLink
from sim.timeline import NS_PER_MS, NS_PER_S
from transports.api import FRAME_BYTES_MAX

KEPT_FRAMES = 64  # of those that came by, to be used again
HELD_FRAMES_MAX = 64  # of one link; then they go
HOLD_NS = 2 * NS_PER_S  # longer than a handshake waits for its first resend, shorter than a link for its end
GROWTH_BYTES_MAX = 64
FLIPS_MAX = 4
FLOOD_NS = 100 * NS_PER_MS  # between two waves
FLOOD_LINKS = 8  # in one wave; the next goes to others
FLOOD_SMALL = 16  # frames of a few bytes, to each of them
SMALL_BYTES_MAX = 16
OVERSIZED = 0.02  # of the waves have a frame that no transport takes


class AtFrames:
    """Puts itself on all ways of its spot. Alone, it does nothing with what passes."""

    def __init__(self, spot: Spot) -> None:
        self.spot = spot

    def start(self) -> None:
        for medium in self.spot.media:
            medium.ways.tamper(self, self.spot.host.name, self.spot.receiver)

    def stop(self) -> None:
        for medium in self.spot.media:
            medium.ways.untamper(self, self.spot.host.name, self.spot.receiver)

    def sent(self, link: SimLink, frames: Sequence[bytes], *, reliable: bool) -> Sequence[bytes]:  # noqa: ARG002 - a tamper's shape
        return frames

    def heard(self, link: SimLink, frames: Sequence[bytes]) -> None:
        """An eavesdropper would keep them."""


class Drop(AtFrames):
    """A share of the frames is never sent, and nobody is told."""

    def sent(self, link: SimLink, frames: Sequence[bytes], *, reliable: bool) -> Sequence[bytes]:  # noqa: ARG002 - a tamper's shape
        return [frame for frame in frames if not self.spot.hits()]


class Replay(AtFrames):
    """Behind a share of the frames comes one that had been sent or heard before, here or on another link."""

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self._kept: deque[bytes] = deque(maxlen=KEPT_FRAMES)

    def sent(self, link: SimLink, frames: Sequence[bytes], *, reliable: bool) -> Sequence[bytes]:
        spot, limit = self.spot, lane_bytes(link, reliable=reliable)
        out: list[bytes] = []
        for frame in frames:
            out.append(frame)
            if self._kept and spot.hits():
                again = self._kept[spot.chance.below(len(self._kept))]
                others = spot.links()
                other = others[spot.chance.below(len(others))] if others else link
                if other is not link:
                    other.inject([again], reliable=other.traits.has_reliable_lane)
                elif len(again) <= limit:
                    out.append(again)
            self._kept.append(frame)
        return out

    def heard(self, link: SimLink, frames: Sequence[bytes]) -> None:  # noqa: ARG002 - a tamper's shape
        self._kept.extend(frames)


class Corrupt(AtFrames):
    """A share of the frames arrives with flipped bits, cut short, grown, or with the end of another frame."""

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self._last = b"\x00"

    def sent(self, link: SimLink, frames: Sequence[bytes], *, reliable: bool) -> Sequence[bytes]:
        limit = lane_bytes(link, reliable=reliable)
        out: list[bytes] = []
        for frame in frames:
            out.append(self._damage(frame)[:limit] if self.spot.hits() else frame)
            self._last = frame
        return out

    def _damage(self, frame: bytes) -> bytes:
        chance, way = self.spot.chance, self.spot.chance.below(4)
        if way == 0:
            damaged = bytearray(frame)
            for _ in range(1 + chance.below(FLIPS_MAX)):
                damaged[chance.below(len(damaged))] ^= 1 << chance.below(8)
            return bytes(damaged)
        if way == 1:
            return frame[: max(1, chance.below(len(frame)))]
        if way == 2:
            return frame + self.spot.rubbish(1 + chance.below(GROWTH_BYTES_MAX))
        return frame[: max(1, chance.below(len(frame)))] + self._last[chance.below(len(self._last)) :]


class Delay(AtFrames):
    """A share of the frames is held back, then all go at once and in another order."""

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self._held: dict[SimLink, list[tuple[bytes, bool]]] = {}

    def sent(self, link: SimLink, frames: Sequence[bytes], *, reliable: bool) -> Sequence[bytes]:
        now: list[bytes] = []
        for frame in frames:
            if self.spot.hits():
                self._hold(link, frame, reliable=reliable)
            else:
                now.append(frame)
        return now

    def stop(self) -> None:
        super().stop()
        for link in list(self._held):
            self._release(link)

    def _hold(self, link: SimLink, frame: bytes, *, reliable: bool) -> None:
        held = self._held.get(link)
        if held is None:
            held = self._held[link] = []
            self.spot.timeline.after(HOLD_NS, "byzantine", self._release, link)
        held.append((frame, reliable))
        if len(held) >= HELD_FRAMES_MAX:
            self._release(link)

    def _release(self, link: SimLink) -> None:
        held = self._held.pop(link, [])
        for end in range(len(held) - 1, 0, -1):
            place = self.spot.chance.below(end + 1)
            held[end], held[place] = held[place], held[end]
        for frame, reliable in held:
            link.inject([frame], reliable=reliable)


class Flood(AtFrames):
    """Honest frames pass; beside them come waves of rubbish on both lanes, a share of the greatest."""

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self._kept: deque[bytes] = deque(maxlen=KEPT_FRAMES)
        self._over = False
        self._next = 0

    def sent(self, link: SimLink, frames: Sequence[bytes], *, reliable: bool) -> Sequence[bytes]:  # noqa: ARG002 - a tamper's shape
        self._kept.extend(frames)
        return frames

    def start(self) -> None:
        super().start()
        self._wave()

    def stop(self) -> None:
        super().stop()
        self._over = True

    def _wave(self) -> None:
        if self._over:
            return
        links = self.spot.links()
        for _ in range(min(FLOOD_LINKS, len(links))):
            self._next += 1
            self._drown(links[self._next % len(links)])
        self.spot.timeline.after(FLOOD_NS, "byzantine", self._wave)

    def _drown(self, link: SimLink) -> None:
        spot, chance = self.spot, self.spot.chance
        size = lane_bytes(link, reliable=False) or SMALL_BYTES_MAX
        wave = [spot.rubbish(1 + chance.below(SMALL_BYTES_MAX)) for _ in range(FLOOD_SMALL)]
        wave += [spot.rubbish(size), self._almost_right(size)]
        wave = [frame for frame in wave if spot.hits()]
        link.inject(wave, reliable=link.traits.has_reliable_lane and chance.below(2) == 1)
        if chance.random() < OVERSIZED * spot.share:
            link.inject([bytes(FRAME_BYTES_MAX + 1)], reliable=True)

    def _almost_right(self, size: int) -> bytes:
        """An honest beginning gets farther into a decoder than rubbish does."""
        if not self._kept:
            return self.spot.rubbish(size)
        honest = self._kept[self.spot.chance.below(len(self._kept))]
        return (honest[: max(1, len(honest) // 2)] + self.spot.rubbish(len(honest)))[:size]


def lane_bytes(link: SimLink, *, reliable: bool) -> int:
    return FRAME_BYTES_MAX if reliable else link.traits.datagram_bytes_max
