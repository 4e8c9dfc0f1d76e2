"""Time as text, for whatever leaves the node as JSON."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_NS = 253_402_300_799 * 1_000_000_000  # the end of the year 9999, beyond which the format has no words


def rfc3339(wall_ns: int) -> str:
    """RFC 3339 in UTC with milliseconds. Total: a clock that is out of its mind gives the nearest time that exists."""
    moment = EPOCH + timedelta(milliseconds=min(max(0, wall_ns), LATEST_NS) // 1_000_000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
