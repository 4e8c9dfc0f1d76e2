"""A damaged file is set aside, and what can still be read from it goes into a fresh one.

A crash at any point is harmless. First `x.db.fresh` is filled, which the next attempt starts over; then it becomes
`x.db.recovered`, from where on the next start only finishes the renaming:

    x.db (damaged) ──copy──► x.db.fresh ──rename──► x.db.recovered
    x.db ──► x.db.damaged-<n>;   x.db.recovered ──► x.db
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import NamedTuple

from meshnode.store.connection import migrate, refuse_newer
from meshnode.store.faults import DamagedError, store_errors
from meshnode.store.files import create_file, sync_directory
from meshnode.store.salvage import copy_sequences, copy_table

DAMAGED_KEPT_MAX = 3  # damaged files; the oldest goes, so that a dying disk is not filled as well
SIDE_FILES = ("-wal", "-shm")


class Saved(NamedTuple):
    rows: int
    tables_cut: int  # of which something is missing


def recover(path: Path, migrations: tuple[str, ...]) -> str:
    """Put a sound database in the place of a damaged one; says in a sentence what became of its content.

    Raises StoreError or OSError where the disk refuses: then the damaged file is still in its place.
    """
    fresh = path.with_name(path.name + ".fresh")
    _remove(fresh)
    create_file(fresh)
    saved = _copy(path, fresh, migrations)
    fresh.rename(_recovered(path))
    aside = _put_in_place(path)
    tables = f"; {saved.tables_cut} of its tables only in part" if saved.tables_cut else ""
    return (
        f"{path.name} was damaged: recovered {saved.rows} rows{tables}; the damaged file is kept as {aside}"
    )


def finish_recovery(path: Path) -> str:
    """Where a crash came between: let what was recovered take its place. Gives a sentence, empty if it needn't."""
    if not _recovered(path).exists():
        return ""
    return f"{path.name} was damaged: recovered what could be read; the damaged file is kept as {_put_in_place(path)}"


def is_left_over(path: Path) -> bool:
    """The database is gone, yet its journal is there: a new one must not take that for its own."""
    journal = path.with_name(path.name + SIDE_FILES[0])
    return journal.exists() and journal.stat().st_size > 0


def _recovered(path: Path) -> Path:
    return path.with_name(path.name + ".recovered")


def _put_in_place(path: Path) -> str:
    """Gives the name under which the damaged file is kept."""
    aside = _set_aside(path)
    sync_directory(path.parent)
    _recovered(path).rename(path)
    sync_directory(path.parent)
    return aside.name


def _set_aside(path: Path) -> Path:
    """Rename `x.db` to `x.db.damaged-<n>`, with its side files: those first, as they find it by its name."""
    numbers = sorted(
        int(tail)
        for each in path.parent.glob(f"{path.name}.damaged-*")
        if (tail := each.name.rsplit("-", 1)[1]).isdigit()
    )
    for number in numbers[: max(0, len(numbers) - DAMAGED_KEPT_MAX + 1)]:
        _remove(path.with_name(f"{path.name}.damaged-{number}"))
    aside = path.with_name(f"{path.name}.damaged-{(numbers[-1] if numbers else 0) + 1}")
    for tail in (*SIDE_FILES, ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + tail).rename(aside.with_name(aside.name + tail))
    return aside


def _remove(path: Path) -> None:
    for tail in ("", *SIDE_FILES):
        path.with_name(path.name + tail).unlink(missing_ok=True)


def _copy(path: Path, fresh_path: Path, migrations: tuple[str, ...]) -> Saved:
    """Row by row, into the schema of the version that wrote the file, which is then migrated."""
    rows = cut = 0
    with (
        contextlib.closing(_open_damaged(path)) as old,
        contextlib.closing(sqlite3.connect(fresh_path, isolation_level=None)) as fresh,
        store_errors(str(fresh_path)),
    ):
        fresh.execute(
            "PRAGMA journal_mode=MEMORY"
        )  # a crash starts it over; and no journal is left beside it
        fresh.execute("PRAGMA synchronous=FULL")
        migrate(fresh, path.stem, migrations, upto=_version(old, path.stem, migrations))
        tables = fresh.execute(
            "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"
        )
        fresh.execute("BEGIN IMMEDIATE")
        for (table,) in tables.fetchall():
            saved, whole = copy_table(old, fresh, table)
            rows += saved
            cut += not whole
        copy_sequences(old, fresh)
        fresh.execute("COMMIT")
        migrate(fresh, path.stem, migrations)
    return Saved(rows, cut)


def _open_damaged(path: Path) -> sqlite3.Connection:
    """To read from as long as it gives anything. Where there is no file at all, nothing is what it gives."""
    address = f"{path.resolve().as_uri()}?mode=ro" if path.exists() else ":memory:"
    with store_errors(str(path)):
        old = sqlite3.connect(address, uri=True, isolation_level=None)
        old.text_factory = _readable_text
        old.execute("PRAGMA writable_schema=ON")  # else a file that is too short is refused as a whole
        old.execute("PRAGMA trusted_schema=OFF")
    return old


def _readable_text(text: bytes) -> str:
    return text.decode(errors="replace")


def _version(old: sqlite3.Connection, name: str, migrations: tuple[str, ...]) -> int:
    """Of the schema; the newest where the file doesn't tell. Raises StoreError where a newer meshnode wrote it."""
    try:
        return refuse_newer(old, name, migrations) or len(migrations)
    except DamagedError:
        return len(migrations)
