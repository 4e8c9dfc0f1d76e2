"""A shrunk failure as a test that is ready to be put beside the others."""

import re

from sim.failing.file import Failure


def pytest_text(failure: Failure) -> str:
    """It fails until the fault is mended."""
    faults = failure.plan.faults
    kinds = sorted({type(fault).__name__ for fault in faults} | {"Plan"})
    plan = "".join(f"        {fault!r},\n" for fault in faults)
    name = re.sub(r"\W+", "_", f"{failure.scenario}_{failure.seed}_holds_{failure.oracle}").lower()
    said = (
        re.sub(r"\s+", " ", f"{failure.oracle} broke at {failure.at_s:g} s")
        .replace("\\", "/")
        .replace('"', "'")
    )
    return (
        f'"""{said}."""\n\n'
        f"from sim.failing import Case\n"
        f"from sim.failing.run import run_case\n"
        f"from sim.faults.plan import {', '.join(kinds)}\n\n"
        f"SETTINGS = {failure.settings!r}\n"
        + (f"PLAN = Plan(\n    faults=(\n{plan}    )\n)\n\n\n" if plan else "PLAN = Plan()\n\n\n")
        + f"def test_{name}() -> None:\n"
        f"    result = run_case(Case({failure.scenario!r}, {failure.seed}, SETTINGS, PLAN))\n"
        f"    assert not result.broken\n"
    )
