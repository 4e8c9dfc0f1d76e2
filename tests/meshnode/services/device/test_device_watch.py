from dataclasses import replace

from meshnode.services.device import DeviceChange, watch_device
from policies.device import DeviceState, NetworkInterface
from policies.energy import EnergyLevel, EnergyLimits

LIMITS = EnergyLimits()
HOME = NetworkInterface("wlan0", "wifi", addresses=("192.0.2.2",))
LOOP = NetworkInterface("lo", "loopback", addresses=("127.0.0.1",))


class ScriptEndedError(Exception):
    pass


async def watched(*script: DeviceState) -> tuple[list[DeviceChange], list[int]]:
    """What the watch tells over these readings, and how long it rested after each."""
    readings = iter(script)
    rests: list[int] = []
    told: list[DeviceChange] = []

    async def read() -> DeviceState:
        try:
            return next(readings)
        except StopIteration:
            raise ScriptEndedError from None

    async def rest(duration_ns: int) -> bool:
        rests.append(duration_ns)
        return False

    try:
        async for change in watch_device(read, rest):
            told.append(change)  # noqa: PERF401 - what came before the script's end must be kept
    except ScriptEndedError:
        pass
    return told, rests


async def test_the_first_reading_is_told_at_once() -> None:
    told, rests = await watched(DeviceState(networks=(HOME,)))
    assert [(change.device.networks, change.network_changed) for change in told] == [((HOME,), False)]
    assert rests == [LIMITS.full.poll_ns]


async def test_readings_that_only_jitter_are_not_told() -> None:
    state = DeviceState(battery_percent=70.0, discharging=True, load=0.1, memory_available=1 << 30)
    told, _ = await watched(state, replace(state, load=0.3, battery_percent=70.2, memory_available=2 << 30))
    assert len(told) == 1


async def test_a_new_address_is_a_change_of_network() -> None:
    moved = replace(HOME, addresses=("198.51.100.7",))
    told, _ = await watched(DeviceState(networks=(HOME,)), DeviceState(networks=(moved,)))
    assert [change.network_changed for change in told] == [False, True]


async def test_an_interface_that_is_down_or_loopback_changes_no_network() -> None:
    down = replace(HOME, name="eth0", up=False)
    told, _ = await watched(DeviceState(networks=(HOME,)), DeviceState(networks=(HOME, down, LOOP)))
    assert len(told) == 1


async def test_the_watch_rests_longer_as_the_battery_runs_low() -> None:
    states = [DeviceState(battery_percent=percent, discharging=True) for percent in (90.0, 50.0, 15.0)]
    told, rests = await watched(*states)
    assert [change.energy.level for change in told] == [
        EnergyLevel.FULL,
        EnergyLevel.CAREFUL,
        EnergyLevel.SAVER,
    ]
    assert rests == [LIMITS.full.poll_ns, LIMITS.careful.poll_ns, LIMITS.saver.poll_ns]


async def test_the_level_before_is_remembered_at_a_threshold() -> None:
    states = [DeviceState(battery_percent=percent, discharging=True) for percent in (19.0, 21.0)]
    told, _ = await watched(*states)
    assert [change.energy.level for change in told] == [EnergyLevel.SAVER, EnergyLevel.SAVER]
