"""Bodies of the rpc service "courier": canonical maps with "v": 1 (docs/wire.md). Unknown keys are ignored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from protocols.codec import Value, decode_map, encode
from protocols.courier import (
    COPIES_MAX,
    NOTES_PER_CALL,
    OFFERS_PER_CALL,
    SEALED_BYTES_MAX,
    SEALED_ID_BYTES,
    Offer,
    Reply,
    Word,
)
from protocols.courier.limits import BUNDLE_BYTES_MAX, NOTE_BYTES_MAX, RECEIPT_BYTES_MAX
from protocols.errors import RefusedError, RemoteError
from protocols.ids import NODE_ID_BYTES, NodeId

SERVICE = "courier"
BUNDLE, OFFER, HAND, NOTES = "bundle", "offer", "hand", "notes"  # methods
VERSION = 1
OK = encode({"v": VERSION})
NUMBER_MAX = 2**53
ROOM_BYTES = 256  # for a map and its short keys
BUNDLE_CALL_BYTES_MAX = BUNDLE_BYTES_MAX + ROOM_BYTES
OFFER_BYTES_MAX = ROOM_BYTES + OFFERS_PER_CALL * 128
REPLY_BYTES_MAX = ROOM_BYTES + OFFERS_PER_CALL * (NOTE_BYTES_MAX + 64)
HAND_BYTES_MAX = SEALED_BYTES_MAX + ROOM_BYTES
HANDED_BYTES_MAX = RECEIPT_BYTES_MAX + ROOM_BYTES
NOTES_BYTES_MAX = ROOM_BYTES + NOTES_PER_CALL * (NOTE_BYTES_MAX + 8)
WORDS: tuple[Word, ...] = ("want", "have", "delivered", "refused")
Outcome = Literal["taken", "have", "delivered"]
OUTCOMES: tuple[Outcome, ...] = ("taken", "have", "delivered")


@dataclass(frozen=True, slots=True)
class BundleCall:
    """Either side's half of an exchange. The answer's `wants`: please call again with the bundle."""

    sequence: int  # of the sender's own current bundle; 0: it has none
    have: int  # of the other's that the sender knows; 0: none
    bundle: bytes  # the sender's own; b"": not in this one


@dataclass(frozen=True, slots=True)
class Hand:
    copies: int
    mark_age_s: int | None
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Handed:
    outcome: Outcome
    proof: bytes  # a custody receipt, or the delivered-note


def encode_bundle_call(call: BundleCall) -> bytes:
    return encode({"v": VERSION, "seq": call.sequence, "have": call.have, "bundle": call.bundle})


def decode_bundle_call(body: bytes) -> BundleCall:
    table = _map(body, BUNDLE_CALL_BYTES_MAX)
    bundle = table.get("bundle")
    if not isinstance(bundle, bytes):
        raise RemoteError("bad_bundle", "bundle is bytes")
    return BundleCall(_number(table.get("seq")), _number(table.get("have")), bundle)


def encode_offers(offers: Sequence[Offer]) -> bytes:
    assert len(offers) <= OFFERS_PER_CALL, "the carrier cuts the list"
    return encode(
        {
            "v": VERSION,
            "list": [
                {"id": each.id, "to": each.receiver, "size": each.size, "exp": each.expires_s}
                for each in offers
            ],
        }
    )


def decode_offers(body: bytes) -> list[Offer]:
    return [
        Offer(
            _sized(item.get("id"), SEALED_ID_BYTES),
            NodeId(_sized(item.get("to"), NODE_ID_BYTES)),
            _number(item.get("size")),
            _number(item.get("exp")),
        )
        for item in _maps(_map(body, OFFER_BYTES_MAX).get("list"), OFFERS_PER_CALL)
    ]


def encode_replies(replies: Sequence[Reply]) -> bytes:
    return encode({"v": VERSION, "list": [_reply_map(reply) for reply in replies]})


def decode_replies(body: bytes, *, asked: int) -> list[Reply]:
    """One for each offer, in order."""
    items = _maps(_map(body, REPLY_BYTES_MAX).get("list"), asked)
    if len(items) != asked:
        raise RemoteError("bad_replies", f"{asked} expected")
    return [_reply(item) for item in items]


def encode_hand(hand: Hand) -> bytes:
    age_s = -1 if hand.mark_age_s is None else hand.mark_age_s
    return encode({"v": VERSION, "copies": hand.copies, "age": age_s, "sealed": hand.sealed})


def decode_hand(body: bytes) -> Hand:
    table = _map(body, HAND_BYTES_MAX)
    copies, sealed = _number(table.get("copies")), table.get("sealed")
    if not 1 <= copies <= COPIES_MAX or not isinstance(sealed, bytes):
        raise RemoteError("bad_hand", f"1 to {COPIES_MAX} copies of something sealed")
    return Hand(copies, _age(table.get("age", -1)), sealed)


def encode_handed(handed: Handed) -> bytes:
    return encode({"v": VERSION, "w": handed.outcome, "proof": handed.proof})


def decode_handed(body: bytes) -> Handed:
    table = _map(body, HANDED_BYTES_MAX)
    word, proof = table.get("w"), table.get("proof")
    if word not in OUTCOMES or not isinstance(proof, bytes):
        raise RemoteError("bad_handed", "an outcome with its proof")
    return Handed(word, proof)


def encode_notes(notes: Sequence[bytes]) -> bytes:
    assert len(notes) <= NOTES_PER_CALL, "the carrier cuts the list"
    return encode({"v": VERSION, "list": list(notes)})


def decode_notes(body: bytes) -> list[bytes]:
    items = _map(body, NOTES_BYTES_MAX).get("list")
    if not isinstance(items, list) or len(items) > NOTES_PER_CALL:
        raise RemoteError("bad_notes", f"a list of at most {NOTES_PER_CALL}")
    notes = [item for item in items if isinstance(item, bytes) and len(item) <= NOTE_BYTES_MAX]
    if len(notes) != len(items):
        raise RemoteError("bad_notes", "not notes")
    return notes


def _reply_map(reply: Reply) -> dict[str, Value]:
    table: dict[str, Value] = {"w": reply.word}
    if reply.age_s is not None:
        table["age"] = reply.age_s
    if reply.note:
        table["note"] = reply.note
    return table


def _reply(item: dict[str, Value]) -> Reply:
    word, note = item.get("w"), item.get("note", b"")
    if word not in WORDS:
        word = "refused"  # a word of a later version: not now
    if not isinstance(note, bytes):
        raise RemoteError("bad_replies", "note is bytes")
    return Reply(word, _age(item.get("age", -1)), note)


def _map(body: bytes, bytes_max: int) -> dict[str, Value]:
    table = decode_map(body, bytes_max=bytes_max)
    version = table.get("v")
    if not isinstance(version, int) or isinstance(version, bool):
        raise RemoteError("bad_encoding", "no version")
    if version != VERSION:
        raise RefusedError(
            "unsupported_version", f"this node speaks version {VERSION} of the courier service"
        )
    return table


def _maps(value: Value, count_max: int) -> list[dict[str, Value]]:
    if not isinstance(value, list) or len(value) > count_max:
        raise RemoteError("bad_encoding", f"a list of at most {count_max}")
    maps = [item for item in value if isinstance(item, dict)]
    if len(maps) != len(value):
        raise RemoteError("bad_encoding", "not maps")
    return maps


def _number(value: Value) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= NUMBER_MAX:
        raise RemoteError("bad_encoding", "a number from 0 expected")
    return value


def _age(value: Value) -> int | None:
    """-1: never met."""
    return None if value == -1 and not isinstance(value, bool) else _number(value)


def _sized(value: Value, length: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != length:
        raise RemoteError("bad_encoding", f"{length} bytes expected")
    return value
