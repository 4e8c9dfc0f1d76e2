"""A result as one page in one file: it needs no network, and its policy forbids it any."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from protocols.errors import SettingsError
from sim.report.canvas import band_kinds
from sim.report.figures import Plot, plots
from sim.report.markup import Cell, Piece, Row, data_block, html_table, joined, tag, text
from sim.report.plotting import checked, library
from sim.report.village_map import map_figure, map_frames
from sim.report.words import (
    ENDINGS,
    MARKS,
    Deed,
    deeds,
    grouped,
    measured,
    number,
    replay_line,
    span,
    speed,
    title,
    without_owner,
)
from sim.result import Reached, Result

PAGE_BYTES_MAX = 8_000_000  # half of it and more is the library; what varies is bounded where it is drawn
ROWS_MAX = 500  # of any table
TRAIL_MAX = 400
VERDICTS = {True: "good", False: "bad", None: "unknown"}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"
WIDE_PLOTS = ("hosts",)


def write_page(result: Result, path: Path) -> None:
    """Raises SettingsError where Plotly is missing, or the file can't be written."""
    written = page(result)
    try:
        path.write_text(written, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"the report can't be written to {path}: {error.strerror}") from None


def page(result: Result) -> str:
    """The whole file. Raises SettingsError where Plotly is missing."""
    script = Piece(f"<script>{library()}</script>\n<script>{_asset('page.js')}</script>")
    body = joined(
        [
            tag("header", _head(result)),
            tag("main", joined([piece for piece in _sections(result) if piece])),
            tag("footer", "Made by the simulator of meshnode. Times are virtual unless they say otherwise."),
            script,
        ]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"{tag('title', f'{result.scenario}, seed {result.seed}')}\n<style>{_asset('page.css')}</style>\n"
        f"</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _asset(name: str) -> str:
    return (resources.files("sim.report") / name).read_text(encoding="utf-8")


# -- the head -------------------------------------------------------------------------------------------------


def _head(result: Result) -> Piece:
    facts = {
        "nodes": f"{result.nodes:,}",
        "seed": str(result.seed),
        "lane": {"a": "a, bare cores", "b": "b, whole daemons"}.get(result.lane, result.lane),
        "events": f"{result.events:,}",
        "virtual time": span(result.virtual_s),
        "real time": span(result.wall_s),
        "speed": f"{speed(result)} real time",
        "digest": result.digest,
    }
    fields = [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts.items()]
    return joined(
        [
            tag("p", "meshnode simulator", class_="kicker"),
            tag("h1", result.scenario),
            tag("p", *_badges(result), class_="badges"),
            tag("dl", joined(fields), class_="facts"),
            tag("p", tag("span", "again"), tag("code", *_whole(replay_line(result))), class_="again"),
        ]
    )


def _whole(line: str) -> list[Piece]:
    """Whoever copies it wants all of it, however long it is."""
    return [text(line[start : start + 200]) for start in range(0, len(line), 200)]


def _badges(result: Result) -> list[Piece]:
    held = sum(1 for verdict in result.oracles.values() if verdict == "held")
    badges: list[Piece] = []
    if result.broken or held < len(result.oracles):
        count = max(len(result.oracles) - held, 1)
        badges.append(_badge(f"✗ {count} {'oracle' if count == 1 else 'oracles'} broken", "bad"))
    elif result.oracles:
        badges.append(_badge(f"✓ {held} {'oracle' if held == 1 else 'oracles'} held", "good"))
    told = [goal.met for goal in result.goals if goal.met is not None]
    if result.goals:
        mark, kind = MARKS[all(told) if told else None], "good" if told and all(told) else "unknown"
        badges.append(_badge(f"{mark} {sum(told)} of {len(result.goals)} goals met", kind))
    badges.append(_badge(ENDINGS.get(result.ended, result.ended), "plain"))
    return badges


def _badge(words: str, kind: str) -> Piece:
    return tag("span", words, class_=f"badge {kind}")


# -- the sections ---------------------------------------------------------------------------------------------


def _sections(result: Result) -> list[Piece]:
    return [
        _broken(result),
        _pair(_goals(result), _oracles(result)),
        _plots(result),
        _map(result),
        _metrics(result),
        _plan(result),
        _settings(result),
        _trail(result),
    ]


def _pair(*cards: Piece) -> Piece:
    there = [card for card in cards if card]
    return tag("div", joined(there), class_="grid") if there else Piece()


def _card(heading: str, *inner: Piece, note: str = "", wide: bool = False, kind: str = "") -> Piece:
    words = [tag("h2", heading), *([tag("p", note, class_="note")] if note else [])]
    return tag("section", *words, *inner, class_=f"card {'wide' if wide else ''} {kind}".strip())


def _folded(heading: str, inner: Piece) -> Piece:
    return tag("details", tag("summary", heading), inner, class_="card")


def _broken(result: Result) -> Piece:
    if not result.broken:
        return Piece()
    rows: list[Row] = [
        (f"{breach.at_s:.3f} s", breach.oracle, breach.who, breach.what)
        for breach in result.broken[:ROWS_MAX]
    ]
    table = html_table(("when", "oracle", "who", "what"), rows, kinds=("time", "", "", "long"))
    return _card("Broken", table, note=_of(len(rows), len(result.broken)), kind="alarm")


def _goals(result: Result) -> Piece:
    if not result.goals:
        return Piece()
    rows = [_goal(goal) for goal in result.goals[:ROWS_MAX]]
    kinds = ("mark", "long", "number", "number")
    return _card("Goals", html_table(("", "metric", "goal", "measured"), rows, kinds=kinds))


def _goal(goal: Reached) -> Row:
    value = "not to be had" if goal.measured is None else number(goal.measured)
    name = tag("span", goal.metric, *([tag("small", goal.why)] if goal.why else []))
    return (Cell(MARKS[goal.met], VERDICTS[goal.met]), name, goal.goal, value)


def _oracles(result: Result) -> Piece:
    rows: list[Row] = []
    for name, verdict in list(result.oracles.items())[:ROWS_MAX]:
        held = verdict == "held"
        rows.append((Cell(MARKS[held], VERDICTS[held]), name, verdict))
    if not rows:
        return Piece()
    return _card("Oracles", html_table(("", "rule", "verdict"), rows, kinds=("mark", "", "long")))


def _plots(result: Result) -> Piece:
    drawn = plots(result)
    bands = [
        tag("span", tag("i", style=f"background:{hue}"), kind, class_="band")
        for kind, hue in band_kinds(result)
    ]
    legend = tag("span", ". Shaded:", *bands) if bands else Piece()
    narrow = [_plot(plot, legend) for plot in drawn if plot.name not in WIDE_PLOTS]
    wide = [_plot(plot, legend) for plot in drawn if plot.name in WIDE_PLOTS]
    return joined([tag("div", joined(some), class_="grid plots") for some in (narrow, wide) if some])


def _plot(plot: Plot, legend: Piece) -> Piece:
    name = f"plot-{plot.name}"
    words = tag("p", plot.note, *([legend] if plot.bands and legend else []), class_="note")
    shape = "plot tall" if "yaxis3" in plot.figure["layout"] else "plot"
    drawing = tag("div", id=name, class_=shape, role="img", aria_label=f"{plot.title}: {plot.note}")
    kind = "card wide" if plot.name in WIDE_PLOTS else "card"
    return tag(
        "section",
        tag("h2", plot.title),
        words,
        drawing,
        data_block(f"{name}-data", checked(plot.figure)),
        class_=kind,
    )


def _map(result: Result) -> Piece:
    if not any(frame.points for frame in result.samples.map):
        return Piece()
    frames = map_frames(result)
    drawn = len(frames["names"])
    some = f" {drawn:,} of {result.nodes:,} hosts are drawn, and counted." if drawn < result.nodes else ""
    last = str(len(frames["frames"]) - 1)
    controls = tag(
        "div",
        tag("button", "Play", type="button", id="map-play"),
        Piece(
            f'<input type="range" id="map-at" min="0" max="{last}" value="0" aria-label="moment of the run">'
        ),
        tag("output", id="map-told", for_="map-at"),
        class_="controls",
    )
    drawing = tag("div", id="plot-map", class_="plot map", role="img", aria_label="Map of hosts and links")
    blocks = joined(
        [data_block("plot-map-data", checked(map_figure(result))), data_block("map-frames", frames)]
    )
    note = f"who is where, who is up, and who is joined to whom.{some}"
    return _card("Map", controls, drawing, blocks, note=note, wide=True)


def _metrics(result: Result) -> Piece:
    cards: list[Piece] = []
    for heading, names in grouped(list(result.metrics)[:ROWS_MAX]).items():
        rows: list[Row] = [
            (title(without_owner(name)), measured(name, result.metrics[name])) for name in names
        ]
        cards.append(_card(heading, html_table(("", ""), rows, kinds=("long", "number"))))
    return tag("div", joined(cards), class_="columns") if cards else Piece()


def _plan(result: Result) -> Piece:
    faults = deeds(result)
    if not faults:
        return Piece()
    rows = [_fault(fault) for fault in faults[:ROWS_MAX]]
    headings = ("at", "fault", "who", "lasts", "detail")
    table = html_table(headings, rows, kinds=("time", "", "", "number", "long"))
    return _folded(f"Plan: {len(faults):,} faults", joined([*_note(len(rows), len(faults)), table]))


def _fault(fault: Deed) -> Row:
    lasts = "" if fault.until_s is None else span(fault.until_s - fault.at_s)
    return (f"{fault.at_s:.2f} s", fault.kind, fault.who, lasts, fault.detail)


def _settings(result: Result) -> Piece:
    rows = list(result.settings.items())[:ROWS_MAX]
    return _folded("Laid over the scenario", html_table(("key", "value"), rows)) if rows else Piece()


def _trail(result: Result) -> Piece:
    notes = result.samples.trail[-TRAIL_MAX:]
    if not notes:
        return Piece()
    rows: list[Row] = [(f"{at_s:.3f} s", who, what) for at_s, who, what in notes]
    table = html_table(("when", "who", "what"), rows, kinds=("time", "", "long"))
    return _folded(f"Trail: the last {len(notes):,} notes", table)


def _note(shown: int, there: int) -> Sequence[Piece]:
    words = _of(shown, there)
    return [tag("p", words, class_="note")] if words else []


def _of(shown: int, there: int) -> str:
    return f"the first {shown:,} of {there:,}" if shown < there else ""
