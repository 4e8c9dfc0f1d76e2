"""What was acknowledged survives any crash at any instant; and a disk that lies is found out."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest

from meshnode.store.connection import SETTINGS
from sim.disk import Disks, PowerLoss
from sim.loop import run_in_loop
from sim.timeline import Timeline

if TYPE_CHECKING:
    from conftest import Diaries, Diary

SEEDS = 100
LYING_SEEDS = 10


def five_lives(diaries: Diaries, seed: int, loss: PowerLoss | None = None, *, syncs: bool = True) -> Diary:
    return run_in_loop(Timeline(), diaries.through_crashes(seed, loss, syncs=syncs))


@pytest.mark.parametrize("reorder", [False, True])
def test_what_was_acknowledged_survives_any_crash_and_nothing_is_there_by_half(
    diaries: Diaries, *, reorder: bool
) -> None:
    promised = 0
    for seed in range(SEEDS):
        diary = five_lives(diaries, seed, PowerLoss(reorder=reorder))
        assert (diary.lost, diary.complaints) == (set(), []), f"replay with {seed=}"
        promised += len(diary.promised)
    assert promised > SEEDS * 20, "hardly anything was written"


def test_the_same_crashes_on_a_disk_that_lies_about_its_syncs_lose_what_was_acknowledged(
    diaries: Diaries,
) -> None:
    found = [seed for seed in range(LYING_SEEDS) if five_lives(diaries, seed, syncs=False).lost]
    assert len(found) > LYING_SEEDS // 2


@pytest.mark.parametrize("kind", ["sectors"])
def test_a_store_that_acknowledges_before_it_syncs_is_found_out(
    diaries: Diaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = ["PRAGMA synchronous=NORMAL" if "synchronous" in each else each for each in SETTINGS]
    monkeypatch.setattr("meshnode.store.connection.SETTINGS", hasty)
    found = [seed for seed in range(LYING_SEEDS) if five_lives(diaries, seed).lost]
    assert len(found) > LYING_SEEDS // 2


def test_a_commit_in_the_making_is_sometimes_there_after_a_crash_and_sometimes_not(diaries: Diaries) -> None:
    def unpromised_but_there(seed: int) -> set[int]:
        async def one_life() -> set[int]:
            diary = diaries.new(seed)
            await diary.life(lambda: diary.storage.crash(Random(seed)), ms_max=20)
            return await diary.numbers() - diary.promised

        return run_in_loop(Timeline(), one_life())

    surprises = [bool(unpromised_but_there(seed)) for seed in range(40)]
    assert 4 < sum(surprises) < 36


def test_a_process_that_is_killed_loses_nothing_that_was_acknowledged_whatever_the_disk_says(
    diaries: Diaries,
) -> None:
    async def lives(seed: int) -> Diary:
        diary, die = diaries.new(seed), Random(f"kill/{seed}")
        diary.storage.platter.syncs = False
        for _ in range(5):
            await diary.life(lambda: diary.storage.kill(die))
        return await diary.last_look()

    for seed in range(20):
        diary = run_in_loop(Timeline(), lives(seed))
        assert (diary.lost, diary.complaints) == (set(), []), f"replay with {seed=}"


def test_a_sector_that_decays_is_noticed_and_what_can_be_read_is_recovered(
    diaries: Diaries, schema: tuple[str, ...]
) -> None:
    async def life_and_decay(seed: int) -> str:
        diary, die = diaries.new(seed), Random(f"rot/{seed}")
        await diary.life(lambda: diary.storage.crash(die), ms_max=400)
        assert diary.storage.platter.rot(die) is not None
        await diary.storage.open_database("notes", schema)
        said = diary.storage.health()["notes"]
        await diary.storage.close()
        return said

    said = [run_in_loop(Timeline(), life_and_decay(seed)) for seed in range(12)]
    assert any("was damaged: recovered" in each for each in said)


def test_who_still_waits_when_the_power_goes_is_cancelled_and_never_answered(
    disks: Disks, schema: tuple[str, ...]
) -> None:
    async def life() -> None:
        storage = disks.storage("alice", Random(1), latency_ns=(5_000_000, 5_000_000))
        database = await storage.open_database("notes", schema)
        writes = [asyncio.ensure_future(database.write(lambda _: None)) for _ in range(3)]
        await asyncio.sleep(0.001)
        writes.append(asyncio.ensure_future(database.write(lambda _: None)))
        await asyncio.sleep(0.001)
        storage.crash(Random(1))
        await asyncio.sleep(1)
        assert all(write.cancelled() for write in writes)
        await database.close()
        await storage.close()

    run_in_loop(Timeline(), life())
