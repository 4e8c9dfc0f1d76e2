"""A rule of the node that is taken out is missed: by an oracle of the simulator, within a few seeds, or by a witness."""

from collections.abc import Iterator

import pytest
import structlog
from mutant import Guarded, Mutant, Swap
from mutants import _ALL, GUARDED, MUTANTS

from sim.disk import Disks
from sim.failing.run import run_case
from sim.failing.worker import be_quiet

SEEDS_TRIED = 8  # from a mutant's own on, which is enough until the node or the world change


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    before = structlog.get_config()
    be_quiet()
    yield
    structlog.configure(**before)


@pytest.fixture(params=MUTANTS.values(), ids=lambda mutant: mutant.name)
def mutant(request: pytest.FixtureRequest) -> Mutant:
    found: Mutant = request.param
    if found.needs_sectors and Disks().kind != "sectors":
        pytest.skip(
            "this Python's SQLite can't be reached by its C interface: a commit reaches the disk whole"
        )
    return found


def seeds_of(mutant: Mutant) -> range:
    return range(mutant.seed, mutant.seed + SEEDS_TRIED)


def test_without_the_rule_an_oracle_breaks_and_with_it_none(mutant: Mutant) -> None:
    seed = next((each for each in seeds_of(mutant) if mutant.noticed(mutant.run(mutant.case(each)))), None)
    assert seed is not None, f"nobody missed it in {seeds_of(mutant)}: {mutant.rule}"
    genuine = run_case(mutant.case(seed))
    assert genuine.broken == []
    assert genuine.ended == "done"


@pytest.mark.parametrize("guarded", GUARDED.values(), ids=lambda guarded: guarded.name)
def test_without_the_rule_a_witness_complains_and_with_it_not(guarded: Guarded) -> None:
    with guarded.active():
        assert guarded.complaints(), f"nobody missed it: {guarded.rule}"
    assert guarded.complaints() == []


def test_the_same_seed_without_the_rule_is_the_same_run() -> None:
    mutant = MUTANTS["known-ids"]
    first, second = (mutant.run(mutant.case()) for _ in range(2))
    assert first.digest == second.digest
    assert first.broken == second.broken


def test_a_rule_is_back_after_its_mutant() -> None:
    class Node:
        rule = "kept"

    mutant = Mutant("", "", "", (Swap(Node, "rule", "gone"),), (), 1, {})
    with mutant.active():
        assert Node.rule == "gone"
    assert Node.rule == "kept"


def test_there_are_mutants_of_ten_rules_and_more() -> None:
    assert len({mutant.rule for mutant in MUTANTS.values()}) >= 10


def test_each_rule_has_a_name_of_its_own() -> None:
    assert len(_ALL) == len(MUTANTS) + len(GUARDED)
