from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from meshnode.services.device import Interface


@dataclass
class HandWrittenSystem:
    """The operating system as a test wants it."""

    found: Sequence[Interface] = ()
    battery_found: tuple[float | None, bool | None] = (None, None)
    fails: bool = False

    def interfaces(self) -> Sequence[Interface]:
        if self.fails:
            raise OSError("not allowed")
        return self.found

    def load(self) -> float | None:
        if self.fails:
            raise OSError("not allowed")
        return 0.5

    def memory_available(self) -> int | None:
        if self.fails:
            raise OSError("not allowed")
        return 1 << 30

    def battery(self) -> tuple[float | None, bool | None]:
        if self.fails:
            raise OSError("not allowed")
        return self.battery_found


@pytest.fixture
def system() -> HandWrittenSystem:
    return HandWrittenSystem()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], None]:
    """write("net/eth0/type", "1") puts a file below sys/class of the test's root."""

    def write_file(name: str, content: str | bytes) -> None:
        path = tmp_path / "sys" / "class" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return write_file
