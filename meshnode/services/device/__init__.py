"""How the device is: battery, heat, load, memory and networks, read by us and handed to policies."""

from meshnode.services.device.reader import DeviceReader
from meshnode.services.device.system import Interface, PsutilSystem, System
from meshnode.services.device.wake import rest
from meshnode.services.device.watch import DeviceChange, watch_device

__all__ = ["DeviceChange", "DeviceReader", "Interface", "PsutilSystem", "System", "rest", "watch_device"]
