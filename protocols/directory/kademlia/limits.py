"""How far the directory goes: each bound with its unit and its reason."""

from dataclasses import dataclass

NS_PER_S = 1_000_000_000
HOUR_NS = 3_600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class DirectoryLimits:
    # The system (Maymounkov & Mazières 2002; Baumgart & Mies 2007).
    k: int = 20  # nodes that keep a record: "unlikely that all fail within an hour" (2002, section 2.2)
    alpha: int = 3  # questions under way in one lookup, over all its paths
    paths: int = (
        3  # disjoint ones; with a fifth of all nodes hostile more than 99 % have an honest path (2007)
    )
    replicas_enough: int = 2  # on one path: one may be stale or a liar's replay
    asks_max: int = 96  # in one lookup; among 10,000 with a fifth dead one asks 20 on average
    # A path must not fill up with one liar's friends. Of 3,000 nodes with a fifth in league 8 finds all, 20 finds 98 %.
    adopt_max: int = 8  # of the nodes in one answer, those nearest
    candidates_max: int = 64  # a path remembers; beyond it the farthest go

    # The table.
    waiting_max: int = 8  # who wait for a seat in a full bucket, each; the one heard of longest ago goes
    group_max: int = 3  # seats in one bucket, and places on one path, of one public /24 (IPv6: /48)
    group_table_max: int = 12  # of one such network in the whole table
    near_group_max: int = 10  # in one bucket: of one private network, or reached by one neighbour
    failures_max: int = 2  # in a row: not asked while there are others, and a waiting one takes the seat
    failures_gone: int = 5  # in a row: the seat is free
    stale_ns: int = HOUR_NS // 4  # unheard for so long, the oldest of a full bucket is asked whether it lives

    # What is kept for others. One record is some 350 bytes, 2 KiB at most.
    records_max: int = 4_096  # at the limit the one farthest from us goes
    cached_max: int = 512  # copies beside the way of a lookup; the oldest goes
    teacher_records_max: int = 256  # that one node brought of others; its own is beside them
    holdings_max: int = 16_384  # some 250 bytes each; the newest is refused
    key_holders_max: int = 64  # of one key; a shard with more is safe enough
    node_holdings_max: int = 1_024  # statements of one node
    holding_life_s_max: int = 7 * 86_400  # whoever still holds it says so again within a week
    cached_life_s_max: int = 600  # a copy beside the way may be stale for so long

    # Upkeep.
    publish_ns: int = HOUR_NS  # 2002, section 2.5, with a tenth of jitter to either side
    refresh_ns: int = HOUR_NS  # a bucket without a lookup for so long gets one (2002, section 2.3)
    soon_ns: int = 2 * NS_PER_S  # after a change, so that several changes cost one lookup
    retry_ns: int = 30 * NS_PER_S  # after a publication that reached nobody; doubles up to publish_ns
    purge_ns: int = 10 * 60 * NS_PER_S
    handovers_max: int = (
        256  # records that wait to be handed to somebody nearer; one more waits for its owner
    )


DEFAULT = DirectoryLimits()
