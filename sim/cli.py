"""`python -m sim`: run a scenario, many seeds of it, a failure again, or a smaller one."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn, TypeVar

import click
import structlog

from meshnode import __version__
from protocols.errors import MeshError
from sim.failing import SUFFIX, Case, Circumstances, Step, failure_of, screen_of, write_failure
from sim.failing import replay as run_replay
from sim.failing import shrink as run_shrink
from sim.failing.run import run_case
from sim.failing.summary import Summary
from sim.report import as_json as report_json
from sim.report import need_plotting, table, wants_colour, write_page
from sim.runner import run_scenario
from sim.scenario import Scenario, load_scenario, scenario_names
from sim.selfcheck import selfcheck as run_selfcheck
from sim.selfcheck import verdict_text
from sim.storm import JOBS_MAX, SEEDS_MAX, Progress, Report
from sim.storm import storm as run_storm

T = TypeVar("T", bound=Callable[..., object])
BROKEN, USAGE, INTERRUPTED = 1, 2, 130
SEEDS_SHOWN = 12
SILENT = 50  # logging's CRITICAL: a node's log is for a person at one node, not at a thousand


class Assignment(click.ParamType[tuple[str, str]]):
    name = "key=value"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        key, equals, text = value.partition("=")
        if not equals or not key.strip():
            self.fail(f"{value!r} is not key=value; for example --set storm.loss=0.2", param, ctx)
        return key.strip(), text.strip()


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's shape
    return [name for name in scenario_names() if name.startswith(incomplete)]


def _world(command: T) -> T:
    """The options that say which world it is."""
    for option in (
        click.option(
            "--set", "settings", type=Assignment(), multiple=True, help="Lay a value over the scenario."
        ),
        click.option(
            "--lane", type=click.Choice(["a", "b"]), help="a: bare cores, to 10,000; b: whole daemons."
        ),
        click.option("--nodes", type=click.IntRange(1), help="How many, instead of the scenario's number."),
        click.argument("name", metavar="SCENARIO", shell_complete=_complete),
    ):
        command = option(command)
    return command


def _overlay(settings: tuple[tuple[str, str], ...], nodes: int | None, lane: str | None) -> dict[str, str]:
    overlay = dict(settings)
    if nodes is not None:
        overlay["nodes"] = str(nodes)
    if lane is not None:
        overlay["lane"] = json.dumps(lane)
    return overlay


def _refuse(error: MeshError) -> NoReturn:
    click.echo(f"error: {error}", err=True)
    sys.exit(USAGE)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    r"""Many real nodes in one process, in virtual time, from a seed.

    \b
    python -m sim list
    python -m sim run room --seed 7 --report room.html
    python -m sim storm crash --seeds 200 --jobs 2
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(SILENT))


@main.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_scenarios(*, as_json: bool) -> None:
    """The scenarios there are."""
    found = {name: load_scenario(name) for name in scenario_names()}
    if as_json:
        rows = [
            {"scenario": name, "about": each.about, "lane": each.lane, "nodes": each.nodes}
            for name, each in found.items()
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    for name, each in found.items():
        click.echo(f"{name:<12} lane {each.lane}  {each.nodes:>6,} nodes  {each.about}")


@main.command()
@_world
@click.option(
    "--seed", type=int, default=1, show_default=True, help="The same seed is the same run, everywhere."
)
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="Write an HTML page with plots."
)
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Where a failure goes.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def run(
    name: str,
    *,
    seed: int,
    nodes: int | None,
    lane: str | None,
    settings: tuple[tuple[str, str], ...],
    report: Path | None,
    save: Path | None,
    as_json: bool,
) -> None:
    r"""One scenario with one seed. Exit code 1 when an oracle broke.

    \b
    python -m sim run room --seed 7 --report room.html
    python -m sim run crash --seed 4711 --set storm.power=1.0 --json
    """
    overlay = _overlay(settings, nodes, lane)
    try:
        if report is not None:
            need_plotting()
        scenario = load_scenario(name, overlay)
        result = run_scenario(name, scenario, seed, settings=overlay)
        if report is not None:
            write_page(result, report)
    except MeshError as error:
        _refuse(error)
    if as_json:
        click.echo(json.dumps(report_json(result), indent=2, ensure_ascii=False))
    else:
        click.echo(table(result, colour=wants_colour(sys.stdout, os.environ)))
    if result.failed:
        path = save or Path(f"{name}-{seed}{SUFFIX}")
        write_failure(path, failure_of(result, commit=_commit()))
        around = replace(_around(scenario.warm_s), file=str(path))
        click.echo(screen_of(result, around), err=True)
        sys.exit(BROKEN)
    if result.ended == "interrupted":
        sys.exit(INTERRUPTED)


