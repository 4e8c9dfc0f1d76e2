"""Every number of routing, with its unit and its reason."""

from dataclasses import dataclass

BODY_BYTES_MAX = 1_000  # a CONTROL frame holds 1,024; the rest is the record's
ROUTED_BYTES_MAX = 512  # a lookup with a locator has 245
NEIGHBOURS_MAX = 250  # a neighbour is one byte in the table, 255 means none
SUCCESSORS = 3  # kept for each destination; of degree 8 about three neighbours are nearer to it than we
COST_INFINITE = 0xFFFF
WIDTH_MAX = 31  # room above the widest class in use, 16 (64 KiB)
HOP_COST = 16  # one good hop

MS = 1_000_000
S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RoutingLimits:
    """What a node remembers, says and waits. Costs: 16 = one good hop."""

    # The table
    near_max: int = (
        256  # ordinary destinations; reckoned, not measured: at 10,000 nodes of degree 8 about 100 in scope
    )
    landmarks_max: int = 256  # when full the farthest go; reckoned: 10,000 nodes elect about 150
    spare_max: int = (
        64  # slots beyond both, for retracted destinations that are still remembered; the oldest goes
    )
    settle_ns: int = 15 * S  # but not before so long: its retraction may still be repeated on the way
    share: float = 0.5  # of the places in the table, that one of several neighbours alone may fill
    hold_ns: int = 60 * S  # a retracted destination's feasibility distance is kept; Babel: 180 s
    hysteresis: int = 4  # a way must be a quarter hop better than the one in use; guess
    notable: int = 8  # a change of cost from here on is told at once; half a hop, guess

    # Speaking
    budget: float = 0.02  # of a link's capacity; Reticulum's figure too
    burst_s: int = 5  # of budget that may be saved up: a new neighbour hears the whole table at once
    burst_bytes_min: int = 2_000  # two bodies, on the slowest link too
    body_overhead: int = 64  # bytes that envelope, seal and padding add to a body; counted against the budget
    refresh_share: float = 0.5  # of the budget, for what did not change
    trigger_ns: tuple[int, int] = (
        20 * MS,
        80 * MS,
    )  # changes are merged for so long: seven hops in half a second
    trigger_slow_ns: tuple[int, int] = (
        200 * MS,
        800 * MS,
    )  # on slow links, where small bodies cost as much as large
    slow_bytes_per_s: int = 4_000  # of budget; below it a link is slow
    period_min_ns: int = 15 * S  # between refreshes while neighbours change
    period_max_ns: int = 120 * S  # when calm
    silence_periods: float = 3.5  # then a neighbour's word is no longer believed; Babel's figure
    name_every: int = 4  # a refresh carries a landmark's whole NodeId only each fourth time
    retell_ns: int = 10 * S  # a neighbour is asked at most so often to say everything again

    # Sequence requests
    bump_ns: int = 3 * S  # our own sequence rises at most so often by request
    request_hops_max: int = 64
    requests_max: int = 48  # of ours that are repeated, and of others' that are remembered; the oldest goes
    asks_max: int = 24  # queued for one neighbour; the oldest goes, and is repeated by who sent it
    request_memory_ns: int = 2 * S  # an equal request is not passed on again within
    request_retry_ns: int = 1 * S  # first repetition; doubles
    request_tries: int = 4
    request_neighbours_max: int = 4  # asked at a time

    # Landmarks
    near_min: int = 128  # a landmark should be among so many nearest nodes
    slack: int = HOP_COST  # a node is known so much farther than its landmark is; covers lopsided costs
    elect_ns: tuple[int, int] = (5 * S, 120 * S)  # long against a landmark's word crossing its surroundings
    unwilling_factor: int = 8  # who is on battery waits so much longer
    step_down_ns: int = 60 * S  # a landmark of lower NodeId must have been so near for so long
    check_ns: int = 5 * S  # election, radius and expiry are looked at

    # Locators and lookups
    replicas: int = 2  # landmarks that keep a locator
    register_ns: int = 600 * S  # told again
    register_min_ns: int = 20 * S  # at most so often where the landmark changes
    locator_ns: int = 1_800 * S  # kept by a landmark: three registrations
    locators_max: int = 192  # kept for others; the oldest goes. Reckoned for 10,000 nodes: 133
    located_max: int = 64  # found ones remembered; the least recently used goes
    located_ns: int = 900 * S
    lookup_retry_ns: int = 2 * S  # first pause; doubles
    lookup_retry_max_ns: int = 120 * S
    doubt_ns: int = 5 * S  # a locator younger than this is not forgotten for a "no route"
    watched_max: int = 1_024

    # Data plane
    crumbs_max: int = 64  # sources whose way back is remembered; the oldest goes
    crumb_ns: int = 60 * S
    hints_max: int = 64  # "no route" hints waiting or remembered
    hint_ns: int = 2 * S  # one source gets at most one hint so often
    outbox_max: int = 64  # routed control waiting for the caller; the oldest goes
    blame_ns: int = 10 * S  # the same reproach to the same neighbour at most so often


DEFAULT = RoutingLimits()
