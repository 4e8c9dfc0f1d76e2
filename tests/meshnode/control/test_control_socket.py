"""The socket itself: where it lies, who may use it, and what rubbish does to it."""

import asyncio
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshnode.client import MeshClient
from meshnode.control import find_socket, paths, socket_path
from protocols.errors import LinkError, RefusedError, SettingsError, StoreError

GET = b"GET /v1/identity HTTP/1.1\r\nhost: x\r\n"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Where it lies


async def test_the_socket_is_the_owners_alone(place: Any, node: Any) -> None:
    assert place.socket == place.data_dir / "control.sock"
    assert mode(place.socket) == 0o600


@pytest.mark.parametrize("runtime", ["{tmp}/run", "", "not/absolute", "{tmp}/" + "r" * 120])
async def test_a_data_directory_with_a_long_path_still_has_a_socket(
    place: Any, short: Path, monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime.format(tmp=short))
    place.data_dir = short / ("d" * 120) / ("e" * 120)
    place.data_dir.mkdir(parents=True)
    await place.serve()
    assert len(os.fsencode(place.socket)) <= paths.SOCKET_PATH_BYTES_MAX
    assert mode(place.socket.parent) == 0o700
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")  # the client was started without it
    if runtime != "{tmp}/run":
        assert find_socket(place.data_dir) == place.socket
    async with MeshClient(socket=place.socket) as client:
        assert (await client.identity()).name == "me"


async def test_a_client_finds_a_socket_that_lies_in_the_second_place(
    place: Any, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    place.data_dir = short / ("d" * 150)
    place.data_dir.mkdir()
    await place.serve()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    async with MeshClient(place.data_dir) as client:
        assert (await client.identity()).name == "me"


def test_two_long_data_directories_have_two_sockets(short: Path) -> None:
    assert socket_path(short / ("a" * 120)) != socket_path(short / ("b" * 120))


async def test_a_runtime_directory_that_others_can_write_to_is_not_used(
    place: Any, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    open_to_all = short / "meshnode"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    place.data_dir = short / ("d" * 150)
    place.data_dir.mkdir()
    with pytest.raises(StoreError, match="must belong to you alone"):
        await place.serve()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(socket_path(place.data_dir)))
    listener.close()
    assert find_socket(place.data_dir) is None


async def test_a_socket_that_a_dead_daemon_left_is_replaced(place: Any) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(socket_path(place.data_dir)))
    dead.close()
    await place.serve()
    async with MeshClient(place.data_dir) as client:
        assert (await client.identity()).name == "me"


async def test_a_socket_that_still_answers_is_left_alone(place: Any, node: Any) -> None:
    with pytest.raises(RefusedError, match="a node already answers"):
        await place.serve()
    async with MeshClient(place.data_dir) as client:
        assert (await client.identity()).name == "me"


async def test_a_file_in_the_sockets_place_is_not_removed(place: Any) -> None:
    precious = place.data_dir / "control.sock"
    precious.write_text("diary")
    with pytest.raises(StoreError, match="is in the way"):
        await place.serve()
    assert precious.read_text() == "diary"


async def test_a_missing_data_directory_is_said_in_a_sentence(place: Any) -> None:
    place.data_dir.rmdir()
    with pytest.raises(StoreError, match="cannot make"):
        await place.serve()


async def test_closing_twice_is_harmless_and_takes_the_socket_away(place: Any) -> None:
    server = await place.serve()
    await server.close()
    await server.close()
    assert not place.socket.exists()


# Loopback TCP


@pytest.fixture
async def port(place: Any, quick: Any) -> int:
    server = await place.serve(tcp="127.0.0.1:0", limits=quick)
    assert server.tcp_port is not None
    return server.tcp_port


def token(place: Any) -> str:
    return (place.data_dir / "control.token").read_text().strip()


