import asyncio
from collections.abc import Callable

import pytest

from protocols.errors import SettingsError
from sim.faults import Faults, Patience, Plan
from sim.faults.patience import LIMITS, MEETING_NS
from sim.faults.plan import (
    Byzantine,
    ClockStep,
    Clog,
    Crash,
    Cut,
    Disk,
    Fault,
    Middle,
    Sleep,
    Stop,
    Weather,
)
from sim.host import Host
from sim.timeline import NS_PER_MS, NS_PER_S
from sim.village import Village

MS, S = NS_PER_MS, NS_PER_S


def suffer(village: Village, *faults: Fault) -> Faults:
    """From now on."""
    made = Faults(village, Plan(faults), start_ns=village.timeline.now_ns)
    made.place()
    return made


def run(village: Village, seconds: float) -> None:
    village.timeline.run(village.timeline.now_ns + int(seconds * S))


def host(village: Village, number: int) -> Host:
    return village.hosts[f"n{number}"]


# -- coming and going -----------------------------------------------------------------------------------------


def test_a_crashed_host_is_back_when_its_time_is_over(village: Callable[..., Village]) -> None:
    here = village()
    suffer(here, Crash(at_ms=1_000, host="n0", down_ms=2_000))
    run(here, 1.5)
    assert not host(here, 0).up
    run(here, 2)
    assert host(here, 0).up
    assert host(here, 0).boots == 2


def test_a_host_that_two_faults_keep_off_waits_for_both(village: Callable[..., Village]) -> None:
    here = village()
    suffer(
        here,
        Crash(at_ms=0, host="n0", down_ms=1_000),
        Stop(at_ms=500, host="n0", away_ms=2_000),
        Crash(at_ms=700, host="n0", down_ms=100),
    )
    run(here, 2.4)
    assert not host(here, 0).up
    run(here, 0.2)
    assert host(here, 0).up


def test_who_leaves_for_good_is_not_brought_back_by_the_calm(village: Callable[..., Village]) -> None:
    here = village()
    faults = suffer(here, Stop(at_ms=0, host="n0"), Stop(at_ms=0, host="n1", away_ms=900_000))
    run(here, 1)
    faults.heal()
    assert (host(here, 0).up, host(here, 1).up) == (False, True)


def test_the_calm_cancels_what_is_still_to_come(village: Callable[..., Village]) -> None:
    here = village()
    faults = suffer(
        here, Crash(at_ms=10_000, host="n0", down_ms=1_000), Cut(at_ms=10_000, these=("n1",), for_ms=1)
    )
    run(here, 5)
    faults.heal()
    run(here, 10)
    assert host(here, 0).boots == 1
    assert here.journal.counts.get("fault_cut") is None


# -- sleep ----------------------------------------------------------------------------------------------------


def test_a_sleeping_host_hears_nothing_and_its_clock_stands_still(village: Callable[..., Village]) -> None:
    here = village()
    run(here, 5)
    suffer(here, Sleep(at_ms=0, host="n0", for_ms=4_000))
    run(here, 0.1)
    letter, before_ns = host(here, 1).send(host(here, 0)), host(here, 0).clock.now_ns()
    run(here, 3)
    assert not letter.arrivals
    assert host(here, 0).clock.now_ns() == before_ns
    run(here, 60)
    assert letter.arrivals


def test_a_host_that_crashes_asleep_boots_when_it_wakes(village: Callable[..., Village]) -> None:
    here = village()
    suffer(here, Sleep(at_ms=0, host="n0", for_ms=4_000), Crash(at_ms=1_000, host="n0", down_ms=1_000))
    run(here, 3)
    assert not host(here, 0).up
    run(here, 2)
    assert host(here, 0).up


def test_two_sleeps_that_overlap_are_one_long_sleep(village: Callable[..., Village]) -> None:
    here = village()
    run(here, 1)
    suffer(here, Sleep(at_ms=0, host="n0", for_ms=2_000), Sleep(at_ms=1_000, host="n0", for_ms=3_000))
    run(here, 3)
    asleep_ns = host(here, 0).clock.now_ns()
    run(here, 0.9)
    assert host(here, 0).clock.now_ns() == asleep_ns
    run(here, 1)
    assert host(here, 0).clock.now_ns() > asleep_ns
    assert here.media["ip"].ways.passes("n0", "n1")


