"""The `Run` that all of this is for. Apart, so that who only reads failures, or starts workers, need not load a node."""

from sim.failing.case import Case
from sim.result import Result
from sim.runner import Run as ScenarioRun
from sim.scenario import load_scenario
from sim.timeline import Timeline


def run_case(case: Case, timeline: Timeline | None = None) -> Result:
    """`timeline`: one that somebody watches. Raises SettingsError for a case that can't be."""
    scenario = load_scenario(case.scenario, case.settings)
    run = ScenarioRun(case.scenario, scenario, case.seed, case.plan, case.settings)
    if timeline is not None:
        run.timeline = timeline
    return run.go()