async def ask_tcp(port: int, head: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /v1/identity HTTP/1.1\r\n{head}connection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


async def test_the_tcp_port_takes_whoever_shows_the_token(place: Any, port: int) -> None:
    async with MeshClient(url=f"http://127.0.0.1:{port}", token=token(place)) as client:
        assert (await client.identity()).name == "me"
    assert mode(place.data_dir / "control.token") == 0o600


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("host: 127.0.0.1:{port}\r\n", b"401"),
        ("host: 127.0.0.1:{port}\r\nauthorization: Bearer wrong\r\n", b"401"),
        ("host: 127.0.0.1:{port}\r\nauthorization: Basic {token}\r\n", b"401"),
        ("host: 127.0.0.1:{port}\r\nauthorization: Bearer \xe9\xff\r\n", b"401"),
        ("host: LOCALHOST:{port}\r\nauthorization: bearer {token}\r\n", b"200"),
        ("host: evil.example:{port}\r\nauthorization: Bearer {token}\r\n", b"403"),
        ("host: 127.0.0.1\r\nauthorization: Bearer {token}\r\n", b"403"),
        (
            "host: 127.0.0.1:{port}\r\norigin: http://evil.example\r\nauthorization: Bearer {token}\r\n",
            b"403",
        ),
        ("host: 127.0.0.1:{port}\r\norigin: null\r\nauthorization: Bearer {token}\r\n", b"403"),
        (
            "host: 127.0.0.1:{port}\r\norigin: http://127.0.0.1:{port}\r\nauthorization: Bearer {token}\r\n",
            b"200",
        ),
    ],
)
async def test_the_tcp_port_checks_token_host_and_origin(
    place: Any, port: int, head: str, status: bytes
) -> None:
    answer = await ask_tcp(port, head.format(port=port, token=token(place)))
    assert answer.split(b" ")[1] == status


async def test_a_restart_keeps_the_token_and_mends_a_broken_one(place: Any) -> None:
    await (await place.serve(tcp="localhost:0")).close()
    first = token(place)
    place.entropy = b"f"
    await (await place.serve(tcp="localhost:0")).close()
    assert token(place) == first
    (place.data_dir / "control.token").write_bytes(b"\xff short")
    await place.serve(tcp="localhost:0")
    assert token(place) not in {first, ""}


async def test_a_token_that_cannot_be_kept_is_said(place: Any) -> None:
    (place.data_dir / "control.token").mkdir()
    with pytest.raises(StoreError, match="cannot keep"):
        await place.serve(tcp="127.0.0.1:0")


@pytest.mark.parametrize(
    "address", ["0.0.0.0:7421", "192.168.1.2:7421", "127.0.0.1", "127.0.0.1:99999", "x", "[::]:1"]
)
async def test_the_control_api_never_listens_beyond_loopback(place: Any, address: str) -> None:
    with pytest.raises(SettingsError, match="loopback only"):
        await place.serve(tcp=address)


async def test_a_port_that_is_taken_is_said(place: Any, port: int) -> None:
    place.data_dir = place.data_dir / "other"
    place.data_dir.mkdir()
    with pytest.raises(LinkError, match="choose another port"):
        await place.serve(tcp=f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1", "http://127.0.0.1", "ftp://x:1", "http://[::1", "http://x:1/y"]
)
def test_a_client_refuses_a_url_that_is_none_of_ours(url: str) -> None:
    with pytest.raises(SettingsError, match="is not of the form"):
        MeshClient(url=url)


