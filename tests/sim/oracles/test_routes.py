"""Oracles about those who are joined over several hops."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from sim.builder import Settlement
from sim.core import Core
from sim.faults import Faults, Plan
from sim.faults.plan import Byzantine, Fault
from sim.host import Host
from sim.journal import Letter
from sim.oracles import Oracles
from sim.oracles.routes import GONE_NS, HEARD_NS, REACHED_NS, TURNED_FREE
from sim.oracles.sizes import mesh_of
from sim.timeline import NS_PER_S

S = NS_PER_S
NAMES = ("reached", "present", "no_loops", "shouts")


class Line:
    """Of cores; each hears the next."""

    def __init__(self, settlement: Settlement, plan: Plan) -> None:
        self.here = settlement.village
        self.faults = Faults(self.here, plan, start_ns=0)
        self.oracles = Oracles(self.here, NAMES, self.faults)
        for one, other in pairwise(self.here.hosts):
            self.here.media["lan"].meet(one, other)
        self.here.boot_all()
        self.faults.place()
        self.oracles.start()
        self.pass_ns(20 * S)
        self.faults.heal()

    def pass_ns(self, span_ns: int) -> None:
        self.here.timeline.run(self.here.timeline.now_ns + span_ns)

    def host(self, number: int) -> Host:
        return self.here.hosts[f"n{number}"]

    def end(self) -> list[str]:
        """Who broke what."""
        self.oracles.finish()
        return [f"{breach.who}: {breach.oracle}" for breach in self.here.breaches if breach.oracle in NAMES]

    def accepts_in_vain(self, sender: int, receiver: int) -> Letter:
        """As a core that forgets what it was handed."""
        letter = self.here.journal.offer(f"n{sender}", f"n{receiver}")
        self.here.journal.accept(letter)
        return letter


@pytest.fixture
def line(settlement: Callable[..., Settlement]) -> Callable[..., Line]:
    def build(*faults: Fault) -> Line:
        return Line(settlement(nodes=4, medium="lan"), Plan(faults))

    return build


def test_where_all_goes_well_nothing_is_said(line: Callable[..., Line]) -> None:
    run = line()
    letter = run.host(0).send(run.host(3))
    run.host(0).shout()
    run.pass_ns(HEARD_NS + 20 * S)
    assert run.end() == []
    assert len(letter.arrivals) == 1


def test_a_letter_over_hops_that_never_comes_is_told_once_it_had_its_time(line: Callable[..., Line]) -> None:
    run = line()
    run.accepts_in_vain(0, 3)
    run.pass_ns(REACHED_NS // 2)
    assert run.end() == []
    run.pass_ns(REACHED_NS)
    assert run.end() == ["n0: reached"]


def test_a_letter_to_somebody_who_is_cut_off_is_not_asked_for(line: Callable[..., Line]) -> None:
    run = line()
    run.here.media["lan"].part("n2", "n3")
    run.pass_ns(20 * S)
    run.accepts_in_vain(0, 3)
    run.pass_ns(2 * REACHED_NS)
    assert run.end() == []


def test_who_is_joined_only_through_somebody_that_lies_is_not_asked_for(line: Callable[..., Line]) -> None:
    run = line(Byzantine(at_ms=0, host="n1", behaviour="drop"))
    run.accepts_in_vain(0, 3)
    run.pass_ns(2 * REACHED_NS)
    assert run.end() == []


def test_a_letter_that_a_core_accepted_before_it_restarted_is_not_asked_for(
    line: Callable[..., Line],
) -> None:
    run = line()
    run.accepts_in_vain(0, 3)
    run.host(0).crash()
    run.host(0).boot()
    run.pass_ns(3 * REACHED_NS)
    assert run.end() == []


def test_who_counts_as_present_and_is_long_gone_is_told(line: Callable[..., Line]) -> None:
    run = line()
    run.host(0).send(run.host(3))
    run.pass_ns(5 * S)
    mesh = mesh_of(run.host(0))
    assert mesh is not None
    assert mesh.far.is_present(run.host(3).node_id)
    run.host(3).stop()
    run.pass_ns(GONE_NS + 10 * S)
    assert run.end() == []
    mesh.far.arrived(run.host(3).node_id)  # as if nobody had told it
    assert run.end() == ["n0: present"]


def test_envelopes_that_spend_all_their_hops_are_told_beyond_a_few(line: Callable[..., Line]) -> None:
    run = line()
    mesh = mesh_of(run.host(1))
    assert mesh is not None
    mesh.counts["hops_spent"] += TURNED_FREE
    assert run.end() == []
    mesh.counts["came_back"] += 10
    assert run.end() == ["somebody: no_loops"]


def test_who_lies_may_send_what_goes_in_circles(line: Callable[..., Line]) -> None:
    run = line(Byzantine(at_ms=0, host="n1", behaviour="replay"))
    mesh = mesh_of(run.host(2))
    assert mesh is not None
    mesh.counts["hops_spent"] += 1_000
    assert run.end() == []


def test_a_shout_that_somebody_missed_is_told_once_sync_had_its_time(line: Callable[..., Line]) -> None:
    run = line()
    run.here.journal.shouts.call("n0", ())  # and no core heard of it
    run.pass_ns(HEARD_NS // 2)
    assert run.end() == []
    run.pass_ns(HEARD_NS)
    assert run.end() == ["n1: shouts", "n2: shouts", "n3: shouts"]


def test_a_shout_that_nobody_has_any_more_is_not_asked_for(line: Callable[..., Line]) -> None:
    run = line()
    run.here.journal.shouts.call("n0", ())
    run.host(0).crash()
    run.host(0).boot()
    run.pass_ns(3 * HEARD_NS)
    assert run.end() == []


def test_a_shout_that_an_application_hears_twice_is_told(line: Callable[..., Line]) -> None:
    run = line()
    run.host(0).shout()
    run.pass_ns(5 * S)
    run.here.journal.shouts.hear("n2", "shout 0")
    run.pass_ns(2 * S)
    assert "somebody: shouts" in run.end()


def test_a_core_that_restarted_may_hear_it_again(line: Callable[..., Line]) -> None:
    run = line()
    run.host(0).shout()
    run.pass_ns(5 * S)
    run.host(3).crash()
    run.host(3).boot()
    run.pass_ns(60 * S)
    assert run.here.journal.shouts.heard_again == 1
    assert isinstance(run.host(3).process, Core)
    assert run.end() == []
