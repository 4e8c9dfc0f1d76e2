"""How numbers, metrics and faults are put."""

from collections.abc import Callable
from math import inf, nan

import pytest

from sim.faults.plan import Byzantine, ClockStep, Clog, Crash, Cut, Disk, Fault, Plan, Sleep, Stop, Weather
from sim.report.words import NOTHING, deeds, grouped, measured, replay_line, speed, title
from sim.result import Result

ResultOf = Callable[..., Result]


@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        ("delivery", 0.9975, "0.9975"),
        ("letters_offered", 12_345.0, "12,345"),
        ("mean", 12_345.6, "12,346"),
        ("latency_p50_s", 0.412, "412 ms"),
        ("latency_p50_s", 0.0, "0 s"),
        ("latency_p50_s", 0.0000021, "2.1 µs"),
        ("latency_max_s", 61.5, "61.5 s"),
        ("heal_ms", 240_000.0, "4 min"),
        ("awake_h", 8.0, "8 h"),
        ("bytes_sent", 987_654_321.0, "941.9 MiB"),
        ("table_bytes", 12.0, "12 B"),
        ("table_bytes", 5e15, "4,547.5 TiB"),
        ("goodput_bytes_per_s", 2_048.0, "2.0 KiB/s"),
        ("letters_per_min", 3.5, "3.5 /min"),
        ("level_percent", 80.0, "80 %"),
        ("radio_energy_mj", 4_100_000.0, "4.1 kJ"),
        ("radio_energy_mj", 3.0, "3 mJ"),
        ("recall", None, NOTHING),
        ("recall", nan, NOTHING),
        ("recall", inf, NOTHING),
        ("recall", 1e300, "1e+300"),
    ],
)
def test_a_value_is_told_in_the_unit_its_metric_ends_in(metric: str, value: float | None, words: str) -> None:
    assert measured(metric, value) == words


def test_a_title_leaves_the_unit_to_the_value() -> None:
    assert title("latency_p50_s") == "latency p50"
    assert title("_s") == " s"


def test_metrics_stand_under_what_they_tell_about() -> None:
    groups = grouped(
        ["zebra", "latency_p50_s", "flood:delivery", "delivery", "frames_sent", "letters_offered"]
    )
    assert groups == {
        "Delivery": ["delivery", "letters_offered"],
        "Latency": ["latency_p50_s"],
        "Transmissions": ["frames_sent"],
        "Other": ["zebra"],
        "flood": ["flood:delivery"],
    }


def test_the_speed_of_a_run_that_took_no_time_is_not_told(result_of: ResultOf) -> None:
    assert speed(result_of(wall_s=0.0)) == NOTHING
    assert speed(result_of(wall_s=2.5)).startswith("24")
    assert speed(result_of(wall_s=600.0)).startswith("0.1")


def test_the_line_to_run_it_again_is_safe_to_paste(result_of: ResultOf) -> None:
    line = replay_line(result_of(settings={"nodes": "50", "lane": '"a"', "movement.trace": "my file; rm x"}))
    assert line == (
        "python -m sim run room --seed 7 --set nodes=50 --set 'lane=\"a\"' --set 'movement.trace=my file; rm x'"
    )


@pytest.mark.parametrize(
    ("fault", "kind", "until_s", "who", "detail"),
    [
        (Crash(at_ms=0, host="n1", down_ms=5_000, power=True), "crash", 15.0, "n1", "power"),
        (Crash(at_ms=0, host="n1", down_ms=5_000), "crash", 15.0, "n1", ""),
        (Stop(at_ms=0, host="n1", away_ms=1_000), "stop", 11.0, "n1", ""),
        (Stop(at_ms=0, host="n1"), "stop", 50.0, "n1", ""),
        (Sleep(at_ms=0, host="n1", for_ms=2_000), "sleep", 12.0, "n1", ""),
        (
            Cut(
                at_ms=0,
                these=tuple(f"n{each}" for each in range(9)),
                for_ms=1_000,
                one_way=True,
                media=("ble",),
            ),
            "cut",
            11.0,
            "n0, n1, n2, n3, n4, n5 and 3 more",
            "one way, over ble",
        ),
        (
            Clog(at_ms=0, sender="n1", receiver="n2", for_ms=500, delay_ms=40, loss=0.5),
            "clog",
            10.5,
            "n1 → n2",
            "delay 40 ms, loss 0.5",
        ),
        (Weather(at_ms=0, for_ms=500, loss=0.5), "weather", 10.5, "everywhere", "loss 0.5"),
        (ClockStep(at_ms=0, host="n1", by_ms=-3_600_000), "clock step", None, "n1", "by -60 min"),
        (Disk(at_ms=0, host="n1", trouble="read_only", for_ms=500), "disk", 10.5, "n1", "read only"),
        (
            Byzantine(at_ms=0, host="n1", behaviour="drop", share=0.4),
            "byzantine",
            50.0,
            "n1",
            "drop, share 0.4",
        ),
    ],
)
def test_each_fault_says_who_how_long_and_what(
    result_of: ResultOf, fault: Fault, kind: str, until_s: float | None, who: str, detail: str
) -> None:
    assert deeds(result_of(plan=Plan((fault,)))) == [(kind, 10.0, until_s, who, detail)]


def test_faults_are_told_in_the_order_of_time(result_of: ResultOf) -> None:
    plan = Plan((Sleep(at_ms=9_000, host="n1", for_ms=1), Crash(at_ms=500, host="n0", down_ms=1)))
    assert [deed.at_s for deed in deeds(result_of(plan=plan))] == [10.5, 19.0]
