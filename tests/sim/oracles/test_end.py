import asyncio
from collections.abc import Callable

import pytest

from protocols.errors import SettingsError
from sim.core import Core
from sim.faults import Faults, Plan
from sim.faults.plan import Byzantine, Cut, Disk, Fault, Stop
from sim.host import Host
from sim.journal import Letter
from sim.oracles import ALWAYS, Oracles
from sim.timeline import NS_PER_S
from sim.village import Village

S = NS_PER_S


class Trial:
    """A village of cores with a plan, its oracles, and a clock that a test moves on."""

    def __init__(self, here: Village, *faults: Fault) -> None:
        self.here = here
        self.faults = Faults(here, Plan(faults), start_ns=5 * S)
        self.oracles = Oracles(here, (), self.faults)
        self.faults.place()
        self.oracles.start()
        self.until(5)

    def until(self, second: float) -> None:
        self.here.timeline.run(int(second * S))

    def end(self) -> list[str]:
        self.oracles.finish()
        return [breach.oracle for breach in self.here.breaches]

    def host(self, number: int) -> Host:
        return self.here.hosts[f"n{number}"]


@pytest.fixture
def trial(village: Callable[..., Village]) -> Callable[..., Trial]:
    def make(*faults: Fault, nodes: int = 3, medium: str = "ip") -> Trial:
        return Trial(village(nodes=nodes, medium=medium), *faults)

    return make


def lose(core: object, letter: Letter) -> None:
    """What a core with a bug might do."""
    assert isinstance(core, Core)
    for waiting in core._unanswered.values():
        waiting.pop(letter.number, None)


# -- delivered ------------------------------------------------------------------------------------------------


def test_a_letter_that_does_not_come_although_both_are_there_is_told(trial: Callable[..., Trial]) -> None:
    run = trial()
    run.until(10)
    lost = run.here.journal.offer("n0", "n1")
    run.here.journal.accept(lost)
    run.until(20)
    run.faults.heal()
    assert run.end() == ["kept"]  # gone, but not yet overdue
    run.until(60)
    assert "delivered" in run.end()


def test_a_letter_whose_receiver_is_away_for_good_is_not_asked_for(trial: Callable[..., Trial]) -> None:
    run = trial(Stop(at_ms=0, host="n1"))
    run.until(6)
    run.host(0).send(run.host(1))
    run.faults.heal()
    run.until(200)
    assert run.end() == []


def test_a_letter_across_a_cut_is_asked_for_once_the_calm_was_long_enough(
    trial: Callable[..., Trial],
) -> None:
    run = trial(Cut(at_ms=0, these=("n1",), for_ms=900_000))
    run.until(10)
    letter = run.host(0).send(run.host(1))
    run.until(100)
    assert run.end() == []  # the storm is not over
    run.faults.heal()
    run.until(300)
    assert run.end() == []
    assert letter.arrivals


def test_letters_of_hosts_that_misbehave_are_not_asked_for(trial: Callable[..., Trial]) -> None:
    run = trial(Byzantine(at_ms=0, host="n1", behaviour="drop"))
    run.until(10)
    letter = run.here.journal.offer("n0", "n1")
    run.here.journal.accept(letter)
    run.faults.heal()
    run.until(300)
    assert run.end() == ["kept"]


def test_a_core_that_restarts_has_lost_what_it_had_and_that_is_known(trial: Callable[..., Trial]) -> None:
    run = trial(Cut(at_ms=0, these=("n1",), for_ms=900_000))
    run.until(10)
    run.host(0).send(run.host(1))
    run.host(0).crash()
    run.host(0).boot()
    run.faults.heal()
    run.until(300)
    assert run.end() == []


# -- kept -----------------------------------------------------------------------------------------------------


def test_a_letter_that_a_core_forgot_is_told(trial: Callable[..., Trial]) -> None:
    run = trial(Stop(at_ms=0, host="n1"))
    run.until(10)
    letter = run.host(0).send(run.host(1))
    run.until(15)
    assert run.end() == []
    lose(run.host(0).process, letter)
    assert run.end() == ["kept"]


