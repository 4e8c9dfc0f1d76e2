"""Opens the control sockets and owns every connection on them.

The Unix socket has mode 0600 from before it listens. One that a dead daemon left behind is replaced; one that still
answers is not. On wish the same API is served on a loopback port, behind a token (`guard.py`).
"""

import asyncio
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from meshnode.control.backend import Backend
from meshnode.control.dispatch import Dispatcher
from meshnode.control.guard import LOOPBACK, TcpGuard
from meshnode.control.http import (
    Handler,
    HttpAnswer,
    HttpLimits,
    HttpRequest,
    HttpStream,
    error_answer,
    serve_connection,
)
from meshnode.control.paths import TOKEN_NAME, make_private, remove_socket, socket_path
from meshnode.control.shapes import Problem
from meshnode.ports import Emit
from protocols.errors import LinkError, RefusedError, SettingsError, StoreError
from protocols.ids import to_base32

BACKLOG = 64
SOCKET_MODE = 0o600
TOKEN_BYTES = 32
TOKEN = re.compile(r"[a-z2-7]{52}")  # base32 of 32 bytes
TCP_ADDRESS = re.compile(r"(127\.0\.0\.1|localhost|\[::1\]):(\d{1,5})")
PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class ControlLimits:
    connections_max: int = 64  # 32 streams of events, and as many requests; as many more hear that it is busy
    keepalive_s: float = 15.0  # below the 30 s after which proxies and pages give up on a silent stream
    http: HttpLimits = field(default_factory=HttpLimits)


class ControlServer:
    """`start`, then `close`. Closing twice is harmless."""

    def __init__(
        self,
        backend: Backend,
        data_dir: Path,
        *,
        version: str,
        entropy: Callable[[int], bytes],
        log: Emit,
        tcp: str | None = None,
        limits: ControlLimits | None = None,
    ) -> None:
        self._backend, self._data_dir, self._tcp, self._entropy = backend, data_dir, tcp, entropy
        self._limits = limits or ControlLimits()
        self._dispatcher = Dispatcher(
            backend, version=version, entropy=entropy, log=log, keepalive_s=self._limits.keepalive_s
        )
        self._listeners: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[None], None] = {}
        self._guard: TcpGuard | None = None
        self._socket: Path | None = None

    @property
    def tcp_port(self) -> int | None:
        return self._guard.port if self._guard else None

    async def start(self) -> Path:
        """Listen, and give the socket's path.

        Raises RefusedError when another daemon answers there, SettingsError for a TCP address that isn't loopback,
        LinkError when it is taken, StoreError when the socket or the token can't be written.
        """
        path = socket_path(self._data_dir)
        if path.parent != self._data_dir.resolve():
            make_private(path.parent)
        await _clear_stale(path)
        listener = _bind(path)
        self._socket = path
        self._listeners.append(
            await asyncio.start_unix_server(self._accept_local, sock=listener, backlog=BACKLOG)
        )
        if self._tcp is not None:
            await self._listen_tcp(self._tcp)
        return path

    async def close(self) -> None:
        """Take no more callers, end the streams, and let go of those that are connected."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        if self._socket is not None:
            remove_socket(self._socket)
            self._socket = None
        self._backend.events.close()
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen_tcp(self, address: str) -> None:
        match = TCP_ADDRESS.fullmatch(address)
        if match is None or int(match[2]) > PORT_MAX:
            raise SettingsError(
                f"the control API listens on loopback only, as in 127.0.0.1:7421, not on {address!r}"
            )
        token = self._token()
        try:
            server = await asyncio.start_server(
                self._accept_tcp, LOOPBACK[match[1]], int(match[2]), backlog=BACKLOG
            )
        except OSError as error:
            sentence = f"cannot listen on {address}: {os.strerror(error.errno or 0)}; choose another port"
            raise LinkError(sentence) from None
        self._listeners.append(server)
        self._guard = TcpGuard(token, server.sockets[0].getsockname()[1])

    def _token(self) -> str:
        """The token in the data directory, or a fresh one where there is none that could be one."""
        path = self._data_dir / TOKEN_NAME
        try:
            if path.exists() and TOKEN.fullmatch(token := path.read_bytes()[:64].decode("latin-1").strip()):
                path.chmod(SOCKET_MODE)
                return token
            token = to_base32(self._entropy(TOKEN_BYTES))
            path.unlink(missing_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SOCKET_MODE), "w") as file:  # noqa: PTH123 - the mode is set as the file is made
                file.write(token + "\n")
        except OSError as error:
            raise StoreError(f"cannot keep {path}: {error.strerror}") from None
        return token

    def _accept_local(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._accept(reader, writer, self._dispatcher.answer)

    def _accept_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._accept(reader, writer, self._answer_guarded)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
        busy = len(self._connections) >= self._limits.connections_max
        if len(self._connections) >= 2 * self._limits.connections_max:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(
            serve_connection(reader, writer, _busy if busy else handler, self._limits.http),
            name="control_connection",
        )
        self._connections[task] = None
        task.add_done_callback(self._connections.pop)

    async def _answer_guarded(self, request: HttpRequest) -> HttpAnswer | HttpStream:
        assert self._guard is not None, "a port without its guard"
        return self._guard.refusal(request) or await self._dispatcher.answer(request)


async def _busy(_request: HttpRequest) -> HttpAnswer:
    problem = Problem(code="busy", message="too many callers at once; close a stream of events, or try again")
    answer = error_answer(HTTPStatus.SERVICE_UNAVAILABLE, problem)
    return HttpAnswer(answer.status, answer.body, headers={"connection": "close"})


async def _clear_stale(path: Path) -> None:
    """Remove a socket on which nobody listens any more. Raises RefusedError when somebody does."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        remove_socket(path)
    except OSError as error:
        raise StoreError(f"cannot use {path}: {error.strerror}") from None
    else:
        writer.close()
        await writer.wait_closed()
        raise RefusedError(
            "already_running", f"a node already answers on {path}; stop it, or use another --data-dir"
        )


def _bind(path: Path) -> socket.socket:
    """A Unix socket that is the owner's alone before anybody can connect."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fspath(path))
        path.chmod(SOCKET_MODE)
    except OSError as error:
        listener.close()
        raise StoreError(f"cannot make {path}: {error.strerror}") from None
    return listener
