"""From a command to the node and back."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from meshnode.cli.base import invocation
from meshnode.client import MeshClient
from meshnode.control.paths import default_data_dir

A = TypeVar("A")


def data_dir() -> Path:
    return invocation().data_dir or default_data_dir()


def ask(question: Callable[[MeshClient], Awaitable[A]]) -> A:
    """Raises NoDaemonError, ControlError."""

    async def asked() -> A:
        async with MeshClient(data_dir()) as node:
            return await question(node)

    return asyncio.run(asked())


class Conversation:
    """Several questions over one connection. Between two of them Ctrl-C works as in any program."""

    def __init__(self, runner: asyncio.Runner, node: MeshClient) -> None:
        self._runner, self._node = runner, node

    def ask(self, question: Callable[[MeshClient], Awaitable[A]]) -> A:
        async def asked() -> A:
            return await question(self._node)

        return self._runner.run(asked())


@contextmanager
def conversation() -> Generator[Conversation]:
    with asyncio.Runner() as runner:
        node = MeshClient(data_dir())
        try:
            yield Conversation(runner, node)
        finally:
            runner.run(node.close())


def follow(stream: Callable[[MeshClient], AsyncGenerator[A, None]], show: Callable[[A], None]) -> None:
    """Show what comes until Ctrl-C, which is the ordinary end of it."""

    async def followed(node: MeshClient) -> None:
        async with aclosing(stream(node)) as items:
            async for item in items:
                show(item)

    with suppress(KeyboardInterrupt):
        ask(followed)
