"""What a device and its radios use, and how long its battery lasts.

Powers are whole microwatts and times whole nanoseconds, so energies are whole femtojoules: nothing is rounded while
it adds up, and the order of what is spent in one moment, or the moments at which somebody looks, change nothing.

A battery that is empty stays so, and draws nothing, until a charger gives more than the device draws. What the device
does then (it goes silent; it boots once a charger is there) is for whoever asks.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Literal, TypeAlias

from policies.device import DeviceState
from protocols.errors import SettingsError

__all__ = [
    "PHONE",
    "PHONE_CAPACITY_MJ",
    "RADIOS",
    "RADIO_ON",
    "Battery",
    "Charge",
    "Consumer",
    "DeviceCosts",
    "Radio",
    "RadioCosts",
    "RadioUse",
]

FJ_PER_NJ = 1_000_000
FJ_PER_MJ = 1_000_000_000_000
PPM = 1_000_000
CAPACITY_MJ_MAX = 10**12  # 278 kWh, a house; more is mains
CHARGES_MAX = 10_000  # in one plan: a charge a day for 27 years

Radio: TypeAlias = Literal["ble", "wifi", "lora"]
Consumer: TypeAlias = Literal["device", "ble", "wifi", "lora"]


@dataclass(frozen=True, slots=True)
class RadioCosts:
    """Of the radio alone; what its interrupts cost the processor is part of the device's own draw.

    What a packet costs comes on top of the draw of idling, listening and links.
    """

    idle_uw: int  # on, but neither listening nor linked
    scan_uw: int  # while it listens for newcomers, on top of idle
    advertise_uw: int  # while it shows itself, on top of idle
    link_uw: int  # for each link that it keeps alive, on top of idle
    send_packet_nj: int
    send_byte_nj: int
    receive_packet_nj: int
    receive_byte_nj: int


RADIOS: Mapping[Radio, RadioCosts] = MappingProxyType(
    {
        # nRF52840 product specification, 3 V, DC/DC, 1 Mbit/s, 0 dBm: receives at 4.6 mA = 13.8 mW, sends at 4.8 mA =
        # 14.4 mW, sleeps at 1.5 uA. A byte takes 8 us on the air.
        "ble": RadioCosts(
            idle_uw=5,  # sleeps
            scan_uw=13_800,  # the receiver is on
            advertise_uw=86,  # 1.5 ms for the three channels, four times a second (Android's "balanced")
            link_uw=110,  # an empty pair, 390 us with ramps and the gap between, each 50 ms
            send_packet_nj=6_000,  # 14 bytes around it, the ramps, the gap of 150 us and the answer: 420 us
            send_byte_nj=115,
            receive_packet_nj=6_000,  # the same, the other way round
            receive_byte_nj=110,
        ),
        # ESP32 datasheet, 3.3 V, 802.11n: sends at 180 mA = 594 mW, receives at 100 mA = 330 mW. Goodput taken as
        # 20 Mbit/s (guess: one room away), so a byte takes 0.4 us.
        "wifi": RadioCosts(
            idle_uw=3_300,  # joined and asleep; hears every third beacon, 3 ms of each 307
            scan_uw=330_000,  # the receiver is on
            advertise_uw=0,  # multicast packets, which are counted as such
            link_uw=0,  # a link is nothing to the radio but its packets
            send_packet_nj=69_000,  # 100 us to win the channel, 36 us preamble, 44 us until acknowledged
            send_byte_nj=238,
            receive_packet_nj=34_000,  # 36 us preamble, 16 us gap, 28 us to acknowledge
            receive_byte_nj=132,
        ),
        # SX1276 datasheet, 3.3 V: receives at 10.8 mA = 35.6 mW, sends +13 dBm at 29 mA = 95.7 mW. Spreading factor
        # 7, 125 kHz, coding 4/5: 5,469 bit/s, so a byte takes 1.46 ms and a symbol 1.024 ms.
        "lora": RadioCosts(
            idle_uw=1,  # sleeps at 0.2 uA
            scan_uw=35_640,  # the receiver is on: how LoRa nodes hear anything
            advertise_uw=0,  # packets, which are counted as such
            link_uw=0,  # it has none
            send_packet_nj=1_984_000,  # 12.25 symbols of preamble and 8 of header: 20.7 ms
            send_byte_nj=140_000,
            receive_packet_nj=0,  # paid by listening
            receive_byte_nj=0,
        ),
    }
)


@dataclass(frozen=True, slots=True)
class DeviceCosts:
    device_uw: int  # all but the radios
    radios: Mapping[Radio, RadioCosts] = field(default_factory=lambda: RADIOS)


# Guess: a suspended phone of today without its radios. Carroll and Heiser (USENIX ATC 2010) measured 69 mW for a
# suspended phone of then, a good part of it for the cellular radio.
PHONE = DeviceCosts(device_uw=25_000)
PHONE_CAPACITY_MJ = 55_440_000  # 4,000 mAh at 3.85 V, usual for a phone


@dataclass(frozen=True, slots=True)
class RadioUse:
    scan_ppm: int = 0  # share of the time that it listens for newcomers, in millionths
    advertises: bool = False
    links: int = 0


RADIO_ON = RadioUse()


@dataclass(frozen=True, slots=True)
class Charge:
    """A charger is attached."""

    start_ns: int
    end_ns: int
    power_uw: int  # into the battery: 10 W is 10,000,000


class Battery:
    """Asked at times that never go back. It begins switched on with no radio in use."""

    def __init__(
        self,
        costs: DeviceCosts,
        *,
        capacity_mj: int | None,
        level_percent: int = 100,
        charges: Sequence[Charge] = (),
        now_ns: int = 0,
    ) -> None:
        """`capacity_mj`: None is mains: what is spent is counted, and it never ends."""
        _check(capacity_mj, level_percent, charges)
        self._costs = costs
        self._full_fj = None if capacity_mj is None else capacity_mj * FJ_PER_MJ
        self._left_fj = 0 if self._full_fj is None else self._full_fj * level_percent // 100
        self._charges = deque(each for each in charges if each.end_ns > now_ns)  # those that have not ended
        self._now_ns = now_ns
        self._draws: dict[Consumer, int] = {"device": costs.device_uw}
        self._draw_uw = costs.device_uw  # all draws together
        self._drawn_ns = 0  # for how long these draws have been paid; not yet in `_spent`
        self._spent: dict[Consumer, int] = {}

    # -- what the device does ---------------------------------------------------------------------------------

    def switch(self, *, on: bool, now_ns: int) -> None:
        """Off: nothing draws, and all radios are off when it comes back."""
        self._advance(now_ns)
        self._draw({"device": self._costs.device_uw} if on else {})

    def use(self, radio: Radio, use: RadioUse | None, *, now_ns: int) -> None:
        """From now on. None: the radio is off."""
        self._advance(now_ns)
        draws = self._draws.copy()
        draws.pop(radio, None)
        if use is not None:
            assert 0 <= use.scan_ppm <= PPM, "a share of the time is 0 to 1,000,000 ppm"
            costs = self._costs.radios[radio]
            draws[radio] = (
                costs.idle_uw
                + costs.scan_uw * use.scan_ppm // PPM
                + costs.advertise_uw * use.advertises
                + costs.link_uw * use.links
            )
        self._draw(draws)

    def send(self, radio: Radio, *, size: int, packets: int = 1, now_ns: int) -> None:
        """`size`: bytes, of all packets together."""
        costs = self._costs.radios[radio]
        self._spend(radio, costs.send_packet_nj * packets + costs.send_byte_nj * size, now_ns)

    def receive(self, radio: Radio, *, size: int, packets: int = 1, now_ns: int) -> None:
        costs = self._costs.radios[radio]
        self._spend(radio, costs.receive_packet_nj * packets + costs.receive_byte_nj * size, now_ns)

    def work(self, energy_nj: int, *, now_ns: int) -> None:
        """Of the processor, on top of the device's own draw."""
        self._spend("device", energy_nj, now_ns)

    # -- how it stands ----------------------------------------------------------------------------------------

    def level(self, now_ns: int) -> int:
        """Percent, rounded up: 0 only once it is empty. Mains: 100."""
        self._advance(now_ns)
        return 100 if self._full_fj is None else -(-100 * self._left_fj // self._full_fj)

    def left_mj(self, now_ns: int) -> int:
        self._advance(now_ns)
        return self._left_fj // FJ_PER_MJ

    def is_empty(self, now_ns: int) -> bool:
        self._advance(now_ns)
        return self._full_fj is not None and not self._left_fj

    def discharging(self, now_ns: int) -> bool:
        """No charger is attached."""
        self._advance(now_ns)
        return self._full_fj is not None and not self._is_attached()

    def empty_at_ns(self, now_ns: int) -> int | None:
        """At the present draw and with the charges to come. None: never."""
        self._advance(now_ns)
        if self._full_fj is None:
            return None
        if not self._left_fj:
            return now_ns
        at_ns, left_fj = now_ns, self._left_fj
        for end_ns, charger_uw in self._segments():
            net_uw = self._draw_uw - charger_uw
            empty_ns = at_ns - (-left_fj // net_uw) if net_uw > 0 else None
            if empty_ns is not None and (end_ns is None or empty_ns <= end_ns):
                return empty_ns
            if end_ns is not None:
                left_fj = min(self._full_fj, left_fj - net_uw * (end_ns - at_ns))
                at_ns = end_ns
        return None

    def charger_at_ns(self, now_ns: int) -> int | None:
        """When a charger is attached next; now, if one is. None: never."""
        self._advance(now_ns)
        return max(now_ns, self._charges[0].start_ns) if self._charges else None

    def spent_nj(self, consumer: Consumer, now_ns: int) -> int:
        """Since it began, whether from the battery or a charger."""
        self._advance(now_ns)
        drawn_fj = self._draws.get(consumer, 0) * self._drawn_ns
        return (self._spent.get(consumer, 0) + drawn_fj) // FJ_PER_NJ

    def device_state(self, now_ns: int, base: DeviceState | None = None) -> DeviceState:
        """`base` with what is to be said of the battery; mains says nothing."""
        state = DeviceState() if base is None else base
        if self._full_fj is None:
            return replace(state, battery_percent=None, discharging=None)
        return replace(state, battery_percent=float(self.level(now_ns)), discharging=self.discharging(now_ns))

    # -- inside -----------------------------------------------------------------------------------------------

    def _spend(self, consumer: Consumer, energy_nj: int, now_ns: int) -> None:
        """More than is left empties it: the last packet goes out. Out of an empty one comes nothing."""
        self._advance(now_ns)
        energy_fj = energy_nj * FJ_PER_NJ
        if self._full_fj is not None:
            energy_fj = min(energy_fj, self._left_fj)
            self._left_fj -= energy_fj
        self._spent[consumer] = self._spent.get(consumer, 0) + energy_fj

    def _advance(self, now_ns: int) -> None:
        assert now_ns >= self._now_ns, "a battery is asked for the past"
        if now_ns == self._now_ns:
            return
        if not self._charges:
            self._pass(now_ns - self._now_ns, 0)
            self._now_ns = now_ns
            return
        for end_ns, charger_uw in self._segments():
            until_ns = now_ns if end_ns is None else min(end_ns, now_ns)
            self._pass(until_ns - self._now_ns, charger_uw)
            self._now_ns = until_ns
            if until_ns == now_ns:
                break
        while self._charges and self._charges[0].end_ns <= now_ns:
            self._charges.popleft()

    def _pass(self, span_ns: int, charger_uw: int) -> None:
        if self._full_fj is not None:
            net_uw = self._draw_uw - charger_uw
            if net_uw * span_ns >= self._left_fj:  # it ends within the span, or has ended
                span_ns = -(-self._left_fj // net_uw) if net_uw else 0
            self._left_fj = max(0, min(self._full_fj, self._left_fj - net_uw * span_ns))
        self._drawn_ns += span_ns

    def _draw(self, draws: dict[Consumer, int]) -> None:
        for consumer, draw_uw in self._draws.items():
            self._spent[consumer] = self._spent.get(consumer, 0) + draw_uw * self._drawn_ns
        self._draws, self._drawn_ns = draws, 0
        self._draw_uw = sum(draws.values())

    def _segments(self) -> Iterator[tuple[int | None, int]]:
        """From now on: until when a charger gives what power. The last has no end."""
        at_ns = self._now_ns
        for charge in self._charges:
            if charge.start_ns > at_ns:
                yield charge.start_ns, 0
            yield charge.end_ns, charge.power_uw
            at_ns = charge.end_ns
        yield None, 0

    def _is_attached(self) -> bool:
        return bool(self._charges) and self._charges[0].start_ns <= self._now_ns


def _check(capacity_mj: int | None, level_percent: int, charges: Sequence[Charge]) -> None:
    if capacity_mj is not None and not 1 <= capacity_mj <= CAPACITY_MJ_MAX:
        raise SettingsError(f"the capacity of a battery is 1 to {CAPACITY_MJ_MAX:,} mJ, not {capacity_mj:,}")
    if not 0 <= level_percent <= 100:
        raise SettingsError(f"the level of a battery is 0 to 100 %, not {level_percent}")
    if len(charges) > CHARGES_MAX:
        raise SettingsError(f"charges are at most {CHARGES_MAX:,}, not {len(charges):,}")
    if any(charge.start_ns >= charge.end_ns or charge.power_uw < 0 for charge in charges):
        raise SettingsError("a charge ends after it starts, and gives some power")
    if any(before.end_ns > after.start_ns for before, after in pairwise(charges)):
        raise SettingsError("charges follow on each other")
