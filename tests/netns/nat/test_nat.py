"""The NATs that the other tests stand behind do what RFC 4787 means by their names."""

import ipaddress
import struct
from collections.abc import Callable
from typing import Any

import pytest
from nat import KINDS, Endpoint, Nat, with_checksum

PUBLIC = "45.0.0.10"
INSIDE, OTHER_INSIDE = ("192.168.0.2", 4_000), ("192.168.0.3", 4_000)
SERVER, SAME_HOST, STRANGER = ("45.0.1.2", 53), ("45.0.1.2", 54), ("45.0.2.2", 53)
IDLE_NS = 30_000_000_000
CONES = ("full-cone", "restricted-cone", "port-restricted-cone")


def packet(source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    hosts = [ipaddress.IPv4Address(each[0]).packed for each in (source, destination)]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 32, 0, 0, 64, 17, 0) + b"".join(hosts)
    return with_checksum(head, 10) + struct.pack("!HHHH", source[1], destination[1], 12, 0) + b"word"


def ends(data: bytes) -> tuple[tuple[str, int], tuple[str, int]]:
    ports = struct.unpack_from("!HH", data, 20)
    return (
        (str(ipaddress.IPv4Address(data[12:16])), ports[0]),
        (str(ipaddress.IPv4Address(data[16:20])), ports[1]),
    )


def nat_of(kind: str, **options: bool) -> Nat:
    return Nat(PUBLIC, KINDS[kind], idle_ns=IDLE_NS, **options)


def seen_by(nat: Nat, server: tuple[str, int], now_ns: int = 0) -> tuple[str, int]:
    """Whom the server sees when the inside host speaks to it."""
    (sent,) = nat.translate(packet(INSIDE, server), now_ns=now_ns)
    return ends(sent)[0]


def lets_in(nat: Nat, sender: tuple[str, int], at: tuple[str, int], now_ns: int = 0) -> bool:
    passed = nat.translate(packet(sender, at), now_ns=now_ns)
    return [ends(each)[1] for each in passed] == [INSIDE]


@pytest.mark.parametrize("kind", CONES)
def test_a_cone_shows_every_server_the_same_address(kind: str) -> None:
    nat = nat_of(kind)
    assert seen_by(nat, SERVER) == seen_by(nat, SAME_HOST) == seen_by(nat, STRANGER)


def test_a_symmetric_nat_shows_each_server_another_port() -> None:
    nat = nat_of("symmetric")
    assert len({seen_by(nat, SERVER), seen_by(nat, SAME_HOST), seen_by(nat, STRANGER)}) == 3


@pytest.mark.parametrize(
    ("kind", "same_host", "stranger"),
    [
        ("full-cone", True, True),
        ("restricted-cone", True, False),
        ("port-restricted-cone", False, False),
        ("symmetric", False, False),
    ],
)
def test_who_may_come_in_once_the_inside_spoke_to_a_server(
    kind: str, *, same_host: bool, stranger: bool
) -> None:
    nat = nat_of(kind)
    door = seen_by(nat, SERVER)
    assert lets_in(nat, SERVER, door)
    assert (lets_in(nat, SAME_HOST, door), lets_in(nat, STRANGER, door)) == (same_host, stranger)


def test_a_mapping_is_forgotten_when_the_inside_was_silent_for_too_long() -> None:
    nat = nat_of("full-cone")
    door = seen_by(nat, SERVER)
    assert lets_in(nat, SERVER, door, IDLE_NS)
    assert not lets_in(nat, SERVER, door, IDLE_NS + 1), "what comes in keeps nothing open"
    assert seen_by(nat, SERVER, IDLE_NS + 1) != door


def test_the_inside_keeps_its_mapping_by_speaking() -> None:
    nat = nat_of("port-restricted-cone")
    door = seen_by(nat, SERVER)
    assert seen_by(nat, SERVER, IDLE_NS) == door
    assert lets_in(nat, SERVER, door, 2 * IDLE_NS)


@pytest.mark.parametrize("hairpin", [True, False])
def test_hosts_on_the_inside_meet_by_the_public_address_only_where_the_nat_hairpins(*, hairpin: bool) -> None:
    nat = nat_of("full-cone", hairpin=hairpin)
    door = seen_by(nat, SERVER)
    passed = nat.translate(packet(OTHER_INSIDE, door), now_ns=0)
    assert [ends(each)[1] for each in passed] == ([INSIDE] if hairpin else [])
    assert all(ends(each)[0][0] == PUBLIC for each in passed)


def test_a_nat_that_rejects_says_so_to_whoever_was_not_let_in() -> None:
    nat = nat_of("port-restricted-cone", rejects=True)
    door = seen_by(nat, SERVER)
    (report,) = nat.translate(packet(STRANGER, door), now_ns=0)
    assert report[9] == 1
    assert str(ipaddress.IPv4Address(report[16:20])) == STRANGER[0]


def test_a_report_about_what_an_inside_host_sent_reaches_that_host() -> None:
    theirs, ours = Nat(SERVER[0], KINDS["symmetric"], idle_ns=IDLE_NS, rejects=True), nat_of("full-cone")
    (sent,) = ours.translate(packet(INSIDE, SERVER), now_ns=0)
    (report,) = theirs.translate(sent, now_ns=0)
    (passed,) = ours.translate(report, now_ns=0)
    assert str(ipaddress.IPv4Address(passed[16:20])) == INSIDE[0]
    assert ends(passed[28:])[0] == INSIDE


def test_junk_passes_nowhere() -> None:
    nat = nat_of("full-cone")
    for junk in (b"", bytes(28), b"\x45" + bytes(40), packet(STRANGER, (PUBLIC, 1))):
        assert nat.translate(junk, now_ns=0) == []


def test_a_power_cut_closes_every_door() -> None:
    nat = nat_of("full-cone")
    door = seen_by(nat, SERVER)
    nat.forget()
    assert not lets_in(nat, SERVER, door)


def test_endpoints_of_one_host_are_told_apart_by_their_ports() -> None:
    assert Endpoint(b"same", 1) != Endpoint(b"same", 2)


# The program, with kernels on both sides


@pytest.mark.parametrize("kind", KINDS)
def test_words_leave_by_the_nat_and_answers_come_back(
    internet: Any, voices: Callable[..., Any], kind: str
) -> None:
    home, server = internet.behind(kind), internet.host()
    at_home, outside = voices(home), voices(server)
    at_home.say("hello", outside.address)
    word, door = outside.hears()
    assert (word, door[0]) == ("hello", home.public)
    outside.say("welcome", door)
    assert at_home.hears() == ("welcome", outside.address)


@pytest.mark.parametrize("kind", ["full-cone", "restricted-cone"])
def test_strangers_come_in_by_the_program_as_the_machine_says(
    internet: Any, voices: Callable[..., Any], kind: str
) -> None:
    home, server, stranger = internet.behind(kind), voices(internet.host()), voices(internet.host())
    at_home = voices(home)
    at_home.say("hello", server.address)
    _, door = server.hears()
    stranger.say("may I?", door)
    server.say("last", door)  # everything passes one router: what comes first was let in first
    assert at_home.hears()[0] == ("may I?" if kind == "full-cone" else "last")
