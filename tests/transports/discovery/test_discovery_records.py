from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RemoteError
from protocols.ids import NodeId
from transports.discovery import Announcement, Sighting, hint_for, recognises
from transports.discovery.records import (
    ADDRESSES_MAX,
    PORTS_MAX,
    TXT_KEYS_MAX,
    Instance,
    make_instance,
    read_instance,
)

ALICE, BOB = NodeId(b"a" * 32), NodeId(b"b" * 32)
TOKEN = bytes(range(16))
HOSTS = ("192.0.2.2", "2001:db8::2", "fe80::1%eth0")
ANNOUNCE = Announcement(("quic://0.0.0.0:7420", "quic://[::]:7421"), node=ALICE)


def txt_of(instance: Instance | None) -> dict[bytes, bytes | None]:
    assert instance is not None
    return {key.encode(): value for key, value in instance.txt.items()}


def read_back(announce: Announcement, hosts: tuple[str, ...] = HOSTS) -> Sighting:
    instance = make_instance(announce, TOKEN, hosts)
    assert instance is not None
    return read_instance(instance.addresses, txt_of(instance))


def test_the_records_of_version_1_never_change() -> None:
    assert make_instance(ANNOUNCE, TOKEN, HOSTS) == Instance(
        addresses=("192.0.2.2", "2001:db8::2"),
        port=7420,
        txt={
            "v": b"1",
            "t": b"000102030405060708090a0b0c0d0e0f",
            "h": b"3fef66ecd3a721e8",
            "x": b"1",
            "quic4": b"7420",
            "quic6": b"7421",
        },
    )


def test_what_is_announced_is_read_back() -> None:
    assert read_back(ANNOUNCE) == Sighting(
        addresses=("quic://192.0.2.2:7420", "quic://[2001:db8::2]:7421"),
        token=TOKEN,
        hint=hint_for(ALICE, TOKEN),
    )


def test_only_who_knows_the_node_id_recognises_it() -> None:
    sighting = read_back(replace(ANNOUNCE, visible=False))
    assert recognises(ALICE, sighting)
    assert not recognises(BOB, sighting)
    assert not sighting.open_to_strangers


def test_two_announcements_of_one_node_share_no_tag() -> None:
    assert hint_for(ALICE, TOKEN) != hint_for(ALICE, bytes(16))


def test_nobody_is_recognised_without_a_hint() -> None:
    assert not recognises(ALICE, read_back(replace(ANNOUNCE, node=None)))


def test_neither_the_node_id_nor_a_name_is_in_the_announcement() -> None:
    assert ALICE not in b"".join(
        value or b"" for value in txt_of(make_instance(ANNOUNCE, TOKEN, HOSTS)).values()
    )


def test_an_announcement_that_nobody_could_use_is_not_made() -> None:
    assert make_instance(replace(ANNOUNCE, node=None, visible=False), TOKEN, HOSTS) is None
    assert make_instance(ANNOUNCE, TOKEN, ("fe80::1%eth0",)) is None
    assert (
        make_instance(Announcement(("ble://0a", "quic://host.example:1", "quic://192.0.2.2")), TOKEN, HOSTS)
        is None
    )


def test_one_address_that_is_listened_on_is_the_only_one_announced() -> None:
    sighting = read_back(Announcement(("quic://192.0.2.9:7420",)))
    assert sighting.addresses == ("quic://192.0.2.9:7420",)


def test_a_second_transport_has_its_own_port() -> None:
    sighting = read_back(Announcement(("quic://192.0.2.2:7420", "htx://192.0.2.2:443")))
    assert sighting.addresses == ("quic://192.0.2.2:7420", "htx://192.0.2.2:443")


@pytest.mark.parametrize(
    ("addresses", "change", "reason"),
    [
        (["192.0.2.2"], {b"v": b"2"}, "unknown_version"),
        (["192.0.2.2"], {b"v": None}, "unknown_version"),
        (["192.0.2.2"], {b"t": b"00"}, "bad_txt"),
        (["192.0.2.2"], {b"t": None}, "bad_txt"),
        (["192.0.2.2"], {b"t": b"Z" * 32}, "bad_txt"),
        (["192.0.2.2"], {b"h": None}, "bad_txt"),
        (["192.0.2.2"], {b"quic4": b"0"}, "bad_txt"),
        (["192.0.2.2"], {b"quic4": b"65536"}, "bad_txt"),
        (["192.0.2.2"], {b"quic4": None}, "bad_txt"),
        (["192.0.2.2"], {b"k%d" % i: b"" for i in range(TXT_KEYS_MAX)}, "bad_txt"),
        ([], {}, "no_address"),
        (["nonsense"], {}, "no_address"),
        (["127.0.0.1", "::1", "224.0.0.251", "255.255.255.255", "0.0.0.0", "fe80::1%3"], {}, "no_address"),
        (["::ffff:127.0.0.1"], {}, "no_address"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_word(
    addresses: list[str], change: dict[bytes, bytes | None], reason: str
) -> None:
    txt = txt_of(make_instance(ANNOUNCE, TOKEN, HOSTS)) | change
    with pytest.raises(RemoteError) as refused:
        read_instance(addresses, txt)
    assert refused.value.reason == reason


def test_loopback_counts_only_where_we_are_on_loopback_ourselves() -> None:
    txt = txt_of(make_instance(ANNOUNCE, TOKEN, HOSTS))
    assert read_instance(["127.0.0.1"], txt, loopback=True).addresses == ("quic://127.0.0.1:7420",)


def test_unknown_keys_are_skipped() -> None:
    txt = txt_of(make_instance(ANNOUNCE, TOKEN, HOSTS)) | {b"future": b"\xff", b"flag": None}
    assert read_instance(["192.0.2.2"], txt).token == TOKEN


def test_a_list_of_addresses_without_end_is_cut() -> None:
    txt = txt_of(make_instance(ANNOUNCE, TOKEN, HOSTS)) | {b"x%s4" % bytes([97 + i]): b"1" for i in range(20)}
    sighting = read_instance([f"192.0.2.{i}" for i in range(200)], txt)
    assert len(sighting.addresses) <= ADDRESSES_MAX * PORTS_MAX
    assert len(read_back(ANNOUNCE, tuple(f"192.0.2.{i}" for i in range(200))).addresses) == ADDRESSES_MAX


@given(
    addresses=st.lists(st.text(max_size=20) | st.ip_addresses().map(str), max_size=20),
    txt=st.dictionaries(
        st.sampled_from([b"v", b"t", b"h", b"x", b"quic4", b"quic6"]) | st.binary(max_size=8),
        st.none() | st.binary(max_size=40) | st.sampled_from([b"1", TOKEN.hex().encode(), b"7420"]),
        max_size=20,
    ),
    loopback=st.booleans(),
)
def test_any_record_is_a_sighting_or_refused(
    addresses: list[str], txt: dict[bytes, bytes | None], *, loopback: bool
) -> None:
    with suppress(RemoteError):
        sighting = read_instance(addresses, txt, loopback=loopback)
        assert sighting.addresses
        assert len(sighting.token) == 16


@given(
    addresses=st.lists(st.text(max_size=30), max_size=5),
    hosts=st.lists(st.ip_addresses().map(str), max_size=20),
)
def test_any_addresses_of_ours_make_an_announcement_or_none(addresses: list[str], hosts: list[str]) -> None:
    make_instance(Announcement((*addresses, "quic://0.0.0.0:1", "quic://[::]:2")), TOKEN, hosts)
