"""What a connection costs: two of them back to back in memory, no seal, no socket. Microseconds for each record and side.

python bench/micro_stream.py [--profile]
"""

import argparse
import cProfile
import ctypes
import gc
import pstats
import time
from collections.abc import Callable

from protocols.envelope import TrafficClass
from protocols.rpc import MessagesReceived, RpcSession
from protocols.stream import Connection, Event, Path, StreamData

RECORD_BYTES = 65_504
RELIABLE = Path(1, reliable=True, bytes_max=RECORD_BYTES)
DATAGRAM = Path(2, reliable=False, bytes_max=1_180)


class Pair:
    def __init__(self) -> None:
        self.left = Connection(initiator=True, now_ns=0)
        self.right = Connection(initiator=False, now_ns=0)
        self.now_ns = 0
        self._counters = {id(self.left): 0, id(self.right): 0}
        self.send_s = self.receive_s = 0.0
        self.records = 0

    def step(self, sender: Connection, receiver: Connection, path: Path) -> list[Event] | None:
        if sender.wants_to_send() is None:
            return None
        counter = self._counters[id(sender)] = self._counters[id(sender)] + 1
        begun = time.perf_counter()
        record = sender.next_record(path, counter, now_ns=self.now_ns)
        made = time.perf_counter()
        if record is None:
            return None
        events = receiver.receive(counter, record, reliable=path.reliable, now_ns=self.now_ns)
        for event in events:
            if isinstance(event, StreamData):
                receiver.consumed(event.stream_id, len(event.data))
        self.receive_s += time.perf_counter() - made
        self.send_s += made - begun
        self.records += 1
        self.now_ns += 10_000
        return events


def bulk(path: Path, total: int, chunk: int) -> Pair:
    pair = Pair()
    stream = pair.left.open_stream(traffic=TrafficClass.BULK)
    data = bytes(chunk)
    sent = got = 0
    while got < total:
        while sent < total and pair.left.unsent_bytes(stream) <= pair.left.limits.unsent_bytes_max:
            pair.left.send(stream, [data])
            sent += chunk
        for event in pair.step(pair.left, pair.right, path) or []:
            if isinstance(event, StreamData):
                got += len(event.data)
        pair.step(pair.right, pair.left, path)
        for side in (pair.left, pair.right):
            due_ns = side.next_timeout()
            if due_ns is not None and due_ns <= pair.now_ns:
                side.handle_timeout(pair.now_ns)
    return pair


def messages(total: int, nbytes: int, batch: int) -> Pair:
    """One-way rpc messages, `batch` handed over at a time; times include both rpc sessions."""
    pair = Pair()
    caller, callee = RpcSession(pair.left), RpcSession(pair.right)
    call = caller.call("bench", "sink", b"", deadline_ms=0, traffic=TrafficClass.BULK, end=False, now_ns=0)
    body = [bytes(nbytes)] * batch
    sent = got = counter = back = 0
    while got < total:
        begun = time.perf_counter()
        while sent < total and caller.unsent_bytes(call) < 65_536:
            caller.send_many(call, body)
            sent += batch
        counter += 1
        record = pair.left.next_record(RELIABLE, counter, now_ns=pair.now_ns)
        made = time.perf_counter()
        if record is not None:
            for event in pair.right.receive(counter, record, reliable=True, now_ns=pair.now_ns):
                for told in callee.stream_event(event, now_ns=pair.now_ns):
                    if isinstance(told, MessagesReceived):
                        got += len(told.messages)
                        callee.took(call, messages=len(told.messages), nbytes=sum(map(len, told.messages)))
        pair.receive_s += time.perf_counter() - made
        pair.send_s += made - begun
        if pair.right.wants_to_send() is not None:
            back += 1
            answer = pair.right.next_record(RELIABLE, back, now_ns=pair.now_ns)
            if answer is not None:
                pair.left.receive(back, answer, reliable=True, now_ns=pair.now_ns)
        pair.now_ns += 10_000
    pair.records = got
    return pair


def keep_freed_memory() -> None:
    libc = ctypes.CDLL(None)
    for option, nbytes in (
        (-1, 64 << 20),
        (-2, 16 << 20),
        (-3, 16 << 20),
    ):  # M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD
        libc.mallopt(option, nbytes)


def report(name: str, pair: Pair, total: int) -> None:
    busy = pair.send_s + pair.receive_s
    print(
        f"{name:34} {pair.send_s / pair.records * 1e6:6.2f} us send  {pair.receive_s / pair.records * 1e6:6.2f} us receive"
        f"  {total / busy / 1e6:8.0f} MB/s  {pair.records} records"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--stock-malloc", action="store_true")
    options = parser.parse_args()
    if not options.stock_malloc:
        keep_freed_memory()
    runs: list[tuple[str, Callable[[], Pair], int]] = [
        ("64 KiB records, 256 KiB chunks", lambda: bulk(RELIABLE, 2_000_000_000, 262_144), 2_000_000_000),
        ("64 KiB records, 1,029 B chunks", lambda: bulk(RELIABLE, 400_000_000, 1_029), 400_000_000),
        ("datagrams, 256 KiB chunks", lambda: bulk(DATAGRAM, 60_000_000, 262_144), 60_000_000),
        ("rpc, 1 KiB messages by 64 (each)", lambda: messages(400_000, 1_024, 64), 400_000 * 1_024),
        ("rpc, 64 KiB messages (each)", lambda: messages(20_000, 65_536, 1), 20_000 * 65_536),
    ]
    gc.freeze()
    for name, run, total in runs:
        if options.profile:
            profile = cProfile.Profile()
            profile.runcall(run)
            pstats.Stats(profile).sort_stats("tottime").print_stats(16)
        else:
            report(name, run(), total)


if __name__ == "__main__":
    main()
