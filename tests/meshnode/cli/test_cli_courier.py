"""`meshctl courier` and `meshctl id rotate-prekeys` against the small node."""

from typing import Any

import msgspec

Shell = Any


def test_the_page_says_what_is_carried_and_what_is_under_way(live: Shell) -> None:
    lines = live.ctl("courier").stdout.splitlines()
    assert lines[:4] == [
        "carries    for everyone",
        "carried    1 sealed for others, 1.7 KiB of 16.0 MiB",
        "under way  1 sealed of ours",
        "people     2 whom we can seal to",
    ]
    assert lines[4].endswith(", 2 kept, safe against quantum computers")
    assert lines[6].split() == ["TO", "MESSAGES", "COURIERS", "UNTIL"]
    assert lines[7].split()[:3] == ["bob", "2", "3"]


def test_with_and_without_the_word_status_it_is_the_same(live: Shell) -> None:
    assert live.json("courier") == live.json("courier", "status")
    assert live.json("courier")["under_way"][0]["couriers"] == 3


def test_a_node_without_a_clock_has_no_prekey_and_says_why(live: Shell) -> None:
    node = live.node

    async def without(status: Any = node.courier_status) -> Any:
        return msgspec.structs.replace(await status(), prekey=None, under_way=[])

    node.courier_status = without
    assert live.ctl("courier", "status").stdout.splitlines()[-1] == (
        "prekey     none: the clock of this machine is not set"
    )


def test_prekeys_are_rotated_by_hand(live: Shell) -> None:
    assert live.ctl("id", "rotate-prekeys").stdout.startswith("new prekey 0a0a0a0a0a0a0a0a, for others")
    assert live.json("id", "rotate-prekeys")["kept"] == 2


def test_a_message_that_is_carried_says_so(live: Shell) -> None:
    live.do(lambda: live.node.store("hello", "out"))
    node = live.node
    node.stored[-1] = msgspec.structs.replace(node.stored[-1], state="queued", couriers=3)
    assert live.ctl("messages").stdout.rstrip().endswith("hello  (queued, carried by 3)")
