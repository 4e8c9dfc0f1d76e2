"""Every number of rpc, with its unit and its reason."""

from dataclasses import dataclass

MESSAGE_BYTES_MAX = 1024 * 1024  # docs/wire.md, section 7; larger things are cut by their service
REQUEST_BYTES_MAX = 512
REFUSAL_BYTES_MAX = 1024
REFUSAL_CODE_CHARS_MAX = 64  # a word in snake case
SENTENCE_BYTES_MAX = 900  # leaves room for the code and the map around both
SMALL_BYTES_MAX = 4_096  # pieces below are gathered in one buffer: each object costs 40 bytes and more
JOINED_BYTES_MAX = 8_192  # messages below are joined into one chunk: cheaper than handling each
HEADS_KEPT_MAX = 64  # encoded and decoded requests; a node has a few dozen methods. Emptied when full
DEADLINE_MS_MAX = 7 * 24 * 3_600_000  # a week; a longer one is as good as none
STALE_DEADLINES_MAX = 64  # of calls that are over, beyond the number of open ones, before they are swept out


@dataclass(frozen=True, slots=True)
class RpcLimits:
    """What one peer may make us do at a time."""

    calls_in_max: int = 256  # open at once; one more is reset with code 3
    unfinished_bytes_max: int = 64 * 1024 * 1024  # of messages still arriving, all calls; 64 of the longest


class Code:
    """Why a call ended before its time; in RESET and STOP."""

    ANSWERED = 0  # the answer is complete: nobody reads the rest of the request
    CANCELLED = 1
    DEADLINE = 2
    OVER_LIMIT = 3
    SESSION_GONE = 4  # never on the wire
