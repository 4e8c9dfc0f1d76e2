"""From a request to the backend's method and back: decoding, errors, the streams."""

import asyncio
import traceback
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus
from urllib.parse import parse_qsl

import msgspec

from meshnode.control.backend import Backend
from meshnode.control.events import Follower
from meshnode.control.http import (
    HttpAnswer,
    HttpRequest,
    HttpStream,
    RequestError,
    error_answer,
    json_answer,
)
from meshnode.control.metrics import CONTENT_TYPE, prometheus_text
from meshnode.control.openapi import openapi_document
from meshnode.control.problems import problem_of
from meshnode.control.routes import (
    EVENTS_PATH,
    HEALTH_PATH,
    METRICS_PATH,
    OPENAPI_PATH,
    ROUTES,
    Route,
)
from meshnode.control.shapes import Event, Problem, Request
from meshnode.ports import Emit
from protocols.errors import LinkError, RefusedError, RemoteError, SettingsError, StoreError

QUERY_FIELDS_MAX = 32  # our longest query has 7
TRACEBACK_CHARS_MAX = 8_192  # the end of it is what helps
TRACE_BYTES = 8

STATUS_OF_CODE = {
    "unknown_peer": HTTPStatus.NOT_FOUND,
    "unknown_message": HTTPStatus.NOT_FOUND,
    "unknown_invite": HTTPStatus.NOT_FOUND,
    "ambiguous": HTTPStatus.CONFLICT,
    "blocked": HTTPStatus.FORBIDDEN,
    "too_many_followers": HTTPStatus.TOO_MANY_REQUESTS,
}  # any other refusal is 400


class Dispatcher:
    """Answers requests from the backend, and never raises: what goes wrong becomes an answer."""

    def __init__(
        self,
        backend: Backend,
        *,
        version: str,
        entropy: Callable[[int], bytes],
        log: Emit,
        keepalive_s: float,
    ) -> None:
        self._backend, self._entropy, self._log = backend, entropy, log
        self._keepalive_s = keepalive_s
        self._version = version
        self._routes = {(route.method, route.path): route for route in ROUTES}
        self._special = {
            EVENTS_PATH: self._events,
            HEALTH_PATH: self._health,
            METRICS_PATH: self._metrics,
            OPENAPI_PATH: self._openapi,
        }

    async def answer(self, request: HttpRequest) -> HttpAnswer | HttpStream:
        try:
            return await self._route(request)
        except RequestError as error:
            return error.answer
        except RefusedError as error:
            status = STATUS_OF_CODE.get(error.code, HTTPStatus.BAD_REQUEST)
            return error_answer(status, problem_of(error))
        except TimeoutError as error:
            sentence = str(error) or "the peer did not answer in time; try again, or wait longer"
            return error_answer(HTTPStatus.GATEWAY_TIMEOUT, Problem(code="timed_out", message=sentence))
        except (LinkError, RemoteError) as error:
            code = "unreachable" if isinstance(error, LinkError) else error.reason
            return error_answer(HTTPStatus.BAD_GATEWAY, Problem(code=code, message=str(error)))
        except SettingsError as error:
            return error_answer(HTTPStatus.BAD_REQUEST, Problem(code="bad_setting", message=str(error)))
        except StoreError as error:
            return error_answer(HTTPStatus.INSUFFICIENT_STORAGE, Problem(code="store", message=str(error)))
        except Exception as error:  # noqa: BLE001 - the rim of the service: one caller's bug must not stop the node
            return self._internal(request, error)

    async def _route(self, request: HttpRequest) -> HttpAnswer | HttpStream:
        special = self._special.get(request.path)
        if special is not None and request.method == "GET":
            return await special(request)
        route = self._routes.get((request.method, request.path))
        if route is None:
            return self._no_route(request, special=special is not None)
        method = getattr(self._backend, route.operation)
        if route.request is None:
            return json_answer(await method())
        return json_answer(await method(_decode(route, route.request, request)))

    def _no_route(self, request: HttpRequest, *, special: bool) -> HttpAnswer:
        allowed = [route.method for route in ROUTES if route.path == request.path] + ["GET"] * special
        if not allowed:
            sentence = f"there is nothing here; {OPENAPI_PATH} lists what there is"
            return error_answer(HTTPStatus.NOT_FOUND, Problem(code="no_such_path", message=sentence))
        allow = ", ".join(sorted(allowed))
        problem = Problem(code="bad_method", message=f"this path takes {allow}")
        answer = error_answer(HTTPStatus.METHOD_NOT_ALLOWED, problem)
        return HttpAnswer(answer.status, answer.body, headers={"allow": allow})

    def _internal(self, request: HttpRequest, error: Exception) -> HttpAnswer:
        trace = self._entropy(TRACE_BYTES).hex()
        story = "".join(traceback.format_exception(error))[-TRACEBACK_CHARS_MAX:]
        self._log("control_failed", {"trace": trace, "path": request.path, "traceback": story})
        sentence = f"the node failed at this; its log says more under {trace}"
        problem = Problem(code="internal", message=sentence, trace=trace)
        return error_answer(HTTPStatus.INTERNAL_SERVER_ERROR, problem)

    async def _health(self, _request: HttpRequest) -> HttpAnswer:
        health = await self._backend.health()
        return json_answer(health, HTTPStatus.OK if health.status == "ok" else HTTPStatus.SERVICE_UNAVAILABLE)

    async def _metrics(self, _request: HttpRequest) -> HttpAnswer:
        return HttpAnswer(HTTPStatus.OK, prometheus_text(await self._backend.metrics()), CONTENT_TYPE)

    async def _openapi(self, _request: HttpRequest) -> HttpAnswer:
        return json_answer(openapi_document(self._version))

    async def _events(self, request: HttpRequest) -> HttpStream:
        follower = self._backend.events.follow(request.headers.get("last-event-id"))
        return HttpStream("text/event-stream", self._chunks(follower))

    async def _chunks(self, follower: Follower) -> AsyncGenerator[bytes, None]:
        try:
            yield b": welcome\n\n"
            while True:
                try:
                    async with asyncio.timeout(self._keepalive_s):
                        event = await follower.next()
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if event is None:
                    return
                yield sse_frame(event)
        finally:
            follower.close()


def sse_frame(event: Event) -> bytes:
    """One server-sent event. JSON holds no line break, so `data` is one line."""
    head = f"id: {event.id}\n" if event.id else ""
    return head.encode() + f"event: {event.kind}\ndata: ".encode() + msgspec.json.encode(event) + b"\n\n"


def _decode(route: Route, shape: type[Request], request: HttpRequest) -> Request:
    try:
        if route.method == "POST":
            return msgspec.json.decode(request.body, type=shape)
        pairs = parse_qsl(
            request.query, keep_blank_values=True, errors="strict", max_num_fields=QUERY_FIELDS_MAX
        )
        return msgspec.convert(dict(pairs), shape, strict=False)
    except (msgspec.DecodeError, UnicodeError, ValueError, RecursionError) as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, "bad_request", f"{request.path}: {error}") from None