def test_a_daemon_that_says_delivered_without_a_reader_is_told(live: Callable[..., Village]) -> None:
    async def story(here: Village) -> None:
        oracles = Oracles(here)
        oracles.start()
        here.hosts["n1"].process._read_on = _blind  # type: ignore[union-attr]
        here.hosts["n0"].send(here.hosts["n1"])
        await asyncio.sleep(60)
        await oracles.ask()
        oracles.finish()
        assert {breach.oracle for breach in here.breaches} == {"kept", "delivered"}
        assert "counts as delivered" in here.breaches[0].what

    live(story, nodes=2)


def test_a_letter_that_a_daemon_lost_is_told(live: Callable[..., Village]) -> None:
    async def story(here: Village) -> None:
        oracles = Oracles(here)
        oracles.start()
        here.journal.accept(here.journal.offer("n0", "n1"))
        await asyncio.sleep(5)
        await oracles.ask()
        oracles.finish()
        assert [breach.what for breach in here.breaches] == ["letter 0 was accepted, and is nowhere"]

    live(story, nodes=2)


def test_a_letter_that_waits_for_its_receiver_is_kept_through_the_loss_of_power(
    live: Callable[..., Village],
) -> None:
    async def story(here: Village) -> None:
        oracles = Oracles(here)
        oracles.start()
        here.hosts["n1"].stop()
        await asyncio.sleep(1)
        here.hosts["n0"].send(here.hosts["n1"])
        await asyncio.sleep(1)
        here.hosts["n0"].crash(power=True)
        here.hosts["n0"].boot()
        await asyncio.sleep(30)
        await oracles.ask()
        oracles.finish()

    assert live(story, nodes=2).breaches == []


def test_a_rotten_disk_is_asked_for_nothing(live: Callable[..., Village]) -> None:
    async def story(here: Village) -> None:
        faults = Faults(here, Plan((Disk(at_ms=0, host="n0", trouble="rot"),)), start_ns=here.timeline.now_ns)
        oracles = Oracles(here, (), faults)
        faults.place()
        oracles.start()
        await asyncio.sleep(1)
        here.journal.accept(here.journal.offer("n0", "n1"))
        faults.heal()
        await asyncio.sleep(60)
        await oracles.ask()
        oracles.finish()

    assert live(story, nodes=2).breaches == []


async def _blind(node: object) -> None:
    """An application that never looks."""


# -- reunited -------------------------------------------------------------------------------------------------


def test_acquaintances_that_never_meet_are_told(trial: Callable[..., Trial]) -> None:
    run = trial(nodes=2)
    core = run.host(0).process
    assert isinstance(core, Core)
    core._end()  # it counts as running, and does nothing any more
    core.ports[0].close()
    run.faults.heal()
    run.until(60)
    assert run.end() == ["reunited"]


def test_those_out_of_hearing_need_not_meet(trial: Callable[..., Trial]) -> None:
    run = trial(nodes=3, medium="ble")  # heard by nobody: `village` places no one
    for name in ("n1", "n2"):
        run.here.media["ble"].part("n0", name)
    run.until(60)
    assert run.end() == []


def test_a_host_with_a_full_radio_need_not_meet_more(village: Callable[..., Village]) -> None:
    here = village(nodes=12, medium="ble")
    oracles = Oracles(here)
    oracles.start()
    here.timeline.run(120 * S)
    assert here.media["ble"].full("n0")
    oracles.finish()
    assert here.breaches == []


# -- all of them ----------------------------------------------------------------------------------------------


def test_every_oracle_that_always_holds_says_so(trial: Callable[..., Trial]) -> None:
    run = trial()
    assert tuple(run.oracles.verdicts()) == ALWAYS


def test_an_oracle_that_there_is_not_is_refused_by_name(village: Callable[..., Village]) -> None:
    with pytest.raises(SettingsError, match="'fairness'"):
        Oracles(village(), ["fairness"])


def test_in_a_large_village_each_has_its_turn(
    village: Callable[..., Village], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.oracles.oracles.LOOKED_AT_MAX", 2)
    here = village(nodes=5)
    oracles = Oracles(here)
    seen: list[str] = []

    def look(hosts: list[Host]) -> None:
        seen.extend(host.name for host in hosts)

    monkeypatch.setattr(oracles["alive"], "look", look)
    oracles.start()
    here.timeline.run(5 * S)
    assert seen == ["n0", "n1", "n2", "n3", "n4"] * 2
