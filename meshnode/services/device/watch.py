"""The watch: read, judge, tell what changed, rest for as long as the energy level allows."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from policies.device import DeviceState, NetworkInterface
from policies.energy import EnergyDecision, EnergyLimits, EnergyView, decide_energy


@dataclass(frozen=True, slots=True)
class DeviceChange:
    device: DeviceState
    energy: EnergyDecision
    network_changed: bool  # interfaces or addresses came or went since the last reading; False on the first
    woke: bool = False  # the machine slept since the last reading: what was true before may not be so now


async def watch_device(
    read: Callable[[], Awaitable[DeviceState]],
    rest: Callable[[int], Awaitable[bool]],
    limits: EnergyLimits | None = None,
) -> AsyncIterator[DeviceChange]:
    """The first reading at once, then each one that a policy could decide differently on. Never ends by itself.

    `rest` may return early, and True, where the machine slept meanwhile (`rest` in `wake`).
    """
    limits = limits or EnergyLimits()
    told: DeviceChange | None = None
    woke = False
    while True:
        device = await read()
        energy = decide_energy(EnergyView(device, told.energy.level if told else None), limits)
        moved = told is not None and _ways(device) != _ways(told.device)
        if told is None or moved or woke or _matter(device, energy) != _matter(told.device, told.energy):
            told = DeviceChange(device, energy, network_changed=moved, woke=woke)
            yield told
        woke = await rest(energy.allowance.poll_ns)


def _ways(device: DeviceState) -> list[NetworkInterface]:
    return [each for each in device.networks if each.up and each.kind != "loopback"]


def _matter(device: DeviceState, energy: EnergyDecision) -> object:
    """Load and memory jitter with every reading; what they decide is in `energy`."""
    percent = None if device.battery_percent is None else round(device.battery_percent)
    return energy, percent, device.discharging, device.metered, device.saver, device.censored
