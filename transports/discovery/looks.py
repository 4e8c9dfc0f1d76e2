"""An active look: one multicast question to whoever is there (RFC 6762, section 5.2).

zeroconf asks when it starts, and again for what is about to run out. That misses who announced itself while the
network lost the packet, as Wi-Fi does with multicast, or while this device slept.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zeroconf import Zeroconf

QUERY, TYPE_PTR, CLASS_IN = 0, 12, 1  # RFC 1035


def look(responder: "Zeroconf", service_type: str) -> None:
    """Whoever we know already need not answer: its record goes along (RFC 6762, section 7.1)."""
    import zeroconf  # noqa: PLC0415 - heavy, see `mdns`

    # Both names are there for whoever sends packets of their own, but outside the list that a type checker reads.
    question = zeroconf.DNSOutgoing(QUERY)  # pyright: ignore[reportPrivateImportUsage] - see above
    question.add_question(zeroconf.DNSQuestion(service_type, TYPE_PTR, CLASS_IN))  # pyright: ignore[reportPrivateImportUsage] - see above
    now_ms = zeroconf.current_time_millis()
    for known in responder.cache.get_all_by_details(service_type, TYPE_PTR, CLASS_IN):
        if not known.is_stale(now_ms):  # half of its time is left: nothing is wrong with it
            question.add_answer_at_time(known, now_ms)
    responder.async_send(question)
