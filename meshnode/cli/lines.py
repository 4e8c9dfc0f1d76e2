"""`meshctl send --lines`: standard input line by line, as fast as the node takes it, each line as soon as it is there."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple, Protocol, TypeAlias

import click
import msgspec

from meshnode.cli.asking import Conversation, conversation
from meshnode.cli.base import Failure, invocation
from meshnode.cli.show import clean, json_line
from meshnode.client import batches
from meshnode.control.shapes import MessageState, Outgoing, Problem, SendResult, Sent, WaitFor
from protocols.errors import MeshError

READ_BYTES = 65_536
LINE_BYTES_MAX = 65_536  # the longest message
ROOM_TRIES_MAX = 20  # in a row that stored nothing, before a full outbox ends it
ROOM_REST_S = 0.25  # a connected peer takes some thousand messages meanwhile; an absent one costs 5 s
RANK: dict[MessageState, int] = {"expired": -1, "queued": 0, "sent": 1, "delivered": 2, "read": 3}


class Source(Protocol):
    def read1(self, size: int, /) -> bytes:
        """What there is, as soon as there is something; b"": the end."""
        ...


Numbered: TypeAlias = tuple[int, Outgoing]


class Line(NamedTuple):
    number: int  # from 1
    text: str


def falls_short(state: MessageState, wish: WaitFor) -> bool:
    return RANK[state] < RANK[wish]


def send_lines(template: Outgoing, source: Source, *, wait: WaitFor | None, timeout_s: float) -> None:
    """Each is sent as `template` with its text. Raises Failure when one was refused, or fell short of `wait`."""
    states: Counter[MessageState] = Counter()
    with conversation() as talk:
        sending = _Sending(talk, template, wait, timeout_s, states)
        for lines in lines_of(source):
            sending.send(lines)
    short = sum(count for state, count in states.items() if wait and falls_short(state, wait))
    if not invocation().as_json:
        click.echo(", ".join(f"{count} {state}" for state, count in states.items()) or "there were no lines")
    if short:
        raise Failure(f"{short} are not {wait} within {timeout_s:g} s; they stay queued unless they expired")


def lines_of(source: Source) -> Iterator[list[Line]]:
    """What has come so far, as often as something comes. Empty lines are left out.

    Raises Failure at a line that can be no message, after those before it.
    """
    rest, number = b"", 0
    while chunk := source.read1(READ_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from _readable(whole, number)
        number += len(whole)
        if len(rest) > LINE_BYTES_MAX:
            raise Failure(f"line {number + 1} is longer than a message, which has {LINE_BYTES_MAX} bytes")
    yield from _readable([rest], number)


def _readable(raw: list[bytes], before: int) -> Iterator[list[Line]]:
    lines: list[Line] = []
    for number, line in enumerate(raw, before + 1):
        try:
            text = line.removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            yield lines
            raise Failure(f"line {number} is not text in UTF-8; those before it are stored") from None
        if text:
            lines.append(Line(number, text))
    yield lines


class _Sending:
    def __init__(
        self,
        talk: Conversation,
        template: Outgoing,
        wait: WaitFor | None,
        timeout_s: float,
        states: Counter[MessageState],
    ) -> None:
        self._talk, self._template, self._states = talk, template, states
        self._wait: WaitFor | None = wait
        self._timeout_s = timeout_s
        self._last = 0  # line that was answered

    def send(self, lines: list[Line]) -> None:
        """Raises Failure after the batch in which a line was refused, or when the node goes away."""
        numbers = iter(line.number for line in lines)
        for batch in batches(msgspec.structs.replace(self._template, text=line.text) for line in lines):
            refused = self._send_batch(
                [(number, message) for message, number in zip(batch, numbers, strict=False)]
            )
            if refused:
                raise Failure(
                    f"stopped after line {self._last}: {refused} of the last {len(batch)} were refused"
                )

    def _send_batch(self, batch: list[Numbered]) -> int:
        """How many were refused. Where the outbox is full, waits as long as it goes on to empty itself."""
        refused: list[tuple[int, Problem]] = []
        patience = ROOM_TRIES_MAX
        while batch:
            answered = list(zip(batch, self._results([message for _, message in batch]), strict=True))
            batch = []
            for (number, message), result in answered:
                if result.sent is not None:
                    self._stored(number, result.sent)
                    patience = ROOM_TRIES_MAX
                elif result.error is not None and result.error.code == "outbox_full" and patience:
                    batch.append((number, message))
                elif result.error is not None:
                    refused.append((number, result.error))
            if batch:
                patience -= 1
                self._talk.ask(lambda _: asyncio.sleep(ROOM_REST_S))
        _tell(refused)
        self._last = max([self._last, *(number for number, _ in refused)])
        return len(refused)

    def _results(self, batch: list[Outgoing]) -> list[SendResult]:
        wait, timeout_s = self._wait, self._timeout_s
        try:
            return self._talk.ask(lambda node: node.send_many(batch, wait=wait, timeout_s=timeout_s))
        except MeshError as error:
            if not self._last:
                raise
            raise Failure(f"{error}; all up to line {self._last} are stored") from None

    def _stored(self, number: int, sent: Sent) -> None:
        self._last = number
        self._states[sent.state] += 1
        if invocation().as_json:
            click.echo(json_line({"line": number, **msgspec.to_builtins(sent)}))


def _tell(refused: list[tuple[int, Problem]]) -> None:
    """To people once where the same befell line after line."""
    if invocation().as_json:
        for number, error in refused:
            click.echo(json_line({"line": number, "error": error}))
        return
    for sentence, group in groupby(refused, key=lambda each: each[1].message):
        numbers = [number for number, _ in group]
        which = f"line {numbers[0]}" if len(numbers) == 1 else f"lines {numbers[0]} to {numbers[-1]}"
        click.echo(f"{which}: {clean(sentence)}", err=True)
