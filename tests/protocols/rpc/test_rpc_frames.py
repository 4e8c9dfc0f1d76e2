"""Messages on a call's stream: golden vectors, any cut, and a stranger's bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codec import encode
from protocols.envelope import TrafficClass
from protocols.errors import RefusedError, RemoteError
from protocols.rpc.frames import (
    END,
    END_FRAME,
    HEAD,
    MESSAGE,
    REFUSED,
    REQUEST,
    MessageReader,
    Refusal,
    Request,
    decode_refusal,
    decode_request,
    message_head,
)
from protocols.rpc.limits import MESSAGE_BYTES_MAX, REFUSAL_BYTES_MAX


def test_each_message_is_written_as_the_document_says() -> None:
    request = Request("messages", "send", 1500, TrafficClass.BULK)
    assert (
        request.encode().hex()
        == "0000001c" + "01" + encode({"s": "messages", "m": "send", "t": 1500, "c": 1}).hex()
    )
    assert (message_head(3) + b"abc").hex() == "00000004" + "02" + "616263"
    assert END_FRAME.hex() == "0000000103"
    assert Refusal("busy", "Later.").encode()[4:] == b"\x04" + encode({"c": "busy", "s": "Later."})


@given(st.text(max_size=50), st.text(max_size=50), st.integers(0, 10**8), st.sampled_from(TrafficClass))
def test_a_request_reads_back(service: str, method: str, deadline_ms: int, traffic: TrafficClass) -> None:
    request = Request(service, method, deadline_ms, traffic)
    assert decode_request(request.encode()[HEAD.size :]) == request


@given(st.text(), st.text(max_size=3000))
def test_a_refusal_of_any_length_fits(code: str, sentence: str) -> None:
    wire = Refusal(code, sentence).encode()
    assert len(wire) <= HEAD.size + REFUSAL_BYTES_MAX
    refusal = decode_refusal(wire[HEAD.size :])
    assert sentence.encode(errors="replace").startswith(refusal.sentence.encode())


def test_names_and_messages_that_are_too_long_are_refused() -> None:
    with pytest.raises(RefusedError):
        Request("s" * 600, "m", 0, TrafficClass.BULK).encode()
    with pytest.raises(RefusedError):
        message_head(MESSAGE_BYTES_MAX + 1)


@pytest.mark.parametrize(
    "value",
    [
        {"s": "a", "m": "b", "t": 0},
        {"s": "a", "m": "b", "t": -1, "c": 0},
        {"s": "a", "m": "b", "t": 0, "c": 4},
        {"s": "a", "m": "b", "t": 0, "c": 0, "z": 0},
        {"s": b"a", "m": "b", "t": 0, "c": 0},
        [],
    ],
)
def test_a_request_that_makes_no_sense_is_refused(value: object) -> None:
    with pytest.raises(RemoteError):
        decode_request(encode(value))


@pytest.mark.parametrize("value", [{"c": "x"}, {"c": "x", "s": "y", "z": 1}, {"c": 1, "s": "y"}])
def test_a_refusal_that_makes_no_sense_is_refused(value: object) -> None:
    with pytest.raises(RemoteError):
        decode_refusal(encode(value))


@given(
    bodies=st.lists(st.binary(max_size=200) | st.integers(9_000, 9_010).map(bytes), max_size=20),
    cuts=st.lists(st.integers(1, 8_000), min_size=1),
    views=st.booleans(),
)
def test_messages_survive_any_cut(*, bodies: list[bytes], cuts: list[int], views: bool) -> None:
    wire = b"".join(message_head(len(body)) + body for body in bodies) + END_FRAME
    reader, at, n, got, kinds = MessageReader(), 0, 0, list[bytes](), list[int]()
    while at < len(wire):
        piece = wire[at : at + cuts[n % len(cuts)]]
        at, n = at + len(piece), n + 1
        for kind, run in reader.feed(memoryview(piece) if views else piece):
            got += run
            kinds += [kind] * len(run)
    assert got == [*bodies, b""]
    assert kinds == [MESSAGE] * len(bodies) + [END]
    assert reader.held_bytes == 0


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_any_bytes_are_messages_or_a_remote_error(pieces: list[bytes]) -> None:
    reader, fed, told = MessageReader(), 0, 0
    for piece in pieces:
        try:
            for _, run in reader.feed(piece):
                told += sum(HEAD.size + len(body) for body in run)
        except RemoteError:
            return
        fed += len(piece)
        assert told + reader.held_bytes == fed


@pytest.mark.parametrize(
    ("length", "kind"),
    [
        (0, MESSAGE),
        (1, 0),
        (1, 5),
        (2, END),
        (514, REQUEST),
        (1026, REFUSED),
        (MESSAGE_BYTES_MAX + 2, MESSAGE),
    ],
)
def test_a_length_beyond_its_bound_is_refused_before_memory_is_taken(length: int, kind: int) -> None:
    with pytest.raises(RemoteError):
        MessageReader().feed(HEAD.pack(length, kind))
    with pytest.raises(RemoteError):
        MessageReader().feed(HEAD.pack(length, kind) + bytes(max(0, length - 1)))
