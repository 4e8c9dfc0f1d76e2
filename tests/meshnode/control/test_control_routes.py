"""Every operation, from the client's method through the socket to the backend and back."""

import asyncio
import inspect
import typing
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from meshnode.client import ControlError, MeshClient, NoDaemonError, batches
from meshnode.control import Backend, broadcast_shapes, shapes
from meshnode.control.routes import ROUTES
from protocols.errors import LinkError, RefusedError, RemoteError, SettingsError, StoreError

ONE, TWO = shapes.Outgoing(to="bob", text="one ✓"), shapes.Outgoing(to="carol", text="two", traffic="bulk")
CALLS: dict[str, Callable[[MeshClient], Awaitable[object]]] = {
    "identity": lambda node: node.identity(),
    "status": lambda node: node.status(),
    "stop": lambda node: node.stop(),
    "config": lambda node: node.config(),
    "doctor": lambda node: node.doctor(),
    "transports": lambda node: node.transports(),
    "peers": lambda node: node.peers(),
    "resolve": lambda node: node.resolve("bob & co/?#ü"),
    "add_peer": lambda node: node.add_peer("quic://10.0.0.2:7", name="bob"),
    "name_peer": lambda node: node.name_peer("bbbbbbbb", "bob"),
    "block_peer": lambda node: node.block_peer("bob"),
    "unblock_peer": lambda node: node.unblock_peer("bob"),
    "remove_peer": lambda node: node.remove_peer("bob"),
    "peer_requests": lambda node: node.peer_requests(),
    "accept_peer": lambda node: node.accept_peer("bob"),
    "decline_peer": lambda node: node.decline_peer("bob"),
    "forget_address": lambda node: node.forget_address("quic://10.0.0.2:7"),
    "verifications": lambda node: node.verifications(),
    "verify_peer": lambda node: node.verify_peer("bob"),
    "confirm_verification": lambda node: node.confirm_verification("bob", matches=True),
    "import_revocation": lambda node: node.import_revocation("AAAA"),
    "create_invite": lambda node: node.create_invite(expires_s=60, uses=3),
    "invites": lambda node: node.invites(),
    "revoke_invite": lambda node: node.revoke_invite("i1"),
    "send": lambda node: node.send("bob", "hi ✓", wait="delivered"),
    "send_many": lambda node: node.send_many([ONE, TWO], wait="sent", timeout_s=3),
    "messages": lambda node: node.messages(peer="bob", limit=5),
    "mark_read": lambda node: node.mark_read(["m1", "m2"]),
    "find": lambda node: node.find("bob"),
    "directory_status": lambda node: node.directory_status(),
    "publish_record": lambda node: node.publish_record(),
    "holders": lambda node: node.holders("0a" * 32),
    "courier_status": lambda node: node.courier_status(),
    "rotate_prekeys": lambda node: node.rotate_prekeys(),
    "send_broadcast": lambda node: node.send_broadcast("fire ✓", hops=2, emergency=True, expires_s=60),
    "broadcasts": lambda node: node.broadcasts(since="", limit=5),
    "ping": lambda node: node.ping("bob", count=2),
    "explain_policy": lambda node: node.explain_policy(
        shapes.ExplainPolicy(peer="bob", traffic="bulk", battery=15, discharging=True, metered=False)
    ),
    "mesh_map": lambda node: node.mesh_map(),
    "mesh_ties": lambda node: node.mesh_ties("bob", timeout_s=2),
    "trace_peer": lambda node: node.trace_peer("bob", timeout_s=3),
    "trace_message": lambda node: node.trace_message("m1"),
    "net_stats": lambda node: node.net_stats(),
    "reach": lambda node: node.reach(),
    "trust": lambda node: node.trust(),
    "trust_why": lambda node: node.trust_why("bob"),
}
ANSWERS = {"mark_read": int}  # the client unwraps this one
REQUESTS = {
    "resolve": shapes.PeerQuery(peer="bob & co/?#ü"),
    "create_invite": shapes.CreateInvite(expires_s=60, uses=3),
    "send": shapes.SendMessage(to="bob", text="hi ✓", wait="delivered"),
    "send_many": shapes.SendMany(messages=[ONE, TWO], wait="sent", timeout_s=3),
    "forget_address": shapes.ForgetAddress(address="quic://10.0.0.2:7"),
    "messages": shapes.ListMessages(peer="bob", limit=5),
    "send_broadcast": broadcast_shapes.SendBroadcast(text="fire ✓", hops=2, emergency=True, expires_s=60),
    "broadcasts": broadcast_shapes.ListBroadcasts(since="", limit=5),
    "explain_policy": shapes.ExplainPolicy(
        peer="bob", traffic="bulk", battery=15, discharging=True, metered=False
    ),
}


