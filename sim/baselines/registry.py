"""Reference protocols by name."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from protocols.errors import SettingsError
from sim.baselines.broadcast import run_broadcast
from sim.baselines.carry import Direct, Epidemic, Prophet, Spray, run_carry
from sim.baselines.healing import run_healing
from sim.baselines.relay import Rule
from sim.baselines.unicast import run_shortest_path
from sim.baselines.world import BaselineResult, Graph, Setup, World
from sim.dice import Dice
from sim.models.air import IDEAL, AirKind
from sim.timeline import NS_PER_S

__all__ = ["BASELINES", "Baseline", "run_baseline"]

FRAME_BYTES = 129  # a header of 29 and a body of 100; BitChat's is 13 to 29
LIFETIME_S = 86_400.0
MESSAGES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Baseline:
    name: str
    about: str
    world: Literal["graph", "trace"]
    run: Callable[[Setup], BaselineResult]


def _flood(name: str, about: str, rule: Rule) -> Baseline:
    return Baseline(name, about, "graph", partial(run_broadcast, name, rule))


_ALL = (
    _flood("flood", "everybody relays each broadcast once", Rule()),
    _flood("flood-ttl7", "the same, seven hops far at most", Rule(hops_max=7)),
    _flood("cancel-first", "a relay is given up once a second copy is heard", Rule(copies_enough=2)),
    _flood(
        "cancel-first-ttl7",
        "the same, seven hops far at most, five where six neighbours or more are heard",
        Rule(hops_max=7, hops_dense_max=5, copies_enough=2),
    ),
    _flood("three-copies", "a relay is given up once three copies were heard", Rule(copies_enough=3)),
    _flood("gossip-0.7", "each relays with a probability of 0.7", Rule(chance=0.7)),
    Baseline(
        "shortest-path",
        "letters on a shortest path, four tries for each hop",
        "graph",
        partial(run_shortest_path, "shortest-path"),
    ),
    Baseline(
        "sync-pull",
        "after a partition, neighbours are asked each 15 s for what is missing",
        "graph",
        partial(run_healing, "sync-pull", reflood=False),
    ),
    Baseline(
        "sync-reflood",
        "the same, and what was learned so is told to all around at once",
        "graph",
        partial(run_healing, "sync-reflood", reflood=True),
    ),
    Baseline(
        "direct",
        "letters wait until sender and receiver meet",
        "trace",
        partial(run_carry, "direct", Direct, 1),
    ),
    Baseline(
        "spray-4",
        "spray and wait: four copies, halved at each meeting",
        "trace",
        partial(run_carry, "spray-4", Spray, 4),
    ),
    Baseline(
        "spray-8",
        "spray and wait: eight copies, halved at each meeting",
        "trace",
        partial(run_carry, "spray-8", Spray, 8),
    ),
    Baseline(
        "prophet",
        "copies to whoever is likelier to meet the receiver",
        "trace",
        partial(run_carry, "prophet", Prophet, 1),
    ),
    Baseline("epidemic", "copies to everybody met", "trace", partial(run_carry, "epidemic", Epidemic, 1)),
)
BASELINES = {each.name: each for each in _ALL}
WORLDS = {"graph": "a place where hosts hear each other and stay", "trace": "a trace of contacts"}


def baseline_for(name: str, world: World) -> Baseline:
    """Raises SettingsError for an unknown one, and for one that this world is not made for."""
    baseline = BASELINES.get(name)
    if baseline is None:
        raise SettingsError(f"there is no baseline {name!r}; there are {', '.join(BASELINES)}")
    if isinstance(world, Graph) != (baseline.world == "graph"):
        raise SettingsError(f"the baseline {name!r} needs {WORLDS[baseline.world]}")
    return baseline


def run_baseline(
    name: str,
    world: World,
    *,
    messages: int,
    loss: float,
    dice: Dice,
    air: AirKind = IDEAL,
    scan_duty: float = 1.0,
    over_s: float = 60.0,
    lifetime_s: float = LIFETIME_S,
    frame_bytes: int = FRAME_BYTES,
) -> BaselineResult:
    """`messages`: broadcasts, letters, or what each half has of its own; `over_s`: broadcasts are offered in it.

    `loss` is added to what the air does by itself. Raises SettingsError.
    """
    baseline = baseline_for(name, world)
    if isinstance(world, Graph) and len(world) < 2:
        raise SettingsError("a baseline needs 2 nodes or more")
    if not 1 <= messages <= MESSAGES_MAX:
        raise SettingsError(f"messages of a baseline are 1 to {MESSAGES_MAX:,}, not {messages:,}")
    if not 0 <= loss < 1:
        raise SettingsError(f"the loss of a baseline is from 0 to below 1, not {loss:g}")
    if not 0 <= scan_duty <= 1:
        raise SettingsError(f"the scan_duty of a baseline is from 0 to 1, not {scan_duty:g}")
    if frame_bytes > air.frame_bytes_max:
        raise SettingsError(f"{air.name} takes {air.frame_bytes_max} bytes, not {frame_bytes}")
    setup = Setup(
        world=world,
        messages=messages,
        loss=loss,
        dice=dice,
        air=air,
        scan_duty=scan_duty,
        over_ns=max(1, int(over_s * NS_PER_S)),
        lifetime_ns=int(lifetime_s * NS_PER_S),
        frame_bytes=frame_bytes,
    )
    return baseline.run(setup)
