"""Which of several addresses is taken."""

import asyncio
import socket

import pytest

from protocols.errors import LinkError
from transports.addresses import HostPort
from transports.quic.dialling import Target, first_of, resolve

SIX: Target = (socket.AF_INET6, ("2001:db8::1", 7420, 0, 0))
FOUR: Target = (socket.AF_INET, ("192.0.2.1", 7420))
FOREVER_S = 3600.0


class Network:
    """Answers some targets, refuses some, and is silent towards the rest."""

    def __init__(self, *, answers: list[Target], refuses: list[Target]) -> None:
        self.answers, self.refuses = answers, refuses
        self.tried: list[Target] = []
        self.cancelled: list[Target] = []

    async def attempt(self, target: Target) -> Target:
        self.tried.append(target)
        if target in self.answers:
            return target
        if target in self.refuses:
            raise LinkError(f"{target[1][0]} refuses")
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.cancelled.append(target)
            raise
        raise AssertionError


async def test_the_first_that_answers_is_taken_and_no_other_tried() -> None:
    network = Network(answers=[SIX, FOUR], refuses=[])
    assert await first_of([SIX, FOUR], network.attempt, stagger_s=FOREVER_S) == SIX
    assert network.tried == [SIX]


async def test_a_silent_address_holds_up_the_next_for_the_stagger_only() -> None:
    network = Network(answers=[FOUR], refuses=[])
    assert await first_of([SIX, FOUR], network.attempt, stagger_s=0.0) == FOUR
    assert network.cancelled == [SIX]


async def test_a_refusal_lets_the_next_start_at_once() -> None:
    network = Network(answers=[FOUR], refuses=[SIX])
    assert await first_of([SIX, FOUR], network.attempt, stagger_s=FOREVER_S) == FOUR


async def test_when_all_refuse_the_last_reason_is_told() -> None:
    network = Network(answers=[], refuses=[SIX, FOUR])
    with pytest.raises(LinkError, match=r"192\.0\.2\.1 refuses"):
        await first_of([SIX, FOUR], network.attempt, stagger_s=FOREVER_S)


async def test_a_cancelled_dial_cancels_its_attempts() -> None:
    network = Network(answers=[], refuses=[])
    dial = asyncio.ensure_future(first_of([SIX, FOUR], network.attempt, stagger_s=0.0))
    while len(network.tried) < 2:
        turn = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(turn.set_result, None)
        await turn
    dial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dial
    assert network.cancelled == [SIX, FOUR]


async def test_literals_never_touch_the_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the resolver was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert await resolve(HostPort("192.0.2.1", 7420), addresses_max=8) == [FOUR]
    assert await resolve(HostPort("2001:db8::1", 7420), addresses_max=8) == [SIX]
    assert await resolve(HostPort("fe80::1", 1, "7"), addresses_max=8) == [
        (socket.AF_INET6, ("fe80::1", 1, 0, 7))
    ]


async def test_names_give_both_families_in_turn_and_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(FOUR[0], socket.SOCK_DGRAM, 17, "", (f"192.0.2.{n}", 7420)) for n in range(9)]
    found += [(SIX[0], socket.SOCK_DGRAM, 17, "", (f"2001:db8::{n}", 7420, 0, 0)) for n in range(9)]

    def answer(*_: object, **__: object) -> object:
        return found

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    targets = await resolve(HostPort("example.net", 7420), addresses_max=5)
    assert [family.name for family, _ in targets] == [
        "AF_INET6",
        "AF_INET",
        "AF_INET6",
        "AF_INET",
        "AF_INET6",
    ]
