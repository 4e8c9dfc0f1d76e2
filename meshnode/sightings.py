"""Who announces itself just now. A sighting is told once; somebody it was told to too early may ask again here."""

from protocols.ids import NodeId
from transports.discovery import Sighting, recognises

SIGHTINGS_MAX = 256  # announcements; a busy network has dozens. The one heard longest ago goes


class Sightings:
    def __init__(self) -> None:
        self._by_token: dict[bytes, Sighting] = {}

    def take(self, sighting: Sighting) -> None:
        self._by_token.pop(sighting.token, None)
        if sighting.gone or not sighting.addresses:
            return
        self._by_token[sighting.token] = sighting
        if len(self._by_token) > SIGHTINGS_MAX:
            del self._by_token[next(iter(self._by_token))]

    def addresses_of(self, peer: NodeId) -> list[str]:
        """Where it was seen, the latest first; empty where it was not. One hash for each announcement."""
        seen = (each for each in reversed(self._by_token.values()) if recognises(peer, each))
        return list(dict.fromkeys(address for each in seen for address in each.addresses))
