"""Contacts that were, or could have been: who heard whom, from when to when. The format is in docs/traces.md."""

from collections.abc import Iterator
from dataclasses import dataclass

from protocols.errors import SettingsError
from sim.models.movement.contacts import ContactChange
from sim.timeline import NS_PER_S

__all__ = ["NODES_MAX", "ROWS_MAX", "SCAN_S_MAX", "TIME_S_MAX", "Contact", "ContactTrace"]

NODES_MAX = 100_000  # the largest trace known to us has some hundreds
ROWS_MAX = 1_000_000  # the same has 170,601
TIME_S_MAX = 100_000_000  # three years
SCAN_S_MAX = 86_400


@dataclass(frozen=True, slots=True, order=True)
class Contact:
    start_s: int
    end_s: int  # the last sighting: the same as the start where there was one only
    a: int  # below b
    b: int


@dataclass(frozen=True, slots=True)
class ContactTrace:
    nodes: int  # 0 to nodes - 1; some may never meet anybody
    scan_s: int  # who kept the trace looked so often: the least that a contact lasts
    contacts: tuple[Contact, ...]  # sorted, whatever order they were given in

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= NODES_MAX:
            raise SettingsError(f"nodes of a trace are 1 to {NODES_MAX:,}, not {self.nodes:,}")
        if not 1 <= self.scan_s <= SCAN_S_MAX:
            raise SettingsError(f"scan_s of a trace is 1 to {SCAN_S_MAX:,}, not {self.scan_s:,}")
        if len(self.contacts) > ROWS_MAX:
            raise SettingsError(f"contacts of a trace are at most {ROWS_MAX:,}, not {len(self.contacts):,}")
        for contact in self.contacts:
            if not (
                0 <= contact.start_s <= contact.end_s <= TIME_S_MAX
                and 0 <= contact.a < contact.b < self.nodes
            ):
                raise SettingsError(f"{contact} is no contact among {self.nodes} nodes")
        object.__setattr__(self, "contacts", tuple(sorted(self.contacts)))

    @property
    def span_s(self) -> int:
        """From 0 to the end of the last contact."""
        return max((self._until_s(contact) for contact in self.contacts), default=0)

    def changes(self) -> Iterator[ContactChange]:
        """In order. Each contact lasts one scan at least; what then touches or overlaps is one contact."""
        spans: dict[tuple[int, int], list[list[int]]] = {}
        for contact in self.contacts:
            pair = spans.setdefault((contact.a, contact.b), [])
            until_s = self._until_s(contact)
            if pair and contact.start_s <= pair[-1][1]:
                pair[-1][1] = max(pair[-1][1], until_s)
            else:
                pair.append([contact.start_s, until_s])
        return iter(
            sorted(
                ContactChange(when_s * NS_PER_S, up, a, b)
                for (a, b), pair in spans.items()
                for span in pair
                for when_s, up in zip(span, (True, False), strict=True)
            )
        )

    def _until_s(self, contact: Contact) -> int:
        return max(contact.end_s, contact.start_s + self.scan_s)
