"""The disk itself: what is synced stays, what is not is a matter of luck."""

import errno
from collections.abc import Callable
from random import Random

import pytest

from sim.disk import Platter, PlatterFile, PowerLoss
from sim.disk.file import PENDING_MAX, SECTOR_BYTES
from sim.disk.platter import NAMES_PENDING_MAX

GENTLE = PowerLoss(tear=0, flip=0)
SEEDS = range(60)


@pytest.fixture
def platter() -> Platter:
    return Platter()


def synced(platter: Platter, name: str, data: bytes) -> PlatterFile:
    file = platter.create(name)
    platter.write(file, 0, data)
    platter.sync(file)
    platter.sync_names()
    return file


def after_crash(change: Callable[[Platter, PlatterFile], None], loss: PowerLoss) -> list[bytes]:
    """What may be left of a synced file of 2,048 times "a" that was changed just before; one for each seed."""
    left: list[bytes] = []
    for seed in SEEDS:
        platter = Platter()
        change(platter, synced(platter, "f", b"a" * 2_048))
        platter.crash(Random(seed), loss)
        left.append(bytes(platter.file("f").data))
    return left


def test_what_was_synced_outlasts_any_crash(platter: Platter) -> None:
    synced(platter, "f", b"kept")
    for seed in SEEDS:
        platter.crash(Random(seed))
    assert platter.file("f").data == b"kept"


def test_writes_that_were_not_synced_are_kept_up_to_some_moment() -> None:
    def write_three(platter: Platter, file: PlatterFile) -> None:
        for number in range(3):
            platter.write(file, number, b"xyz"[number : number + 1])

    left = {each[:3] for each in after_crash(write_three, GENTLE)}
    assert left == {b"aaa", b"xaa", b"xya", b"xyz"}


def test_on_a_disk_that_reorders_any_of_the_writes_may_be_missing() -> None:
    def write_three(platter: Platter, file: PlatterFile) -> None:
        for number in range(3):
            platter.write(file, number, b"xyz"[number : number + 1])

    left = {each[:3] for each in after_crash(write_three, PowerLoss(tear=0, flip=0, reorder=True))}
    assert len(left) == 8


def test_the_last_write_may_be_torn_and_bits_in_its_sectors_may_flip() -> None:
    def write(platter: Platter, file: PlatterFile) -> None:
        platter.write(file, 100, b"x" * 700)

    torn = after_crash(write, PowerLoss(tear=1, flip=0))
    assert any(100 < each.count(b"x") < 700 and each.count(b"x") % SECTOR_BYTES for each in torn)
    flipped = after_crash(write, PowerLoss(tear=0, flip=1))
    assert any(set(each) - set(b"ax") for each in flipped)
    for each in (*torn, *flipped):
        assert each[:100] == b"a" * 100, "what nobody wrote to is untouched"
        assert each[800:] == b"a" * (2_048 - 800)


def test_a_file_that_was_cut_or_grew_without_a_sync_may_have_either_length() -> None:
    assert {len(each) for each in after_crash(lambda p, f: p.truncate(f, 10), GENTLE)} == {10, 2_048}
    assert {len(each) for each in after_crash(lambda p, f: p.write(f, 3_000, b"x"), GENTLE)} == {2_048, 3_001}
    assert {len(each) for each in after_crash(lambda p, f: p.truncate(f, 3_000), GENTLE)} == {2_048, 3_000}


def test_names_are_pending_until_they_are_synced() -> None:
    found: set[tuple[str, ...]] = set()
    for seed in SEEDS:
        platter = Platter()
        synced(platter, "old", b"")
        platter.create("new")
        platter.rename("old", "moved")
        platter.remove("new")
        platter.crash(Random(seed))
        found.add(tuple(sorted(platter.files)))
    assert found == {("old",), ("new", "old"), ("moved", "new"), ("moved",)}


def test_a_name_that_was_synced_before_its_file_has_nothing_in_it(platter: Platter) -> None:
    platter.write(platter.create("f"), 0, b"data")
    platter.sync_names()
    found = {bytes(platter_after(platter, seed).file("f").data) for seed in SEEDS}
    assert found == {b"", b"data"}