# -- ways -----------------------------------------------------------------------------------------------------


def test_cuts_that_overlap_are_undone_one_by_one(village: Callable[..., Village]) -> None:
    here = village()
    ways = here.media["ip"].ways
    suffer(
        here,
        Cut(at_ms=0, these=("n0",), for_ms=2_000),
        Cut(at_ms=1_000, these=("n0", "n1"), for_ms=2_000, one_way=True),
    )
    run(here, 1.5)
    assert not ways.is_open("n0", "n2")
    assert not ways.is_open("n2", "n0")
    assert not ways.is_open("n0", "n1")
    run(here, 1)
    assert ways.is_open("n2", "n0")
    assert ways.is_open("n0", "n1")
    assert not ways.is_open("n0", "n2")
    run(here, 1)
    assert ways.passes("n0", "n2")


def test_clogs_and_weather_add_up_and_go(village: Callable[..., Village]) -> None:
    here = village()
    ways = here.media["ip"].ways
    suffer(
        here,
        Clog(at_ms=0, sender="n0", receiver="n1", for_ms=2_000, delay_ms=100, loss=0.5),
        Clog(at_ms=0, sender="n0", receiver="n1", for_ms=1_000, delay_ms=50, loss=0.5),
        Weather(at_ms=0, for_ms=1_000, loss=0.25, delay_ms=10),
    )
    run(here, 0.5)
    assert (ways.get("n0", "n1").delay_ns, ways.get("n0", "n1").loss) == (150 * MS, 0.75)
    assert (ways.air.delay_ns, ways.air.loss) == (10 * MS, 0.25)
    run(here, 1)
    assert (ways.get("n0", "n1").delay_ns, ways.get("n0", "n1").loss) == (100 * MS, 0.5)
    assert (ways.air.delay_ns, ways.air.loss) == (0, 0.0)
    run(here, 1)
    assert ways.get("n0", "n1").troubles == ()


def test_the_calm_heals_all_that_is_under_way(village: Callable[..., Village]) -> None:
    here = village()
    ways, long = here.media["ip"].ways, 900_000
    faults = suffer(
        here,
        Cut(at_ms=0, these=("n0",), for_ms=long),
        Clog(at_ms=0, sender="n0", receiver="n1", for_ms=long, delay_ms=100, loss=0.5),
        Weather(at_ms=0, for_ms=long, loss=0.5),
        Sleep(at_ms=0, host="n1", for_ms=long),
        Crash(at_ms=0, host="n2", down_ms=long),
        Byzantine(at_ms=0, host="n3", behaviour="drop"),
        Middle(at_ms=0, sender="n0", receiver="n2", behaviour="corrupt", for_ms=long),
    )
    run(here, 20)
    faults.heal()
    faults.heal()  # twice is harmless
    assert all(ways.passes(one, other) for one in here.hosts for other in here.hosts)
    assert ways.get("n0", "n1").troubles == ways.air.troubles == ()
    assert ways.get("n3", "n0").tampers == ways.get("n0", "n2").tampers == ()
    assert all(each.up for each in here.hosts.values())
    run(here, 90)
    letters = [one.send(other) for one in here.hosts.values() for other in one.acquaintances]
    run(here, 5)
    assert all(len(letter.arrivals) == 1 for letter in letters)


def test_a_spell_whose_time_ends_after_the_calm_is_undone_once(village: Callable[..., Village]) -> None:
    here = village()
    faults = suffer(here, Cut(at_ms=0, these=("n0",), for_ms=5_000))
    run(here, 1)
    faults.heal()
    again = here.media["ip"].bar(["n0"])
    run(here, 10)
    assert not here.media["ip"].ways.is_open("n0", "n1")
    here.media["ip"].lift(again)


# -- clocks and disks -----------------------------------------------------------------------------------------


def test_a_clock_step_moves_the_wall_clock_only(village: Callable[..., Village]) -> None:
    here = village()
    clock = host(here, 0).clock
    wall_ns, mono_ns = clock.wall_ns(), clock.now_ns()
    suffer(here, ClockStep(at_ms=1_000, host="n0", by_ms=-60_000))
    run(here, 1)
    assert abs(clock.wall_ns() - (wall_ns + 1 * S - 60 * S)) < MS
    assert abs(clock.now_ns() - (mono_ns + 1 * S)) < MS


