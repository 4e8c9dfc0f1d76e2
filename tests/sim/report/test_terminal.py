"""Tables for a terminal."""

import io
import re
from collections.abc import Callable
from math import nan

import pytest

from sim.report import compare, replay_line, table, wants_colour
from sim.report.terminal import WIDTH
from sim.result import Broken, Reached, Result

ResultOf = Callable[..., Result]
ESCAPE = "\x1b"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def crowded(result_of: ResultOf, seed: int = 7) -> Result:
    """Everything too long."""
    word = "an-endless-word-" * 20
    return result_of(
        seed=seed,
        scenario=word[:60],
        metrics={word: 1e14, f"{word}:{word}": 0.123456789, "bytes_sent": 1e12},
        goals=[Reached(word, f"≥ {word}", 1e14, met=False, why="why " * 60)],
        oracles={word: word, "alive": "held"},
        broken=[Broken(word, word, f"what {word}" * 3, 1.0)] * 12,
        settings={f"key{each}": "value" for each in range(12)},
    )


def test_the_head_says_what_ran_and_how_fast(result_of: ResultOf) -> None:
    head = table(result_of()).splitlines()[:3]
    assert head[0] == "room · seed 7 · lane b · 3 nodes · done"
    assert head[1] == "digest 3f2a9c0d4477a1b2c3d4e5f607182930 · 184,201 events"
    assert head[2].startswith("60 s virtual in 2.5 s · 24")


def test_metrics_stand_in_groups_with_their_units(result_of: ResultOf) -> None:
    told = table(result_of())
    assert re.search(r"^Latency\n  latency p50 +412 ms$", told, re.MULTILINE)


@pytest.mark.parametrize(
    ("measured", "met", "line"),
    [
        (0.98, True, r"✓ delivery +≥ 0.95 +0.98"),
        (0.5, False, r"✗ delivery +≥ 0.95 +0.5"),
        (None, None, "\N{EN DASH}" + r" delivery +≥ 0.95 +not to be had"),
    ],
)
def test_a_goal_is_met_or_not_or_not_to_be_had(
    result_of: ResultOf, *, measured: float | None, met: bool | None, line: str
) -> None:
    goal = Reached("delivery", "≥ 0.95", measured, met, why="of all letters")
    assert re.search(rf"^{line}\n    of all letters$", table(result_of(goals=[goal])), re.MULTILINE)


def test_an_oracle_that_broke_is_told_with_where_and_when(result_of: ResultOf) -> None:
    broken = [Broken("exactly_once", "n3", "read letter 17 twice", 81.2345)]
    told = table(result_of(oracles={"exactly_once": "read letter 17 twice", "alive": "held"}, broken=broken))
    assert re.search(r"^✗ exactly_once +read letter 17 twice$", told, re.MULTILINE)
    assert re.search(r"^✓ alive +held$", told, re.MULTILINE)
    assert "  exactly_once at 81.234 s by n3: read letter 17 twice" in told


def test_the_last_line_runs_it_again(result_of: ResultOf) -> None:
    assert table(result_of()).splitlines()[-1] == f"again: {replay_line(result_of())}"


def test_a_long_line_to_run_it_again_is_continued_as_a_shell_does(result_of: ResultOf) -> None:
    result = result_of(settings={f"storm.key{each}": "0.25" for each in range(12)})
    told = table(result).partition("again: ")[2]
    assert " ".join(told.replace("\\\n", "").split()) == replay_line(result)
    assert len(told.splitlines()) > 1


def test_a_metric_that_no_run_has_in_numbers_is_a_dash(result_of: ResultOf) -> None:
    told = compare([result_of(metrics={"delivery": nan})] * 6)
    assert re.search("^  delivery( +\N{EN DASH}){5}$", told, re.MULTILINE)


def test_no_line_is_wider_than_a_terminal(result_of: ResultOf) -> None:
    one, other = crowded(result_of), result_of()
    many = [crowded(result_of, seed) for seed in range(2**40, 2**40 + 12)]
    for told in (table(one), compare([one]), compare([one, other]), compare([one, other] * 2), compare(many)):
        wide = [line for line in told.splitlines() if len(line) > WIDTH]
        assert not wide


