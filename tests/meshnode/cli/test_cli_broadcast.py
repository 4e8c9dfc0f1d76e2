"""`meshctl broadcast` against the small node."""

import json
from collections.abc import Callable
from typing import Any

from meshnode.control.broadcast_shapes import SendBroadcast

Shell = Any


def test_a_broadcast_is_sent_as_it_was_asked_for(live: Shell) -> None:
    result = live.ctl("broadcast", "send", "fire", "--emergency", "--hops", "2", "--expires", "30min")
    assert result.exit_code == 0
    assert result.stdout == "sent  b1\n"
    asked = SendBroadcast(text="fire", emergency=True, hops=2, expires_s=1_800)
    assert asked in live.node.asked


def test_the_text_may_come_from_standard_input(live: Shell) -> None:
    assert live.json("broadcast", "send", stdin="two\nlines\n")["text"] == "two\nlines"


def test_a_text_that_is_too_long_or_no_text_is_refused(live: Shell) -> None:
    assert "4096 characters" in live.ctl("broadcast", "send", stdin="x" * 5_000).stderr
    assert "UTF-8" in live.ctl("broadcast", "send", stdin=b"\xff").stderr


def test_nothing_lives_longer_than_a_day(live: Shell) -> None:
    result = live.ctl("broadcast", "send", "x", "--expires", "2d")
    assert result.exit_code == 2
    assert "24h" in result.stderr


def test_a_list_tells_who_and_how_and_steers_no_terminal(live: Shell) -> None:
    live.do(lambda: live.node.tell("the \x1b[31mbridge\nis closed", stranger=True, emergency=True))
    live.do(lambda: live.node.tell("thanks", ours=True))
    first, second, third = live.ctl("broadcast", "list").stdout.splitlines()
    assert first.endswith("bob (emergency, a stranger):  the bridge")
    assert second == "    is closed"
    assert third.endswith("this node:  thanks")


def test_a_list_can_be_cut_and_continued(live: Shell) -> None:
    for word in ("one", "two", "three"):
        live.do(lambda word=word: live.node.tell(word))

    def texts(*words: str) -> list[str]:
        shown = live.ctl("--json", "broadcast", "list", *words).stdout
        return [json.loads(line)["text"] for line in shown.splitlines()]

    assert texts() == ["one", "two", "three"]
    assert texts("--limit", "1") == ["three"]
    assert texts("--since", "b1") == ["two", "three"]


def test_an_empty_list_says_so(live: Shell) -> None:
    assert live.ctl("broadcast", "list").stdout == "there are no broadcasts\n"
    assert live.ctl("--json", "broadcast", "list").stdout == ""


def test_a_follower_sees_what_is_there_and_what_comes(live: Shell) -> None:
    live.do(lambda: live.node.tell("before"))
    with live.process("--json", "broadcast", "list", "--follow") as follower:
        read: Callable[[], str] = follower.stdout.readline
        assert json.loads(read())["text"] == "before"
        live.do(lambda: live.node.tell("after"))
        assert json.loads(read())["text"] == "after"
        follower.terminate()
