"""Who may speak on the loopback port: whoever shows the token, and no web page that was tricked into asking.

The Unix socket needs none of this: its mode lets only the owner in, and a browser cannot reach it.
"""

import hmac
from http import HTTPStatus
from typing import NamedTuple

from meshnode.control.http import HttpAnswer, HttpRequest, error_answer
from meshnode.control.shapes import Problem

LOOPBACK = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "[::1]": "::1"}  # as written -> as bound


class TcpGuard(NamedTuple):
    token: str
    port: int

    def refusal(self, request: HttpRequest) -> HttpAnswer | None:
        """None: come in. The Host is checked because a page may point a name of its own at 127.0.0.1."""
        hosts = [f"{name}:{self.port}" for name in LOOPBACK]
        if request.headers.get("host", "").lower() not in hosts:
            return _forbidden("bad_host", f"ask for {hosts[0]} by that name")
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() not in [f"http://{host}" for host in hosts]:
            return _forbidden("bad_origin", "pages of other origins may not ask this node")
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(shown.strip().encode(), self.token.encode()):
            sentence = (
                "send 'Authorization: Bearer TOKEN'; the token is in control.token in the data directory"
            )
            answer = error_answer(HTTPStatus.UNAUTHORIZED, Problem(code="no_token", message=sentence))
            return HttpAnswer(answer.status, answer.body, headers={"www-authenticate": "Bearer"})
        return None


def _forbidden(code: str, sentence: str) -> HttpAnswer:
    return error_answer(HTTPStatus.FORBIDDEN, Problem(code=code, message=sentence))
