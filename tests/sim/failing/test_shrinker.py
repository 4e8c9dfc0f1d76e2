from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import RefusedError, SettingsError
from sim.failing import Case, Shrinker, Step
from sim.failing.mild import hosts_of
from sim.failing.shrinker import RUNS_MAX, WALL_NS_MAX
from sim.faults.plan import Crash, Cut, Fault, Plan
from sim.result import Broken, Result, Samples
from sim.scenario import Scenario, Traffic

SCENARIO = Scenario(
    about="a test", nodes=20, warm_s=10, storm_s=60, calm_s=30, traffic=Traffic(letters_per_host_min=8.0)
)
Judge = Callable[[Case], Broken | None]


def run_by(judge: Judge) -> Callable[[Case], Result]:
    def run(case: Case) -> Result:
        broken = judge(case)
        return Result(
            scenario=case.scenario,
            seed=case.seed,
            lane="b",
            nodes=20,
            digest=case.fingerprint,
            events=1,
            virtual_s=1.0,
            wall_s=0.0,
            metrics={},
            goals=[],
            oracles={},
            broken=[] if broken is None else [broken],
            ended="done" if broken is None else "broken",
            settings=dict(case.settings),
            plan=case.plan or Plan(),
            samples=Samples(),
        )

    return run


def frozen_clock() -> int:
    return 0


def shrinker(faults: Iterable[Fault], judge: Judge, **more: object) -> Shrinker:
    options: dict[str, object] = {"clock": frozen_clock, **more}
    return Shrinker(Case("room", 7, {}, Plan(tuple(faults))), SCENARIO, "once", run_by(judge), **options)  # type: ignore[arg-type] # a test hands on what it was handed


def crash(number: int, at_ms: int = 1_000) -> Crash:
    return Crash(at_ms=at_ms, host=f"n{number}", down_ms=4_321)


def hosts_hit(case: Case) -> set[str]:
    assert case.plan is not None
    return {host for fault in case.plan.faults for host in hosts_of(fault)}


def needs(*hosts: str, at_s: float = 30.0) -> Judge:
    return lambda case: Broken("once", "n1", "twice", at_s) if set(hosts) <= hosts_hit(case) else None


@given(
    st.lists(st.builds(crash, st.integers(0, 19), st.integers(0, 15_000)), max_size=30),
    st.sets(st.integers(0, 19), max_size=3),
    st.integers(1, 300),
)
@settings(max_examples=60)
def test_what_is_left_still_fails_within_the_budget(
    faults: list[Crash], culprits: set[int], runs_max: int
) -> None:
    guilty = {f"n{number}" for number in culprits} & {fault.host for fault in faults}
    steps: list[Step] = []
    small = shrinker(faults, needs(*guilty), runs_max=runs_max, on_step=steps.append)
    ended = small.shrink()
    assert small.best is not None
    assert small.best.broken
    assert len(steps) == small.runs <= runs_max
    assert small.best.plan.faults == small.shape.faults
    if ended == "done":
        assert sorted(fault.host for fault in small.shape.faults if isinstance(fault, Crash)) == sorted(
            guilty
        )


def test_shrinking_is_the_same_each_time() -> None:
    faults = [crash(number % 20, 700 * number) for number in range(20)]
    once, again = (shrinker(faults, needs("n3", "n11")) for _ in range(2))
    assert once.shrink() == again.shrink() == "done"
    assert (once.shape, once.runs, list(once.refused)) == (again.shape, again.runs, list(again.refused))


def test_the_end_is_cut_right_behind_a_failure_in_the_storm() -> None:
    small = shrinker([crash(1, 19_000), crash(2, 21_000)], needs("n1", at_s=30.0))
    small.shrink()
    assert small.shape.calm_s == 0
    assert small.shape.storm_s == 30.0  # 20.001, made round
    assert small.shape.nodes == 2


