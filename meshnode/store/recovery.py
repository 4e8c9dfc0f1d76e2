"""A damaged file is set aside, and what can still be read from it goes into a fresh one.

A crash at any point is harmless. First `x.db.fresh` is filled, which the next attempt starts over; then it becomes
`x.db.recovered`, from where on the next start only finishes the renaming:

    x.db (damaged) ──copy──► x.db.fresh ──rename──► x.db.recovered
    x.db ──► x.db.damaged-<n>;   x.db.recovered ──► x.db
"""

import contextlib
import sqlite3
from typing import NamedTuple

from meshnode.store.connection import migrate, refuse_newer
from meshnode.store.directory import Directory, discard
from meshnode.store.faults import DamagedError, store_errors
from meshnode.store.salvage import copy_sequences, copy_table

SUFFIX = ".db"
DAMAGED_KEPT_MAX = 3  # damaged files; the oldest goes, so that a dying disk is not filled as well
SIDE_FILES = ("-wal", "-shm")


class Saved(NamedTuple):
    rows: int
    tables_cut: int  # of which something is missing


def recover(directory: Directory, file: str, migrations: tuple[str, ...]) -> str:
    """Put a sound database in the place of a damaged one; says in a sentence what became of its content.

    Raises StoreError or OSError where the disk refuses: then the damaged file is still in its place.
    """
    fresh = file + ".fresh"
    _remove(directory, fresh)
    directory.create(fresh)
    saved = _copy(directory, file, fresh, migrations)
    directory.rename(fresh, _recovered(file))
    aside = _put_in_place(directory, file)
    tables = f"; {saved.tables_cut} of its tables only in part" if saved.tables_cut else ""
    return f"{file} was damaged: recovered {saved.rows} rows{tables}; the damaged file is kept as {aside}"


def finish_recovery(directory: Directory, file: str) -> str:
    """Where a crash came between: let what was recovered take its place. Gives a sentence, empty if it needn't."""
    if directory.look(_recovered(file)) is None:
        return ""
    aside = _put_in_place(directory, file)
    return f"{file} was damaged: recovered what could be read; the damaged file is kept as {aside}"


def is_left_over(directory: Directory, file: str) -> bool:
    """The database is gone, yet its journal is there: a new one must not take that for its own."""
    journal = directory.look(file + SIDE_FILES[0])
    return journal is not None and journal.size > 0


def _recovered(file: str) -> str:
    return file + ".recovered"


def _put_in_place(directory: Directory, file: str) -> str:
    """Gives the name under which the damaged file is kept."""
    aside = _set_aside(directory, file)
    directory.sync()
    directory.rename(_recovered(file), file)
    directory.sync()
    return aside


def _set_aside(directory: Directory, file: str) -> str:
    """Rename `x.db` to `x.db.damaged-<n>`, with its side files: those first, as they find it by its name."""
    stem = f"{file}.damaged-"
    numbers = sorted(
        int(tail)
        for name in directory.names()
        if name.startswith(stem) and (tail := name.rsplit("-", 1)[1]).isdigit()
    )
    for number in numbers[: max(0, len(numbers) - DAMAGED_KEPT_MAX + 1)]:
        _remove(directory, f"{stem}{number}")
    aside = f"{stem}{(numbers[-1] if numbers else 0) + 1}"
    for tail in (*SIDE_FILES, ""):
        with contextlib.suppress(FileNotFoundError):
            directory.rename(file + tail, aside + tail)
    return aside


def _remove(directory: Directory, file: str) -> None:
    for tail in ("", *SIDE_FILES):
        discard(directory, file + tail)


def _copy(directory: Directory, file: str, fresh_file: str, migrations: tuple[str, ...]) -> Saved:
    """Row by row, into the schema of the version that wrote the file, which is then migrated."""
    name = file.removesuffix(SUFFIX)
    rows = cut = 0
    with (
        contextlib.closing(_open_damaged(directory, file)) as old,
        contextlib.closing(directory.connect(fresh_file)) as fresh,
        store_errors(directory.path(fresh_file)),
    ):
        fresh.execute(
            "PRAGMA journal_mode=MEMORY"
        )  # a crash starts it over; and no journal is left beside it
        fresh.execute("PRAGMA synchronous=FULL")
        migrate(fresh, name, migrations, upto=_version(old, name, migrations))
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
        migrate(fresh, name, migrations)
    return Saved(rows, cut)


def _open_damaged(directory: Directory, file: str) -> sqlite3.Connection:
    """To read from as long as it gives anything. Where there is no file at all, nothing is what it gives."""
    with store_errors(directory.path(file)):
        there = directory.look(file) is not None
        old = directory.connect(file if there else "", read_only=there)
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
