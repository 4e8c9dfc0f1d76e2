"""The wire: what we write we read, and nothing else gets through."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshnode.services.messages.frames import (
    AT_MS_MAX,
    TTL_MS_MAX,
    WireMessage,
    decode_deliver,
    decode_outcomes,
    decode_receipt,
    encode_deliver,
    encode_outcomes,
    encode_receipt,
)
from meshnode.services.messages.limits import (
    BATCH_BYTES_MAX,
    BATCH_MESSAGES_MAX,
    KIND_CHARS_MAX,
    RECEIPTS_PER_CALL,
    REQUEST_BYTES_MAX,
    TEXT_BYTES_MAX,
)
from protocols.codec import encode
from protocols.errors import RefusedError, RemoteError
from protocols.ids import MessageId

IDS = st.binary(min_size=16, max_size=16).map(MessageId)
MESSAGES = st.builds(
    WireMessage,
    id=IDS,
    kind=st.text(st.characters(codec="utf-8"), min_size=1, max_size=KIND_CHARS_MAX),
    body=st.binary(max_size=200),
    at_ms=st.integers(0, AT_MS_MAX),
    ttl_ms=st.integers(0, TTL_MS_MAX),
    trace=st.binary(min_size=8, max_size=8),
    reply_to=st.none() | IDS,
)
PLAIN = WireMessage(MessageId(bytes(16)), "text", b"hi", 1, 2, bytes(8))


def raw(**changes: Any) -> bytes:
    item = {"id": bytes(16), "kind": "text", "body": b"hi", "at": 1, "ttl": 2, "trace": bytes(8)} | changes
    return encode({"v": 1, "list": [item]})


@given(st.lists(MESSAGES, min_size=1, max_size=8))
def test_a_batch_survives_the_wire(batch: list[WireMessage]) -> None:
    assert decode_deliver(encode_deliver(batch)) == batch


@given(st.lists(IDS, max_size=40))
def test_receipts_survive_the_wire(ids: list[MessageId]) -> None:
    assert decode_receipt(encode_receipt(ids)) == ids


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=64), min_size=1, max_size=8))
def test_outcomes_survive_the_wire(words: list[str]) -> None:
    assert decode_outcomes(encode_outcomes(words), asked=8) == words


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_the_senders_fault(data: bytes) -> None:
    readers: list[Callable[[bytes], object]] = [
        decode_deliver,
        decode_receipt,
        lambda body: decode_outcomes(body, asked=3),
    ]
    for read in readers:
        with suppress(RemoteError, RefusedError):
            read(data)


def test_the_layout_of_a_batch_is_fixed() -> None:
    golden = bytes.fromhex(
        "82 a46c697374 91 86 a26174 01 a4626f6479 c4026869 a26964 c410" + "00" * 16
        + "a46b696e64 a474657874 a57472616365 c408" + "00" * 8 + "a374746c 02 a176 01"
    )  # fmt: skip
    assert encode_deliver([PLAIN]) == golden


def test_the_largest_batch_fits_a_request() -> None:
    widest = "\U0001f600" * KIND_CHARS_MAX
    bodies = [bytes(TEXT_BYTES_MAX)] * (BATCH_BYTES_MAX // TEXT_BYTES_MAX)
    bodies += [b""] * (BATCH_MESSAGES_MAX - len(bodies))
    batch = [
        WireMessage(MessageId(bytes(16)), widest, body, AT_MS_MAX, TTL_MS_MAX, bytes(8), MessageId(bytes(16)))
        for body in bodies
    ]
    assert len(encode_deliver(batch)) <= REQUEST_BYTES_MAX


@pytest.mark.parametrize(
    "changes",
    [
        {"id": bytes(15)},
        {"id": "sixteen letters!"},
        {"kind": ""},
        {"kind": "k" * (KIND_CHARS_MAX + 1)},
        {"kind": 1},
        {"body": "hi"},
        {"body": bytes(TEXT_BYTES_MAX + 1)},
        {"at": -1},
        {"at": True},
        {"ttl": None},
        {"trace": bytes(7)},
        {"re": bytes(3)},
    ],
)
def test_a_message_that_breaks_the_rules_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RemoteError) as told:
        decode_deliver(raw(**changes))
    assert told.value.reason == "bad_message"


@pytest.mark.parametrize("items", [[], [1], "none", [bytes(16)] * (BATCH_MESSAGES_MAX + 1)])
def test_a_batch_that_breaks_the_rules_is_refused(items: Any) -> None:
    with pytest.raises(RemoteError):
        decode_deliver(encode({"v": 1, "list": items}))


@pytest.mark.parametrize("words", [[], "accepted", [1], [""], ["x" * 65], ["accepted"] * 3])
def test_outcomes_that_break_the_rules_are_refused(words: Any) -> None:
    with pytest.raises(RemoteError):
        decode_outcomes(encode({"v": 1, "out": words}), asked=2)


@pytest.mark.parametrize("ids", [None, [bytes(15)], [bytes(16)] * (RECEIPTS_PER_CALL + 1)])
def test_a_receipt_that_breaks_the_rules_is_refused(ids: Any) -> None:
    with pytest.raises(RemoteError):
        decode_receipt(encode({"v": 1, "read": ids}))


def test_numbers_that_are_too_high_are_cut() -> None:
    (message,) = decode_deliver(raw(at=1 << 60, ttl=1 << 60))
    assert (message.at_ms, message.ttl_ms) == (AT_MS_MAX, TTL_MS_MAX)


def test_what_a_later_version_adds_is_ignored() -> None:
    assert decode_deliver(raw(colour="red")) == [PLAIN]


@pytest.mark.parametrize(("version", "error"), [(2, RefusedError), (None, RemoteError), (True, RemoteError)])
def test_another_version_is_refused(version: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        decode_deliver(encode({"v": version, "list": []}))
