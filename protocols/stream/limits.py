"""Every number of a connection, with its unit and its reason. What both ends must agree on is in docs/wire.md."""

from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024
MS, SECOND = 1_000_000, 1_000_000_000  # nanoseconds

# What a peer may send before our first MAX_* frame reaches it (docs/wire.md, section 5).
DATA_BYTES_INITIAL = MIB
STREAM_BYTES_INITIAL = 256 * KIB
STREAMS_INITIAL = 16

STREAM_INDEX_MAX = 2**31 - 1  # ids are 32 bits, one of them says who opened
CONTROL_BYTES_MAX = 1024  # BIND needs 64
CONTROLS_MAX = 64  # waiting; the oldest goes when one more comes: whoever needs an answer asks again
REASON_BYTES_MAX = 255  # one length byte

ACK_RANGES_MAX = (
    32  # 5 % loss of 1,200-byte records leaves 20 between holes: 32 span three windows of 256 KiB
)
RANGES_KEPT_MAX = 256  # two links of unlike speed leave a hole behind each record of the quicker one
LATE_KEPT_MAX = (
    16  # that filled a hole since the last answer, which names them before others; as ACK_EVERY_RELIABLE
)
ACK_EVERY_DATAGRAMS = 2  # RFC 9000, section 13.2.2
ACK_EVERY_RELIABLE = 16  # 1 MiB of full records; nothing is lost there, so an answer may wait
ACK_DELAY_DATAGRAM_NS = 10 * MS
ACK_DELAY_RELIABLE_NS = 5 * MS
ACK_DELAY_MAX_NS = 25 * MS  # of a peer's claim, RFC 9000's default; more is its own slowness

RECORDS_SPAN_MAX = 8_000  # a record 8,192 behind the newest falls out of the peer's replay window
RECORDS_LOST_KEPT_MAX = 64  # that a late acknowledgement may still give a round-trip time for
LANES_MAX = 64  # the lane used longest ago then counts as lost

LOST_AFTER_RECORDS = 3  # RFC 9002, section 6.1.1
RTT_INITIAL_NS = 100 * MS  # RFC 9002 takes 333 ms for the whole internet; a mesh's neighbours are nearer
TIMER_NS_MIN = MS  # RFC 9002, section 6.1.2
PROBE_BACKOFF_MAX = 6  # doublings: 64 probe times, a good half minute at 100 ms
PROBE_RECORDS = 2  # RFC 9002, section 6.2.4
RELIABLE_PROBE_NS = SECOND  # the acknowledgement may have been lost on a datagram: ask again
SILENT_RTTS = (
    3  # owed an answer for longer, a way of several has fallen silent: two answers may be lost by then
)
SILENT_LEAST_RTTS = 6  # the shortest seen, on a reliable lane: its smoothed one is mostly its own queue
SILENT_NS_MIN = 120 * MS  # a busy phone's pause; with the way there and back it leaves 300 ms for a switch
SILENT_ASK_QUARTERS = (
    2,
    3,
)  # of that time: a PING asks on the lane, since the first answer may have been lost
SILENT_RECORD_BYTES = 64 * KIB  # a reliable lane says nothing while a record of that length is on its way
ASK_PAUSE_NS_MIN, ASK_PAUSE_NS_MAX = 100 * MS, 5 * SECOND  # between PINGs on a silent way; doubled each time
BACK_NS_MIN, BACK_NS_MAX = (
    250 * MS,
    30 * SECOND,
)  # a way that fell silent rests so long; doubled by each further fall
FORGIVEN_NS = 60 * SECOND  # in good order for so long, a way's falls are forgotten
RATE_BYTES_MIN = 8 * KIB  # out at once: less says nothing of what a lane carries
RATE_BYTES_PER_S_UNKNOWN = 1_000_000  # guess, as in policies/scoring.py
RELIABLE_STALL_NS = 20 * SECOND  # without progress: a 64 KiB record on a radio of 4 KiB/s takes 16 s

WINDOW_BYTES_INITIAL = 16 * KIB  # RFC 9002, section 7.2: about ten full packets
WINDOW_BYTES_MIN = 16 * KIB  # at 20 ms and 20 % loss still 500 KB/s; two records would give 100
WINDOW_BYTES_MAX = 4 * MIB  # 200 MB/s at 20 ms; whoever needs more has a reliable lane
WINDOW_RECORDS_MIN = 2  # RFC 9002, section 7.2, for lanes with big records
QUEUE_SEEN_RTT = (
    1.25  # times the smallest: a loss above it is taken as a full queue, below it as noise; guess
)

CREDIT_RENEWED_PART = (
    4  # a window is renewed when a quarter of it was used: three quarters stay open meanwhile
)
TUNE_RTTS = 4  # a quarter used within so many round trips: the window was too small
TUNE_RTT_NS_MIN = 5 * MS  # so that a window grows on loopback too, where a round trip is shorter than a turn

CHUNKS_HELD_MAX = 4_096  # out of order, a connection; a record above it is not acknowledged and comes again
FRAGMENT_BYTES_MIN = 64  # of a longer chunk; a smaller rest of a record stays empty
LOWER_SHARE_EVERY = 16  # records: one in so many serves the lowest waiting class first, so none starves
LAST_WORDS_BYTES_MAX = 2 * KIB  # with FIN, that a full stream still takes: an end or a refusal


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one peer may cost us, and how far we let our own callers go."""

    data_window_bytes: int = 24 * MIB  # received and not consumed, all streams; one and a half full streams
    stream_window_bytes: int = 16 * MIB  # 500 MB/s at 20 ms is 10 MiB, and a quarter may await its renewal
    streams_max: int = 256  # that the peer may have open at once
    streams_waiting_max: int = 1_024  # ours, open at once or waiting for the peer's permission
    unsent_bytes_max: int = 2 * MIB  # a stream; above it a polite caller waits for StreamWritable
    keepalive_ns: int | None = 30 * SECOND  # silence after which a PING goes; None: never

    def __post_init__(self) -> None:
        assert self.data_window_bytes >= DATA_BYTES_INITIAL, "the peer may send that much unasked"
        assert self.stream_window_bytes >= STREAM_BYTES_INITIAL, "the peer may send that much unasked"
        assert self.streams_max >= STREAMS_INITIAL, "the peer may open that many unasked"