# Rubbish


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello?\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
        (GET[:20], b"400"),
        (b"GET /v1/nothing HTTP/1.1\r\nhost: x\r\n\r\n", b"404"),
        (b"POST /v1/identity HTTP/1.1\r\nhost: x\r\n\r\n", b"405"),
        (b"HEAD /v1/identity HTTP/1.1\r\nhost: x\r\n\r\n", b"405"),
        (b"POST /healthz HTTP/1.1\r\nhost: x\r\n\r\n", b"405"),
        (b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n", b"404"),
        (GET + b"transfer-encoding: gzip\r\n\r\n", b"501"),
        (GET + b"x: " + b"y" * 70_000 + b"\r\n\r\n", b"431"),
        (
            b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000\r\n\r\n" + b" " * 1_500_000,
            b"413",
        ),
        (b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}", b"400"),
        (b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n\xff\xfe{", b"400"),
        (b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n" + b"[" * 90_000, b"400"),
        (b"GET /v1/messages?limit=x HTTP/1.1\r\nhost: x\r\n\r\n", b"400"),
        (b"GET /v1/messages?what=x HTTP/1.1\r\nhost: x\r\n\r\n", b"400"),
        (b"GET /v1/messages?with=%ff HTTP/1.1\r\nhost: x\r\n\r\n", b"400"),
        (b"GET /v1/messages?" + b"a=b&" * 40 + b" HTTP/1.1\r\nhost: x\r\n\r\n", b"400"),
    ],
)
async def test_what_is_no_request_of_ours_gets_a_status_and_a_sentence(
    place: Any, node: Any, data: bytes, status: bytes
) -> None:
    answer = await place.speak(data)
    assert answer.split(b" ")[1] == status
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body.startswith(b'{"error":{"code":"') or data.startswith(b"HEAD")
    assert b"content-type: application/json" in head
    assert place.log == []


async def test_a_method_that_a_path_does_not_take_is_told_which_it_takes(place: Any, node: Any) -> None:
    answer = await place.speak(b"DELETE /v1/messages HTTP/1.1\r\nhost: x\r\n\r\n")
    assert b"allow: GET, POST" in answer


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=300),
    prefix=st.sampled_from([b"", GET, GET + b"\r\n", b"POST /v1/ping HTTP/1.1\r\nhost:"]),
)
def test_any_bytes_get_an_answer_or_a_closed_door(runner: Any, data: bytes, prefix: bytes) -> None:
    place, loop = runner
    answer = loop.run_until_complete(asyncio.wait_for(place.speak(prefix + data), 5))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
    assert place.log == []


@pytest.fixture
def runner(place_without_loop: Any):
    """A server on a loop of its own, since Hypothesis drives plain functions."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        place = place_without_loop
        loop.run_until_complete(place.serve(limits=place.quick))
        yield place, loop
        loop.run_until_complete(place.servers[0].close())


async def test_requests_sent_in_one_go_are_answered_in_order(place: Any, node: Any) -> None:
    answer = await place.speak(
        (GET + b"\r\n") * 2 + b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    assert answer.count(b"HTTP/1.1 200") == 3
    assert answer.index(b"fingerprint") < answer.index(b"problems")


async def test_a_caller_who_asks_whether_to_go_on_is_told_to(place: Any, node: Any) -> None:
    head = b"POST /v1/ping HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 14\r\n\r\n"
    reader, writer = await asyncio.open_unix_connection(place.socket)
    writer.write(head)
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 \r\n\r\n"
    writer.write(b'{"peer":"bob"}')
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_a_caller_who_dawdles_is_sent_away(place: Any, node: Any) -> None:
    assert b" 408 " in await place.speak(GET, eof=False)


async def test_a_silent_caller_is_let_go(place: Any, quick_idle: Any) -> None:
    await place.serve(limits=quick_idle)
    assert await place.speak(b"", eof=False) == b""


async def test_callers_beyond_the_limit_are_told_that_it_is_busy(place: Any, node: Any, quick: Any) -> None:
    callers = [await asyncio.open_unix_connection(place.socket) for _ in range(quick.connections_max)]
    assert (await place.speak(GET + b"\r\n", eof=False)).startswith(b"HTTP/1.1 503")
    for _, writer in callers:
        writer.close()


async def test_callers_far_beyond_the_limit_are_not_heard(place: Any, node: Any, quick: Any) -> None:
    callers = [await asyncio.open_unix_connection(place.socket) for _ in range(2 * quick.connections_max)]
    assert await place.speak(GET + b"\r\n", eof=False) == b""
    for _, writer in callers:
        writer.close()


async def test_a_reader_who_stops_reading_is_cut_off(place: Any, node: Any) -> None:
    node.stored = [node.store("x" * 60_000) for _ in range(100)]
    _, writer = await asyncio.open_unix_connection(place.socket, limit=16)
    writer.write(b"GET /v1/messages HTTP/1.1\r\nhost: x\r\n\r\n")
    task = await place.connection()
    await asyncio.wait_for(task, 5)
    writer.transport.abort()
