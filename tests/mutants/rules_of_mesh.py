"""Rules of the core that mutants take out: who is called, which links there are, and what rubbish does."""

from typing import Any

from mutant import Mutant, Swap

from meshnode.mesh import dialer, links, mesh
from protocols.envelope import Envelope, decode_envelope
from protocols.errors import RemoteError
from protocols.ids import NodeId
from sim.faults.plan import Byzantine, Cut, Plan

TRIO = {"nodes": "3", "storm_s": "12", "calm_s": "40", "traffic.letters_per_host_min": "20"}
ALONE = Plan((Cut(at_ms=1_000, these=("n0",), for_ms=10_000),))
HALVES = Plan((Cut(at_ms=1_000, these=("n0", "n1", "n2", "n3"), for_ms=10_000),))

_finished = dialer.Dialer.finished


# -- what stands there instead ------------------------------------------------------------------------------------


def _nothing(*_: Any, **__: Any) -> None:
    """Is done."""


def _give_up(self: dialer.Dialer, target: dialer.Target, _now_ns: int) -> None:
    self._targets.pop(target.key, None)
    self._unheld.pop(target.key, None)


def _finish_in_vain(self: dialer.Dialer, key: NodeId | str, **known: Any) -> None:
    before = self._in_flight
    _finished(self, key, **known)
    self._in_flight = before


def _let_in(self: links.LinkTable, up: links.LinkUp, *, now_ns: int) -> links.LinkState | None:
    if len(self._links) >= links.LINKS_MAX:
        return None
    state = links.LinkState(up, now_ns, now_ns + links.UNBOUND_NS)
    self._links[up.link] = self._fresh[up.link] = state
    return state


def _remove_by_half(self: links.LinkTable, link: int) -> links.LinkState | None:
    self._fresh.pop(link, None)
    return self._links.pop(link, None)


def _decode_or_fall(frame: bytes) -> Envelope:
    try:
        return decode_envelope(frame)
    except RemoteError as error:
        raise ValueError(error.reason) from None


RULES = (
    Mutant(
        name="lost-peer-called",
        rule="When a peer's last link is gone, it is called again.",
        where="meshnode/mesh/dialer.py: Dialer.lost",
        swaps=(Swap(dialer.Dialer, "lost", _nothing),),
        oracles=("reunited", "delivered"),
        seed=1,
        settings=TRIO,
        plan=ALONE,
    ),
    Mutant(
        name="failed-call-repeated",
        rule="A peer that could not be reached is called again after a rest.",
        where="meshnode/mesh/dialer.py: Dialer._rest",
        swaps=(Swap(dialer.Dialer, "_rest", _give_up),),
        oracles=("reunited", "delivered"),
        seed=2,
        settings={
            **TRIO,
            "nodes": "4",
            "lane": '"a"',
        },  # a daemon's services ask for the peer again and again
        plan=ALONE,
    ),
    Mutant(
        name="ended-dial-makes-room",
        rule="Only dials that are under way count against how many may be.",
        where="meshnode/mesh/dialer.py: Dialer.finished",
        swaps=(Swap(dialer.Dialer, "finished", _finish_in_vain),),
        oracles=("reunited", "delivered"),
        seed=1,
        settings={**TRIO, "nodes": "8", "media": '[{kind = "ip"}, {kind = "lan"}]'},
        plan=HALVES,
    ),
    Mutant(
        name="few-strangers-at-the-door",
        rule="While FRESH_LINKS_MAX links wait to be bound, one more is turned away.",
        where="meshnode/mesh/links.py: LinkTable.add",
        swaps=(Swap(links.LinkTable, "add", _let_in),),
        oracles=("bounded",),
        seed=1,
        settings={**TRIO, "lane": '"a"', "storm_s": "15", "calm_s": "5"},
        plan=Plan(tuple(Byzantine(at_ms=0, host=host, behaviour="handshake_flood") for host in ("n0", "n1"))),
    ),
    Mutant(
        name="dead-link-leaves",
        rule="A link that is down is no link of its peer any more.",
        where="meshnode/mesh/links.py: LinkTable.remove",
        swaps=(Swap(links.LinkTable, "remove", _remove_by_half),),
        oracles=("reunited", "delivered"),
        seed=1,
        settings=TRIO,
        plan=ALONE,
    ),
    Mutant(
        name="total-decoder",
        rule="Bytes that make no sense are refused with a RemoteError, and with nothing else.",
        where="protocols/envelope/frames.py: decode_envelope",
        swaps=(Swap(mesh, "decode_envelope", _decode_or_fall),),
        oracles=("alive",),
        seed=1,
        settings=TRIO,
        plan=Plan((Byzantine(at_ms=1_000, host="n0", behaviour="flood"),)),
    ),
)
