from collections.abc import Callable

import pytest

from sim.baselines import BaselineResult, run_baseline
from sim.baselines.carry import Prophet
from sim.dice import Dice
from sim.models.movement import ContactTrace
from sim.timeline import NS_PER_S

Meetings = Callable[..., ContactTrace]


def carried(name: str, trace: ContactTrace, *, lifetime_s: float = 100, loss: float = 0.0) -> BaselineResult:
    return run_baseline(name, trace, messages=60, loss=loss, dice=Dice(3), lifetime_s=lifetime_s)


def test_who_waits_for_the_receiver_never_gets_to_whom_he_never_meets(meetings: Meetings) -> None:
    trace = meetings(3, (50, 51, 0, 1), (90, 91, 1, 2), (199, 200, 0, 1))
    direct, epidemic = carried("direct", trace, lifetime_s=195), carried("epidemic", trace, lifetime_s=195)
    assert direct.transmissions == direct.delivered < epidemic.delivered


def test_a_letter_goes_on_at_once_to_all_who_are_in_touch(meetings: Meetings) -> None:
    chain = meetings(4, (0, 300, 0, 1), (0, 300, 1, 2), (0, 300, 2, 3))
    result = carried("epidemic", chain)
    assert result.delivery == 1.0
    assert result.latency_at_s(1.0) == pytest.approx(0, abs=1)


def test_letters_that_are_too_old_are_carried_no_further(meetings: Meetings) -> None:
    trace = meetings(2, (5, 6, 0, 1), (500, 501, 0, 1), (900, 901, 0, 1))
    assert (
        carried("epidemic", trace, lifetime_s=0.001).delivery
        < carried("epidemic", trace, lifetime_s=500).delivery
    )


def test_spray_never_makes_more_copies_than_it_may(meetings: Meetings) -> None:
    everybody = meetings(
        12, *((at_s, at_s + 1, 0, other) for at_s in range(0, 900, 30) for other in range(1, 12))
    )
    result = carried("spray-4", everybody)
    assert result.transmissions <= 60 * 4


def test_what_is_lost_is_sent_again(meetings: Meetings) -> None:
    trace = meetings(2, *((at_s, at_s + 1, 0, 1) for at_s in range(0, 900, 10)))
    clear, lossy = carried("direct", trace), carried("direct", trace, loss=0.5)
    assert clear.delivered == lossy.delivered == clear.transmissions
    assert lossy.transmissions == pytest.approx(2 * clear.transmissions, rel=0.3)


def test_prophet_learns_whom_others_meet_and_forgets_in_time() -> None:
    one, other = Prophet(), Prophet(likely={9: 0.8})
    one.meet(1, other, now_ns=0)
    assert one.likely[1] == 0.75
    assert one.likely[9] == pytest.approx(0.75 * 0.8 * 0.25)
    assert other.copies_for(one, 9, 1) == 0
    assert one.copies_for(other, 9, 1) == 1
    one.age(60 * NS_PER_S)
    assert one.likely[1] == pytest.approx(0.75 * 0.98**2)
