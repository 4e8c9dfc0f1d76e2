"""A result, or many, as tables for a terminal: at most `WIDTH` columns."""

import textwrap
from collections.abc import Mapping, Sequence
from math import isfinite, nan
from statistics import median
from typing import TextIO

import click

from meshnode.cli.show import clean
from sim.report.words import (
    MARKS,
    NOTHING,
    clipped,
    grouped,
    measured,
    number,
    replay_line,
    span,
    speed,
    title,
)
from sim.report.words import without_owner as bare
from sim.result import Broken, Reached, Result

WIDTH = 100
NAME = 42  # columns of a metric's name
SIDE_BY_SIDE_MAX = 4  # results that get a column of their own; of more, only the middle and the ends are told
BROKEN_MAX = 10  # breaches, and seeds, that are told one by one
COLOURS = {True: "green", False: "red", None: "yellow"}


class Pen:
    """Colours, where they are wanted. The rest of this file knows no escapes; widths are counted before painting."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour

    def bold(self, text: str) -> str:
        return click.style(text, bold=True) if self._colour else text

    def paint(self, text: str, hue: str) -> str:
        return click.style(text, fg=hue) if self._colour else text


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """NO_COLOR is respected (no-color.org); files and pipes get none."""
    return stream.isatty() and not environ.get("NO_COLOR")


def table(result: Result, *, colour: bool = False) -> str:
    """One run."""
    pen = Pen(colour=colour)
    lines = [*_head(result, pen), ""]
    for heading, names in grouped(result.metrics).items():
        lines.append(pen.bold(_fit(heading, WIDTH)))
        lines += [_row(title(bare(name)), measured(name, result.metrics[name])) for name in names]
    if result.goals:
        lines += [
            "",
            pen.bold("Goals"),
            *(line for goal in result.goals for line in _goal(goal, pen)),
        ]
    if result.oracles:
        lines += ["", pen.bold("Oracles")]
        lines += [_oracle(name, verdict, pen) for name, verdict in result.oracles.items()]
    lines += _breaches(result.broken, pen)
    lines += ["", *_command(replay_line(result), "again: ")]
    return "\n".join(lines)


def _head(result: Result, pen: Pen) -> list[str]:
    told = f"seed {result.seed} · lane {result.lane} · {result.nodes:,} nodes · {result.ended}"
    name = _fit(result.scenario, WIDTH - len(told) - 3)
    time = f"{span(result.virtual_s)} virtual in {span(result.wall_s)}"
    return [
        f"{pen.bold(name)} · {told}",
        _fit(f"digest {result.digest} · {result.events:,} events", WIDTH),
        f"{time} · {speed(result)} real time",
    ]


def _row(name: str, value: str) -> str:
    return f"  {_fit(name, NAME):<{NAME}}  {value:>14}"


def _goal(goal: Reached, pen: Pen) -> list[str]:
    value = "not to be had" if goal.measured is None else number(goal.measured)
    mark = pen.paint(MARKS[goal.met], COLOURS[goal.met])
    line = f"{mark} {_fit(goal.metric, NAME):<{NAME}}  {_fit(goal.goal, 24):<24}  {value}"
    return [line, *_wrapped(goal.why, "    ", indent="    ")] if goal.why else [line]


def _oracle(name: str, verdict: str, pen: Pen) -> str:
    held = verdict == "held"
    mark = pen.paint(MARKS[held], COLOURS[held])
    return f"{mark} {_fit(name, 24):<24}  {_fit(verdict, WIDTH - 28)}"


def _breaches(broken: Sequence[Broken], pen: Pen) -> list[str]:
    if not broken:
        return []
    lines = ["", pen.paint(f"Broken {len(broken):,} times" if len(broken) > 1 else "Broken", "red")]
    for breach in broken[:BROKEN_MAX]:
        told = clean(f"{breach.oracle} at {breach.at_s:.3f} s by {breach.who}: {breach.what}")
        lines += _wrapped(clipped(told), "  ", indent="    ")
    if len(broken) > BROKEN_MAX:
        lines.append(f"  and {len(broken) - BROKEN_MAX:,} more")
    return lines


def compare(results: Sequence[Result], *, colour: bool = False) -> str:
    """Several runs side by side; of a storm the median and the ends, with the seeds that had them."""
    if not results:
        return "nothing has run"
    pen = Pen(colour=colour)
    many = len(results) > SIDE_BY_SIDE_MAX
    headings = _storm_headings(results) if many else [_run_heading(each) for each in results]
    if not many and len(results) > 1:
        headings += ["median", "min", "max"]
    names = list(dict.fromkeys(name for each in results for name in each.metrics))
    width = 11
    room = WIDTH - len(headings) * (width + 1)
    lines = [_columns("", headings, room, width)]
    for heading, members in grouped(names).items():
        lines.append(pen.bold(_fit(heading, WIDTH)))
        for name in members:
            cells = _spread(results, name, each=not many)
            lines.append("  " + _columns(title(bare(name)), cells, room - 2, width))
    return "\n".join([*_storm_head(results, pen), "", *lines, *_verdicts(results, pen)])


def _storm_head(results: Sequence[Result], pen: Pen) -> list[str]:
    scenarios = ", ".join(dict.fromkeys(each.scenario for each in results))
    failed = sum(1 for each in results if each.failed)
    state = pen.paint(f"{failed:,} broken", "red") if failed else pen.paint("none broken", "green")
    virtual_s, wall_s = sum(each.virtual_s for each in results), sum(each.wall_s for each in results)
    return [
        f"{pen.bold(_fit(scenarios, WIDTH - 40))} · {len(results):,} runs · {state}",
        f"{sum(each.events for each in results):,} events · {span(virtual_s)} virtual in {span(wall_s)} of work",
    ]


def _storm_headings(results: Sequence[Result]) -> list[str]:
    one_scenario = len({each.scenario for each in results}) == 1
    where = "at seed" if one_scenario else "at run"
    return ["median", "min", where, "max", where]


def _run_heading(result: Result) -> str:
    return f"{_fit(result.scenario, 5)} {result.seed}"


def _spread(results: Sequence[Result], name: str, *, each: bool) -> list[str]:
    """A metric's row: its value in each run where there are few, then middle and ends."""
    there = [(run.metrics[name], run.seed) for run in results if isfinite(run.metrics.get(name, nan))]
    cells = [measured(name, run.metrics.get(name)) for run in results] if each else []
    if each and len(results) == 1:
        return cells
    if not there:
        return [*cells, *[NOTHING] * (3 if each else 5)]
    middle = measured(name, median(value for value, _ in there))
    least, most = min(there), max(there)
    if each:
        return [*cells, middle, measured(name, least[0]), measured(name, most[0])]
    return [middle, measured(name, least[0]), str(least[1]), measured(name, most[0]), str(most[1])]