def test_what_a_host_said_cannot_steer_the_terminal(result_of: ResultOf) -> None:
    broken = [Broken("alive", "n\x1b[31m1", "it said \x1b]0;title\x07 and\nmore", 1.0)]
    told = table(result_of(broken=broken, scenario="room\x1b[2J"))
    assert ESCAPE not in told
    assert "by n1: it said and more" in told


def test_a_result_with_nothing_in_it_has_no_empty_sections(result_of: ResultOf) -> None:
    told = table(result_of(metrics={}, goals=[], oracles={}))
    assert not any(word in told for word in ("Goals", "Oracles", "Delivery", "Broken"))


def test_colour_is_only_there_when_asked_for(result_of: ResultOf) -> None:
    assert ESCAPE not in table(result_of())
    assert ESCAPE in table(result_of(), colour=True)
    assert ESCAPE not in compare([result_of()] * 2)
    assert ESCAPE in compare([result_of()] * 2, colour=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", table(result_of(), colour=True)) == table(result_of())


def test_colour_is_wanted_on_a_terminal_unless_somebody_says_no() -> None:
    assert wants_colour(Screen(), {})
    assert wants_colour(Screen(), {"NO_COLOR": ""})
    assert not wants_colour(Screen(), {"NO_COLOR": "1"})
    assert not wants_colour(io.StringIO(), {})


def test_few_results_stand_side_by_side(result_of: ResultOf) -> None:
    runs = [result_of(seed=seed, metrics={"delivery": seed / 10}) for seed in (1, 2, 6)]
    told = compare(runs)
    assert re.search(r"^ +room 1 +room 2 +room 6 +median +min +max$", told, re.MULTILINE)
    assert re.search(r"^  delivery +0.1 +0.2 +0.6 +0.2 +0.1 +0.6$", told, re.MULTILINE)


def test_one_result_alone_has_no_median(result_of: ResultOf) -> None:
    assert "median" not in compare([result_of()])


def test_of_a_storm_the_middle_and_the_ends_are_told_with_their_seeds(result_of: ResultOf) -> None:
    runs = [result_of(seed=seed, metrics={"delivery": seed / 10}) for seed in range(9)]
    assert re.search(r"^  delivery +0.4 +0 +0 +0.8 +8$", compare(runs), re.MULTILINE)


def test_a_metric_that_some_runs_lack_is_told_of_the_others(result_of: ResultOf) -> None:
    told = compare([result_of(metrics={"delivery": 0.5}), result_of(metrics={})])
    assert re.search(r"^  delivery +0.5 +\S +0.5 +0.5 +0.5$", told, re.MULTILINE)


def test_a_storm_says_how_often_goals_were_met_and_which_seeds_broke(result_of: ResultOf) -> None:
    goals = [[Reached("delivery", "≥ 0.95", seed / 10, met=seed >= 8)] for seed in range(11)]
    runs = [result_of(seed=seed, goals=goals[seed]) for seed in range(11)]
    for run in runs[2:5]:
        run.oracles["alive"], run.broken = "n1: died", [Broken("alive", "n1", "died", 1.0)]
    told = compare(runs)
    assert "11 runs · 3 broken" in told
    assert re.search(r"^✗ delivery +≥ 0.95 +met by 3 of 11$", told, re.MULTILINE)
    assert re.search(r"^✗ alive +broken by 3: seeds 2, 3, 4\n  again: .* --seed 2$", told, re.MULTILINE)


def test_a_goal_that_no_run_could_measure_is_neither_met_nor_missed(result_of: ResultOf) -> None:
    told = compare([result_of(goals=[Reached("recall", "≥ 0.9", None, None)])] * 2)
    assert re.search("^\N{EN DASH} recall +≥ 0.9 +not to be had$", told, re.MULTILINE)


def test_many_broken_seeds_are_counted_after_the_first_ten(result_of: ResultOf) -> None:
    broken = [Broken("alive", "n1", "died", 1.0)]
    runs = [result_of(seed=seed, oracles={"alive": "n1: died"}, broken=broken) for seed in range(12)]
    assert "broken by 12: seeds 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more" in compare(runs)


def test_no_results_are_a_sentence() -> None:
    assert compare([]) == "nothing has run"
