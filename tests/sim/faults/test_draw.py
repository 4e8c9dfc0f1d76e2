from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from protocols.errors import SettingsError
from sim.dice import Dice
from sim.faults import Fault, Plan, draw_plan
from sim.faults.behaviours import BEHAVIOURS
from sim.faults.plan import FAULTS_MAX, Byzantine, Clog, Crash, Cut, Disk, Sleep, Stop, Weather
from sim.models.movement import Position
from sim.scenario import Scenario, Storm

HOSTS = [f"n{number}" for number in range(20)]
ALL: dict[str, Any] = {
    "crashes_per_host_min": 2.0,
    "stops_per_host_min": 1.0,
    "sleeps_per_host_min": 1.0,
    "cuts_per_min": 6.0,
    "clogs_per_min": 12.0,
    "weather_per_min": 3.0,
    "clock_steps_per_host_min": 1.0,
    "disk_troubles_per_host_min": 1.0,
    "byzantine": 0.2,
}


@pytest.fixture
def draw() -> Callable[..., Plan]:
    def plan(
        seed: int = 1,
        hosts: Sequence[str] = HOSTS,
        storm_s: float = 60.0,
        given: dict[str, Any] | None = None,
        **storm: Any,
    ) -> Plan:
        wanted = msgspec.convert({"swarm": False, **ALL, **storm}, Storm)
        scenario = Scenario(about="drawn", storm_s=storm_s, storm=wanted)
        return draw_plan(scenario, list(hosts), Dice(seed), **(given or {}))

    return plan


def of(plan: Plan, *kinds: type[Fault]) -> list[Fault]:
    return [fault for fault in plan.faults if isinstance(fault, kinds)]


def test_the_same_seed_gives_the_same_plan_and_another_another(draw: Callable[..., Plan]) -> None:
    assert draw(1) == draw(1) != draw(2)


def test_faults_lie_in_the_storm_and_in_order(draw: Callable[..., Plan]) -> None:
    times = [fault.at_ms for fault in draw(storm_s=30).faults if not isinstance(fault, Cut)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] < 30_000


def test_without_swarm_a_run_has_every_kind(draw: Callable[..., Plan]) -> None:
    assert len({type(fault) for fault in draw(storm_s=120).faults}) == len(ALL)


def test_with_swarm_each_kind_is_missing_in_half_of_the_runs(draw: Callable[..., Plan]) -> None:
    kinds = Counter(kind for seed in range(100) for kind in {type(f) for f in draw(seed, swarm=True).faults})
    assert len(kinds) == len(ALL)
    assert all(30 < number < 70 for number in kinds.values())


def test_rates_are_what_the_scenario_says(draw: Callable[..., Plan]) -> None:
    plan = draw(hosts=[f"n{number}" for number in range(100)], storm_s=120)
    assert 340 < len(of(plan, Crash)) < 460  # 100 hosts, 2 minutes, 2 a minute
    power = sum(1 for fault in of(plan, Crash) if isinstance(fault, Crash) and fault.power)
    assert 0.4 < power / len(of(plan, Crash)) < 0.6


def test_one_kind_less_leaves_the_others_as_they_were(draw: Callable[..., Plan]) -> None:
    whole, without = draw(), draw(crashes_per_host_min=0.0)
    assert tuple(fault for fault in whole.faults if not isinstance(fault, Crash)) == without.faults


def test_fewer_hosts_leave_what_befalls_the_rest_as_it_was(draw: Callable[..., Plan]) -> None:
    kinds = (Crash, Stop, Sleep, Disk)
    fewer = HOSTS[:12]
    kept = [fault for fault in of(draw(), *kinds) if isinstance(fault, kinds) and fault.host in fewer]
    assert kept == of(draw(hosts=fewer), *kinds)


def test_a_host_is_on_the_same_side_of_a_cut_by_chance_whoever_else_there_is(
    draw: Callable[..., Plan],
) -> None:
    fewer = HOSTS[:-1]
    whole = [fault for fault in of(draw(), Cut) if isinstance(fault, Cut)]
    after = [fault for fault in of(draw(hosts=fewer), Cut) if isinstance(fault, Cut)]
    same = {(fault.at_ms, tuple(name for name in fault.these if name in fewer)) for fault in whole}
    assert sum(1 for fault in after if (fault.at_ms, fault.these) in same) > len(after) / 2


