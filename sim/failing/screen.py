"""What a person sees first of a failing run: at most 40 lines of at most 100 columns, and how to run it again."""

import re
import shlex
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from sim.failing.mild import hosts_of, in_force
from sim.faults.plan import Fault
from sim.result import Broken, Result

LINES_MAX = 40
COLUMNS_MAX = 100
NOTES_MAX = 20
FAULTS_MAX = 8
SETTINGS_LINES_MAX = 2
WHAT_LINES_MAX = 3
WORD = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the result does not know of its own run."""

    meshnode: str
    python: str
    commit: str = ""
    warm_s: float = 0.0  # of the scenario: a plan's times begin after it
    file: str = ""  # the failure file, once it is written


def screen_of(result: Result, around: Circumstances) -> str:
    """Of the first oracle that broke; there must be one. The command to replay is never cut, so it alone may be wider
    than a screen.
    """
    broken = result.broken[0]
    hosts = _hosts_concerned(result, broken)
    commit = f" ({around.commit})" if around.commit else ""
    lines = [
        _cut(f"FAILED   {result.scenario}, seed {result.seed}: {broken.oracle}"),
        _cut(f"who      {broken.who} at {broken.at_s:.3f} s, event {result.events:,}"),
        *_wrapped("what     ", broken.what, WHAT_LINES_MAX),
        _cut(f"where    {result.nodes} nodes, lane {result.lane}, digest {result.digest}"),
        _cut(f"with     meshnode {around.meshnode}{commit}, Python {around.python}"),
    ]
    if result.settings:
        settings = " ".join(f"{key}={value}" for key, value in sorted(result.settings.items()))
        lines += _wrapped("set      ", settings, SETTINGS_LINES_MAX)
    lines += _fault_lines(result, (broken.at_s - around.warm_s) * 1_000)
    lines += _note_lines(result, hosts)
    lines.append(f"replay   {replay_command(result, around.file)}")
    return "\n".join(lines)


def replay_command(result: Result, file: str) -> str:
    """One line for a shell."""
    if file:
        return f"python -m sim replay {shlex.quote(file)}"
    words = ["python", "-m", "sim", "run", result.scenario, "--seed", str(result.seed)]
    for key, value in sorted(result.settings.items()):
        words += ["--set", f"{key}={value}"]
    return _plain(shlex.join(words))


def fault_text(fault: Fault) -> str:
    """`crash at 12.5 s: host n3, down_ms 3000, power`"""
    fields: dict[str, Any] = msgspec.to_builtins(fault)
    kind, at_ms = fields.pop("fault"), fields.pop("at_ms")
    said: list[str] = []
    for name, value in fields.items():
        if value is True:
            said.append(name)
        elif isinstance(value, tuple):
            said += [f"{name} {'+'.join(cast('tuple[str, ...]', value))}"] if value else []
        elif value is not False and value is not None:
            said.append(f"{name} {value}")
    return f"{kind} at {at_ms / 1_000:g} s: {', '.join(said)}"


def _hosts_concerned(result: Result, broken: Broken) -> frozenset[str]:
    known = {who for _, who, _ in result.samples.trail}
    known.update(host for fault in result.plan.faults for host in hosts_of(fault))
    known.add(broken.who)
    return frozenset(known.intersection((broken.who, *WORD.findall(broken.who), *WORD.findall(broken.what))))


def _fault_lines(result: Result, at_ms: float) -> list[str]:
    faults = in_force(result.plan, at_ms)
    total = len(result.plan.faults)
    if not faults:
        return [f"faults   none in force, of {total} planned"]
    shown = [_cut(f"         {fault_text(fault)}") for fault in faults[-FAULTS_MAX:]]
    hidden = f"; the last {FAULTS_MAX} to begin" if len(faults) > FAULTS_MAX else ""
    return [f"faults   {len(faults)} in force, of {total} planned{hidden}", *shown]


def _note_lines(result: Result, hosts: frozenset[str]) -> list[str]:
    notes = [
        note for note in result.samples.trail if note[1] in hosts or hosts.intersection(WORD.findall(note[2]))
    ]
    if not notes:
        notes = result.samples.trail
    return [
        _cut(f"notes    of {len(notes)} around {', '.join(sorted(hosts)) or 'all'}"),
        *(_cut(f"  {at_s:>12.3f} s  {who:<8} {text}") for at_s, who, text in notes[-NOTES_MAX:]),
    ]


def _wrapped(head: str, text: str, lines_max: int) -> Iterable[str]:
    return textwrap.wrap(
        _plain(text),
        width=COLUMNS_MAX,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        max_lines=lines_max,
        placeholder=" …",
    ) or [head.rstrip()]


def _cut(line: str) -> str:
    line = _plain(line, spaces=True)
    return line if len(line) <= COLUMNS_MAX else line[: COLUMNS_MAX - 1] + "…"


def _plain(text: str, *, spaces: bool = False) -> str:
    """In one line, and nothing in it that a terminal would obey."""
    said = "".join(each if each.isprintable() else " " for each in text)
    return said.rstrip() if spaces else " ".join(said.split())
