"""How much the broadcasts service writes, keeps and shows."""

from dataclasses import dataclass

HOUR_S = 3_600
DAY_S = 24 * HOUR_S
NS_PER_S = 1_000_000_000

# One broadcast. Everybody carries it: a Bluetooth link takes 0.2 s for the longest, 30 ms for one of 512 bytes.
TEXT_BYTES_MAX = 4_096
EXPIRES_S_DEFAULT = 6 * HOUR_S  # as long as neighbours offer it to those who missed it
EXPIRES_S_MAX = DAY_S

# Ours. Others relay no more of one source (protocols/routing/broadcast).
SENT_PER_MINUTE = 30
SENT_BURST = 60
EMERGENCIES_PER_MINUTE = 6

LIST_MAX = 1_000  # in one answer
RECALLED_MAX = 1_000  # after a start: as many as sync keeps
HEARD_MAX = 512  # that wait for the disk; one more is lost here, and stays with the neighbours
BATCH_MAX = 128  # in one commit
RETRY_NS = 5 * NS_PER_S  # where the disk refused


@dataclass(frozen=True, slots=True)
class ShelfLimits:
    """What stays on disk, by size alone: no clock that jumps takes anything away. At a limit the oldest goes."""

    source_count: int = 500
    source_bytes: int = 1 << 20
    strangers_bytes: int = 4 << 20  # together: they wash out nobody whom the owner knows
    bytes: int = 16 << 20
