"""The caller's end of the control API's HTTP: one connection, one question at a time."""

import asyncio
import select
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import h11

from protocols.errors import LinkError, SettingsError

READ_BYTES = 65_536
ANSWER_BYTES_MAX = 64 << 20  # 1,000 messages of 64 KiB; a node that sends more is broken
AGENT = "meshnode-client"


class Endpoint(NamedTuple):
    """Where a node answers: a Unix socket, or host and port with a token."""

    socket: Path | None = None
    host: str = "localhost"
    port: int = 0
    token: str = ""


def parse_url(url: str, token: str) -> Endpoint:
    """Raises SettingsError for anything but http://HOST:PORT."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, None
    if parts is None or parts.scheme != "http" or not host or not port or parts.path not in {"", "/"}:
        raise SettingsError(f"{url!r} is not of the form http://127.0.0.1:7421")
    return Endpoint(host=host, port=port, token=token)


class Caller:
    """A connection to the node. After an exception it is of no more use."""

    def __init__(
        self, endpoint: Endpoint, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._endpoint, self._reader, self._writer = endpoint, reader, writer
        self._http = h11.Connection(h11.CLIENT)

    @property
    def reusable(self) -> bool:
        """Nothing is left over, and the node has not hung up meanwhile (the loop may not have noticed yet)."""
        if self._http.our_state is not h11.IDLE or self._reader.at_eof() or self._writer.is_closing():
            return False
        poll = select.poll()
        poll.register(self._writer.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    async def ask(self, method: str, target: str, body: bytes | None) -> tuple[int, bytes]:
        """One request, and its whole answer. Raises LinkError when the node breaks off."""
        status = await self.begin(method, target, body=body)
        answer = bytearray()
        async for chunk in self.chunks():
            answer += chunk
            if len(answer) > ANSWER_BYTES_MAX:
                raise LinkError(f"the node's answer has more than {ANSWER_BYTES_MAX} bytes")
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        return status, bytes(answer)

    async def begin(
        self,
        method: str,
        target: str,
        *,
        body: bytes | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> int:
        """Send a request and read the head of the answer; `chunks` gives the rest."""
        head = [("host", self._host()), ("user-agent", AGENT), *headers]
        if self._endpoint.token:
            head.append(("authorization", f"Bearer {self._endpoint.token}"))
        if body is not None:
            head += [("content-type", "application/json"), ("content-length", str(len(body)))]
        data = self._http.send(h11.Request(method=method, target=target, headers=head)) or b""
        if body:
            data += self._http.send(h11.Data(body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        with suppress(OSError):  # it may have answered before it hung up
            self._writer.write(data)
            await self._writer.drain()
        event = await self._event()
        while isinstance(event, h11.InformationalResponse):
            event = await self._event()
        if not isinstance(event, h11.Response):
            raise LinkError("the node hung up before it answered")
        return event.status_code

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        while isinstance(event := await self._event(), h11.Data):
            yield bytes(event.data)

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):  # it is gone all the same
            await self._writer.wait_closed()

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Never NEED_DATA: it reads until there is something."""
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(READ_BYTES))
        except (OSError, h11.ProtocolError) as error:
            raise LinkError(f"the node broke off: {error}") from None
        return event

    def _host(self) -> str:
        host = self._endpoint.host
        shown = f"[{host}]" if ":" in host else host
        return f"{shown}:{self._endpoint.port}" if self._endpoint.port else shown


async def dial(endpoint: Endpoint) -> Caller:
    """Raises OSError when nobody answers there."""
    if endpoint.socket is not None:
        return Caller(endpoint, *await asyncio.open_unix_connection(endpoint.socket))
    return Caller(endpoint, *await asyncio.open_connection(endpoint.host, endpoint.port))
