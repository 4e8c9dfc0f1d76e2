"""Radios as data: how long a frame is on the air, how often one may send, and what two at once do to each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from sim.timeline import NS_PER_MS, NS_PER_S, NS_PER_US

__all__ = [
    "BLE_ADVERTISING",
    "BLE_CONNECTION",
    "BLE_EXTENDED",
    "IDEAL",
    "LORA",
    "AirKind",
    "Airtime",
    "BitRate",
    "Chirps",
]

PPM = 1_000_000


class Airtime(Protocol):
    def ns(self, size: int) -> int:
        """From the first bit of a frame of so many bytes to its last."""
        ...


@dataclass(frozen=True, slots=True)
class BitRate:
    """Frames larger than a packet go as several, with a gap behind each."""

    bits_per_s: int
    around_bytes: int = 0  # preamble, address, header and checksum of each packet
    packet_bytes: int = 1 << 16
    gap_ns: int = 0

    def ns(self, size: int) -> int:
        packets = max(1, -(-size // self.packet_bytes))
        return (size + packets * self.around_bytes) * 8 * NS_PER_S // self.bits_per_s + packets * self.gap_ns


@dataclass(frozen=True, slots=True)
class Chirps:
    """LoRa: symbols of 2**spreading chips (Semtech SX1276 datasheet, 4.1.1.7), explicit header, checksum on."""

    spreading: int  # 7 to 12
    bandwidth_hz: int = 125_000
    coding: int = 1  # 4/5
    preamble_symbols: int = 8

    def ns(self, size: int) -> int:
        symbol_ns = 2**self.spreading * NS_PER_S // self.bandwidth_hz
        slow = (
            self.spreading >= 11 and self.bandwidth_hz == 125_000
        )  # symbols above 16 ms: two bits fewer in each
        bits = 8 * size - 4 * self.spreading + 28 + 16
        per_block = 4 * (self.spreading - 2 * slow)
        payload = 8 + max(0, -(-bits // per_block)) * (self.coding + 4)
        return symbol_ns * (4 * (self.preamble_symbols + payload) + 17) // 4  # 4.25 symbols of sync


@dataclass(frozen=True, slots=True)
class AirKind:
    name: str
    airtime: Airtime
    frame_bytes_max: int
    latency_ns: int = 0  # beside the airtime: until the radio's owner hears of it
    interval_ns: int = 0  # least, from a sender's start to its next
    jitter_ns: int = 0  # on top of it, drawn each time
    slot_ns: int = 0  # a sender starts at its own slots only; 0: at any time
    duty_ppm: int = PPM  # share of the time that a sender may be on the air; the rest of it, it waits
    collides: bool = True  # two that overlap at a receiver destroy each other there
    half_duplex: bool = True  # who sends does not hear
    capture_ratio: float | None = None  # the sender that is nearer by this factor is heard all the same
    backoff_ns: tuple[int, int] | None = (
        None  # listens before it talks, and waits so long if it heard somebody
    )


# A radio that does no harm: what the tables of baselines were measured with. 5 ms is a hop at best on BLE.
IDEAL = AirKind(
    "ideal", BitRate(PPM * 1_000), 1 << 16, latency_ns=5 * NS_PER_MS, collides=False, half_duplex=False
)

# Bluetooth Core 5.4, volume 6, part B: 1 Mbit/s; 1 byte preamble, 4 access address, 2 header, 6 advertiser's address,
# 3 checksum; an event each 20 ms or more, plus 0 to 10 ms. It is sent on three channels one after the other; a scanner
# listens on one of them, so each scanner hears an event once and the other two don't count.
BLE_ADVERTISING = AirKind(
    "ble-advertising",
    BitRate(PPM, around_bytes=16),
    frame_bytes_max=31,
    interval_ns=20 * NS_PER_MS,
    jitter_ns=10 * NS_PER_MS,
    capture_ratio=2.0,  # 6 dB in free space; receivers of FSK need 8 dB at worst (part A, 4.2), some 6 in practice
)
# The same with the payload on a data channel of its own; the pointer to it, 13 bytes, is part of what surrounds it.
BLE_EXTENDED = AirKind(
    "ble-extended",
    BitRate(PPM, around_bytes=16 + 10 + 13),
    frame_bytes_max=255,
    interval_ns=20 * NS_PER_MS,
    jitter_ns=10 * NS_PER_MS,
    capture_ratio=2.0,
)
# A connection each 30 ms. It hops over 37 channels, so neighbours' connections hardly ever meet. A packet of 251 bytes
# waits 150 us, is acknowledged by an empty one of 80 us, and waits again. 512: the longest attribute of GATT.
BLE_CONNECTION = AirKind(
    "ble-connection",
    BitRate(PPM, around_bytes=10, packet_bytes=251, gap_ns=380 * NS_PER_US),
    frame_bytes_max=512,
    slot_ns=30 * NS_PER_MS,
    collides=False,
)


def _lora(spreading: int, frame_bytes_max: int) -> AirKind:
    return AirKind(
        f"lora-sf{spreading}",
        Chirps(spreading),
        frame_bytes_max,
        duty_ppm=10_000,  # ETSI EN 300 220, 868.0 to 868.6 MHz
        capture_ratio=2.0,  # 6 dB within one spreading factor (Semtech AN1200.22), in free space
        # Listens before it talks, as Meshtastic does; some symbols to some tens of them.
        backoff_ns=(2 ** (spreading + 3) * 8_000, 2 ** (spreading + 6) * 8_000),
    )


# Frames as LoRaWAN's regional parameters (EU868) let them be; 255 is all that the radio's buffer takes.
LORA: Mapping[int, AirKind] = MappingProxyType(
    {
        7: _lora(7, 255),
        8: _lora(8, 255),
        9: _lora(9, 123),
        10: _lora(10, 59),
        11: _lora(11, 59),
        12: _lora(12, 59),
    }
)
