"""Bodies of the rpc service "messages": canonical maps with "v": 1 (docs/wire.md, section 10).

Unknown keys are ignored. Another version is refused by RefusedError("unsupported_version"). An unknown kind of
message is no error of the frame: the receiver answers "unsupported_kind" for it, so that its sender knows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from meshnode.services.messages.limits import (
    ANSWER_BYTES_MAX,
    BATCH_MESSAGES_MAX,
    CODE_CHARS_MAX,
    EXPIRES_S_MAX,
    KIND_CHARS_MAX,
    RECEIPT_BYTES_MAX,
    RECEIPTS_PER_CALL,
    REQUEST_BYTES_MAX,
    TEXT_BYTES_MAX,
    TRACE_BYTES,
)
from protocols.codec import Value, decode_map, encode
from protocols.errors import RefusedError, RemoteError
from protocols.ids import MESSAGE_ID_BYTES, MessageId

SERVICE = "messages"
DELIVER, RECEIPT = "deliver", "receipt"  # methods
VERSION = 1
TEXT = "text"  # the kind whose body is UTF-8
OK = encode({"v": VERSION})
TTL_MS_MAX = EXPIRES_S_MAX * 1_000
AT_MS_MAX = 1 << 50  # beyond the year 9999

# Outcomes of one message. Any other word means: not now, send it again later.
ACCEPTED, DUPLICATE = "accepted", "duplicate"
UNSUPPORTED_KIND, BAD_TEXT, ID_TAKEN = "unsupported_kind", "bad_text", "id_taken"
KEPT = frozenset({ACCEPTED, DUPLICATE})  # the receiver has it on disk
HOPELESS = frozenset({UNSUPPORTED_KIND, BAD_TEXT, ID_TAKEN})  # no use to send it again


@dataclass(frozen=True, slots=True)
class WireMessage:
    id: MessageId
    kind: str
    body: bytes = field(repr=False)
    at_ms: int  # Unix time by the sender's clock
    ttl_ms: int  # from sending to giving up; the receiver knows a duplicate for at least as long
    trace: bytes
    reply_to: MessageId | None = None


def encode_deliver(messages: Sequence[WireMessage]) -> bytes:
    assert len(messages) <= BATCH_MESSAGES_MAX, "the caller cuts the batch"
    return encode({"v": VERSION, "list": [_message_map(message) for message in messages]})


def decode_deliver(body: bytes) -> list[WireMessage]:
    items = _map(body, REQUEST_BYTES_MAX).get("list")
    if not isinstance(items, list) or not 0 < len(items) <= BATCH_MESSAGES_MAX:
        raise RemoteError("bad_batch", f"a list of 1 to {BATCH_MESSAGES_MAX}")
    return [_message(item) for item in items]


def encode_outcomes(outcomes: Sequence[str]) -> bytes:
    return encode({"v": VERSION, "out": list(outcomes)})


def decode_outcomes(body: bytes, *, asked: int) -> list[str]:
    """One word for each message, in order. Those that are missing at the end were not looked at: send them again."""
    words = _map(body, ANSWER_BYTES_MAX).get("out")
    if not isinstance(words, list) or not 0 < len(words) <= asked:
        raise RemoteError("bad_outcomes", f"a list of 1 to {asked}")
    outcomes = [word for word in words if isinstance(word, str) and 0 < len(word) <= CODE_CHARS_MAX]
    if len(outcomes) != len(words):
        raise RemoteError("bad_outcomes", "not words")
    return outcomes


def encode_receipt(read: Sequence[MessageId]) -> bytes:
    assert len(read) <= RECEIPTS_PER_CALL, "the caller cuts the list"
    return encode({"v": VERSION, "read": list(read)})


def decode_receipt(body: bytes) -> list[MessageId]:
    items = _map(body, RECEIPT_BYTES_MAX).get("read")
    if not isinstance(items, list) or len(items) > RECEIPTS_PER_CALL:
        raise RemoteError("bad_receipt", f"a list of at most {RECEIPTS_PER_CALL}")
    return [MessageId(_sized(item, MESSAGE_ID_BYTES)) for item in items]


def _message_map(message: WireMessage) -> dict[str, Value]:
    table: dict[str, Value] = {
        "id": message.id,
        "kind": message.kind,
        "body": message.body,
        "at": message.at_ms,
        "ttl": message.ttl_ms,
        "trace": message.trace,
    }
    if message.reply_to is not None:
        table["re"] = message.reply_to
    return table


def _message(item: Value) -> WireMessage:
    if not isinstance(item, dict):
        raise RemoteError("bad_message", "not a map")
    kind, body, reply_to = item.get("kind"), item.get("body"), item.get("re")
    if not isinstance(kind, str) or not 0 < len(kind) <= KIND_CHARS_MAX:
        raise RemoteError("bad_message", f"kind is a word of at most {KIND_CHARS_MAX} characters")
    if not isinstance(body, bytes) or len(body) > TEXT_BYTES_MAX:
        raise RemoteError("bad_message", f"body is at most {TEXT_BYTES_MAX} bytes")
    return WireMessage(
        MessageId(_sized(item.get("id"), MESSAGE_ID_BYTES)),
        kind,
        body,
        _within(item.get("at"), AT_MS_MAX),
        _within(item.get("ttl"), TTL_MS_MAX),
        _sized(item.get("trace"), TRACE_BYTES),
        None if reply_to is None else MessageId(_sized(reply_to, MESSAGE_ID_BYTES)),
    )


def _map(body: bytes, bytes_max: int) -> dict[str, Value]:
    table = decode_map(body, bytes_max=bytes_max)
    version = table.get("v")
    if not isinstance(version, int) or isinstance(version, bool):
        raise RemoteError("bad_encoding", "no version")
    if version != VERSION:
        raise RefusedError(
            "unsupported_version", f"this node speaks version {VERSION} of the messages service"
        )
    return table


def _sized(value: Value, length: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != length:
        raise RemoteError("bad_message", f"{length} bytes expected")
    return value


def _within(value: Value, highest: int) -> int:
    """A number that is too high is cut: a clock out of its mind, or a newer version's longer lives."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise RemoteError("bad_message", "a number from 0 expected")
    return min(value, highest)
