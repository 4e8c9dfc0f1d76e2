"""`meshctl net reach`."""

from typing import Any


def test_it_says_where_we_are_seen_and_whom_we_try_to_reach(live: Any) -> None:
    told = live.ctl("net", "reach").output
    assert "Own addresses: quic://192.168.1.2:7420" in told
    expected = "IPv4: behind a NAT that shows one address at quic://45.0.1.10:20000: 2 of 2 peers agree"
    assert expected in told
    assert "IPv6: not known yet: nobody told" in told
    assert "In our record beside them: none" in told
    assert "Port mapping: off" in told
    rows = [line.split() for line in told.splitlines() if line.startswith("bob")]
    assert rows == [
        ["bob", "failed", "in", "1", "min", "1", "s", "nobody", "answers"],
        ["bob's", "phone", "direct", "-"],
    ]


def test_as_json_it_is_what_the_api_tells(live: Any) -> None:
    told = live.json("net", "reach")
    assert [way["kind"] for way in told["ways"]] == ["mapped", "unknown"]
    assert told["meetings"][0]["again_in_s"] == 61.0
