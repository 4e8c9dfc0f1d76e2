"""What the shell offers for a PEER: from a running node, quickly; without one, nothing, and no word."""

import asyncio
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from meshnode.cli.ctl import cli
from meshnode.control.shapes import Peer

IDS = [letter * 56 for letter in "abcdef"]


def peer(number: int, name: str = "", **change: Any) -> Peer:
    known: dict[str, Any] = {
        "node_id": IDS[number],
        "name": name,
        "state": "known",
        "trust": "pinned",
        "links": [],
    }
    known |= {"pinned_name": bool(name), **change}
    return Peer(**known)


PEERS = [
    peer(0, "alice"),
    peer(1, "Bob B"),  # a shell would take this for two words
    peer(2, "carol"),
    peer(3, "Carol", state="connected"),  # another device of hers
    peer(4, "eve", pinned_name=False, trust="stranger", state="requested"),
    peer(5, "mallory", state="blocked"),
    Peer(node_id="", name="pi", state="known", trust="stranger", links=[], addresses=["quic://pi:7"]),
]


def offered(shell: Any, *words: str) -> list[str]:
    complete = ShellComplete(cli, {}, "meshctl", "_MESHCTL_COMPLETE")
    return [
        item.value
        for item in complete.get_completions(["--data-dir", str(shell.data_dir), *words[:-1]], words[-1])
    ]


@pytest.fixture
def crowd(live: Any) -> Any:
    async def everybody() -> list[Peer]:
        return PEERS

    live.node.peers = everybody
    return live


def test_names_are_offered_and_ids_of_those_without_a_name_of_their_own(crowd: Any) -> None:
    assert offered(crowd, "send", "") == ["alice", "b" * 8, "c" * 8, "d" * 8, "e" * 8]


@pytest.mark.parametrize(
    ("typed", "found"),
    [("al", ["alice"]), ("AL", ["alice"]), ("aa", ["a" * 8]), ("a", ["alice"]), ("car", []), ("x", [])],
)
def test_what_is_typed_may_be_the_beginning_of_a_name_or_of_an_id(
    crowd: Any, typed: str, found: list[str]
) -> None:
    assert offered(crowd, "send", typed) == found


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("peers", "unblock", ""), ["mallory"]),
        (("peers", "accept", ""), ["e" * 8]),
        (("peers", "decline", "e"), ["e" * 8]),
        (("ping", "al"), ["alice"]),
        (("policy", "explain", "al"), ["alice"]),
        (("messages", "--with", "al"), ["alice"]),
    ],
)
def test_every_command_offers_whom_it_may_mean(crowd: Any, words: tuple[str, ...], found: list[str]) -> None:
    assert offered(crowd, *words) == found


def test_the_real_program_offers_names_to_bash(crowd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_MESHCTL_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "meshctl send al")
    monkeypatch.setenv("COMP_CWORD", "2")
    monkeypatch.setenv("MESHNODE_DATA_DIR", str(crowd.data_dir))
    assert crowd.process().communicate(timeout=30) == ("plain,alice\n", "")


def test_without_a_node_nothing_is_offered_and_nothing_said(
    alone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_MESHCTL_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "meshctl send al")
    monkeypatch.setenv("COMP_CWORD", "2")
    monkeypatch.setenv("MESHNODE_DATA_DIR", str(alone.data_dir))
    assert alone.process().communicate(timeout=30) == ("\n", "")


def test_a_node_that_does_not_answer_in_time_offers_nothing(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never() -> list[Peer]:
        await asyncio.Event().wait()
        return []

    live.node.peers = never
    monkeypatch.setattr("meshnode.cli.completing.ANSWER_S", 0.01)
    assert offered(live, "send", "") == []
