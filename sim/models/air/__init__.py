"""One radio channel that many share: who sends is heard by all in range, unless the air gets in the way."""

from sim.models.air.air import FRAMES_WAITING_MAX, LISTEN_TRIES_MAX, PLAIN, Air, Hearing, edge_loss
from sim.models.air.kinds import (
    BLE_ADVERTISING,
    BLE_CONNECTION,
    BLE_EXTENDED,
    IDEAL,
    LORA,
    AirKind,
    Airtime,
    BitRate,
    Chirps,
)
from sim.models.air.scan import ALWAYS, ASLEEP, Beacon, Windows, sees_after_ns

__all__ = [
    "ALWAYS",
    "ASLEEP",
    "BLE_ADVERTISING",
    "BLE_CONNECTION",
    "BLE_EXTENDED",
    "FRAMES_WAITING_MAX",
    "IDEAL",
    "LISTEN_TRIES_MAX",
    "LORA",
    "PLAIN",
    "Air",
    "AirKind",
    "Airtime",
    "Beacon",
    "BitRate",
    "Chirps",
    "Hearing",
    "Windows",
    "edge_loss",
    "sees_after_ns",
]