def platter_after(platter: Platter, seed: int) -> Platter:
    """A disk like it, after a crash."""
    other = Platter()
    for name, file in platter.files.items():
        other.write(other.create(name), 0, bytes(file.data))
    other.sync_names()
    other.crash(Random(seed), GENTLE)
    return other


def test_after_a_kill_everything_written_is_there_and_still_pending(platter: Platter) -> None:
    platter.write(platter.create("f"), 0, b"data")
    platter.kill()
    assert platter.file("f").data == b"data"
    platter.crash(Random(2))
    assert platter.files == {}


def test_a_disk_that_lies_keeps_what_is_older_than_its_cache(platter: Platter) -> None:
    file = synced(platter, "f", b"")
    platter.syncs = False
    for number in range(PENDING_MAX + 1):
        platter.write(file, number, b"x")
        platter.sync(file)
    platter.crash(Random(1), GENTLE)
    assert PENDING_MAX // 2 <= len(platter.file("f").data) < PENDING_MAX + 1


def test_names_that_are_older_than_the_cache_are_kept(platter: Platter) -> None:
    for number in range(NAMES_PENDING_MAX + 5):
        platter.create(f"{number}")
    platter.crash(Random(0))
    assert {"0", "1", "2", "3", "4"} <= platter.files.keys()


def test_a_full_disk_refuses_growth_and_nothing_else(platter: Platter) -> None:
    platter.bytes_max = 10
    file = platter.create("f")
    platter.write(file, 0, b"0123456789")
    with pytest.raises(OSError, match="No space") as refused:
        platter.write(file, 5, b"abcdef")
    assert refused.value.errno == errno.ENOSPC
    platter.write(file, 5, b"abcde")
    assert platter.file("f").data == b"01234abcde"


def test_a_read_only_disk_refuses_every_change(platter: Platter) -> None:
    file = synced(platter, "f", b"kept")
    platter.read_only = True
    changes: list[Callable[[], object]] = [
        lambda: platter.write(file, 0, b"x"),
        lambda: platter.truncate(file, 0),
        lambda: platter.create("g"),
        lambda: platter.rename("f", "g"),
        lambda: platter.remove("f"),
    ]
    for change in changes:
        with pytest.raises(OSError, match="Read-only") as refused:
            change()
        assert refused.value.errno == errno.EROFS
    assert {name: file.data for name, file in platter.files.items()} == {"f": b"kept"}


def test_names_that_are_there_or_not_are_said_so(platter: Platter) -> None:
    platter.create("f")
    with pytest.raises(FileExistsError):
        platter.create("f")
    missing: list[Callable[[str], object]] = [
        platter.file,
        platter.remove,
        lambda name: platter.rename(name, "g"),
    ]
    for ask in missing:
        with pytest.raises(FileNotFoundError):
            ask("nowhere")


def test_work_that_is_cut_leaves_the_disk_as_at_some_instant_within_it() -> None:
    def work(platter: Platter) -> None:
        draft = platter.create("draft")
        platter.write(draft, 0, b"new")
        platter.sync(draft)
        platter.rename("draft", "f")
        platter.sync_names()

    found: set[tuple[bytes, bool]] = set()
    for seed in SEEDS:
        platter = Platter()
        synced(platter, "f", b"old")
        platter.cut(lambda platter=platter: work(platter), Random(seed))
        found.add((bytes(platter.file("f").data), "draft" in platter.files))
    assert found == {(b"old", False), (b"old", True), (b"new", False)}


def test_decay_changes_one_sector_for_good(platter: Platter) -> None:
    assert platter.rot(Random(1)) is None, "there is nothing"
    synced(platter, "f", bytes(4_096))
    place = platter.rot(Random(1))
    assert place is not None
    name, at = place
    platter.crash(Random(1))
    data = platter.file(name).data
    assert any(data[at : at + SECTOR_BYTES])
    assert data.count(0) >= 4_096 - SECTOR_BYTES
