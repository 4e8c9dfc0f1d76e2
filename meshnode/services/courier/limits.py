"""How long the courier waits, how much it does at once, and what it keeps beside what it carries."""

RPC_TIMEOUT_S = 20.0  # an object of 64 KiB passes a link of 4 kB/s
ROUNDS_MAX = 4  # neighbours that are talked to at the same time
REST_NS = 30_000_000_000  # after a neighbour failed to answer
LOOK_NS = 60_000_000_000  # between two looks at what time does: expiry, rotation, meetings to be kept
LOOK_SOON_NS = 1_000_000_000  # when the disk refused
BAD_MAX = 16  # objects of one neighbour that don't open; further ones are not tried while it stays
BUNDLES_MAX = (
    2_048  # prekeys of others, 1.4 KB each; when full, the stranger's goes that was renewed longest ago
)
RECEIPTS_MAX = 4_096  # of couriers, 200 bytes each; when full, the oldest goes
UNDER_WAY_SHOWN_MAX = 100
MESSAGES_PER_OBJECT_MAX = 256  # as in one delivery