@main.command()
@_world
@click.option("--seeds", type=click.IntRange(1, SEEDS_MAX), default=100, show_default=True, help="How many.")
@click.option("--first", type=int, default=1, show_default=True, help="The first of them.")
@click.option(
    "--jobs", type=click.IntRange(1, JOBS_MAX), default=os.cpu_count() or 1, help="Processes at a time."
)
@click.option("--fail-fast", is_flag=True, help="Stop at the first failure.")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), default=".", help="Where failures go."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def storm(
    name: str,
    *,
    seeds: int,
    first: int,
    jobs: int,
    nodes: int | None,
    lane: str | None,
    settings: tuple[tuple[str, str], ...],
    fail_fast: bool,
    keep: Path,
    as_json: bool,
) -> None:
    r"""One scenario with many seeds, on several processes. Exit code 1 when an oracle broke in any.

    \b
    python -m sim storm crash --seeds 10000
    """
    overlay = _overlay(settings, nodes, lane)
    try:
        scenario = load_scenario(name, overlay)
    except MeshError as error:
        _refuse(error)
    report = run_storm(
        Case(name, first, overlay),
        range(first, first + seeds),
        jobs=jobs,
        commit=_commit(),
        warm_s=scenario.warm_s,
        fail_fast=fail_fast,
        on_summary=lambda summary: _keep_failure(summary, keep),
        progress=_tell_progress if sys.stderr.isatty() else lambda _: None,
    )
    click.echo(
        json.dumps(report.as_json(scenario.goals), indent=2)
        if as_json
        else _storm_text(name, report, scenario)
    )
    if report.failures:
        sys.exit(BROKEN)
    if report.ended == "interrupted":
        sys.exit(INTERRUPTED)


@main.command()
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def replay(path: Path) -> None:
    """Run a failure again, exactly. Exit code 1 when it breaks again."""
    try:
        again = run_replay(path, run=run_case)
    except MeshError as error:
        _refuse(error)
    if again.result.failed:
        warm_s = load_scenario(again.failure.scenario, again.failure.settings).warm_s
        click.echo(screen_of(again.result, replace(_around(warm_s), file=str(path))))
    click.echo(again.sentence())
    sys.exit(BROKEN if again.result.failed else 0)


@main.command()
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def shrink(path: Path) -> None:
    """Make a failure smaller: fewer faults, hosts and letters, with the same oracle broken. Ctrl-C keeps the best."""
    try:
        shrunk = run_shrink(
            path, run=run_case, progress=_tell_step if sys.stderr.isatty() else lambda _: None
        )
    except MeshError as error:
        _refuse(error)
    click.echo(
        f"{shrunk.runs} runs ({shrunk.ended}); {shrunk.path} holds {len(shrunk.failure.plan.faults)} faults:"
    )
    click.echo(shrunk.plan_json)
    click.echo(f"\nAs a test:\n\n{shrunk.test}")


@main.command()
@click.argument("name", metavar="[SCENARIO]", default="determinism", shell_complete=_complete)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--python", "pythons", multiple=True, help="Another interpreter to compare with.")
@click.option("--set", "settings", type=Assignment(), multiple=True, help="Lay a value over the scenario.")
def selfcheck(
    name: str, *, seed: int, pythons: tuple[str, ...], settings: tuple[tuple[str, str], ...]
) -> None:
    """The same seed in several processes with different hash seeds: must be the same run."""
    overlay = dict(settings)
    try:
        load_scenario(name, overlay)
        verdict = run_selfcheck(Case(name, seed, overlay), pythons=(sys.executable, *pythons))
    except MeshError as error:
        _refuse(error)
    click.echo(verdict_text(verdict))
    sys.exit(0 if verdict.same else BROKEN)


def _storm_text(name: str, report: Report, scenario: Scenario) -> str:
    ran = len(report.summaries)
    lines = [
        f"{name}: {ran:,} of {report.total:,} seeds, {len(report.failures):,} failed ({report.ended})",
        f"{report.wall_s:,.0f} s, {ran / max(report.wall_s, 0.001):.1f} seeds each second",
        *(f"  {oracle}: seeds {_some(seeds)}" for oracle, seeds in report.by_oracle().items()),
        "",
        f"{'metric':<36}{'least':>16}{'median':>16}{'most':>16}",
        *(
            f"{each.metric:<36}{each.least:>16,.4g}{each.median:>16,.4g}{each.most:>16,.4g}"
            for each in report.spreads(scenario.goals)
        ),
    ]
    return "\n".join(lines)


def _some(seeds: list[int]) -> str:
    shown = ", ".join(map(str, seeds[:SEEDS_SHOWN]))
    return shown if len(seeds) <= SEEDS_SHOWN else f"{shown}, ... ({len(seeds):,})"


def _keep_failure(summary: Summary, folder: Path) -> None:
    if summary.failure is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_failure(folder / f"{summary.failure.scenario}-{summary.seed}{SUFFIX}", summary.failure)
    if summary.failed and summary.screen:
        click.echo(summary.screen, err=True)


def _tell_progress(progress: Progress) -> None:
    left = "" if progress.left_s is None else f", {progress.left_s:,.0f} s left"
    click.echo(
        f"\r{progress.done:,} of {progress.total:,} seeds, {progress.failures:,} failed, "
        f"{progress.rate_per_s:.1f}/s{left}   ",
        err=True,
        nl=progress.done == progress.total,
    )


def _tell_step(step: Step) -> None:
    click.echo(f"{step}", err=True)


def _around(warm_s: float) -> Circumstances:
    return Circumstances(__version__, platform.python_version(), commit=_commit(), warm_s=warm_s)


def _commit() -> str:
    """Of the checkout that this runs from; "" where there is none."""
    git = shutil.which("git")
    if git is None:
        return ""
    asked = [git, "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    return found.stdout.strip()