def test_cuts_come_in_all_shapes(draw: Callable[..., Plan]) -> None:
    cuts = [fault for fault in of(draw(storm_s=600), Cut) if isinstance(fault, Cut)]
    assert any(fault.one_way for fault in cuts)
    assert any(len(fault.these) == 1 for fault in cuts)
    assert any(len(fault.these) > 2 for fault in cuts)
    assert all(0 < len(fault.these) < len(HOSTS) for fault in cuts)


def test_a_swizzle_takes_hosts_one_by_one_and_brings_them_back_in_another_order(
    draw: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.faults.draw.SHAPES", ("swizzle",))
    cuts = [fault for fault in of(draw(cuts_per_min=0.5, seed=4), Cut) if isinstance(fault, Cut)]
    left = [fault.these[0] for fault in cuts]
    back = [fault.these[0] for fault in sorted(cuts, key=lambda fault: fault.at_ms + fault.for_ms)]
    assert len(left) > 4
    assert sorted(left) == sorted(back)
    assert left != back


def test_a_cut_by_place_follows_a_line_across_it(
    draw: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.faults.draw.SHAPES", ("place",))
    row = [Position(float(number), 0.0) for number in range(len(HOSTS))]
    plan = draw(given={"places": row})
    for fault in of(plan, Cut):
        assert isinstance(fault, Cut)
        numbers = sorted(HOSTS.index(name) for name in fault.these)
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert 0 in numbers or len(HOSTS) - 1 in numbers


def test_clogs_hit_ways_that_are_used(draw: Callable[..., Plan]) -> None:
    friends = {name: [HOSTS[(number + 1) % 20]] for number, name in enumerate(HOSTS)}
    plan = draw(given={"friends": friends.__getitem__})
    clogs = [fault for fault in of(plan, Clog) if isinstance(fault, Clog)]
    assert clogs
    assert all(fault.receiver in friends[fault.sender] for fault in clogs)


def test_nothing_is_worse_than_the_scenario_allows(draw: Callable[..., Plan]) -> None:
    for fault in of(draw(loss=0.2, delay_ms=50.0), Clog, Weather):
        assert isinstance(fault, Clog | Weather)
        assert fault.loss <= 0.2
        assert fault.delay_ms <= 50


def test_a_share_of_the_hosts_misbehaves_each_in_one_way(draw: Callable[..., Plan]) -> None:
    villains = [fault for fault in of(draw(), Byzantine) if isinstance(fault, Byzantine)]
    assert len({fault.host for fault in villains}) == len(villains) == 4
    assert all(fault.behaviour in BEHAVIOURS and fault.share == 1.0 for fault in villains)


def test_only_behaviours_that_are_named_are_drawn(draw: Callable[..., Plan]) -> None:
    villains = of(draw(behaviours=("drop",), byzantine=1.0), Byzantine)
    assert {fault.behaviour for fault in villains if isinstance(fault, Byzantine)} == {"drop"}


def test_a_behaviour_that_there_is_not_is_refused_by_name(draw: Callable[..., Plan]) -> None:
    with pytest.raises(SettingsError, match="'gossip'"):
        draw(behaviours=("gossip",))


def test_rot_is_never_drawn_since_it_destroys_the_last_good_copy(draw: Callable[..., Plan]) -> None:
    troubles = {fault.trouble for fault in of(draw(storm_s=600), Disk) if isinstance(fault, Disk)}
    assert troubles == {"full", "read_only"}


def test_a_plan_has_an_end_however_long_the_storm(draw: Callable[..., Plan]) -> None:
    plan = draw(storm_s=86_400)
    assert FAULTS_MAX / 2 < len(plan.faults) <= FAULTS_MAX
    assert plan.faults[-1].at_ms > 80_000_000


@pytest.mark.parametrize("hosts", [[], ["n0"], ["n0", "n1"]])
def test_the_smallest_villages_have_plans_too(draw: Callable[..., Plan], hosts: list[str]) -> None:
    for seed in range(20):
        for fault in draw(seed, hosts).faults:
            if isinstance(fault, Cut):
                assert 0 < len(fault.these) < len(hosts)
