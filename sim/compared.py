"""The baselines that a scenario names, on the same place or trace as its nodes."""

from collections.abc import Iterator

from sim.baselines import BaselineResult, Graph, World, run_baseline
from sim.baselines.registry import MESSAGES_MAX, baseline_for
from sim.builder import Settlement
from sim.scenario import Scenario


def check_baselines(settlement: Settlement, scenario: Scenario) -> None:
    """Before the run, which may be long. Raises SettingsError for one that can't be run here."""
    world = _world(settlement)
    for name in scenario.baselines:
        baseline_for(name, world)


def baselines_of(settlement: Settlement, scenario: Scenario) -> Iterator[BaselineResult]:
    """Each with dice of its own: what the nodes did does not change them."""
    world = _world(settlement)
    village = settlement.village
    for name in scenario.baselines:
        yield run_baseline(
            name,
            world,
            messages=min(MESSAGES_MAX, max(1, scenario.traffic.broadcasts or len(village.journal))),
            loss=_loss(settlement),
            dice=village.dice,
        )


def _world(settlement: Settlement) -> World:
    """Who hears whom; where everybody is everywhere, who knows whom."""
    crowd, hosts = settlement.crowd, settlement.village.hosts
    if crowd.trace is not None:
        return crowd.trace
    if crowd.movers:
        return Graph.of(len(hosts), crowd.near())
    places = {name: index for index, name in enumerate(hosts)}
    pairs = [
        (places[host.name], places[other.name]) for host in hosts.values() for other in host.acquaintances
    ]
    return Graph.of(len(hosts), pairs)


def _loss(settlement: Settlement) -> float:
    media = settlement.village.media.values()
    return max(medium.kind.conditions.loss for medium in media)