def test_what_breaks_in_the_calm_keeps_its_calm_and_loses_storm() -> None:
    def judge(case: Case) -> Broken | None:
        storm_s = float(case.settings.get("storm_s", 60))
        calm_s = float(case.settings.get("calm_s", 30))
        late = storm_s >= 15
        return Broken("once", "n1", "never came", 10 + storm_s + calm_s) if late or calm_s < 30 else None

    small = shrinker([crash(1)], judge)
    small.shrink()
    assert (small.shape.storm_s, small.shape.calm_s) == (20.0, 30)


def test_another_oracle_is_another_failure() -> None:
    def judge(case: Case) -> Broken | None:
        both = {"n1", "n2"} <= hosts_hit(case)
        return Broken("once" if both else "alive", "n1", "ended", 30.0)

    small = shrinker([crash(1), crash(2), crash(3)], judge)
    small.shrink()
    assert [fault.host for fault in small.shape.faults if isinstance(fault, Crash)] == ["n1", "n2"]


def test_traffic_nodes_and_faults_become_few_mild_and_round() -> None:
    def judge(case: Case) -> Broken | None:
        letters = float(case.settings.get("traffic.letters_per_host_min", 8))
        nodes = int(case.settings.get("nodes", 20))
        faults = () if case.plan is None else case.plan.faults
        cut = any(isinstance(fault, Cut) and fault.for_ms >= 900 and "n1" in fault.these for fault in faults)
        return Broken("once", "n1", "twice", 30.0) if letters >= 1 and nodes >= 3 and cut else None

    cut = Cut(at_ms=12_345, these=("n0", "n1", "n2", "n7"), for_ms=7_777)
    small = shrinker([crash(1), cut, crash(2)], judge)
    assert small.shrink() == "done"
    assert (small.shape.letters, small.shape.nodes) == (1.0, 3)
    assert small.shape.faults == (Cut(at_ms=10_000, these=("n1",), for_ms=900, one_way=True),)


def test_the_wall_clock_ends_it_between_two_runs() -> None:
    times = iter([0, *[1] * 5, *[WALL_NS_MAX] * 9])
    small = shrinker([crash(number) for number in range(9)], needs("n3"), clock=lambda: next(times))
    assert small.shrink() == "wall"
    assert small.runs == 5
    assert small.best is not None


def test_an_interrupted_one_keeps_its_best_and_another_goes_on_from_there() -> None:
    faults = [crash(number % 20, 500 * number) for number in range(20)]
    whole = shrinker(faults, needs("n3", "n17"))
    whole.shrink()
    runs = 0

    def judge(case: Case) -> Broken | None:
        nonlocal runs
        runs += 1
        if runs == 12:
            raise KeyboardInterrupt
        return needs("n3", "n17")(case)

    first = shrinker(faults, judge)
    assert first.shrink() == "interrupted"
    assert first.best is not None
    second = shrinker(first.shape.faults, needs("n3", "n17"), refused=first.refused)
    assert second.shrink() == "done"
    assert second.shape.faults == whole.shape.faults
    assert first.runs + second.runs <= whole.runs + 12


def test_a_run_that_ends_interrupted_ends_the_shrinking() -> None:
    def run(case: Case) -> Result:
        result = run_by(needs("n1"))(case)
        result.ended = "interrupted"
        return result

    small = Shrinker(Case("room", 7, {}, Plan()), SCENARIO, "once", run, clock=frozen_clock)
    assert small.shrink() == "interrupted"
    assert small.best is None


def test_a_world_that_can_not_be_does_not_fail() -> None:
    def judge(case: Case) -> Broken | None:
        if int(case.settings.get("nodes", 20)) < 10:
            raise SettingsError("ten at least")
        return Broken("once", "n1", "twice", 30.0)

    small = shrinker([], judge)
    small.shrink()
    assert small.shape.nodes == 10


def test_nothing_is_shrunk_that_does_not_fail() -> None:
    with pytest.raises(RefusedError, match="once does not break"):
        shrinker([], lambda _case: None).shrink()


def test_no_budget_is_larger_than_said() -> None:
    small = shrinker(
        [crash(number % 20, number) for number in range(200)], needs(*(f"n{n}" for n in range(20)))
    )
    assert small.shrink() == "runs"
    assert small.runs == RUNS_MAX
