"""Rules of routing that mutants take out, noticed where letters go over several hops."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hamlet import Hamlet, line
from mutant import Guarded, Mutant, Swap

from meshnode.mesh import custody, mesh, relay, relaying
from meshnode.mesh.links import LinkState
from policies.relay import Refuse, Relay, RelayLimits, RelayView, decide_relay
from protocols.directory import signed
from protocols.envelope import Envelope
from protocols.errors import RemoteError
from protocols.keys import Identity
from protocols.routing import asks, vector
from protocols.routing.frames import COST_SHIFT, SEQUENCE_SHIFT, U16
from protocols.routing.limits import COST_INFINITE, DEFAULT
from protocols.routing.locators import Keeper, sign_locator
from protocols.routing.neighbours import Neighbour
from sim.faults.plan import ClockStep, Crash, Plan, Stop

HOPS = {
    "baselines": "[]",
    "oracles": '["reached", "present", "no_loops", "shouts"]',
    "warm_s": "10",
    "storm_s": "20",
    "calm_s": "30",
    "media": '[{kind = "ip"}]',
    "place.kind": '"everywhere"',
    "traffic.to": '"anyone"',
    "traffic.letters_per_host_min": "30",
    "traffic.broadcasts": "0",
}
RING = {**HOPS, "nodes": "8", "acquaintances.kind": '"ring"', "acquaintances.degree": "2"}
WEB = {
    **HOPS,
    "nodes": "12",
    "storm_s": "40",
    "acquaintances.kind": '"random"',
    "acquaintances.degree": "4",
    "traffic.letters_per_host_min": "60",
}
LEAVES = Plan((Stop(at_ms=8_000, host="n3"),))
TWO_DIE = Plan((Crash(at_ms=4_000, host="n3", down_ms=36_000), Stop(at_ms=5_000, host="n5", away_ms=35_000)))
BACK_IN_TIME = Plan(
    (ClockStep(at_ms=2_000, host="n3", by_ms=-3_600_000), Crash(at_ms=6_000, host="n3", down_ms=2_000))
)

_tell, _hear, _arrived = vector.Vector._tell, vector.Vector.hear, custody.Custody.arrived


# -- what stands there instead ------------------------------------------------------------------------------------


def _nothing(*_: Any, **__: Any) -> None:
    """Is done."""


def _yes(*_: Any, **__: Any) -> bool:
    return True


def _forget_what_was_told(self: vector.Vector, slot: int, told: int, before: int) -> None:
    """So that any cost is feasible."""
    _tell(self, slot, told, before)
    self.table.least[slot] = told >> SEQUENCE_SHIFT << 16 | COST_INFINITE


def _hear_no_loss(self: vector.Vector, neighbour: Neighbour, entries: Iterable[tuple[bytes, int]]) -> None:
    _hear(self, neighbour, [entry for entry in entries if entry[1] >> COST_SHIFT & U16 != COST_INFINITE])


def _starve(self: asks.Asks) -> None:
    self._vector.starved.clear()


def _keep_hops(frame: bytes, **_: Any) -> bytes:
    return frame


def _first_each_time(self: custody.Custody, neighbour: Any, envelope_id: bytes) -> bool:
    _arrived(self, neighbour, envelope_id)
    return True


def _relay_all(_view: RelayView, _limits: RelayLimits) -> Relay:
    return Relay(first=False)


def _forgive(view: RelayView, limits: RelayLimits) -> Relay | Refuse:
    return decide_relay(replace(view, place="full"), limits)


def _serve_anybody(self: mesh.Mesh, envelope: Envelope, frame: bytes, link: LinkState, now_ns: int) -> bool:
    if link.peer is not None:
        return _on_routed(self, envelope, frame, link, now_ns)
    self.relay.is_due = True
    self.relay.pass_on(envelope, frame, envelope.source, now_ns)
    return False


_on_routed = mesh.Mesh._on_routed


# -- who notices --------------------------------------------------------------------------------------------------


def _goes_too_far() -> list[str]:
    hamlet = Hamlet(line(5)).settled()
    hamlet.hand(1, hamlet.envelope(0, 4, hops=3), sender=0)
    hamlet.pass_s(5)
    return ["three hops took an envelope over four"] if hamlet.came(4) else []


def _dies_with_a_neighbour() -> list[str]:
    """n1 has two ways to n3, and the better one has just walked away."""
    hamlet = Hamlet([(0, 1), (1, 2), (2, 3), (1, 4), (4, 3)], medium="ble").settled()
    hop = hamlet.mesh(1).relay.way_to(hamlet.id(3), hamlet.village.timeline.now_ns)
    assert hop is not None, "they are settled"
    hamlet.medium.part("n1", f"n{hamlet.number(hop.neighbour)}")
    hamlet.hand(1, hamlet.envelope(0, 3), sender=0)
    hamlet.pass_s(10)
    return [] if hamlet.came(3) else ["what a neighbour took with it did not go again by another"]


def _comes_twice() -> list[str]:
    hamlet = Hamlet(line(3), medium="ble").settled()
    for _ in range(2):
        hamlet.hand(1, hamlet.envelope(0, 2), sender=0)
        hamlet.pass_s(5)
    return [f"one envelope came {times} times"] if (times := hamlet.came(2)) != 1 else []


def _is_used_against_its_wish() -> list[str]:
    hamlet = Hamlet(line(3))
    hamlet.mesh(1).relay.relaying.relay_for = "nobody"
    hamlet.settled()
    hamlet.hand(1, hamlet.envelope(0, 2), sender=0)
    hamlet.pass_s(5)
    return ["who relays for nobody relayed"] if hamlet.came(2) else []


def _serves_who_lost_its_place() -> list[str]:
    hamlet = Hamlet(line(3)).settled()
    evidence, now_ns = hamlet.mesh(1).relay.evidence, hamlet.village.timeline.now_ns
    for _ in range(1_000):
        evidence.suspicious(hamlet.id(0), "false_origin")
    assert evidence.standing(hamlet.id(0), now_ns).place == "none", "it lied a thousand times"
    hamlet.hand(1, hamlet.envelope(0, 2), sender=0)
    hamlet.pass_s(5)
    return ["a neighbour without a place had something relayed"] if hamlet.came(2) else []


def _serves_who_proved_nothing() -> list[str]:
    hamlet = Hamlet(line(3)).settled()
    hamlet.hand_as_stranger(1, hamlet.envelope(0, 2))
    hamlet.pass_s(5)
    return ["a link that nobody is bound to had something relayed"] if hamlet.came(2) else []


def _believes_another() -> list[str]:
    """Mallory tells a landmark where Bob is."""
    bob, mallory = (Identity.from_seed(name.encode().ljust(32)) for name in ("bob", "mallory"))
    said = sign_locator(mallory, sequence=1, landmark=mallory.node_id)
    forged = said.replace(mallory.node_id, bob.node_id, 1)
    keeper = Keeper(DEFAULT, bob.suite)
    try:
        keeper.keep(forged, 0)
    except RemoteError:
        return []
    return ["a landmark keeps a locator that its node did not sign"]


RULES = (
    Mutant(
        name="feasible-ways",
        rule="A way is taken only if its cost is below the least that we ever told: so no chain of ways closes.",
        where="protocols/routing/vector.py: Vector._tell, reselect",
        swaps=(Swap(vector.Vector, "_tell", _forget_what_was_told),),
        oracles=("no_loops",),
        seed=2,
        settings=WEB,
        plan=TWO_DIE,
        scenario="city",
    ),
    Mutant(
        name="heard-retractions",
        rule="A way is gone once the neighbour it leads over says so.",
        where="protocols/routing/vector.py: Vector._news",
        swaps=(Swap(vector.Vector, "hear", _hear_no_loss),),
        oracles=("present",),
        seed=1,
        settings=RING,
        plan=LEAVES,
        scenario="city",
    ),
    Mutant(
        name="asks-when-starved",
        rule="Who lost the last feasible way to a node asks for a newer sequence.",
        where="protocols/routing/asks.py: Asks.notice",
        swaps=(Swap(asks.Asks, "notice", _starve),),
        oracles=("reached",),
        seed=1,
        settings=RING,
        plan=LEAVES,
        scenario="city",
    ),
    Mutant(
        name="above-what-others-remember",
        rule="A node that hears of its own sequence being higher than it knows goes above that.",
        where="protocols/routing/vector.py: Vector.raise_floor",
        swaps=(Swap(vector.Vector, "raise_floor", _nothing),),
        oracles=("reached",),
        seed=1,
        settings=RING,
        plan=BACK_IN_TIME,
        scenario="city",
    ),
    Guarded(
        name="hops-counted",
        rule="Each relay takes one from the hops left.",
        where="meshnode/mesh/relay.py: Relay._pass",
        swaps=(Swap(relay, "relayed", _keep_hops),),
        complaints=_goes_too_far,
    ),
    Guarded(
        name="kept-for-the-next-hop",
        rule="Over a radio a frame is kept until the next hop has it; else it goes again, by another.",
        where="meshnode/mesh/custody.py: Custody.sent",
        swaps=(Swap(custody.Custody, "sent", _nothing),),
        complaints=_dies_with_a_neighbour,
    ),
    Guarded(
        name="passed-on-once",
        rule="A frame that came twice over a radio, since its answer was lost, goes no further.",
        where="meshnode/mesh/custody.py: Custody.arrived",
        swaps=(Swap(custody.Custody, "arrived", _first_each_time),),
        complaints=_comes_twice,
    ),
    Guarded(
        name="relays-for-nobody",
        rule="Where the owner says so, nothing is relayed, whatever neighbours send.",
        where="policies/relay.py: decide_relay",
        swaps=(Swap(relaying, "decide_relay", _relay_all),),
        complaints=_is_used_against_its_wish,
    ),
    Guarded(
        name="no-standing-no-service",
        rule="A neighbour that lost its place has nothing relayed.",
        where="policies/relay.py: decide_relay",
        swaps=(Swap(relaying, "decide_relay", _forgive),),
        complaints=_serves_who_lost_its_place,
    ),
    Guarded(
        name="proved-before-served",
        rule="Nothing is relayed for a link whose other end has not proved who it is.",
        where="meshnode/mesh/mesh.py: Mesh._on_routed",
        swaps=(Swap(mesh.Mesh, "_on_routed", _serve_anybody),),
        complaints=_serves_who_proved_nothing,
    ),
    Guarded(
        name="signed-locators",
        rule="Where a node is, a landmark believes that node alone.",
        where="protocols/directory/signed.py: open_body, for protocols/routing/locators.py",
        swaps=(Swap(signed, "verify", _yes),),
        complaints=_believes_another,
    ),
)
