"""What the control API takes and tells of broadcasts."""

from typing import Annotated

from msgspec import Meta, field

from meshnode.control.shapes import LIST_MAX, Answer, Request

BROADCAST_CHARS_MAX = 4_096  # the broadcasts service refuses more than 4 KiB of UTF-8
BROADCAST_EXPIRY_S = 6 * 3_600  # as long as neighbours offer it to those who missed it
BROADCAST_EXPIRY_S_MAX = 86_400
BROADCAST_HOPS_MAX = 32


class SendBroadcast(Request, frozen=True, kw_only=True):
    text: Annotated[str, Meta(max_length=BROADCAST_CHARS_MAX)]
    hops: Annotated[int, Meta(ge=0, le=BROADCAST_HOPS_MAX)] = 0  # no farther than this; 0: to everybody
    emergency: bool = False  # before everything else, and given up by nobody; six a minute at most
    expires_s: Annotated[int, Meta(ge=1, le=BROADCAST_EXPIRY_S_MAX)] = BROADCAST_EXPIRY_S


class BroadcastInfo(Answer, frozen=True, kw_only=True):
    broadcast_id: str
    source: str = field(name="from")
    from_name: str
    text: str  # without control characters, but for line breaks
    at: str  # by the source's clock
    expires_at: str
    emergency: bool
    hops: int  # its scope; 0: everybody
    ours: bool
    stranger: bool  # nobody the owner knows; `from_name` is then only what it calls itself, or its short id


class ListBroadcasts(Request, frozen=True, kw_only=True):
    since: Annotated[str, Meta(max_length=64)] | None = (
        None  # a broadcast id: only what came after it; "": from the first
    )
    limit: Annotated[int, Meta(ge=1, le=LIST_MAX)] = 100  # the newest so many; with `since`, the oldest
