"""What becomes of a run whose node lacks a rule: `python tests/mutants/show.py [NAME]`, from the checkout.

Without a name it lists all mutants. With one it prints the failing seed's screen, shrinks the failure and replays what
is left, all of it without the rule: `python -m sim replay` has the genuine node, and says "holds". A rule that no run
shows has a witness instead, and its complaints are printed.
"""

import platform
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[2]))

import click
from mutant import Guarded, Mutant
from mutants import GUARDED, MUTANTS

from meshnode import __version__
from sim.failing import SUFFIX, Circumstances, failure_of, replay, screen_of, shrink, write_failure
from sim.failing.run import run_case
from sim.failing.worker import be_quiet
from sim.scenario import load_scenario


def show(mutant: Mutant, folder: Path) -> None:
    click.echo(f"Without the rule: {mutant.rule}\n      it lives in: {mutant.where}\n")
    case = mutant.case()
    result = mutant.run(case)
    if not result.broken:
        sys.exit(f"{mutant.name}: nobody missed the rule with seed {mutant.seed}")
    path = folder / f"{mutant.name}{SUFFIX}"
    write_failure(path, failure_of(result))
    warm_s = load_scenario(case.scenario, case.settings).warm_s
    click.echo(screen_of(result, Circumstances(__version__, platform.python_version(), warm_s=warm_s)))
    shrunk = shrink(path, run=mutant.run)
    click.echo(
        f"\nshrunk in {shrunk.runs} runs ({shrunk.ended}), with {shrunk.failure.settings}:\n{shrunk.plan_json}"
    )
    click.echo(f"replayed without the rule: {replay(shrunk.path, run=mutant.run).sentence()}")
    click.echo(f"replayed with the rule:    {replay(shrunk.path, run=run_case).sentence()}")


def show_guarded(guarded: Guarded) -> None:
    click.echo(f"Without the rule: {guarded.rule}\n      it lives in: {guarded.where}\n")
    with guarded.active():
        complaints = guarded.complaints()
    click.echo("\n".join(complaints) or sys.exit(f"{guarded.name}: nobody missed the rule"))


def main(names: list[str]) -> None:
    if not names:
        for rule in (*MUTANTS.values(), *GUARDED.values()):
            click.echo(f"{rule.name:<28}{rule.rule}")
        return
    if len(names) > 1 or names[0] not in MUTANTS.keys() | GUARDED.keys():
        sys.exit(f"one of: {', '.join((*MUTANTS, *GUARDED))}")
    be_quiet()
    if names[0] in GUARDED:
        show_guarded(GUARDED[names[0]])
        return
    with TemporaryDirectory() as folder:
        show(MUTANTS[names[0]], Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
