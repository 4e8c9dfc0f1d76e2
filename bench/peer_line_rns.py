"""One node of `peer_line.py`'s line for Reticulum; runs in a virtual environment of its own, with `rns` in it.

The far end (the last) announces itself as soon as its interface is up; the near end waits for the path, then sends
packets over one link for the echoes, and a Resource for the bulk.
"""

import importlib
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

RNS: Any = importlib.import_module("RNS")
MESSAGE_BYTES = 1_024
WARM = 50
ANSWER_S = 5.0
PATH_S = 60.0
LOOK_S = 0.002
SEED = bytes(range(64))  # of the far end: so the near end knows its destination before it hears of it


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def tell(phase: str, **figures: float) -> None:
    print(json.dumps({"phase": phase, **figures}), flush=True)


def start(index: int, count: int, base: int) -> Any:
    interfaces: list[str] = []
    if index < count - 1:
        interfaces += [
            "  [[down]]",
            "    type = TCPServerInterface",
            "    enabled = yes",
            "    listen_ip = 127.0.0.1",
            f"    listen_port = {base + index}",
        ]
    if index > 0:
        interfaces += [
            "  [[up]]",
            "    type = TCPClientInterface",
            "    enabled = yes",
            "    target_host = 127.0.0.1",
            f"    target_port = {base + index - 1}",
        ]
    relays = "Yes" if 0 < index < count - 1 else "No"
    folder = Path(tempfile.mkdtemp(prefix="line-rns-"))
    (folder / "config").write_text(
        "\n".join(
            [
                "[reticulum]",
                f"  enable_transport = {relays}",
                "  share_instance = No",
                "[logging]",
                "  loglevel = 1",
                "[interfaces]",
                *interfaces,
                "",
            ]
        )
    )
    return RNS.Reticulum(str(folder), loglevel=1)


def far_end(*, ours: bool) -> Any:
    identity = RNS.Identity.from_bytes(SEED)
    return RNS.Destination(
        identity, RNS.Destination.IN if ours else RNS.Destination.OUT, RNS.Destination.SINGLE, "bench", "line"
    )


def serve(link: Any) -> None:
    def echo(data: bytes, _packet: Any) -> None:
        RNS.Packet(link, data, create_receipt=False).send()

    link.set_packet_callback(echo)
    link.set_resource_strategy(RNS.Link.ACCEPT_ALL)


def wait_online() -> None:
    while not all(
        interface.online for interface in RNS.Transport.interfaces if str(interface).find("up") >= 0
    ):
        time.sleep(LOOK_S)


def measure(echoes: int, nbytes: int) -> None:
    destination = far_end(ours=False)
    while not RNS.Transport.has_path(destination.hash):
        time.sleep(LOOK_S)
    known_ns = time.monotonic_ns()
    up, got, done = threading.Event(), threading.Event(), threading.Event()

    def is_up(_link: Any) -> None:
        up.set()

    def came(_data: bytes, _packet: Any) -> None:
        got.set()

    def ended(_resource: Any) -> None:
        done.set()

    link = RNS.Link(destination, established_callback=is_up)
    assert up.wait(PATH_S), "no link"
    tell("path", known_ns=known_ns, connected_ns=time.monotonic_ns())
    link.set_packet_callback(came)
    time.sleep(1)  # the link's own measuring of its round trip
    message = os.urandom(min(MESSAGE_BYTES, link.mdu))
    took: list[float] = []
    for turn in range(WARM + echoes):
        if turn == WARM:
            tell("warm")
        got.clear()
        began = time.perf_counter()
        RNS.Packet(link, message, create_receipt=False).send()
        assert got.wait(ANSWER_S), "lost"
        took.append(time.perf_counter() - began)
    tell("echo", p50_ms=percentile(took[WARM:], 50) * 1e3, p99_ms=percentile(took[WARM:], 99) * 1e3)
    body = os.urandom(nbytes)
    began = time.perf_counter()
    resource = RNS.Resource(body, link, auto_compress=False, callback=ended)
    assert done.wait(PATH_S), "not done"
    assert resource.status == RNS.Resource.COMPLETE
    tell("bulk", MB_s=nbytes / 1e6 / (time.perf_counter() - began))


def main() -> None:
    index, count, base, echoes, nbytes = map(int, sys.argv[2:7])
    reticulum = start(index, count, base)
    assert reticulum is not None
    if index > 0:
        wait_online()
    if index == count - 1:
        destination = far_end(ours=True)
        destination.set_link_established_callback(serve)
        tell("ready", at_ns=time.monotonic_ns())
        destination.announce()
    else:
        tell("ready", at_ns=time.monotonic_ns())
    if index == 0:
        measure(echoes, nbytes)
        os._exit(0)
    while True:
        time.sleep(10)


if __name__ == "__main__":
    main()
