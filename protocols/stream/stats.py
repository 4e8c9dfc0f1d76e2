"""Counters that a connection keeps up to date, for people and tests."""

from dataclasses import dataclass


@dataclass(slots=True)
class StreamStats:
    records_in: int = 0
    records_out: int = 0
    bytes_in: int = 0  # of plaintext, frames included
    bytes_out: int = 0
    records_lost: int = 0
    records_late: int = 0  # taken for lost and acknowledged after all
    records_refused: int = 0  # held more early data than we keep; they come again
    bytes_again: int = 0  # of stream data, queued to be sent once more
    controls_dropped: int = 0
