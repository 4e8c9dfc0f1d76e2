"""The pieces that need no connection: headers, tokens, admission, certificates, framing."""

import hashlib
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RemoteError, SettingsError
from transports.api import FRAME_BYTES_MAX
from transports.quic.admission import Admission, Admit, Answer, Ignore
from transports.quic.certificate import make_certificate
from transports.quic.engine import load_engine, path_bytes
from transports.quic.frames import LENGTH, FrameReader
from transports.quic.limits import QuicLimits
from transports.quic.packets import PacketHead, PacketKind, negotiation_packet, read_head, retry_packet
from transports.quic.retry import TOKEN_NS_MAX, RetryTokens

SOMEONE = ("192.0.2.7", 4242)


def counting() -> Callable[[int], bytes]:
    """Entropy that a test can repeat."""
    state = 0

    def draw(count: int) -> bytes:
        nonlocal state
        state += 1
        return hashlib.shake_128(state.to_bytes(4)).digest(count)

    return draw


@given(st.binary(max_size=120))
def test_every_byte_string_is_a_head_or_junk(data: bytes) -> None:
    for candidate in (data, b"\xc0\0\0\0\x01" + data, b"\x40" + data):
        try:
            head = read_head(candidate)
        except RemoteError:
            continue
        assert len(head.destination) <= 20
        assert len(head.token) <= 256


def test_an_initial_packet_is_read_as_rfc_9001_prints_it() -> None:
    # Appendix A.2 of RFC 9001: the unprotected header of the client's Initial.
    head = read_head(bytes.fromhex("c300000001088394c8f03e5157080000449e00000002"))
    assert head == PacketHead(PacketKind.INITIAL, bytes.fromhex("8394c8f03e515708"))


def test_a_retry_packet_is_as_rfc_9001_prints_it() -> None:
    # Appendix A.4; the unused low bits of the first byte, which may be anything, are ones there and zeros here.
    head = PacketHead(PacketKind.INITIAL, bytes.fromhex("8394c8f03e515708"))
    packet = retry_packet(head, new_source=bytes.fromhex("f067a5502a4262b5"), token=b"token")
    printed = bytes.fromhex("ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba")
    assert packet[0] == printed[0] & 0xF0
    assert packet[1:-16] == printed[1:-16]


def test_version_negotiation_swaps_the_connection_ids() -> None:
    packet = negotiation_packet(PacketHead(PacketKind.UNKNOWN_VERSION, b"theirs", b"mine"), 0x12)
    assert read_head(packet) == PacketHead(PacketKind.NEGOTIATION, b"mine", b"theirs")


def test_a_token_opens_for_its_address_its_connection_and_its_time_only() -> None:
    tokens = RetryTokens(counting())
    token = tokens.make(SOMEONE, b"original", b"newsourc", now_ns=10)
    assert tokens.open(token, SOMEONE, b"newsourc", now_ns=10 + TOKEN_NS_MAX) == b"original"
    for address, destination, now_ns in (
        (("192.0.2.8", 4242), b"newsourc", 10),
        (("192.0.2.7", 4243), b"newsourc", 10),
        (SOMEONE, b"another1", 10),
        (SOMEONE, b"newsourc", 11 + TOKEN_NS_MAX),
        (SOMEONE, b"newsourc", 9),
    ):
        with pytest.raises(RemoteError, match="bad_token"):
            tokens.open(token, address, destination, now_ns=now_ns)


@given(st.binary(max_size=100))
def test_a_token_that_we_did_not_make_is_refused(token: bytes) -> None:
    with pytest.raises(RemoteError, match="bad_token"):
        RetryTokens(counting()).open(token, SOMEONE, b"newsourc", now_ns=0)


