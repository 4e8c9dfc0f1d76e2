"""Contact traces as text: our own format, read and written, and those of others, taken over.

The reader is total: any bytes are a trace or a TraceError that says where. Nothing larger than the limits is taken
apart.
"""

from collections.abc import Iterator

from protocols.errors import SettingsError
from sim.models.movement.traces import NODES_MAX, ROWS_MAX, SCAN_S_MAX, TIME_S_MAX, Contact, ContactTrace

__all__ = ["TRACE_BYTES_MAX", "TraceError", "import_contacts", "read_contacts", "write_contacts"]

TRACE_BYTES_MAX = 32 << 20  # 1,000,000 rows of 30 bytes
LINE_BYTES_MAX = 256
LABEL_BYTES_MAX = 64  # a node's name in a trace of others
TITLE = "# meshnode contacts 1"
COLUMNS = ("start_s", "end_s", "a", "b")
HEADER_LINES = 4

Line = tuple[int, str]  # its number, from 1


class TraceError(SettingsError):
    """The file is not a trace. Line and column count from 1; the column is that of the field's first character."""

    def __init__(self, line: int, column: int, sentence: str) -> None:
        super().__init__(f"line {line}, column {column}: {sentence}")
        self.line, self.column = line, column


def read_contacts(data: bytes) -> ContactTrace:
    """Rows may come in any order, and either node first. Raises TraceError."""
    lines = _lines(data)
    number, title = next(lines, (1, ""))
    if title != TITLE:
        raise TraceError(number, 1, f"a contact trace begins with '{TITLE}'")
    nodes = _header(next(lines, (2, "")), "nodes", NODES_MAX)
    scan_s = _header(next(lines, (3, "")), "scan_s", SCAN_S_MAX)
    number, columns = next(lines, (4, ""))
    if columns != ",".join(COLUMNS):
        raise TraceError(number, 1, f"the columns are '{','.join(COLUMNS)}'")
    return ContactTrace(nodes, scan_s, tuple(_contact(line, nodes) for line in lines))


def write_contacts(trace: ContactTrace) -> bytes:
    """The one form of this trace: `read_contacts` gives it back, and equal traces give equal bytes."""
    lines = [TITLE, f"# nodes {trace.nodes}", f"# scan_s {trace.scan_s}", ",".join(COLUMNS)]
    lines += [f"{each.start_s},{each.end_s},{each.a},{each.b}" for each in trace.contacts]
    return "".join(f"{line}\n" for line in lines).encode()


def import_contacts(data: bytes, *, scan_s: int) -> tuple[ContactTrace, tuple[str, ...]]:
    """A trace of others: a line of column names, then start, end and two nodes, named in any way.

    Gives the trace, which begins at 0, and each node's name there. Nodes are numbered by name: numbers by value,
    then all others by their letters. Raises TraceError.
    """
    lines = _lines(data)
    next(lines, None)
    rows: list[tuple[int, int, str, str]] = []
    for line in lines:
        number, fields = line[0], _fields(line)
        start_s, end_s = _span(number, fields)
        labels = [_label(number, *fields[index]) for index in (2, 3)]
        if labels[0] == labels[1]:
            raise TraceError(number, fields[3][0], f"{labels[1]} hears itself")
        rows.append((start_s, end_s, labels[0], labels[1]))
    if not rows:
        raise TraceError(2, 1, "there are no contacts")
    names = sorted({name for row in rows for name in row[2:]}, key=_by_name)
    if len(names) > NODES_MAX:
        raise TraceError(1, 1, f"more than {NODES_MAX:,} nodes")
    number_of = {name: number for number, name in enumerate(names)}
    first_s = min(row[0] for row in rows)
    contacts: list[Contact] = []
    for start_s, end_s, one, other in rows:
        a, b = sorted((number_of[one], number_of[other]))
        contacts.append(Contact(start_s - first_s, end_s - first_s, a, b))
    return ContactTrace(len(names), scan_s, tuple(contacts)), tuple(names)


def _lines(data: bytes) -> Iterator[Line]:
    """Without their ends; an empty last line is none."""
    if len(data) > TRACE_BYTES_MAX:
        raise TraceError(1, 1, f"larger than {TRACE_BYTES_MAX:,} bytes")
    if data.count(b"\n") > ROWS_MAX + HEADER_LINES:
        raise TraceError(ROWS_MAX + HEADER_LINES + 1, 1, f"more than {ROWS_MAX:,} contacts")
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for number, raw in enumerate(lines, 1):
        if len(raw) > LINE_BYTES_MAX:
            raise TraceError(number, LINE_BYTES_MAX + 1, f"longer than {LINE_BYTES_MAX} characters")
        try:
            yield number, raw.removesuffix(b"\r").decode("ascii")
        except UnicodeDecodeError as error:
            raise TraceError(number, error.start + 1, "only ASCII may stand here") from None


def _header(line: Line, key: str, most: int) -> int:
    number, text = line
    start = f"# {key} "
    if not text.startswith(start):
        raise TraceError(number, 1, f"here stands '{start}' and a number")
    return _whole(number, len(start) + 1, key, text.removeprefix(start), 1, most)


def _contact(line: Line, nodes: int) -> Contact:
    number, fields = line[0], _fields(line)
    start_s, end_s = _span(number, fields)
    a = _whole(number, fields[2][0], "a", fields[2][1], 0, nodes - 1)
    b = _whole(number, fields[3][0], "b", fields[3][1], 0, nodes - 1)
    if a == b:
        raise TraceError(number, fields[3][0], f"{b} hears itself")
    return Contact(start_s, end_s, min(a, b), max(a, b))


def _fields(line: Line) -> list[tuple[int, str]]:
    """The four of a row, each with its column."""
    number, text = line
    fields: list[tuple[int, str]] = []
    column = 1
    for field in text.split(","):
        fields.append((column, field))
        column += len(field) + 1
    if len(fields) != len(COLUMNS):
        raise TraceError(number, 1, f"{len(fields)} fields, not {len(COLUMNS)}")
    return fields


def _span(number: int, fields: list[tuple[int, str]]) -> tuple[int, int]:
    start_s = _whole(number, fields[0][0], "start_s", fields[0][1], 0, TIME_S_MAX)
    end_s = _whole(number, fields[1][0], "end_s", fields[1][1], 0, TIME_S_MAX)
    if end_s < start_s:
        raise TraceError(number, fields[1][0], f"end_s {end_s} is before start_s {start_s}")
    return start_s, end_s


def _whole(number: int, column: int, name: str, text: str, least: int, most: int) -> int:
    if not text.isdigit() or len(text) > len(str(most)) or not least <= int(text) <= most:
        raise TraceError(number, column, f"{name} is a whole number from {least} to {most}")
    return int(text)


def _label(number: int, column: int, text: str) -> str:
    if not (0 < len(text) <= LABEL_BYTES_MAX and text.isprintable()):
        raise TraceError(number, column, f"a node's name is 1 to {LABEL_BYTES_MAX} printable characters")
    return text


def _by_name(name: str) -> tuple[int, int, str]:
    return (0, int(name), name) if name.isdigit() else (1, 0, name)
