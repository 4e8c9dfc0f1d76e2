"""A NAT in user space for tests: IPv4, UDP, in the words of RFC 4787.

*Mapping* says when two flows of one inside socket share an outside port; *filtering* says whose packets may come back
in by it. `Nat` is the machine, without I/O; run as a program it serves a TUN device through which its namespace routes
what comes from the inside, and what is for the public address.
"""

import argparse
import fcntl
import ipaddress
import os
import signal
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

UDP, ICMP = 17, 1
PORTS_FIRST, PORTS_LAST = 20_000, 60_000
MAPPINGS_MAX = 4_096
UNREACHABLE, PORT_UNREACHABLE = 3, 3
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x4004_54CA, 1, 0x1000
PACKET_BYTES_MAX = 65_535


class Manner(NamedTuple):
    mapping: str  # "endpoint-independent" or "address-and-port-dependent"
    filtering: str  # the same, or "address-dependent"


KINDS = {
    "full-cone": Manner("endpoint-independent", "endpoint-independent"),
    "restricted-cone": Manner("endpoint-independent", "address-dependent"),
    "port-restricted-cone": Manner("endpoint-independent", "address-and-port-dependent"),
    "symmetric": Manner("address-and-port-dependent", "address-and-port-dependent"),
}


class Endpoint(NamedTuple):
    host: bytes
    port: int


@dataclass(slots=True)
class Mapping:
    inside: Endpoint
    port: int  # outside
    used_ns: int
    met: set[Endpoint] = field(default_factory=set[Endpoint])  # whom the inside spoke to


class Nat:
    """`translate` what the device brought; send what it gives back."""

    def __init__(
        self, public: str, manner: Manner, *, idle_ns: int, hairpin: bool = False, rejects: bool = False
    ) -> None:
        """`hairpin`: inside hosts reach each other by the public address. `rejects`: what is not let in gets an ICMP
        "port unreachable", as from a Linux router without a firewall, instead of silence.
        """
        self.public = ipaddress.IPv4Address(public).packed
        self.manner, self.idle_ns, self.hairpin, self.rejects = manner, idle_ns, hairpin, rejects
        self._by_flow: dict[tuple[Endpoint, Endpoint | None], Mapping] = {}
        self._by_port: dict[int, Mapping] = {}
        self._next_port = PORTS_FIRST

    def translate(self, packet: bytes, *, now_ns: int) -> list[bytes]:
        if len(packet) < 28 or packet[0] >> 4 != 4 or int.from_bytes(packet[6:8]) & 0x3FFF:
            return []  # no IPv4, or a fragment
        header = (packet[0] & 15) * 4
        source, destination = packet[12:16], packet[16:20]
        if packet[9] == ICMP:
            return self._report(packet, header, now_ns) if destination == self.public else []
        if packet[9] != UDP:
            return []
        ports = struct.unpack_from("!HH", packet, header)
        sender, receiver = Endpoint(source, ports[0]), Endpoint(destination, ports[1])
        if destination == self.public and not ipaddress.IPv4Address(source).is_private:
            return self._come_in(packet, sender, receiver.port, now_ns)
        mapping = self._mapping_for(sender, receiver, now_ns)
        outside = Endpoint(self.public, mapping.port)
        if destination != self.public:
            return [rewritten(packet, source=outside)]
        if not self.hairpin:
            return []
        return self._come_in(rewritten(packet, source=outside), outside, receiver.port, now_ns)

    def forget(self) -> None:
        """As after a power cut."""
        self._by_flow.clear()
        self._by_port.clear()

    def _mapping_for(self, sender: Endpoint, receiver: Endpoint, now_ns: int) -> Mapping:
        key = sender, None if self.manner.mapping == "endpoint-independent" else receiver
        mapping = self._alive(self._by_flow.get(key), now_ns)
        if mapping is None:
            if len(self._by_port) >= MAPPINGS_MAX:
                self.forget()
            mapping = self._by_flow[key] = self._by_port[self._next_port] = Mapping(
                sender, self._next_port, now_ns
            )
            self._next_port = PORTS_FIRST + (self._next_port - PORTS_FIRST + 7) % (PORTS_LAST - PORTS_FIRST)
        mapping.used_ns = now_ns  # outbound traffic alone keeps it (REQ-6)
        mapping.met.add(receiver)
        return mapping

    def _alive(self, mapping: Mapping | None, now_ns: int) -> Mapping | None:
        if mapping is None or now_ns - mapping.used_ns <= self.idle_ns:
            return mapping
        self._by_port.pop(mapping.port, None)
        return None

    def _come_in(self, packet: bytes, sender: Endpoint, port: int, now_ns: int) -> list[bytes]:
        mapping = self._alive(self._by_port.get(port), now_ns)
        if mapping is not None and self._lets_in(mapping, sender):
            return [rewritten(packet, destination=mapping.inside)]
        return [refusal(packet, self.public)] if self.rejects else []

    def _lets_in(self, mapping: Mapping, sender: Endpoint) -> bool:
        match self.manner.filtering:
            case "endpoint-independent":
                return True
            case "address-dependent":
                return any(each.host == sender.host for each in mapping.met)
            case _:
                return sender in mapping.met

    def _report(self, packet: bytes, header: int, now_ns: int) -> list[bytes]:
        """An ICMP error about a packet of an inside host goes to that host (REQ-14)."""
        about = packet[header + 8 :]
        if packet[header] != UNREACHABLE or len(about) < 28 or about[9] != UDP:
            return []
        port = int.from_bytes(about[20:22])
        mapping = self._alive(self._by_port.get(port), now_ns)
        if mapping is None:
            return []
        inner = rewritten(about, source=mapping.inside, whole=False)
        body = with_checksum(packet[header : header + 8] + inner, 2)
        moved = packet[:16] + mapping.inside.host + packet[20:header]
        return [with_checksum(moved, 10) + body]


