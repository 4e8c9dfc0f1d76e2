import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import SettingsError
from transports.addresses import HostPort, format_address, parse_address


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("quic://192.0.2.1:7420", HostPort("192.0.2.1", 7420)),
        ("quic://0.0.0.0:0", HostPort("0.0.0.0", 0)),
        ("quic://[::]:0", HostPort("::", 0)),
        ("quic://[2001:db8::1]:7420", HostPort("2001:db8::1", 7420)),
        ("quic://[fe80::1%eth0]:7420", HostPort("fe80::1", 7420, "eth0")),
        ("quic://node-1.example.net:65535", HostPort("node-1.example.net", 65535)),
        ("quic://localhost:1", HostPort("localhost", 1)),
    ],
)
def test_an_address_is_read_and_written_back(text: str, where: HostPort) -> None:
    assert parse_address(text) == where
    assert format_address(where) == text


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (" QUIC://Bob.Example:7420 ", HostPort("bob.example", 7420)),
        ("quic://bob.example.:7420", HostPort("bob.example", 7420)),
        ("quic://[2001:0db8:0:0::1]:7420", HostPort("2001:db8::1", 7420)),
    ],
)
def test_other_spellings_come_down_to_one(text: str, where: HostPort) -> None:
    assert parse_address(text) == where


@pytest.mark.parametrize(
    "text",
    [
        "", "quic://", "192.0.2.1:7420", "http://192.0.2.1:7420", "quic://192.0.2.1", "quic://192.0.2.1:",
        "quic://192.0.2.1:65536", "quic://192.0.2.1:+1", "quic://192.0.2.1:\u0661", "quic://192.0.2.999:1",
        "quic://1.2.3:1", "quic://::1:7420", "quic://[::1:7420", "quic://[192.0.2.1]:1", "quic://[fe80::1%]:1",
        "quic://[fe80::1%a/b]:1", "quic://a b:1", "quic://-a:1", "quic://a..b:1", "quic://" + "a" * 64 + ":1",
        "quic://" + "a." * 127 + "a:1", "quic://" + "a" * 400,
    ],
)  # fmt: skip
def test_anything_else_is_a_sentence_that_shows_the_form(text: str) -> None:
    with pytest.raises(SettingsError, match="quic://"):
        parse_address(text)


def test_other_schemes_have_the_same_form() -> None:
    assert parse_address("htx://192.0.2.1:443", "htx") == HostPort("192.0.2.1", 443)


def test_a_literal_knows_that_it_is_one() -> None:
    assert parse_address("quic://[::1]:1").ip is not None
    assert parse_address("quic://localhost:1").ip is None


@given(st.text(max_size=400))
def test_any_text_is_an_address_or_a_settings_error(text: str) -> None:
    for candidate in (text, f"quic://{text}", f"quic://{text}:7420", f"quic://[{text}]:7420"):
        try:
            where = parse_address(candidate)
        except SettingsError:
            continue
        assert parse_address(format_address(where)) == where
