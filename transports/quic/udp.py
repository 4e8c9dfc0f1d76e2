"""One UDP socket, in batches: many datagrams per system call where Linux can, one by one elsewhere.

Datagrams per wake-up decide the speed of QUIC in Python (measured: GSO and GRO together carry 15 times what single
calls do). UDP_SEGMENT lets one `sendmsg` carry a row of equal datagrams, UDP_GRO lets one `recvmsg` return such a
row. Both need Linux 5; where the kernel or the network card refuses, the plain path takes over and stays.
"""

import asyncio
import contextlib
import errno
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from protocols.errors import LinkError
from transports.quic.engine import Flight, NetworkAddress

Receive: TypeAlias = Callable[[bytes, int, NetworkAddress], None]
"""A row of datagrams, the size of each (the last may be shorter), and who sent it."""

UDP_SEGMENT, UDP_GRO = 103, 104  # linux/udp.h; Python has no names for them
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER = 10, 23
IP_MTU, IPV6_MTU = 14, 24
PMTU_WANT, PMTU_DO = 1, 2
IP_RECVERR, IPV6_RECVERR = 11, 25
MSG_ERRQUEUE = 0x2000
ERRORS_MAX = 16  # ICMP reports per wake-up
UNREACHABLE = frozenset((errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH))
ROW_BYTES_MAX = 65_000  # an IP packet's 64 KiB, less headers
ROW_DATAGRAMS_MAX = 60  # Linux refuses more than 64 segments
READS_MAX = 8  # rows of up to 64 KiB per wake-up: half a megabyte, then the other sockets have their turn
PLAIN_READS_MAX = 64  # datagrams per wake-up without GRO
QUEUE_ROWS_MAX = 512  # waiting for a full socket buffer; beyond it rows are dropped, as a router would
UDP_BYTES_MAX = 65_535
ANCILLARY_BYTES = 64
GSO_MISSING = frozenset((errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.ENOTSUP))
GSO_TOO_LARGE = frozenset((errno.EINVAL, errno.EMSGSIZE))  # a segment above the path's MTU
IP4_HEADERS, IP6_HEADERS = 28, 48
SEGMENT = struct.Struct("=H")
ERROR_NUMBER = struct.Struct("=I")  # the head of struct sock_extended_err
GRO_SIZE = struct.Struct("=i")
HOPS = struct.Struct("=i")


class Row(NamedTuple):
    """Datagrams for one system call: of equal size, but for the last, which may be shorter."""

    datagrams: list[bytes]
    address: NetworkAddress
    adapts: bool  # whoever sends probes the path and wants to lose what is too large for it


