"""Linux's sysfs below a root that can be handed in. Whatever stands there, a reading is a sane value or None.

What exists and makes no sense (binary, too long, out of range, unreadable) is counted in `bad` by kind; what does
not exist is not counted: most machines lack most of it.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

FILE_BYTES_MAX = 4_096  # one page: sysfs itself never gives more
ENTRIES_MAX = 64  # supplies, zones or interfaces read in one go; a big server has about 50 thermal zones
TRIPS_MAX = 16  # trip points per zone; the kernel's own limit was 12 for years
CELSIUS_MIN, CELSIUS_MAX = -60.0, 200.0  # a sensor outside is broken: silicon dies at about 150
CAPACITY_MAX = 1 << 40  # µWh or µAh: a million ordinary laptops


@dataclass(frozen=True, slots=True)
class Power:
    percent: float | None
    discharging: bool | None


@dataclass(frozen=True, slots=True)
class Heat:
    celsius: float | None
    critical: bool


class Sysfs:
    def __init__(self, root: Path) -> None:
        self._class = root / "sys" / "class"
        self.bad: Counter[str] = Counter()

    def has_power_supplies(self) -> bool:
        """Whether this is a system that tells at all."""
        return self._is_there(self._class / "power_supply")

    def power(self) -> Power:
        """All batteries that feed this machine as one, weighed by what they hold when full."""
        filled, whole = 0.0, 0.0
        words: list[str] = []
        mains: list[bool] = []
        for supply in self._entries("power_supply"):
            kind = self._text(supply / "type")
            if kind in {"Mains", "USB"}:
                mains.append(self._number(supply / "online", 0, 1) == 1)
            if kind not in {"Battery", "UPS"} or self._text(supply / "scope") == "Device":
                continue  # a "Device" is a mouse
            if self._number(supply / "present", 0, 1) == 0:
                continue
            words.append(self._text(supply / "status") or "Unknown")
            percent = self._number(supply / "capacity", 0, 100)
            if percent is not None:
                weight = self._capacity(supply)
                filled, whole = filled + percent * weight, whole + weight
        return Power(filled / whole if whole else None, _discharging(words, mains))

    def heat(self) -> Heat:
        hottest: float | None = None
        critical = False
        for zone in self._entries("thermal", prefix="thermal_zone"):
            celsius = self._celsius(zone / "temp")
            if celsius is None:
                continue
            hottest = celsius if hottest is None else max(hottest, celsius)
            critical |= any(celsius >= trip for trip in self._critical_trips(zone))
        return Heat(hottest, critical)

    def interface_type(self, name: str) -> int | None:
        """ARPHRD number (1: Ethernet, 772: loopback)."""
        value = self._number(self._net(name) / "type", 0, 65_535)
        return None if value is None else int(value)

    def is_wireless(self, name: str) -> bool:
        return self._is_there(self._net(name) / "wireless") or self._is_there(self._net(name) / "phy80211")

    def is_hardware(self, name: str) -> bool:
        """Not a bridge, a container's cable end or a tunnel."""
        return self._is_there(self._net(name) / "device")

    def device_type(self, name: str) -> str:
        """What the driver calls it: "wlan", "wwan", "wireguard", "bridge", ..., or nothing."""
        lines = (self._text(self._net(name) / "uevent") or "").splitlines()
        return next((line.removeprefix("DEVTYPE=") for line in lines if line.startswith("DEVTYPE=")), "")

    def operstate(self, name: str) -> str:
        return self._text(self._net(name) / "operstate") or "unknown"

    def _net(self, name: str) -> Path:
        return self._class / "net" / Path(name).name  # an interface's name holds no slash; never climb out

    def _is_there(self, path: Path) -> bool:
        try:
            return path.exists()
        except OSError:  # not allowed to look
            self.bad["unreadable"] += 1
            return False

    def _capacity(self, supply: Path) -> float:
        for name in ("energy_full", "charge_full"):
            value = self._number(supply / name, 1, CAPACITY_MAX)
            if value is not None:
                return value
        return 1.0

    def _critical_trips(self, zone: Path) -> list[float]:
        found: list[float] = []
        for index in range(TRIPS_MAX):
            kind = self._text(zone / f"trip_point_{index}_type")
            if kind is None:
                break
            trip = self._celsius(zone / f"trip_point_{index}_temp") if kind == "critical" else None
            if trip is not None and trip > 0:  # 0 and below: "no such point", on many boards
                found.append(trip)
        return found

    def _celsius(self, path: Path) -> float | None:
        value = self._number(path, CELSIUS_MIN * 1_000, CELSIUS_MAX * 1_000)
        return None if value is None else value / 1_000

    def _entries(self, kind: str, prefix: str = "") -> list[Path]:
        try:
            found = [path for path in (self._class / kind).iterdir() if path.name.startswith(prefix)]
        except FileNotFoundError:
            return []
        except OSError:
            self.bad["unreadable"] += 1
            return []
        return sorted(found)[:ENTRIES_MAX]

    def _number(self, path: Path, low: float, high: float) -> float | None:
        text = self._text(path)
        if text is None:
            return None
        try:
            value = int(text) if len(text) <= 24 else None
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            self.bad["out_of_range" if value is not None else "not_a_number"] += 1
            return None
        return float(value)

    def _text(self, path: Path) -> str | None:
        try:
            if not path.is_file():  # a pipe would keep us waiting
                return None
            with path.open("rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
            text = data.decode("ascii").strip()
        except (OSError, ValueError):  # a sensor that is switched off answers with an error
            self.bad["unreadable"] += 1
            return None
        if len(data) > FILE_BYTES_MAX:
            self.bad["too_long"] += 1
            return None
        return text


def _discharging(words: list[str], mains: list[bool]) -> bool | None:
    """A battery's own word counts first: a weak charger doesn't stop the drain."""
    if not words:
        return None
    if "Discharging" in words:
        return True
    if any(word in {"Charging", "Full", "Not charging"} for word in words):
        return False
    return not any(mains) if mains else None
