"""`meshctl send --lines`: each line of standard input is a message."""

import io
import json
from typing import Any

import msgspec
import pytest

from meshnode.cli.base import Failure
from meshnode.cli.lines import LINE_BYTES_MAX, READ_BYTES, lines_of
from meshnode.control import shapes
from protocols.errors import LinkError


def texts(source: bytes) -> list[tuple[int, str]]:
    return [(line.number, line.text) for lines in lines_of(io.BytesIO(source)) for line in lines]


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        (b"", []),
        (b"\n\n", []),
        (b"one\ntwo\n", [(1, "one"), (2, "two")]),
        (b"one\r\n\nthree", [(1, "one"), (3, "three")]),
        ("grüße\n".encode(), [(1, "grüße")]),
    ],
)
def test_lines_have_numbers_and_empty_ones_are_left_out(source: bytes, lines: list[tuple[int, str]]) -> None:
    assert texts(source) == lines


def test_a_line_may_come_in_pieces() -> None:
    source = b"x" * (READ_BYTES - 2) + "\ngrün\n".encode()
    assert texts(source)[1] == (2, "grün")


def test_what_is_there_is_handed_on_before_more_comes() -> None:
    pieces = iter([b"one\ntwo\nth", b"ree\n"])

    class Slow:
        def read1(self, _size: int, /) -> bytes:
            return next(pieces, b"")

    found = lines_of(Slow())
    assert [line.text for line in next(found)] == ["one", "two"]
    assert [line.text for line in next(found)] == ["three"]


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [(b"\xff\n", "line 2 is not text"), (b"x" * (LINE_BYTES_MAX + 1), "line 2 is longer than a message")],
)
def test_a_line_that_is_no_message_ends_it_after_those_before(bad: bytes, complaint: str) -> None:
    found = lines_of(io.BytesIO(b"one\n" + bad))
    assert [line.text for line in next(found)] == ["one"]
    with pytest.raises(Failure, match=complaint):
        for _ in found:
            pass


def test_lines_are_sent_in_order_as_the_options_say(live: Any) -> None:
    result = live.ctl("send", "bob", "--lines", "--class", "bulk", "--expires", "2h", stdin="one\n\ntwo\n")
    assert (result.exit_code, result.stdout) == (0, "2 queued\n")
    [request] = live.node.asked
    assert request == shapes.SendMany(
        messages=[
            shapes.Outgoing(to="bob", text=text, expires_s=7200, traffic="bulk") for text in ("one", "two")
        ]
    )


def test_many_lines_go_in_several_requests_over_one_connection(live: Any) -> None:
    count = 2 * shapes.SEND_MANY_MAX + 1
    result = live.ctl("send", "bob", "--lines", stdin="".join(f"{number}\n" for number in range(count)))
    assert (result.exit_code, result.stdout) == (0, f"{count} queued\n")
    assert [len(request.messages) for request in live.node.asked] == [256, 256, 1]
    assert [message.text for message in live.node.stored] == [str(number) for number in range(count)]


def test_the_json_has_a_line_for_each_line(live: Any) -> None:
    result = live.ctl("--json", "send", "bob", "--lines", "--wait", "delivered", stdin="one\nbad\n")
    first, second = map(json.loads, result.stdout.splitlines())
    assert first == {"line": 1, "message_id": "m1", "state": "delivered", "to": "b" * 56, "trace": ""}
    assert (second["line"], second["error"]["code"]) == (2, "bad_text")
    assert result.exit_code == 1


def test_it_stops_where_a_line_is_refused_and_says_which(live: Any) -> None:
    lines = ["one", "bad", *(str(number) for number in range(shapes.SEND_MANY_MAX))]
    result = live.ctl("send", "bob", "--lines", stdin="\n".join(lines))
    assert result.exit_code == 1
    assert result.stderr == (
        "line 2: that is no good\nmeshctl: stopped after line 256: 1 of the last 256 were refused\n"
    )
    assert len(live.node.asked) == 1


class Outbox:
    """Has room for `room` messages now and for `each` more whenever it is asked again."""

    def __init__(self, live: Any, monkeypatch: pytest.MonkeyPatch, *, room: int, each: int) -> None:
        self._take, self._room, self._each = live.node.send_many, room, each
        live.node.send_many = self.send_many
        monkeypatch.setattr("meshnode.cli.lines.ROOM_REST_S", 0)

    async def send_many(self, request: shapes.SendMany) -> list[shapes.SendResult]:
        kept = request.messages[: self._room]
        self._room = self._room - len(kept) + self._each
        full = shapes.SendResult(error=shapes.Problem(code="outbox_full", message="many wait for bob"))
        taken = await self._take(msgspec.structs.replace(request, messages=kept))
        return taken + [full] * (len(request.messages) - len(kept))


def test_a_full_outbox_is_waited_for_while_it_empties_itself(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Outbox(live, monkeypatch, room=3, each=2)
    result = live.ctl("send", "bob", "--lines", stdin="".join(f"{number}\n" for number in range(20)))
    assert (result.exit_code, result.stdout) == (0, "20 queued\n")
    assert [message.text for message in live.node.stored] == [str(number) for number in range(20)]


def test_a_full_outbox_that_stays_full_ends_it_with_one_sentence(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Outbox(live, monkeypatch, room=3, each=0)
    result = live.ctl("send", "bob", "--lines", stdin="x\n" * 20)
    assert result.exit_code == 1
    assert result.stderr == (
        "lines 4 to 20: many wait for bob\nmeshctl: stopped after line 20: 17 of the last 20 were refused\n"
    )
    assert len(live.node.stored) == 3


def test_those_that_fell_short_of_the_wait_are_counted(live: Any) -> None:
    async def slow(request: shapes.SendMany) -> list[shapes.SendResult]:
        sent = shapes.Sent(message_id="m1", state="queued", to="b" * 56)
        return [shapes.SendResult(sent=sent) for _ in request.messages]

    live.node.send_many = slow
    result = live.ctl("send", "bob", "--lines", "--wait", "delivered", "--timeout", "0", stdin="one\ntwo\n")
    assert (result.exit_code, result.stdout) == (1, "2 queued\n")
    assert "2 are not delivered within 0 s" in result.stderr


def test_a_node_that_fails_in_the_middle_says_how_far_it_came(live: Any) -> None:
    taken = live.node.send_many

    async def once(request: shapes.SendMany) -> list[shapes.SendResult]:
        if live.node.stored:
            raise LinkError("it is over")
        return await taken(request)

    live.node.send_many = once
    result = live.ctl("send", "bob", "--lines", stdin="x\n" * (shapes.SEND_MANY_MAX + 1))
    assert result.exit_code == 1
    assert "it is over; all up to line 256 are stored" in result.stderr


def test_no_lines_are_no_messages(live: Any) -> None:
    assert live.ctl("send", "bob", "--lines", stdin="").stdout == "there were no lines\n"


def test_without_a_node_the_exit_code_is_3(alone: Any) -> None:
    assert alone.ctl("send", "bob", "--lines", stdin="one\n").exit_code == 3


def test_a_text_that_is_no_text_is_said_to_be_so(live: Any) -> None:
    result = live.ctl("send", "bob", stdin=b"\xff\xfe")
    assert (result.exit_code, result.stderr) == (1, "meshctl: standard input is not text in UTF-8\n")


def test_the_real_program_sends_a_line_while_its_input_stays_open(live: Any) -> None:
    process = live.process("--json", "send", "bob", "--lines", stdin=True)
    process.stdin.write("hello\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["line"] == 1
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()
    process.stderr.close()
