from collections.abc import Callable, Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.failing.mild import among, hosts_of, in_force, milder, rounder
from sim.faults.plan import Byzantine, ClockStep, Clog, Crash, Cut, Fault, Middle, Plan, Stop, Weather

FAULTS: list[Fault] = [
    Crash(at_ms=12_345, host="n1", down_ms=54_321, power=True),
    Stop(at_ms=1, host="n2"),
    Cut(at_ms=7, these=("n1", "n2", "n3", "n4", "n5"), for_ms=999),
    Clog(at_ms=7, sender="n1", receiver="n2", for_ms=5_000, delay_ms=333, loss=0.7),
    Weather(at_ms=7, for_ms=5_000, loss=0.3, delay_ms=17),
    ClockStep(at_ms=7, host="n1", by_ms=-3_599_999),
    Byzantine(at_ms=0, host="n4", behaviour="drop"),
    Middle(at_ms=0, sender="n4", receiver="n5", behaviour="drop", for_ms=77_777, share=0.9),
]


@given(st.sampled_from(FAULTS), st.data())
def test_whoever_takes_offer_after_offer_comes_to_an_end(fault: Fault, data: st.DataObject) -> None:
    for offers in (milder, rounder):
        taken = 0
        while options := list(offers(fault)):
            fault = data.draw(st.sampled_from(options))
            taken += 1
            assert taken < 100


@given(st.sampled_from(FAULTS))
def test_an_offer_is_a_fault_of_the_same_kind_that_a_plan_takes(fault: Fault) -> None:
    for offer in (*milder(fault), *rounder(fault)):
        assert type(offer) is type(fault)
        assert offer != fault
        assert msgspec.json.decode(msgspec.json.encode(Plan((offer,))), type=Plan) == Plan((offer,))


def mildest(fault: Fault, offers: Callable[[Fault], Iterator[Fault]]) -> Fault:
    while (offer := next(offers(fault), None)) is not None:
        fault = offer
    return fault


def test_a_crash_becomes_short_and_keeps_the_power() -> None:
    assert mildest(FAULTS[0], milder) == Crash(at_ms=12_345, host="n1", down_ms=100)


def test_a_liar_goes_on_to_lie_now_and_then() -> None:
    assert mildest(FAULTS[6], milder) == Byzantine(at_ms=0, host="n4", behaviour="drop", share=0.01)


def test_times_become_round() -> None:
    assert mildest(FAULTS[0], rounder) == Crash(at_ms=10_000, host="n1", down_ms=50_000, power=True)


def test_faults_of_hosts_that_are_gone_go_too_and_a_cut_keeps_who_is_there() -> None:
    assert among(tuple(FAULTS), {"n1", "n2"}) == (
        FAULTS[0],
        FAULTS[1],
        Cut(at_ms=7, these=("n1", "n2"), for_ms=999),
        FAULTS[3],
        FAULTS[4],
        FAULTS[5],
    )


@pytest.mark.parametrize(
    ("fault", "hosts"), [(FAULTS[4], ()), (FAULTS[3], ("n1", "n2")), (FAULTS[7], ("n4", "n5"))]
)
def test_hosts_of_a_fault(fault: Fault, hosts: tuple[str, ...]) -> None:
    assert hosts_of(fault) == hosts


def test_in_force_is_what_has_begun_and_has_not_ended() -> None:
    plan = Plan(tuple(FAULTS))
    assert in_force(plan, 0) == [FAULTS[6], FAULTS[7]]
    assert in_force(plan, 20_000) == [FAULTS[0], FAULTS[1], FAULTS[6], FAULTS[7]]
