"""Every number of the service, with its unit and its reason."""

from dataclasses import dataclass

from policies.backoff import BackoffLimits

SERVICE = "reach"
BODY_BYTES_MAX = 4_096  # 24 addresses of 54 bytes at the longest, and as much again for keys to come
HOSTS_MAX = 16  # addresses of one side's interfaces: as many as a node record holds
OUTSIDE_MAX = (
    8  # addresses of one side as seen from outside: two IP versions, a forwarded port, and some room
)

NS_PER_S = 1_000_000_000
REST = BackoffLimits(first_ns=4 * NS_PER_S, longest_ns=1_800 * NS_PER_S)
MAP_REST = BackoffLimits(first_ns=30 * NS_PER_S, longest_ns=3_600 * NS_PER_S)


@dataclass(frozen=True, slots=True)
class MeetingLimits:
    look_ns: int = 15 * NS_PER_S  # between two looks at who is reached over others, while somebody may be
    ask_ns: int = 600 * NS_PER_S  # between two questions to one observer: a NAT's address hardly ever changes
    ask_soon_ns: int = 10 * NS_PER_S  # the same before a meeting: a restarted NAT may have broken the link
    ask_s: float = 5.0  # for an answer
    freshen_s: float = 1.0  # for all answers before a meeting, which goes on without those that are late
    observers_max: int = 8  # asked in one look; three that agree would do
    observations_max: int = 64  # kept; then the oldest is forgotten
    observation_ns: int = 1_800 * NS_PER_S  # older ones may be of a NAT that we left
    at_once_max: int = 4  # meetings we begin at a time: each sends up to 6 first flights of 1,200 bytes
    answered_at_once_max: int = 4  # and those that others begin
    answered_ns: int = (
        1 * NS_PER_S
    )  # between two that one peer begins, doubled by each that failed: it must not use
    answered_doublings_max: int = 6  # us to flood others. A peer that keeps to `rest` is never refused for it
    peers_max: int = 1_024  # outcomes kept; then the oldest is forgotten
    meet_s: float = 15.0  # a whole meeting: question, answer, the word, and a dial
    dial_s: float = 5.0  # of these: as long as a QUIC dial takes to give up
    rest: BackoffLimits = REST
    """After a meeting that failed. Three follow in half a minute, for a lost packet; then the NATs stand against it."""
    patience_ns: int = 20 * NS_PER_S  # the higher NodeId waits so much longer: as a rule the lower one begins
    map_ns: int = 3_600 * NS_PER_S  # a mapping's life; asked again at half of it (RFC 6887, section 11.2.1)
    map_rest: BackoffLimits = MAP_REST
    withdraw_s: float = 3.0  # at the end: a router that does not answer must not hold up the stop
