"""How much the messages service keeps, sends at once, and waits for."""

DAY_S = 86_400

# One message.
TEXT_BYTES_MAX = 65_536  # a long letter; larger things are files
KIND_CHARS_MAX = 32  # a word
TRACE_BYTES = 8
EXPIRES_S_MAX = 366 * DAY_S  # a year and a day

# On the wire.
BATCH_MESSAGES_MAX = 256  # one commit on each side for so many: at 5 ms a commit some 20,000 messages/s
BATCH_BYTES_MAX = 524_288  # of bodies; a slow link carries it within the timeout
BATCH_HALVINGS_MAX = 4  # after failures in a row: 32 KiB still pass a link of 3 kB/s within the timeout
MESSAGE_OVERHEAD_BYTES = 256  # most that the map around a body takes
REQUEST_BYTES_MAX = BATCH_BYTES_MAX + TEXT_BYTES_MAX + BATCH_MESSAGES_MAX * MESSAGE_OVERHEAD_BYTES
CODE_CHARS_MAX = 64  # an outcome's word, as in rpc
ANSWER_BYTES_MAX = 64 + BATCH_MESSAGES_MAX * (CODE_CHARS_MAX + 2)
RECEIPTS_PER_CALL = 512
RECEIPT_BYTES_MAX = 64 + RECEIPTS_PER_CALL * 18
RPC_TIMEOUT_S = 15.0  # several lossy hops there and back, and the other side's disk

# Outbox. How much may wait is a setting (quotas.outbox_per_peer, quotas.outbox).
WINDOW_MESSAGES_MAX = (
    1_024  # of one connected peer, also held in memory; the rest is read when its turn comes
)
WINDOW_BYTES_MAX = 1_048_576

# Duplicates. A stored message is its own proof; a deleted one leaves a tombstone until its sender has surely given up.
# What a sender may not know to be delivered is one batch at most: so many of its newest tombstones stay for ever, and
# no clock that stood still brings them back.
TOMBSTONES_PER_SENDER = BATCH_MESSAGES_MAX
CLOCK_SKEW_MS = (
    7 * DAY_S * 1_000
)  # beyond its expiry: how far a sender's clock may stand still, as in sleep; guess
TOMBSTONES_MAX = 1_000_000  # some 80 MB; when full, the one that would go soonest goes

# Ids as text, for events. Each is named three times while it is on its way.
ID_TEXTS_MAX = 2_048  # twice a window
NODE_TEXTS_MAX = 64  # peers that are busy at the same time

# Owner.
LIST_MAX = 1_000  # messages in one answer, and ids in one command
SEND_MANY_MAX = 256  # messages in one commit of ours; the loop stands still for some 10 ms meanwhile
WAITERS_MAX = 1_024  # callers that wait for a state at the same time; one more is refused

# Couriers.
CARRY_ROWS_MAX = 256  # read at a time, of one peer that is away
CARRY_BATCH_MAX = 64  # messages in one sealed object: the later ones need not wait for the earlier
CARRY_LIFE_MS_MIN = 1_200_000  # 20 minutes: an object's end is cut to ten
GATHER_NS = 1_000_000_000  # what is written in one go is sealed in one go
CARRY_AGAIN_NS = 60_000_000_000  # after the courier had no room
AWAY_MAX = 4_096  # peers of whom we know since when they are away; for others it is since our start

# Upkeep.
SETTLE_NS = 600_000_000_000  # 10 minutes after a start a clock that is set over the network has been set
OFF_MS_MAX = (
    DAY_S * 1_000
)  # most that one absence counts: a clock that is years ahead costs a message a day of its life
AGE_SAVE_NS = 600_000_000_000  # an idle node's only commit; after a crash the wall clock tells the rest
SWEEP_NS = 60_000_000_000  # retention needs no haste
SWEEP_SOON_NS = 1_000_000_000  # when a sweep left something, or the disk refused it
SWEEP_ROWS_MAX = 1_000  # in one transaction, so that the writer is never held for long
