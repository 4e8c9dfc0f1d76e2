"""Every bound of this package, with its unit and its reason."""

from dataclasses import dataclass

SECOND_NS = 1_000_000_000

NO_ROUTE = -1  # "route it by its destination"
EPOCH_BITS = 20  # wire.md section 4: 2**20 records of 64 KiB are 64 GiB, within AES-GCM's comfort for one key
EPOCHS_AHEAD_MAX = 8  # wire.md section 4: what a forged counter costs us at most, in REKEY steps
WINDOW_COUNTERS = 8_192  # wire.md section 4: at 64 KiB a record, half a second of reordering at 1 GB/s
TAG_BYTES = 16
PADDED_BYTES_MIN = 64  # wire.md section 4


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """The defaults suit a daemon with up to a few hundred neighbours; tests make them small."""

    resend_after_ns: tuple[int, ...] = (SECOND_NS // 2, SECOND_NS, 2 * SECOND_NS, 4 * SECOND_NS)
    """Waits after each sending of a handshake message; after the last one the handshake has failed.
    Above the round trip of a satellite; at 20 % loss each way one handshake in 60 still fails (guess)."""
    half_open_ns: int = 10 * SECOND_NS  # longer than the 7.5 s for which an initiator tries
    dials_max: int = 256  # our own handshakes under way, at some 4 KiB each; above: refuse the newest
    half_open_max: int = 256  # strangers' handshakes; above: the busiest route's oldest goes
    half_open_per_route_max: int = 16  # above: that route's oldest goes
    answers_per_route_per_s: int = 20  # 1 to 2 % of a core at 0.5 to 1 ms for each handshake; above: dropped
    routes_max: int = 1_024  # routes whose rates are remembered; above: the longest unused is forgotten
    sessions_max: int = 1_024  # at up to 10 KiB each; above: the one least recently heard goes, ours last
    sessions_per_peer_max: int = 4  # a race makes two, a change of path a third; above: the oldest goes
    records_known_max: int = 256  # verified node records, up to 2 KiB each; above: the oldest is forgotten
    race_ns: int = 5 * SECOND_NS  # two handshakes that finish so close together crossed each other (guess)
    linger_ns: int = 30 * SECOND_NS  # how long a superseded session still opens what was under way (guess)
    rekey_ns: int = 900 * SECOND_NS  # 15 minutes: what a key stolen from memory opens of the past, at most
    hints_per_route_per_s: int = 10  # UNKNOWN_SESSION hints; a hint is smaller than what provoked it
    forgot_ns: int = 2 * SECOND_NS  # a session believes one such hint in this time
    counters_max: int = 1 << 48  # at a million records a second, 9 years; above: the session ends
    outgoing_max: int = (
        1_024  # messages that wait for `outgoing`; above: the oldest goes, and is sent again in time
    )
    hops: int = 128  # hops left of a fresh routed envelope; the longest shortest path measured was 69 (docs/routing.md)
