"""How far, how often and how much is flooded."""

from dataclasses import dataclass

from protocols.envelope import ROUTED_HEADER_BYTES

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
HOUR_MS = 3_600_000

BROADCAST_BYTES_MAX = 16_384  # of payload: everybody carries it, so nothing larger than a long page
FRAME_BYTES_MAX = ROUTED_HEADER_BYTES + BROADCAST_BYTES_MAX
# A flood takes longer ways than it must, up to 39 hops among 1,000 nodes of degree 8. Measured on 3 such graphs with the
# same sources: with 32 a broadcast misses up to 5 % of them, with 128 up to 0.7 %. As many as other envelopes have.
HOPS_DEFAULT = 128
SCOPE_HOPS_MAX = 32  # that an author may ask for; beyond it a scope is no scope
LIFE_MS_MAX = 24 * HOUR_MS  # news; what should last longer is a message or a file
FUTURE_MS_MAX = 2 * HOUR_MS  # a source's clock may be so far ahead: a wrong time zone's worth and more; guess
WALL_MS_MIN = 1_735_689_600_000  # the beginning of 2025: a clock that shows less was never set

# How long a relay waits, so that neighbours don't all send at once and each hears others first, by how many there are.
# The spans are wider than BitChat's (10 to 40 ms where few hear each other, 100 to 220 ms where ten or more do): with those, a
# room of degree 6 paid 0.75 to 0.77 relays for each delivery, with these 0.71 to 0.73, for 60 ms more at the median.
WAIT_MS = ((2, (10, 40)), (3, (40, 150)), (9, (40, 300)))
WAIT_MS_CROWDED = (80, 300)


@dataclass(frozen=True, slots=True)
class BroadcastLimits:
    # Copies heard, with which a relay is given up. Compared at degree 8 and 10 % loss on 40 graphs of 50 nodes: 3 reach
    # 96 % for 0.60 relays each, 4 reach 98 % for 0.72. At degree 14, 3 reach 99 % for 0.42. Over links that repeat what
    # got lost (scenario room, degree 6), 3 reach 99.8 % for 0.75. Sync finds the rest.
    copies_enough: int = 3
    suppressed_above: int = 3  # neighbours: with fewer we may be somebody's only bridge
    hops_max: int = HOPS_DEFAULT  # more in a frame count as so many: nobody stretches another's broadcast
    source_per_minute: int = 30  # relays: a report every two seconds; further ones travel by sync alone
    source_burst: int = 60  # what two halves of a town have for each other comes at once
    emergency_per_minute: int = 6  # of one source, since these cost everybody at once
    neighbour_per_minute: int = 600  # relays of what one neighbour brings: twenty sources at their limit
    neighbour_burst: int = 1_200  # a whole sync window
    sources_max: int = 1_024  # whose rates are remembered; the one that was quiet longest is forgotten
    neighbours_max: int = 256  # to whom relays go: far more than a device has links
    seen_max: int = 4_096  # ids: four sync windows; the oldest is forgotten
    seen_ns: int = 3_600 * NS_PER_S  # a flood is over in seconds; sync remembers for longer
    # Relays that wait: a sync window at once. At a limit the newest is dropped, but no emergency.
    waiting_max: int = 1_024
    waiting_bytes_max: int = 4 << 20


DEFAULT = BroadcastLimits()


def wait_ns(neighbours: int) -> tuple[int, int]:
    """Least and most."""
    least_ms, most_ms = next((span for most, span in WAIT_MS if neighbours <= most), WAIT_MS_CROWDED)
    return least_ms * NS_PER_MS, most_ms * NS_PER_MS
