"""A process that is killed, or whose event loop just ends, keeps all that it acknowledged."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from meshnode.store import DiskStorage

NOTES = "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL)"
ROUNDS, CALLERS = 6, 40

WRITER = """
import asyncio, os, sys
from pathlib import Path
from meshnode.store import DiskStorage

async def main(directory, callers):
    storage = DiskStorage(directory)
    database = await storage.open_database("notes", (NOTES,))
    if storage.health() != {"notes": "ok"}:
        raise SystemExit(storage.health())
    def add(connection):
        return connection.execute("INSERT INTO notes (body) VALUES (?)", ("x" * 500,)).lastrowid
    async def write_for_ever():
        while True:
            os.write(1, f"{await database.write(add)}\\n".encode())  # acknowledged
    await asyncio.gather(*(write_for_ever() for _ in range(callers)))

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
""".replace("NOTES", repr(NOTES))

LOOP_THAT_ENDS = """
import asyncio, sys
from pathlib import Path
from meshnode.store import DiskStorage

async def main(directory):
    database = await DiskStorage(directory).open_database("notes", (NOTES,))
    add = lambda connection: connection.execute("INSERT INTO notes (body) VALUES ('x')").lastrowid
    await database.write(add)
    writes = [asyncio.ensure_future(database.write(add)) for _ in range(2_000)]
    await writes[0]  # the second batch is under way, nobody closes anything

asyncio.run(main(Path(sys.argv[1])))
""".replace("NOTES", repr(NOTES))


async def ids_in(directory: Path) -> set[int]:
    storage = DiskStorage(directory)
    database = await storage.open_database("notes", (NOTES,))
    assert storage.health() == {"notes": "ok"}
    rows = await database.read(lambda connection: connection.execute("SELECT id FROM notes").fetchall())
    await storage.close()
    return {id_ for (id_,) in rows}


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}


def test_what_was_acknowledged_before_a_kill_is_there(tmp_path: Path) -> None:
    acknowledged: set[int] = set()
    for number in range(ROUNDS):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(CALLERS)],
            stdout=subprocess.PIPE,
            env=environment(),
        ) as process:
            assert process.stdout is not None
            for _ in range(50 + 77 * number):  # another moment each time
                acknowledged.add(int(process.stdout.readline()))
            process.send_signal(signal.SIGKILL)
            *whole, _ = process.stdout.read().split(b"\n")
            acknowledged.update(map(int, whole))
        assert acknowledged <= asyncio.run(ids_in(tmp_path))


def test_a_loop_that_ends_in_the_middle_leaves_a_sound_file_and_a_process_that_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOP_THAT_ENDS, str(tmp_path)],
        env=environment(),
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    with closing(sqlite3.connect(tmp_path / "notes.db")) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM notes").fetchone()[0] > 1