@pytest.mark.parametrize("operation", [route.operation for route in ROUTES])
async def test_an_operation_goes_to_the_backend_and_back(
    client: MeshClient, node: Any, operation: str
) -> None:
    node.store("hi")
    answer = await CALLS[operation](client)
    wanted = ANSWERS.get(operation) or next(route.answer for route in ROUTES if route.operation == operation)
    assert isinstance(answer, typing.get_origin(wanted) or wanted)


@pytest.mark.parametrize("operation", REQUESTS)
async def test_a_request_arrives_as_it_was_sent(client: MeshClient, node: Any, operation: str) -> None:
    await CALLS[operation](client)
    assert REQUESTS[operation] in node.asked


def test_the_table_the_backend_and_the_client_agree() -> None:
    for route in ROUTES:
        method = inspect.signature(getattr(Backend, route.operation), eval_str=True)
        taken = [parameter.annotation for name, parameter in method.parameters.items() if name != "self"]
        assert taken == ([route.request] if route.request else []), route.operation
        assert method.return_annotation == route.answer, route.operation
        assert hasattr(MeshClient, route.operation)


async def test_the_contracts_keys_stand_in_the_json(place: Any, node: Any) -> None:
    def keys(answer: bytes) -> bytes:
        return answer.partition(b"\r\n\r\n")[2]

    assert b'{"node_id":"' in keys(
        await place.speak(b"GET /v1/identity HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    )
    node.store("hi")
    listed = keys(await place.speak(b"GET /v1/messages HTTP/1.1\r\nhost: x\r\n\r\n"))
    assert listed.startswith(b'[{"message_id":"m1","from":"bbb')


@pytest.mark.parametrize(
    ("fault", "code", "sentence"),
    [
        (RefusedError("bad_name", "names have letters"), "bad_name", "names have letters"),
        (RefusedError("unknown_peer", "nobody is known as 'x'"), "unknown_peer", "nobody is known as 'x'"),
        (LinkError("bob is not reachable"), "unreachable", "bob is not reachable"),
        (RemoteError("bad_frame", "x"), "bad_frame", "bad_frame: x"),
        (SettingsError("no such thing"), "bad_setting", "no such thing"),
        (StoreError("the disk is full"), "store", "the disk is full"),
        (TimeoutError(), "timed_out", "the peer did not answer in time; try again, or wait longer"),
    ],
)
async def test_a_refusal_reaches_the_caller_word_for_word(
    client: MeshClient, node: Any, fault: Exception, code: str, sentence: str
) -> None:
    node.fault = fault
    with pytest.raises(ControlError) as caught:
        await client.block_peer("bob")
    assert (caught.value.code, str(caught.value)) == (code, sentence)


async def test_an_ambiguous_peer_comes_with_its_candidates(
    client: MeshClient, node: Any, who: RefusedError
) -> None:
    node.fault = who
    with pytest.raises(ControlError) as caught:
        await client.send("bob", "hi")
    assert [candidate.label for candidate in caught.value.candidates] == ["bob, laptop", "bob, phone"]


async def test_a_bug_is_logged_under_the_trace_that_the_caller_sees(
    client: MeshClient, place: Any, node: Any
) -> None:
    node.fault = ZeroDivisionError("secret plans")
    with pytest.raises(ControlError) as caught:
        await client.ping("bob")
    assert caught.value.code == "internal"
    assert "secret" not in str(caught.value)
    [(name, fields)] = place.log
    assert (name, fields["trace"], fields["path"]) == ("control_failed", caught.value.trace, "/v1/ping")
    assert "ZeroDivisionError" in str(fields["traceback"])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"peer": "x" * 4097}, "with"),
        ({"since": "y" * 65}, "since"),
    ],
)
async def test_a_value_out_of_bounds_is_refused_by_its_name(
    client: MeshClient, change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ControlError, match=complaint):
        await client.messages(**change)