def _verdicts(results: Sequence[Result], pen: Pen) -> list[str]:
    """Goals and oracles: in how many of the runs."""
    goals: dict[tuple[str, str], list[bool | None]] = {}
    oracles: dict[str, list[Result]] = {}
    for run in results:
        for goal in run.goals:
            goals.setdefault((goal.metric, goal.goal), []).append(goal.met)
        for name, verdict in run.oracles.items():
            broken = oracles.setdefault(name, [])
            if verdict != "held":
                broken.append(run)
    lines = ["", pen.bold("Goals")] if goals else []
    lines += [_goal_of_many(*key, verdicts, pen) for key, verdicts in goals.items()]
    lines += ["", pen.bold("Oracles")] if oracles else []
    return lines + [line for name, broken in oracles.items() for line in _oracle_of_many(name, broken, pen)]


def _goal_of_many(metric: str, goal: str, verdicts: Sequence[bool | None], pen: Pen) -> str:
    told = [met for met in verdicts if met is not None]
    verdict = all(told) if told else None
    mark = pen.paint(MARKS[verdict], COLOURS[verdict])
    share = f"met by {sum(told):,} of {len(verdicts):,}" if told else "not to be had"
    return f"{mark} {_fit(metric, NAME):<{NAME}}  {_fit(goal, 24):<24}  {share}"


def _oracle_of_many(name: str, broken: Sequence[Result], pen: Pen) -> list[str]:
    if not broken:
        return [_oracle(name, "held", pen)]
    seeds = ", ".join(str(run.seed) for run in broken[:BROKEN_MAX])
    more = f" and {len(broken) - BROKEN_MAX:,} more" if len(broken) > BROKEN_MAX else ""
    return [
        _oracle(name, f"broken by {len(broken):,}: seeds {seeds}{more}", pen),
        *_command(replay_line(broken[0]), "  again: "),
    ]


def _columns(name: str, cells: Sequence[str], room: int, width: int) -> str:
    return (
        f"{_fit(name, room):<{room}}" + "".join(f" {_fit(cell, width):>{width}}" for cell in cells)
    ).rstrip()


def _fit(text: str, width: int) -> str:
    return clipped(clean(text), max(2, width))


def _command(line: str, first: str) -> list[str]:
    """Continued as a shell does; a word that is longer than a line stays whole, since somebody wants to copy it."""
    lines = _wrapped(line, first, indent=" " * len(first), width=WIDTH - 2, whole=True)
    return [f"{each} \\" for each in lines[:-1]] + lines[-1:]


def _wrapped(text: str, first: str, *, indent: str, width: int = WIDTH, whole: bool = False) -> list[str]:
    return textwrap.wrap(
        clean(text),
        width,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=not whole,
        break_on_hyphens=False,
    )
