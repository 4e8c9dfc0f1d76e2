"""Rules of broadcasts, and of the sync that finds what they missed."""

from typing import Any

from hamlet import Hamlet, line
from mutant import Guarded, Mutant, Swap
from rules_of_routing import HOPS, RING

from protocols.envelope import Envelope, TrafficClass, relayed
from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.routing.broadcast import SALT_BYTES, flood, frames, make_broadcast, seen
from protocols.sync import shelf, sync
from sim.faults.plan import Cut, Plan
from sim.shouts import Shout
from sim.timeline import NS_PER_MS

SHOUTS = {**RING, "traffic.letters_per_host_min": "0", "traffic.broadcasts": "8"}
LONG = {**SHOUTS, "nodes": "40", "calm_s": "40"}
LIFE_MS = 3_600_000
SCOPE_HOPS = 2
SOURCE = slice(20, 52)  # in a routed envelope: docs/wire.md, section 2
ID = slice(4, 20)
HEADER_BYTES = 84

assert HOPS.keys() <= SHOUTS.keys()


def _halves(nodes: int, for_ms: int) -> Plan:
    return Plan((Cut(at_ms=0, these=tuple(f"n{number}" for number in range(nodes // 2)), for_ms=for_ms),))


# -- what stands there instead ------------------------------------------------------------------------------------


def _no(*_: Any) -> bool:
    return False


def _yes(*_: Any) -> bool:
    return True


def _compare_nothing(self: sync.Sync, pair: Any, now_ns: int) -> None:
    self._pause(pair, now_ns, eager=False)


def _keep_to_oneself(
    self: flood.Broadcasts, envelope: Envelope, _frame: bytes, *, now_ns: int, **_: Any
) -> bool:
    if envelope.id in self._seen:
        return False
    self.note(envelope.id, now_ns=now_ns)
    return True


def _stretch(frame: bytes, *, hops_left: int, via: NodeId) -> bytes:
    del hops_left
    return relayed(frame, hops_left=flood.HOPS_DEFAULT, via=via)


# -- who notices --------------------------------------------------------------------------------------------------


def _speaks_for_another() -> list[str]:
    """n0 tells n1 what n2 is said to have said."""
    hamlet = Hamlet(line(3)).settled()
    shout = hamlet.village.journal.shouts.call("n2", ())
    forged = bytearray(_frame(hamlet, 0, shout, hops=0))
    source = forged[SOURCE] = hamlet.id(2)
    topic, unsigned = NodeId(bytes(32)), bytes(forged[HEADER_BYTES + frames.SIGNATURE_BYTES :])
    forged[ID] = frames._id_of(TrafficClass.INTERACTIVE, source, topic, unsigned)
    hamlet.hand(1, bytes(forged), sender=0)
    hamlet.pass_s(5)
    return [f"n{heard[0]} heard n2 say what it never said"] if (heard := hamlet.heard(shout.text)) else []


def _is_carried_too_far() -> list[str]:
    hamlet = Hamlet(line(6)).settled()
    shout = hamlet.village.journal.shouts.call("n0", ())
    frame = _frame(hamlet, 0, shout, hops=SCOPE_HOPS)
    hamlet.mesh(0).shout(frame, now_ns=hamlet.village.timeline.now_ns)
    hamlet.core(0)._flush_soon()  # as after any use of a core
    hamlet.pass_s(60)  # sync has its turn too
    near = list(range(1, SCOPE_HOPS + 1))
    heard = [number for number in hamlet.heard(shout.text) if number]
    return [] if heard == near else [f"a shout for {near} was heard by {heard}"]


def _frame(hamlet: Hamlet, sender: int, shout: Shout, *, hops: int) -> bytes:
    host = hamlet.hosts[sender]
    identity: Identity = host.identity
    at_ms = host.clock.wall_ns() // NS_PER_MS
    return make_broadcast(
        identity,
        kind="text",
        body=shout.text.encode(),
        at_ms=at_ms,
        expires_ms=at_ms + LIFE_MS,
        traffic=TrafficClass.INTERACTIVE,
        salt=bytes(SALT_BYTES),
        hops=hops,
    )


RULES = (
    Mutant(
        name="heard-once",
        rule="A broadcast that is known is neither delivered nor flooded again.",
        where="protocols/routing/broadcast/seen.py: Seen; protocols/sync/shelf.py: Shelf.knows",
        swaps=(Swap(seen.Seen, "__contains__", _no), Swap(shelf.Shelf, "knows", _no)),
        oracles=("shouts",),
        seed=1,
        settings=SHOUTS,
        scenario="city",
    ),
    Mutant(
        name="missed-is-found",
        rule="Neighbours compare what they heard, and give each other what one of them missed.",
        where="protocols/sync/sync.py: Sync._begin",
        swaps=(Swap(sync.Sync, "_begin", _compare_nothing),),
        oracles=("shouts",),
        seed=1,
        settings=SHOUTS,
        plan=_halves(8, 15_000),
        scenario="city",
    ),
    Mutant(
        name="taught-is-flooded",
        rule="What sync taught is flooded on, since others may lack it too.",
        where="protocols/routing/broadcast/flood.py: Broadcasts.taught",
        swaps=(Swap(flood.Broadcasts, "taught", _keep_to_oneself),),
        oracles=("shouts",),
        seed=1,
        settings=LONG,
        plan=_halves(40, 20_000),
        scenario="city",
    ),
    Guarded(
        name="signed-broadcasts",
        rule="A broadcast is heard only if its source signed it.",
        where="protocols/routing/broadcast/frames.py: open_broadcast",
        swaps=(Swap(frames, "verify", _yes),),
        complaints=_speaks_for_another,
    ),
    Guarded(
        name="within-its-scope",
        rule="A broadcast goes as many hops as its source gave it.",
        where="protocols/routing/broadcast/flood.py: Broadcasts._send",
        swaps=(Swap(flood, "relayed", _stretch),),
        complaints=_is_carried_too_far,
    ),
)