async def test_each_of_many_has_a_result_of_its_own(client: MeshClient) -> None:
    letters = [shapes.Outgoing(to="bob", text=text) for text in ("one", "bad", "two")]
    results = await client.send_many(letters)
    assert [each.error.code if each.error else each.sent and each.sent.message_id for each in results] == [
        *("m1", "bad_text", "m2")
    ]


@pytest.mark.parametrize("count", [0, shapes.SEND_MANY_MAX + 1])
async def test_a_request_for_none_or_too_many_is_refused(client: MeshClient, count: int) -> None:
    with pytest.raises(ControlError, match=r"\$\.messages"):
        await client.send_many([ONE] * count)


async def test_what_is_too_much_for_one_request_goes_in_several(client: MeshClient, node: Any) -> None:
    many = [shapes.Outgoing(to="bob", text=str(number)) for number in range(shapes.SEND_MANY_MAX + 1)]
    large = [shapes.Outgoing(to="bob", text="\x1f" * shapes.TEXT_CHARS_MAX) for _ in range(3)]
    cut = [*batches([*many, *large])]
    assert [len(batch) for batch in cut] == [shapes.SEND_MANY_MAX, 3, 1]
    for batch in cut:
        await client.send_many(batch)
    assert [message for request in node.asked for message in request.messages] == [*many, *large]
    assert [*batches([])] == []


async def test_no_daemon_is_an_error_of_its_own(tmp_path: Path) -> None:
    async with MeshClient(tmp_path) as client:
        with pytest.raises(NoDaemonError, match="start one with 'meshnode run'"):
            await client.status()


async def test_health_is_told_by_the_status_code_too(client: MeshClient, place: Any, node: Any) -> None:
    assert (await client.health()).status == "ok"
    node.healthy = False
    assert (await client.health()).problems == {"store": "the disk is full"}
    assert (await place.speak(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")).startswith(b"HTTP/1.1 503")


async def test_metrics_are_text_for_prometheus(client: MeshClient) -> None:
    assert await client.metrics() == (
        '# HELP meshnode_links Live links\n# TYPE meshnode_links gauge\nmeshnode_links{transport="quic"} 2\n'
    )


async def test_one_connection_carries_many_questions(client: MeshClient, place: Any) -> None:
    for _ in range(20):
        await client.identity()
    assert len(place.servers[0]._connections) == 1


async def test_a_client_outlives_the_daemon_it_spoke_to(client: MeshClient, place: Any) -> None:
    await client.identity()
    await place.servers[0].close()
    with pytest.raises(NoDaemonError):
        await client.identity()
    await place.serve()
    assert (await client.identity()).name == "me"


# A node that talks nonsense


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "broke_off"),
        (b"SSH-2.0-OpenSSH\r\n", "broke_off"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", "broke_off"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "bad_answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{", "bad_answer"),
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\nno", "bad_answer"),
        (b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", "bad_answer"),
    ],
)
async def test_a_node_that_talks_nonsense_is_an_error_with_a_code(
    tmp_path: Path, answer: bytes, code: str
) -> None:
    async with nonsense(tmp_path / "s", answer), MeshClient(socket=tmp_path / "s") as client:
        with pytest.raises(ControlError) as caught:
            await client.identity()
    assert caught.value.code == code


async def test_a_node_that_says_nothing_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshnode.client.ANSWER_S", 0.01)
    async with nonsense(tmp_path / "s", None), MeshClient(socket=tmp_path / "s") as client:
        with pytest.raises(ControlError, match="did not answer within"):
            await client.identity()


async def test_events_that_make_no_sense_are_an_error(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: what?\n\n"
    async with nonsense(tmp_path / "s", answer), MeshClient(socket=tmp_path / "s") as client:
        with pytest.raises(ControlError, match="make no sense"):
            await anext(client.events())


async def test_a_node_of_somebody_else_is_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def locked(_path: Path) -> None:
        raise PermissionError

    monkeypatch.setattr("asyncio.open_unix_connection", locked)
    async with MeshClient(socket=tmp_path / "s") as client:
        with pytest.raises(ControlError, match="belongs to another user"):
            await client.identity()


@asynccontextmanager
async def nonsense(path: Path, answer: bytes | None) -> AsyncGenerator[None, None]:
    """Something on a socket that says `answer` to whoever asks and hangs up; None: says nothing, and stays."""
    writers: list[asyncio.StreamWriter] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
            writer.close()

    server = await asyncio.start_unix_server(speak, path)
    yield
    server.close()
    for writer in writers:
        writer.close()
