"""Bodies of the rpc service: what was encoded comes back; anything else is a RemoteError or a refusal."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codec import encode
from protocols.directory import sign_record
from protocols.directory.kademlia import (
    Answer,
    Card,
    Holding,
    frames,
    key_of_place,
    open_card,
    open_holding,
    sign_holding,
)
from protocols.directory.kademlia.holding import HOLDING_BYTES_MAX
from protocols.directory.signed import sign_body
from protocols.errors import LocalError, RefusedError, RemoteError
from protocols.keys import Identity

ALICE, BOB = Identity.from_seed(b"a" * 32), Identity.from_seed(b"b" * 32)
KEY = b"k" * 32


def signed(identity: Identity, *, sequence: int = 1) -> Card:
    raw = sign_record(
        identity,
        sequence=sequence,
        expires_at=2_000_000_000,
        addresses=("quic://192.0.2.1:7420",),
        services=("directory",),
        features=("directory",),
        name="alice",
    )
    return open_card(raw)


def stated(identity: Identity, *, held: bool = True) -> Holding:
    return open_holding(sign_holding(identity, KEY, sequence=7, expires_at=2_000_000_000, held=held))


def test_a_card_knows_its_node_its_place_and_whether_it_is_listed() -> None:
    card = signed(ALICE)
    assert (card.node, card.listed, key_of_place(card.place)) == (
        ALICE.node_id,
        True,
        card.place.to_bytes(32),
    )


def test_a_question_and_its_answer_come_back_as_they_were() -> None:
    assert frames.decode_question(frames.encode_question(KEY)) == KEY
    answer = Answer((signed(ALICE), signed(BOB)), signed(BOB), (stated(ALICE), stated(BOB, held=False)))
    assert frames.decode_answer(frames.encode_answer(answer)) == answer
    assert frames.decode_answer(frames.encode_answer(Answer())) == Answer()


def test_a_store_comes_back_and_what_is_forged_in_it_is_none() -> None:
    body = frames.encode_store([signed(ALICE)], [stated(BOB)], 600)
    assert frames.decode_store(body) == frames.Store((signed(ALICE),), (stated(BOB),), 600)
    forged = signed(ALICE).raw[:-1] + bytes([signed(ALICE).raw[-1] ^ 1])
    body = encode({"v": 1, "rec": [forged, signed(BOB).raw], "held": [b"rubbish"], "life": 0})
    assert frames.decode_store(body) == frames.Store((None, signed(BOB)), (None,), None)


def test_one_forged_record_spoils_an_answer() -> None:
    forged = signed(ALICE).raw[:-1] + bytes([signed(ALICE).raw[-1] ^ 1])
    with pytest.raises(RemoteError, match="bad_signature"):
        frames.decode_answer(encode({"v": 1, "near": [forged], "rec": b"", "held": []}))


def test_verdicts_and_gateways_come_back() -> None:
    assert frames.decode_verdicts(frames.encode_verdicts(["kept"], ["full"])) == (["kept"], ["full"])
    assert frames.decode_gateway(frames.encode_gateway(b"raw", want=True)) == (b"raw", True)
    assert frames.decode_gateway_answer(frames.encode_gateway_answer(1_800)) == 1_800


@pytest.mark.parametrize(
    ("decode", "value"),
    [
        (frames.decode_question, {"key": b"short"}),
        (frames.decode_answer, {"near": [], "held": []}),
        (frames.decode_answer, {"near": [b"x"] * 21, "rec": b"", "held": []}),
        (frames.decode_answer, {"near": ["text"], "rec": b"", "held": []}),
        (frames.decode_answer, {"near": b"no list", "rec": b"", "held": []}),
        (frames.decode_store, {"rec": [], "held": []}),
        (frames.decode_store, {"rec": [], "held": [bytes(HOLDING_BYTES_MAX + 1)], "life": 0}),
        (frames.decode_verdicts, {"rec": [1], "held": []}),
        (frames.decode_verdicts, {"rec": 1, "held": []}),
        (frames.decode_gateway, {"rec": b""}),
        (frames.decode_gateway_answer, {"for": -1}),
    ],
)
def test_what_lacks_a_field_or_holds_a_wrong_one_is_refused(
    decode: Callable[[bytes], object], value: dict[str, object]
) -> None:
    with pytest.raises(RemoteError):
        decode(encode({"v": 1, **value}))


@pytest.mark.parametrize("version", [0, 2, True, None])
def test_another_version_is_refused(version: object) -> None:
    with pytest.raises(RefusedError, match="version 1"):
        frames.decode_question(encode({"v": version, "key": KEY}))


@given(body=st.binary(max_size=200))
def test_decoders_are_total(body: bytes) -> None:
    for decode in (
        frames.decode_question,
        frames.decode_answer,
        frames.decode_store,
        frames.decode_verdicts,
        frames.decode_gateway,
        frames.decode_gateway_answer,
    ):
        with pytest.raises((RemoteError, RefusedError)):
            decode(body)


def test_statements_are_bound_to_their_signer_key_and_fields() -> None:
    assert (stated(ALICE).node, stated(ALICE).key, stated(ALICE).held) == (ALICE.node_id, KEY, True)
    assert len(stated(ALICE).raw) <= HOLDING_BYTES_MAX
    with pytest.raises(LocalError):
        sign_holding(ALICE, b"short", sequence=1, expires_at=2, held=True)
    with pytest.raises(RemoteError):
        open_holding(signed(ALICE).raw)


@pytest.mark.parametrize("change", [{"key": b"short"}, {"seq": -1}, {"held": 1}])
def test_a_signed_statement_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    body = {"key": KEY, "seq": 1, "exp": 2, "held": True, **change}
    with pytest.raises(RemoteError, match="bad_holding"):
        open_holding(sign_body(ALICE, b"meshnode/holding/1", 1, body))  # pyright: ignore[reportArgumentType] - wrong on purpose
