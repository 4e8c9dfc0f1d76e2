"""What `meshnode run` was told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class DaemonOptions:
    data_dir: Path
    name: str | None = None  # None: as the settings say; so for the others
    listen: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()  # beside those of the settings
    mdns: bool = True  # False: not even where the settings want it
    control_tcp: str | None = None
    log_format: Literal["json", "pretty"] = "pretty"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    passphrase_file: Path | None = None