def test_admission_tightens_with_its_load() -> None:
    admission = Admission(QuicLimits(retry_from=1, half_open_max=2, connections_max=3), counting(), lambda: 5)
    head = PacketHead(PacketKind.INITIAL, b"original", b"source")
    assert admission.judge(head, SOMEONE, 1200) == Admit(b"original", None)
    admission.half_open = 1
    answer = admission.judge(head, SOMEONE, 1200)
    assert isinstance(answer, Answer)
    retry = read_head(answer.packet)
    assert (retry.kind, retry.destination) == (PacketKind.OTHER_LONG, b"source")
    token = answer.packet[
        1 + 4 + 1 + 6 + 1 + 8 : -16
    ]  # flags, version, both connection ids; the tag at the end
    again = PacketHead(PacketKind.INITIAL, retry.source, b"source", token)
    assert admission.judge(again, SOMEONE, 1200) == Admit(b"original", retry.source)
    admission.half_open = 2
    assert admission.judge(again, SOMEONE, 1200) == Ignore("half_open_full")
    admission.links = 3
    assert admission.judge(again, SOMEONE, 1200) == Ignore("connections_full")


def test_an_initial_in_a_short_datagram_is_ignored() -> None:
    admission = Admission(QuicLimits(), counting(), lambda: 0)
    head = PacketHead(PacketKind.INITIAL, b"original", b"source")
    assert admission.judge(head, SOMEONE, 1199) == Ignore("short_initial")


def test_the_certificate_says_nothing_and_follows_from_its_entropy() -> None:
    one, same, other = (
        make_certificate(counting()),
        make_certificate(counting()),
        make_certificate(lambda n: b"\7" * n),
    )
    assert one.binding == same.binding != other.binding
    der = one.certificate.public_bytes(Encoding.DER)
    assert hashlib.sha256(der).digest() == one.binding
    assert (
        one.certificate.subject.rfc4514_string() == one.certificate.issuer.rfc4514_string() == "CN=localhost"
    )
    assert [extension.oid for extension in one.certificate.extensions] == [x509.SubjectAlternativeName.oid]
    assert b"PRIVATE" not in repr(one).encode()
    assert len(der) < 400  # it has to fit the first answer to a stranger


@given(
    frames=st.lists(st.binary(min_size=1, max_size=300), max_size=20),
    cut=st.integers(1, 400),
    openers=st.lists(st.integers(0, 20), max_size=3),
)
def test_frames_survive_any_cut(frames: list[bytes], cut: int, openers: list[int]) -> None:
    parts = [LENGTH.pack(len(frame)) + frame for frame in frames]
    for place in openers:
        parts.insert(place, LENGTH.pack(0))
    wire, reader, got = b"".join(parts), FrameReader(), list[bytes]()
    for start in range(0, len(wire), cut):
        got += reader.feed([wire[start : start + cut]])
    assert got == frames


def test_an_oversize_frame_is_refused_by_its_length_alone() -> None:
    reader = FrameReader()
    assert reader.feed([LENGTH.pack(FRAME_BYTES_MAX)]) == []
    with pytest.raises(RemoteError, match="oversize_frame"):
        FrameReader().feed([LENGTH.pack(FRAME_BYTES_MAX + 1)])


@pytest.mark.parametrize(
    ("remote", "route", "size"),
    [
        (("127.0.0.1", 1), 65_508, 1452),
        (("192.168.1.9", 1), 1472, 1452),
        (("10.1.2.3", 1), 1392, 1392),  # a tunnel
        (("10.1.2.3", 1), 900, 1232),
        (("10.1.2.3", 1), None, 1232),
        (("93.184.216.34", 1), 1472, 1232),
        (("fe80::1", 1, 0, 2), 1452, 1452),
        (("2606:4700::1111", 1, 0, 0), 1452, 1232),
    ],
)
def test_a_path_begins_large_at_home_and_safe_abroad(
    remote: tuple[str, int], route: int | None, size: int
) -> None:
    assert path_bytes(remote, route) == size


def test_an_engine_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="quiche"):
        load_engine("quiche", make_certificate(counting()), QuicLimits())