def rewritten(
    packet: bytes, *, source: Endpoint | None = None, destination: Endpoint | None = None, whole: bool = True
) -> bytes:
    """With other ends. The UDP checksum becomes 0, "not computed", which IPv4 allows."""
    header = (packet[0] & 15) * 4
    changed = bytearray(packet)
    if source is not None:
        changed[12:16], changed[header : header + 2] = source.host, source.port.to_bytes(2)
    if destination is not None:
        changed[16:20], changed[header + 2 : header + 4] = destination.host, destination.port.to_bytes(2)
    if whole:
        changed[header + 6 : header + 8] = bytes(2)
    return with_checksum(bytes(changed[:header]), 10) + bytes(changed[header:])


def refusal(packet: bytes, public: bytes) -> bytes:
    """ICMP "port unreachable" to the sender of that packet."""
    header = (packet[0] & 15) * 4
    body = with_checksum(bytes([UNREACHABLE, PORT_UNREACHABLE]) + bytes(6) + packet[: header + 8], 2)
    outer = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, ICMP, 0) + public + packet[12:16]
    return with_checksum(outer, 10) + body


def with_checksum(data: bytes, at: int) -> bytes:
    """RFC 1071, written over two bytes at `at`."""
    blank = data[:at] + bytes(2) + data[at + 2 :]
    total = sum(struct.unpack(f"!{(len(blank) + 1) // 2}H", blank + bytes(len(blank) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return data[:at] + (~total & 0xFFFF).to_bytes(2) + data[at + 2 :]


def serve(nat: Nat, device: str) -> None:
    tun = os.open(Path("/dev/net/tun"), os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", device.encode(), IFF_TUN | IFF_NO_PI))
    signal.signal(signal.SIGUSR1, lambda _number, _frame: nat.forget())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        packet = os.read(tun, PACKET_BYTES_MAX)
        for changed in nat.translate(packet, now_ns=time.monotonic_ns()):
            os.write(tun, changed)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--device", required=True)
    options.add_argument("--public", required=True)
    options.add_argument("--kind", choices=KINDS, required=True)
    options.add_argument("--idle-s", type=float, default=120.0)
    options.add_argument("--hairpin", action="store_true")
    options.add_argument("--rejects", action="store_true")
    asked = options.parse_args()
    nat = Nat(
        asked.public,
        KINDS[asked.kind],
        idle_ns=int(asked.idle_s * 1e9),
        hairpin=asked.hairpin,
        rejects=asked.rejects,
    )
    serve(nat, asked.device)


if __name__ == "__main__":
    main()
