"""What sealing and opening one record costs, beside the AEAD call alone: `python -m bench.micro_session`."""

import itertools
import statistics
import timeit
from collections.abc import Callable, Iterator
from random import Random

from protocols.directory import sign_record
from protocols.envelope import decode_envelope
from protocols.keys import Identity
from protocols.noise import CipherState, mlkem_or_none
from protocols.session import SessionTable

ROUNDS, BATCHES = 2_000, 7
SIZES = (1_024, 65_520)


def node(name: str) -> SessionTable:
    identity = Identity.from_seed(name.encode().ljust(32))
    record = sign_record(
        identity, sequence=1, expires_at=2**40, addresses=(), services=(), features=(), name=name
    )
    return SessionTable(
        identity,
        own_record=lambda: record,
        boot=bytes(8),
        kem=mlkem_or_none(),
        entropy=Random(name).randbytes,
        answer_strangers=True,
        is_blocked=lambda _: False,
        remember_hybrid=lambda _: False,
    )


def exchange(a: SessionTable, b: SessionTable, *, now_ns: int = 0) -> None:
    sender, receiver = a, b
    while out := sender.outgoing():
        for _, _, data in out:
            receiver.receive(decode_envelope(data), route=1, binding=bytes(32), now_ns=now_ns)
        sender, receiver = receiver, sender


def us(call: Callable[[], object], number: int = ROUNDS) -> float:
    return statistics.median(timeit.repeat(call, number=number, repeat=BATCHES)) / number * 1e6


def open_us(seal: Callable[[], bytes], receiver: SessionTable) -> tuple[float, float]:
    """(decode the envelope, receive it), each record once."""
    decoding: list[float] = []
    receiving: list[float] = []
    for _ in range(BATCHES):
        records = [seal() for _ in range(ROUNDS // 4)]
        begun = timeit.default_timer()
        envelopes = [decode_envelope(record) for record in records]
        decoded = timeit.default_timer()
        for envelope in envelopes:
            receiver.receive(envelope, route=1, binding=b"", now_ns=0)
        ended = timeit.default_timer()
        decoding.append((decoded - begun) / len(records) * 1e6)
        receiving.append((ended - decoded) / len(records) * 1e6)
    assert not receiver.dropped, receiver.dropped
    return statistics.median(decoding), statistics.median(receiving)


def main() -> None:
    alice, bob = node("alice"), node("bob")
    alice.connect(peer=None, x25519=None, hybrid=False, route=1, local=True, binding=bytes(32), now_ns=0)
    exchange(alice, bob)
    (session,) = alice
    bare = CipherState("AESGCM", bytes(32))
    print(f"{'frames':>8} {'lane':>7} {'AEAD':>7} {'seal':>7} {'open':>7} {'decode':>7}   µs, median")
    for size in SIZES:
        frames = bytes(size)
        aead = us(lambda data=frames: bare.encrypt(1, bytes(84), data))
        for local in (True, False):

            def seal(data: bytes = frames, *, over_link: bool = local) -> bytes:
                return alice.seal(session, data, traffic=1, local=over_link, size_max=66_000, now_ns=0)

            sealing = us(seal)
            while session.next_counter % 8_192:  # let the receiver's window start anew
                seal()
            decoding, opening = open_us(seal, bob)
            lane = "link" if local else "routed"
            print(f"{size:>8} {lane:>7} {aead:>7.1f} {sealing:>7.1f} {opening:>7.1f} {decoding:>7.1f}")
    clock = itertools.count(1)
    for pattern, known, hybrid in (("XX", False, False), ("XK", True, False), ("XKhfs", True, True)):
        print(
            f"handshake, both ends, {pattern}: {handshake_us(alice, bob, clock, known=known, hybrid=hybrid):.0f} µs"
        )


def handshake_us(
    alice: SessionTable, bob: SessionTable, clock: Iterator[int], *, known: bool, hybrid: bool
) -> float:
    peer = Identity.from_seed(b"bob".ljust(32))

    def shake() -> None:
        now_ns = next(clock) * 1_000_000_000  # a second for each, because a route may not bring many
        for table in (alice, bob):
            for session in table:
                table.close(session, now_ns=now_ns)
        alice.connect(
            peer=peer.node_id,
            x25519=peer.x25519_public if known else None,
            hybrid=hybrid,
            route=1,
            local=True,
            binding=bytes(32),
            now_ns=now_ns,
        )
        exchange(alice, bob, now_ns=now_ns)
        assert len(alice) == len(bob) == 1

    return us(shake, 50)


if __name__ == "__main__":
    main()
