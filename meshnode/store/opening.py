"""From what lies in the directory, after whatever end, to a sound database of the newest version; and well closed again.

All of it happens on the database's workplace.
"""

import contextlib
import sqlite3
from contextlib import closing
from typing import NamedTuple

from meshnode.store.connection import check, migrate, open_connection, prove_writable, refuse_newer
from meshnode.store.directory import Directory, Look, discard, read_small
from meshnode.store.faults import DamagedError, store_errors
from meshnode.store.recovery import SIDE_FILES, SUFFIX, finish_recovery, is_left_over, recover

CLEAN_MARK = ".clean"  # beside a database that was closed well; holds the size and the time of the file
CLEAN_MARK_BYTES_MAX = 64


class Opened(NamedTuple):
    writer: sqlite3.Connection
    reader: sqlite3.Connection
    note: str  # what is to be said of the file, if anything

    def close(self) -> None:
        self.reader.close()
        self.writer.close()  # the last one to close: what is in the journal goes into the file


def open_files(directory: Directory, name: str, migrations: tuple[str, ...]) -> Opened:
    """Raises StoreError."""
    file = name + SUFFIX
    with contextlib.ExitStack() as opened, store_errors(directory.path(file)):
        directory.make()
        finished = finish_recovery(directory, file)
        writer, note = _open_sound(directory, file, migrations)
        opened.enter_context(closing(writer))
        discard(directory, file + CLEAN_MARK)
        migrate(writer, name, migrations)
        prove_writable(writer)
        reader = writer if directory.one_connection else open_connection(directory, file)
        opened.pop_all()
    return Opened(writer, reader, note or finished)


def put_away(directory: Directory, name: str, opened: Opened, sound: bool) -> None:  # noqa: FBT001 - bound by the storage, told by the database
    opened.close()
    file = name + SUFFIX
    if sound:
        with contextlib.suppress(OSError):  # without the mark, the next start looks more thoroughly
            if seen := directory.look(file):
                directory.create(file + CLEAN_MARK, clean_mark(seen))


def _open_sound(
    directory: Directory, file: str, migrations: tuple[str, ...]
) -> tuple[sqlite3.Connection, str]:
    """An empty file where there is none. Gives what is to be said of it too, if anything."""
    if directory.look(file) is None and not is_left_over(directory, file):
        directory.create(file)
        return open_connection(directory, file), ""
    try:
        return _open_checked(directory, file, migrations), ""
    except DamagedError:
        note = recover(directory, file, migrations)
        return open_connection(directory, file), note


def _open_checked(directory: Directory, file: str, migrations: tuple[str, ...]) -> sqlite3.Connection:
    """Raises DamagedError. A crash in the first moments of the first start looks so as well: a harmless false alarm."""
    seen = directory.look(file)
    if seen is None or seen.size == 0:
        raise DamagedError(f"{directory.path(file)} is empty or gone")
    thoroughly = not _was_closed_well(directory, file, seen)
    with contextlib.ExitStack() as opened:
        connection = opened.enter_context(closing(open_connection(directory, file)))
        refuse_newer(connection, file.removesuffix(SUFFIX), migrations)
        check(connection, directory.path(file), thoroughly=thoroughly)
        opened.pop_all()
    return connection


def _was_closed_well(directory: Directory, file: str, seen: Look) -> bool:
    """The file is what we left, and nothing waits in a journal."""
    mark = read_small(directory, file + CLEAN_MARK, CLEAN_MARK_BYTES_MAX)
    return mark == clean_mark(seen) and directory.look(file + SIDE_FILES[0]) is None


def clean_mark(seen: Look) -> bytes:
    return f"{seen.size} {seen.changed}".encode()
