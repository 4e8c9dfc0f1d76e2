"""A village to play with from a test or a script, in virtual time:

    async def test_a_letter_arrives() -> None:
        stage = await village(nodes=20, seed=7)
        one, other = stage.hosts[0], stage.hosts[1]
        letter = one.send(other)
        await stage.until(lambda: letter.arrivals)

The test must run on a `SimLoop`; `loop_factories` is what pytest-asyncio's hook of that name asks for.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from meshnode.node import Node
from sim.builder import Settlement, settle
from sim.daemon import Daemon
from sim.disk import Disks
from sim.faults import Faults, Plan
from sim.host import Host
from sim.loop import SimLoop
from sim.scenario import load_scenario
from sim.timeline import SimulationError
from sim.village import Village

PATIENCE_S = 600.0  # of virtual time, which costs nothing: what has not happened by then never will
LOOK_S = 0.1


@dataclass
class Stage:
    settlement: Settlement

    @property
    def village(self) -> Village:
        return self.settlement.village

    @property
    def hosts(self) -> list[Host]:
        return list(self.village.hosts.values())

    @property
    def nodes(self) -> list[Node]:
        """Those that run now: `meshnode.node.Node` itself, in the order of their hosts."""
        return [node for host in self.hosts if (node := node_of(host)) is not None]

    def suffer(self, plan: Plan) -> Faults:
        """Its faults happen from now on; `heal` ends them."""
        faults = Faults(self.village, plan, start_ns=self.village.timeline.now_ns)
        faults.place()
        return faults

    async def pass_s(self, seconds: float) -> None:
        """Whatever is due by then happens."""
        await asyncio.sleep(seconds)

    async def until(self, look: Callable[[], object], *, patience_s: float = PATIENCE_S) -> None:
        """Time passes until it is so. Raises TimeoutError."""
        async with asyncio.timeout(patience_s):
            while not look():  # noqa: ASYNC110 - anything may make it so, and time is free
                await asyncio.sleep(LOOK_S)


def node_of(host: Host) -> Node | None:
    """None while none runs there, or before it serves."""
    return host.process.node if isinstance(host.process, Daemon) else None


async def village(
    nodes: int = 20, seed: int = 7, *, scenario: str = "village", settings: Mapping[str, str] | None = None
) -> Stage:
    """Whole daemons of this scenario, without its faults, once all serve. Raises SettingsError, SimulationError."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, SimLoop):
        raise SimulationError(
            "a village lives on a SimLoop: let pytest_asyncio_loop_factories give loop_factories()"
        )
    chosen = load_scenario(scenario, {**(settings or {}), "nodes": str(nodes), "lane": '"b"'})
    settlement = settle(chosen, seed, loop.timeline, Disks())
    settlement.start()
    stage = Stage(settlement)
    await stage.until(lambda: len(stage.nodes) == nodes)
    return stage


def loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"virtual": SimLoop}