class UdpSocket:
    """Reads into `receive`, then calls `settle` once per wake-up.

    `unreachable` hears of addresses that an ICMP message reported as closed: a hint, for anybody on the way can
    forge one.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        receive: Receive,
        settle: Callable[[], None],
        unreachable: Callable[[NetworkAddress], None],
    ) -> None:
        self._sock = sock
        self._six = sock.family == socket.AF_INET6
        self._receive, self._settle, self._unreachable = receive, settle, unreachable
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Row] = deque()
        self.dropped: dict[str, int] = {}
        self.segments = can_segment(sock)
        self.coalesces = can_coalesce(sock)
        self._loop.add_reader(sock.fileno(), self._readable)

    @property
    def address(self) -> NetworkAddress:
        return self._sock.getsockname()

    def close(self) -> None:
        """What still waits in our queue is lost. Twice is harmless."""
        if self._sock.fileno() < 0:
            return
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        self._queue.clear()

    def send(self, flight: Flight, *, adapts: bool = False) -> None:
        """`adapts` as in `Row`."""
        if len(flight) == 1:  # the common case of small traffic
            self._send_row(Row([flight[0][0]], flight[0][1], adapts))
            return
        for row in self._rows(flight, adapts=adapts):
            self._send_row(row)

    def send_near(self, data: bytes, address: NetworkAddress, *, hops: int) -> None:
        """One datagram that routers let pass so many times. Elsewhere than on Linux it goes all the way."""
        limit = (
            (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT) if self._six else (socket.IPPROTO_IP, socket.IP_TTL)
        )
        ancillary = [(*limit, HOPS.pack(hops))] if sys.platform == "linux" else []
        for _ in range(2):  # the first call may report the fate of an earlier one, and send nothing
            try:
                self._sock.sendmsg([data], ancillary, 0, address)
            except OSError as error:  # also a full buffer: it may as well have been lost
                self._count(_word(error), 1)
            else:
                return

    def _rows(self, flight: Flight, *, adapts: bool) -> Iterator[Row]:
        datagrams: list[bytes] = []
        size = room = 0
        target: NetworkAddress | None = None
        for data, address in flight:
            length = len(data)
            if target is not None and (address != target or length > size or length > room):
                yield Row(datagrams, target, adapts)
                target = None
            if target is None:
                datagrams, size, target = [], length, address
                room = min(ROW_BYTES_MAX, ROW_DATAGRAMS_MAX * size) if self.segments else size
            datagrams.append(data)
            room -= length
            if length < size:  # only the last of a row may be shorter
                room = 0
        if target is not None:
            yield Row(datagrams, target, adapts)

    def _send_row(self, row: Row) -> None:
        if not self._queue:
            try:
                self._write(row)
            except (BlockingIOError, InterruptedError):
                self._loop.add_writer(self._sock.fileno(), self._writable)
            else:
                return
        if len(self._queue) >= QUEUE_ROWS_MAX:
            self._count("send_queue_full", len(row.datagrams))
        else:
            self._queue.append(row)

    def _writable(self) -> None:
        while self._queue:
            try:
                self._write(self._queue[0])
            except (BlockingIOError, InterruptedError):
                return
            self._queue.popleft()
        self._loop.remove_writer(self._sock.fileno())

    def _write(self, row: Row) -> None:
        """Lets only "try again" out: anything else that a network does to us is a loss, and counted."""
        datagrams = row.datagrams
        if len(datagrams) > 1:
            size = SEGMENT.pack(len(datagrams[0]))
            try:
                self._sock.sendmsg(datagrams, [(socket.IPPROTO_UDP, UDP_SEGMENT, size)], 0, row.address)
            except (BlockingIOError, InterruptedError):
                raise
            except OSError as error:
                if error.errno in GSO_MISSING:
                    self.segments = False
                elif error.errno not in GSO_TOO_LARGE | UNREACHABLE:
                    self._count(_word(error), len(datagrams))
                    return
            else:
                return
        for data in datagrams:
            self._write_one(data, row)

    def _write_one(self, data: bytes, row: Row) -> None:
        for _ in range(2):  # the first call may report the fate of an earlier one, and send nothing
            try:
                self._sock.sendto(data, row.address)
            except (BlockingIOError, InterruptedError):
                raise
            except OSError as error:
                if error.errno == errno.EMSGSIZE and not row.adapts:
                    self._write_fragmented(data, row.address)
                    return
                self._count(_word(error), 1)
                if error.errno not in UNREACHABLE:
                    return
            else:
                return

    def _write_fragmented(self, data: bytes, address: NetworkAddress) -> None:
        """Slow and rare: the path turned out narrower than an engine that cannot adapt believes."""
        self._set_discovery(PMTU_WANT)
        try:
            self._sock.sendto(data, address)
        except OSError as error:
            self._count(_word(error), 1)
        finally:
            self._set_discovery(PMTU_DO)

    def _set_discovery(self, mode: int) -> None:
        level, option = (
            (socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER) if self._six else (socket.IPPROTO_IP, IP_MTU_DISCOVER)
        )
        with contextlib.suppress(OSError):
            self._sock.setsockopt(level, option, mode)

    def _readable(self) -> None:
        try:
            got = self._read_rows() if self.coalesces else self._read_singles()
        except OSError as error:  # the report of an earlier send
            self._count(_word(error), 1)
            got = 0
        if got == 0:
            self._read_errors()
        self._settle()

    def _read_errors(self) -> None:
        """The wake-up may be for the error queue, which Linux keeps beside the data."""
        if sys.platform != "linux":
            return
        for _ in range(ERRORS_MAX):
            try:
                _, ancillary, _, address = self._sock.recvmsg(1, ANCILLARY_BYTES, MSG_ERRQUEUE)
            except OSError:
                return
            if any(
                ERROR_NUMBER.unpack_from(data)[0] in UNREACHABLE for _, _, data in ancillary if len(data) >= 4
            ):
                self._unreachable(_plain(address))

    def _read_rows(self) -> int:
        recvmsg, receive = self._sock.recvmsg, self._receive
        for got in range(READS_MAX):
            try:
                data, ancillary, _, address = recvmsg(UDP_BYTES_MAX, ANCILLARY_BYTES)
            except (BlockingIOError, InterruptedError):
                return got
            size = GRO_SIZE.unpack_from(ancillary[0][2])[0] if ancillary else len(data)
            receive(data, max(1, size), _plain(address) if self._six else address)
        return READS_MAX

    def _read_singles(self) -> int:
        recvfrom, receive = self._sock.recvfrom, self._receive
        for got in range(PLAIN_READS_MAX):
            try:
                data, address = recvfrom(UDP_BYTES_MAX)
            except (BlockingIOError, InterruptedError):
                return got
            receive(data, max(1, len(data)), _plain(address) if self._six else address)
        return PLAIN_READS_MAX

    def _count(self, reason: str, number: int) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + number


def open_socket(address: NetworkAddress, family: socket.AddressFamily, *, buffer_bytes: int) -> socket.socket:
    """Raises LinkError with a sentence. An IPv6 socket takes IPv6 only, so that both families can share a port."""
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        raise LinkError(f"this system has no {family.name} sockets ({error.strerror})") from None
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            with contextlib.suppress(OSError):  # the system's maximum is below: it gives what it allows
                sock.setsockopt(socket.SOL_SOCKET, option, buffer_bytes)
        if sys.platform == "linux":
            level = socket.IPPROTO_IPV6 if family == socket.AF_INET6 else socket.IPPROTO_IP
            option = IPV6_MTU_DISCOVER if family == socket.AF_INET6 else IP_MTU_DISCOVER
            reports = IPV6_RECVERR if family == socket.AF_INET6 else IP_RECVERR
            for name, value in ((option, PMTU_DO), (reports, 1)):
                with contextlib.suppress(OSError):
                    sock.setsockopt(level, name, value)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise LinkError(_bind_sentence(address, error)) from None
    return sock


def route_bytes(remote: NetworkAddress, family: socket.AddressFamily) -> int | None:
    """UDP payload that the first hop towards `remote` carries; None where the system does not tell.

    Connecting a UDP socket sends nothing; it only looks up the route.
    """
    if sys.platform != "linux":
        return None
    six = family == socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(remote)
            level, option = (socket.IPPROTO_IPV6, IPV6_MTU) if six else (socket.IPPROTO_IP, IP_MTU)
            return probe.getsockopt(level, option) - (IP6_HEADERS if six else IP4_HEADERS)
    except OSError:
        return None


def can_segment(sock: socket.socket) -> bool:
    try:
        sock.getsockopt(socket.IPPROTO_UDP, UDP_SEGMENT)
    except OSError:
        return False
    return sys.platform == "linux"


def can_coalesce(sock: socket.socket) -> bool:
    if sys.platform != "linux":
        return False
    try:
        sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    except OSError:
        return False
    return True


def _plain(address: NetworkAddress) -> NetworkAddress:
    """Without the zone in the text, which the engines cannot read; the scope number says the same."""
    host = address[0]
    return (host.partition("%")[0], *address[1:]) if "%" in host else address  # pyright: ignore[reportReturnType] - a 4-tuple stays one


def _word(error: OSError) -> str:
    return f"send_{errno.errorcode.get(error.errno or 0, 'failed').lower()}"


def _bind_sentence(address: NetworkAddress, error: OSError) -> str:
    where = f"UDP port {address[1]} of {address[0]}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is taken by another program; choose another port, or 0 for any free one"
    if error.errno == errno.EACCES:
        return f"{where} may not be used by this user; choose a port above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where} is not an address of this machine; listen on 0.0.0.0 or [::] for all of them"
    return f"{where} cannot be opened ({error.strerror})"
