"""HTTP/1.1 for a handful of local callers: h11 reads the bytes, this file says how long, how much and how many.

A full ASGI stack (starlette on uvicorn) did the same in 8 MiB and 60 ms of the daemon's start; this takes half a MiB
and 8 ms. Any bytes on the socket lead to an answer or a closed connection, never to a line in the log.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeAlias

import h11
import msgspec

from meshnode.control.shapes import ErrorAnswer, Problem

READ_BYTES = 65_536
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class HttpLimits:
    head_bytes_max: int = 16_384  # request line and headers; browsers stay below 8 KiB
    body_bytes_max: int = 1 << 20  # the longest text is 64 KiB, escaped at most six-fold
    idle_s: float = 60.0  # between requests of a connection that stays open
    request_s: float = 30.0  # for all of a request, from its first byte; local bytes come at once
    write_s: float = 30.0  # for a reader that has stopped reading
    linger_s: float = 1.0  # for the rest of a request that was refused, so that the refusal can be read


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    path: str  # as sent, still percent-encoded
    query: str
    headers: dict[str, str]  # lower-case names; of a repeated one the last
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class HttpStream:
    """An answer without end. `chunks` is closed when the caller goes away."""

    content_type: str
    chunks: AsyncGenerator[bytes, None]


Handler: TypeAlias = Callable[[HttpRequest], Awaitable[HttpAnswer | HttpStream]]


class RequestError(Exception):
    """The caller's bytes are no request that we take; `answer` says so."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.answer = error_answer(status, Problem(code=code, message=sentence))


def json_answer(value: object, status: int = HTTPStatus.OK) -> HttpAnswer:
    return HttpAnswer(status, msgspec.json.encode(value))


def error_answer(status: int, problem: Problem) -> HttpAnswer:
    return json_answer(ErrorAnswer(error=problem), status)


async def serve_connection(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler, limits: HttpLimits
) -> None:
    """Serve one connection until either side is done with it. Raises nothing but CancelledError."""
    talk = _Conversation(reader, writer, limits)
    try:
        while await _serve_request(talk, handler):
            pass
        writer.close()
        async with asyncio.timeout(limits.write_s):
            await writer.wait_closed()
    except (OSError, TimeoutError, h11.ProtocolError):
        pass  # the caller went away, stopped reading, or broke off in the middle
    finally:
        writer.transport.abort()


async def _serve_request(talk: "_Conversation", handler: Handler) -> bool:
    """One request and its answer; False when the connection is over."""
    try:
        request = await talk.request()
    except RequestError as error:
        await talk.refuse(error.answer)
        return False
    if request is None:
        return False
    match await handler(request):
        case HttpAnswer() as answer:
            await talk.answer(answer)
        case HttpStream() as stream:
            await talk.stream(stream)
    return talk.start_again()


class _Conversation:
    """h11's state beside the socket it speaks over."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: HttpLimits
    ) -> None:
        self._reader, self._writer, self._limits = reader, writer, limits
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_bytes_max)
        self._method = ""

    async def request(self) -> HttpRequest | None:
        """The next whole request; None when the caller leaves between two. Raises RequestError."""
        if not self._http.trailing_data[0]:
            try:
                async with asyncio.timeout(self._limits.idle_s):
                    await self._read()
            except TimeoutError:
                return None
        try:
            async with asyncio.timeout(self._limits.request_s):
                return await self._whole_request()
        except TimeoutError:
            sentence = f"the request did not arrive whole within {self._limits.request_s:g} s"
            raise RequestError(HTTPStatus.REQUEST_TIMEOUT, "too_slow", sentence) from None

    async def answer(self, answer: HttpAnswer) -> None:
        head = {"content-length": str(len(answer.body)), **answer.headers}
        data = self._head(answer.status, answer.content_type, head)
        if self._method != "HEAD":  # whose answer has a length and no body
            data += self._encoded(h11.Data(answer.body))
        await self._send(data + self._encoded(h11.EndOfMessage()))

    async def refuse(self, answer: HttpAnswer) -> None:
        """Answer what was no proper request, then let the rest of it run dry: closing at once would cut the answer off."""
        if self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        await self.answer(HttpAnswer(answer.status, answer.body, headers={"connection": "close"}))
        if self._writer.can_write_eof():
            self._writer.write_eof()
        async with asyncio.timeout(self._limits.linger_s):
            while await self._reader.read(READ_BYTES):
                pass

    async def stream(self, stream: HttpStream) -> None:
        async with aclosing(stream.chunks) as chunks:
            await self._send(self._head(HTTPStatus.OK, stream.content_type, {}))
            async for chunk in chunks:
                await self._send(self._encoded(h11.Data(chunk)))
            await self._send(self._encoded(h11.EndOfMessage()))

    def start_again(self) -> bool:
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def _whole_request(self) -> HttpRequest | None:
        self._method = ""
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        self._method = head.method.decode("latin-1")
        body = bytearray()
        while isinstance(event := await self._event(), h11.Data):
            body += event.data
            if len(body) > self._limits.body_bytes_max:
                sentence = f"a request has at most {self._limits.body_bytes_max} bytes"
                raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_long", sentence)
        path, _, query = head.target.decode("latin-1").partition("?")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        return HttpRequest(self._method, path, query, headers, bytes(body))

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Never NEED_DATA: it reads until there is something."""
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                sentence = f"this is no HTTP request: {error}"
                raise RequestError(error.error_status_hint, "bad_http", sentence) from None
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                await self._send(self._encoded(h11.InformationalResponse(status_code=100, headers=[])))
            await self._read()

    async def _read(self) -> None:
        self._http.receive_data(await self._reader.read(READ_BYTES))

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        async with asyncio.timeout(self._limits.write_s):
            await self._writer.drain()

    def _head(self, status: int, content_type: str, headers: dict[str, str]) -> bytes:
        always = {
            "content-type": content_type,
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        return self._encoded(h11.Response(status_code=status, headers=list((always | headers).items())))

    def _encoded(self, event: h11.Event) -> bytes:
        return self._http.send(event) or b""