def test_a_core_has_no_disk_to_trouble(village: Callable[..., Village]) -> None:
    here = village()
    suffer(here, Disk(at_ms=0, host="n0", trouble="full", for_ms=1_000))
    run(here, 2)
    assert here.breaches == []


def test_a_full_disk_refuses_letters_and_takes_them_again(live: Callable[..., Village]) -> None:
    async def story(here: Village) -> None:
        faults = suffer(
            here,
            Disk(at_ms=0, host="n0", trouble="full", for_ms=2_000),
            Disk(at_ms=1_000, host="n0", trouble="full", for_ms=60_000),
            Disk(at_ms=1_000, host="n0", trouble="read_only", for_ms=2_000),
        )
        await asyncio.sleep(0.5)
        refused = [host(here, 0).send(host(here, 1)) for _ in range(200)]
        await asyncio.sleep(5)
        assert host(here, 0).storage is not None
        refused.append(host(here, 0).send(host(here, 1)))
        await asyncio.sleep(1)
        assert any("disk" in letter.refused for letter in refused)
        faults.heal()
        letter = host(here, 0).send(host(here, 1))
        await asyncio.sleep(30)
        assert letter.arrivals
        assert all(each.arrivals or each.refused for each in here.journal)

    assert live(story, nodes=2).breaches == []


def test_a_node_that_can_not_start_over_its_disk_is_started_again(live: Callable[..., Village]) -> None:
    async def story(here: Village) -> None:
        storage = host(here, 0).storage
        assert storage is not None
        suffer(
            here,
            Disk(at_ms=0, host="n0", trouble="full", for_ms=20_000),
            Crash(at_ms=0, host="n0", down_ms=100),
        )
        storage.platter.remove("messages.db")
        await asyncio.sleep(60)
        letter = host(here, 1).send(host(here, 0))
        await asyncio.sleep(30)
        assert letter.arrivals
        assert here.journal.counts["ended_over_disk"] > 0

    assert live(story, nodes=2).breaches == []


def test_a_rotten_disk_is_remembered(live: Callable[..., Village]) -> None:
    async def story(here: Village) -> None:
        faults = suffer(here, Disk(at_ms=0, host="n0", trouble="rot"))
        await asyncio.sleep(1)
        assert list(faults.spoiled) == ["n0"]

    live(story, nodes=2)


# -- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Crash(at_ms=0, host="n9", down_ms=1), "host 'n9'"),
        (Cut(at_ms=0, these=("n0", "n9"), for_ms=1), "host 'n9'"),
        (Clog(at_ms=0, sender="n0", receiver="n9", for_ms=1), "host 'n9'"),
        (Weather(at_ms=0, for_ms=1, media=("lora",)), "medium 'lora'"),
        (Byzantine(at_ms=0, host="n0", behaviour="sings"), "behaviour 'sings'"),
        (Middle(at_ms=0, sender="n0", receiver="n1", behaviour="impersonate", for_ms=1), "'impersonate'"),
    ],
)
def test_a_plan_for_another_world_is_refused(
    village: Callable[..., Village], fault: Fault, said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        suffer(village(), fault)


# -- patience -------------------------------------------------------------------------------------------------


def test_patience_grows_with_what_was_out_of_reach_up_to_the_longest_rest() -> None:
    plan = Plan(
        (
            Cut(at_ms=0, these=("n0",), for_ms=2_000),
            Sleep(at_ms=0, host="n0", for_ms=3_000),
            Sleep(at_ms=0, host="n3", for_ms=900_000),
            Crash(at_ms=0, host="n1", down_ms=9_000),
        )
    )
    patience = Patience(plan)
    assert patience.meeting_ns("n1", "n2") == MEETING_NS  # who boots calls at once
    assert patience.meeting_ns("n1", "n0") == MEETING_NS + LIMITS.first_ns + 10 * S
    assert patience.meeting_ns("n3", "n1") == MEETING_NS + LIMITS.longest_ns
    assert Patience().meeting_ns("n0", "n1") == MEETING_NS
