"""What the kernel can refuse, and what follows."""

import errno
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from transports.quic.udp import QUEUE_ROWS_MAX, UdpSocket, open_socket, route_bytes

TARGET = ("127.0.0.1", 9)


class Kernel(socket.socket):
    """A UDP socket whose sends fail as told, call by call; then they succeed and are written down."""

    def __init__(self) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_DGRAM)
        self.setblocking(False)
        self.bind(("127.0.0.1", 0))
        self.failures: list[int] = []
        self.sent: list[list[bytes]] = []

    def _call(self, row: list[bytes]) -> int:
        if self.failures:
            number = self.failures.pop(0)
            raise BlockingIOError if number == errno.EAGAIN else OSError(number, "told to")
        self.sent.append(row)
        return sum(map(len, row))

    def sendto(self, data: Any, *_: Any) -> int:
        return self._call([data])

    def sendmsg(self, buffers: Any, *_: Any) -> int:
        return self._call(list(buffers))


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    with Kernel() as sock:
        yield sock


@pytest.fixture
async def make_udp(kernel: Kernel) -> Any:
    made: list[UdpSocket] = []

    def ignore(*_: object) -> None: ...

    def make() -> UdpSocket:
        udp = UdpSocket(kernel, receive=ignore, settle=ignore, unreachable=ignore)
        udp.segments = True
        made.append(udp)
        return udp

    yield make
    for udp in made:
        udp.close()


def flight(*sizes: int) -> list[tuple[bytes, tuple[str, int]]]:
    return [(bytes([index]) * size, TARGET) for index, size in enumerate(sizes)]


def sizes(kernel: Kernel) -> list[list[int]]:
    return [[len(data) for data in row] for row in kernel.sent]


async def test_equal_datagrams_share_a_call_and_a_shorter_one_ends_the_row(
    kernel: Kernel, make_udp: Any
) -> None:
    make_udp().send(flight(1200, 1200, 700, 700, 1200))
    assert sizes(kernel) == [[1200, 1200, 700], [700], [1200]]


async def test_a_row_is_bounded_in_number_and_in_bytes(kernel: Kernel, make_udp: Any) -> None:
    make_udp().send(flight(*[10] * 61, *[1452] * 50))
    assert [len(row) for row in kernel.sent] == [60, 1, 44, 6]


async def test_a_kernel_without_segmentation_is_remembered(kernel: Kernel, make_udp: Any) -> None:
    udp = make_udp()
    kernel.failures = [errno.EIO]
    udp.send(flight(100, 100))
    udp.send(flight(100, 100))
    assert not udp.segments
    assert sizes(kernel) == [[100]] * 4


async def test_a_row_too_large_for_the_path_goes_one_by_one(kernel: Kernel, make_udp: Any) -> None:
    udp = make_udp()
    kernel.failures = [errno.EINVAL]
    udp.send(flight(100, 100))
    assert (udp.segments, sizes(kernel)) == (True, [[100], [100]])


@pytest.mark.parametrize(("adapts", "arrives"), [(True, []), (False, [[1452]])])
async def test_a_datagram_too_large_is_lost_on_a_prober_and_cut_up_for_others(
    kernel: Kernel, make_udp: Any, *, adapts: bool, arrives: list[list[int]]
) -> None:
    udp = make_udp()
    kernel.failures = [errno.EMSGSIZE]
    udp.send(flight(1452), adapts=adapts)
    assert sizes(kernel) == arrives
    assert udp.dropped == ({"send_emsgsize": 1} if adapts else {})


async def test_the_report_of_an_earlier_send_does_not_cost_this_one(kernel: Kernel, make_udp: Any) -> None:
    udp = make_udp()
    kernel.failures = [errno.ECONNREFUSED]
    udp.send(flight(100))
    assert sizes(kernel) == [[100]]


async def test_a_network_that_is_down_is_a_counted_loss(kernel: Kernel, make_udp: Any) -> None:
    udp = make_udp()
    kernel.failures = [errno.ENETDOWN, errno.ENETDOWN]
    udp.send(flight(100))
    udp.send(flight(100, 100))
    assert udp.dropped == {"send_enetdown": 3}


async def test_what_a_full_socket_does_not_take_waits_in_order(
    kernel: Kernel, make_udp: Any, until: Callable[..., Any]
) -> None:
    udp = make_udp()
    kernel.failures = [errno.EAGAIN, errno.EAGAIN]
    udp.send(flight(1))
    udp.send(flight(2))
    await until(lambda: len(kernel.sent) == 2)
    assert sizes(kernel) == [[1], [2]]


async def test_what_waits_is_bounded(kernel: Kernel, make_udp: Any) -> None:
    udp = make_udp()
    kernel.failures = [errno.EAGAIN]
    for _ in range(QUEUE_ROWS_MAX + 5):
        udp.send(flight(10))
    assert udp.dropped == {"send_queue_full": 5}


async def test_closing_twice_is_harmless(make_udp: Any) -> None:
    udp = make_udp()
    udp.close()
    udp.close()


def test_a_socket_of_either_family_opens_on_a_free_port() -> None:
    with open_socket(("127.0.0.1", 0), socket.AF_INET, buffer_bytes=1 << 16) as sock:
        assert sock.getsockname()[1] > 0


def test_the_route_to_loopback_is_wide_and_to_nowhere_unknown() -> None:
    assert (route_bytes(("127.0.0.1", 9), socket.AF_INET) or 65_000) > 1452
    assert route_bytes(("255.255.255.255", 9), socket.AF_INET) is None  # not to be sent to without asking
