"""What sync keeps, asks for and answers."""

from dataclasses import dataclass

NS_PER_S = 1_000_000_000
SYNC_BODY_BYTES_MAX = 1_000  # a control body has 1 KiB
BUCKET_MS = 600_000  # ten minutes: 36 in a window, so that all their fingerprints fit one body


@dataclass(frozen=True, slots=True)
class SyncLimits:
    # What is kept. At a limit the oldest of the source that has most goes.
    kept_max: int = 1_000  # broadcasts, as BitChat keeps
    kept_bytes_max: int = 2 << 20
    source_kept_max: int = 250  # of one source: four that shout all day still leave nobody out
    window_ns: int = 6 * 3_600 * NS_PER_S  # after it was sent, nobody is offered it any more
    scoped_window_ns: int = 600 * NS_PER_S  # of a scoped one: it was meant for here and now
    known_max: int = 4_096  # ids, those included whose frames have gone
    known_ns: int = 3_600 * NS_PER_S  # beyond its expiry, so that nobody whose clock is late teaches it again

    # When neighbours compare.
    first_ns: tuple[int, int] = (200_000_000, 800_000_000)  # a link comes up, and others in that moment
    every_ns: int = 15 * NS_PER_S
    fresh_ns: int = 8 * NS_PER_S  # after something new came: a flood of 1,000 nodes is over in 4 s
    jitter_ns: int = 2 * NS_PER_S  # either way
    calm_ns: int = 120 * NS_PER_S  # nothing new and nothing to learn: each time twice as long, up to this
    listen_ns: int = 2 * NS_PER_S  # between two comparisons that a neighbour may begin

    # What is said and asked.
    bodies_burst: int = 48  # answers to one neighbour: three comparisons of a window that differs everywhere
    bodies_per_minute: int = 24  # 400 bytes/s, which is 2 % of a BLE link
    wait_ns: int = 400_000_000  # at most, before something is asked for: a flood may bring it in this moment
    answer_ns: int = 2 * NS_PER_S  # for a frame that was asked for; twice as long at each further try
    tries_max: int = 3  # with each who offers it: at 10 % loss one of a thousand is left for next time
    asked_max: int = 32  # of one neighbour at a time: 22 kB of short texts, a second of a BLE link
    wanted_max: int = 1_024  # in all: a window
    offers_max: int = 8  # neighbours remembered for one that is wanted

    # What neighbours may take.
    resent_max: int = 8  # times that one neighbour gets the same: at 30 % loss one of 15,000 is left without
    sent_ids_max: int = 1_024  # remembered for that, of each neighbour
    pieces_burst: int = 2_048  # KiB to one neighbour: a whole window
    pieces_per_minute: int = 60  # KiB
    vain_min: int = 32  # asked for and not sent, before it counts for anything
    vain_share: int = 4  # and so many times what was sent: loss alone does not do that
    shun_ns: int = 600 * NS_PER_S  # that such a neighbour's offers are passed over
    past_max: int = 32  # neighbours that have gone, whose account is kept in case they come again
    told_ns: int = 60 * NS_PER_S


DEFAULT = SyncLimits()
