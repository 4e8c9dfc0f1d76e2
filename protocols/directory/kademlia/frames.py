"""Bodies of the rpc service "directory": canonical maps with `"v": 1`. Decoders are total, and verify what was signed.

Keys that we do not know are ignored; another version is refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from protocols.codec import Value, decode_map, encode
from protocols.directory.fields import is_bytes, is_number
from protocols.directory.kademlia.card import Card, open_card
from protocols.directory.kademlia.holding import HOLDING_BYTES_MAX, Holding, open_holding
from protocols.directory.kademlia.lookup import Answer
from protocols.directory.kademlia.places import KEY_BYTES
from protocols.directory.record import RECORD_BYTES_MAX
from protocols.errors import RefusedError, RemoteError
from protocols.keys import REAL, Suite

VERSION = 1
NEAR_MAX = 20  # records in one answer
RECORDS_MAX = 16  # in one `store`
HOLDINGS_MAX = 64  # in one `store` or answer: as many as a key has
VERDICT_CHARS_MAX = 16
QUESTION_BYTES_MAX = 128
BODY_BYTES_MAX = 65_536  # 21 records of 2 KiB, or 16 and 64 statements of 256 bytes

T = TypeVar("T")
Opener = Callable[[bytes], Card]  # may remember what it opened before


@dataclass(frozen=True, slots=True)
class Store:
    """Opened and verified one by one: None stands for what is no record or statement."""

    cards: tuple[Card | None, ...]
    holdings: tuple[Holding | None, ...]
    life_s: int | None  # copies, for so long at most


def encode_question(key: bytes) -> bytes:
    """Of `find` and of `holders`."""
    return encode({"v": VERSION, "key": key})


def decode_question(body: bytes) -> bytes:
    """The key. Raises RemoteError, RefusedError."""
    key = _read(body, QUESTION_BYTES_MAX).get("key")
    if not is_bytes(key, KEY_BYTES):
        raise RemoteError("bad_question", "key")
    return key


def encode_answer(answer: Answer) -> bytes:
    return encode(
        {
            "v": VERSION,
            "near": [card.raw for card in answer.near[:NEAR_MAX]],
            "rec": b"" if answer.record is None else answer.record.raw,
            "held": [each.raw for each in answer.holdings[:HOLDINGS_MAX]],
        }
    )


def decode_answer(body: bytes, opener: Opener = open_card, suite: Suite = REAL) -> Answer:
    """Raises RemoteError; one forged thing in it is reason enough to believe none of it."""
    value = _read(body, BODY_BYTES_MAX)
    raw = value.get("rec")
    if not isinstance(raw, bytes):
        raise RemoteError("bad_answer", "rec")
    near = _blobs(value, "near", NEAR_MAX, RECORD_BYTES_MAX)
    held = _blobs(value, "held", HOLDINGS_MAX, HOLDING_BYTES_MAX)
    return Answer(
        tuple(opener(each) for each in near),
        opener(raw) if raw else None,
        tuple(open_holding(each, suite) for each in held),
    )


def encode_store(cards: Sequence[Card], holdings: Sequence[Holding] = (), life_s: int | None = None) -> bytes:
    """At most RECORDS_MAX and HOLDINGS_MAX of them."""
    return encode(
        {
            "v": VERSION,
            "rec": [card.raw for card in cards],
            "held": [each.raw for each in holdings],
            "life": life_s or 0,
        }
    )


def decode_store(body: bytes, opener: Opener = open_card, suite: Suite = REAL) -> Store:
    """Raises RemoteError, RefusedError."""
    value = _read(body, BODY_BYTES_MAX)
    life = value.get("life")
    if not is_number(life):
        raise RemoteError("bad_store", "life")
    records = _blobs(value, "rec", RECORDS_MAX, RECORD_BYTES_MAX)
    held = _blobs(value, "held", HOLDINGS_MAX, HOLDING_BYTES_MAX)
    return Store(
        tuple(_sound(each, opener) for each in records),
        tuple(_sound(each, lambda raw: open_holding(raw, suite)) for each in held),
        life or None,
    )


def encode_verdicts(records: Sequence[str], holdings: Sequence[str]) -> bytes:
    return encode({"v": VERSION, "rec": list(records), "held": list(holdings)})


def decode_verdicts(body: bytes) -> tuple[list[str], list[str]]:
    """Raises RemoteError."""
    value = _read(body, BODY_BYTES_MAX)
    return _words(value, "rec", RECORDS_MAX), _words(value, "held", HOLDINGS_MAX)


def encode_gateway(raw: bytes, *, want: bool) -> bytes:
    """Of `gateway`: announce me, this is my record; or no more."""
    return encode({"v": VERSION, "rec": raw, "want": want})


def decode_gateway(body: bytes) -> tuple[bytes, bool]:
    """The signed record, unopened. Raises RemoteError, RefusedError."""
    value = _read(body, RECORD_BYTES_MAX + QUESTION_BYTES_MAX)
    raw, want = value.get("rec"), value.get("want")
    if not isinstance(raw, bytes) or not isinstance(want, bool):
        raise RemoteError("bad_gateway", "rec or want")
    return raw, want


def encode_gateway_answer(life_s: int) -> bytes:
    """It will be announced for so long, if it does not ask again."""
    return encode({"v": VERSION, "for": life_s})


def decode_gateway_answer(body: bytes) -> int:
    """Raises RemoteError."""
    life_s = _read(body, QUESTION_BYTES_MAX).get("for")
    if not is_number(life_s):
        raise RemoteError("bad_gateway", "for")
    return life_s


def _read(body: bytes, bytes_max: int) -> dict[str, Value]:
    value = decode_map(body, bytes_max=bytes_max)
    version = value.get("v")
    if version != VERSION or isinstance(version, bool):
        raise RefusedError("unsupported_version", "this node speaks version 1 of the directory")
    return value


def _sound(raw: bytes, opener: Callable[[bytes], T]) -> T | None:
    try:
        return opener(raw)
    except RemoteError:
        return None


def _blobs(value: dict[str, Value], key: str, count_max: int, bytes_max: int) -> list[bytes]:
    items = value.get(key)
    if not isinstance(items, list) or len(items) > count_max:
        raise RemoteError("bad_encoding", key)
    blobs = [item for item in items if isinstance(item, bytes) and len(item) <= bytes_max]
    if len(blobs) != len(items):
        raise RemoteError("bad_encoding", key)
    return blobs


def _words(value: dict[str, Value], key: str, count_max: int) -> list[str]:
    items = value.get(key)
    if not isinstance(items, list) or len(items) > count_max:
        raise RemoteError("bad_encoding", key)
    words = [item for item in items if isinstance(item, str) and len(item) <= VERDICT_CHARS_MAX]
    if len(words) != len(items):
        raise RemoteError("bad_encoding", key)
    return words
