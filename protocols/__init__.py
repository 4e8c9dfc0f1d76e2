"""Bytes, time and entropy in; events and bytes out. No I/O, no clock, no dice."""
