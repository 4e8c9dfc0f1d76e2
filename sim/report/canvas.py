"""What all curves of a report share: time's axis, colours, and what lies behind them.

Figures are in Plotly's own vocabulary: plain tables, which its schema checks. Colours are told apart by people who
see few of them, on white and on black; what differs in colour differs in dash or in name as well. Everything that
somebody else wrote is escaped, since Plotly reads tags in its texts.
"""

from collections.abc import Sequence
from html import escape
from math import ceil
from typing import Any, NamedTuple, TypeAlias

from sim.report.words import Deed, clipped, deeds
from sim.result import Result

Spec: TypeAlias = dict[str, Any]  # one figure

POINTS_MAX = 600  # on a curve; a screen shows no more
BANDS_MAX = 40  # behind each curve; the longest
FILL_ALPHA = 0.18  # under a curve: bands show through
LABEL_SHARE = 0.14  # of the width, that the name of a phase may take on a telephone

BLUE, ORANGE, GREEN, PURPLE, OCHRE, GREY = "#2f7fc1", "#d5620f", "#119c72", "#b0609a", "#a67c00", "#7d8794"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, OCHRE, GREY)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
HUES = {  # of faults, by what they strike
    "crash": ORANGE,
    "stop": ORANGE,
    "sleep": ORANGE,
    "cut": PURPLE,
    "clog": PURPLE,
    "weather": BLUE,
    "clock step": OCHRE,
    "disk": OCHRE,
    "byzantine": GREY,
}
WIDE = ("cut", "weather")  # what strikes many at once, and so is drawn behind every curve


class Axis(NamedTuple):
    """Virtual time in a unit that a person would choose."""

    worth_s: float
    unit: str

    def of(self, times_s: Sequence[float]) -> list[float]:
        return [round(each / self.worth_s, 4) for each in times_s]


def axis_of(result: Result) -> Axis:
    if result.virtual_s > 5 * 3_600:
        return Axis(3_600, "hours")
    return Axis(60, "minutes") if result.virtual_s > 5 * 60 else Axis(1, "seconds")


def backdrop(result: Result, axis: Axis, faults: Sequence[Deed]) -> Spec:
    """Wide faults as bands, and the phases as lines with their names."""
    bands = [(kind, *span_s) for kind in WIDE for span_s in _merged(result, faults, kind)]
    bands.sort(key=lambda band: band[2] - band[1], reverse=True)
    shapes = [_band(kind, *axis.of([from_s, until_s])) for kind, from_s, until_s in bands[:BANDS_MAX]]
    names: list[Spec] = []
    phases = [(at_s, name) for at_s, name in result.samples.phases if 0 < at_s < result.virtual_s]
    room_s = LABEL_SHARE * result.virtual_s
    for place, (at_s, name) in enumerate(phases):
        at = axis.of([at_s])[0]
        rule = {"color": GREY, "width": 1, "dash": "dot"}
        shapes.append({"type": "line", "x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1, "line": rule})
        if place + 1 < len(phases) and phases[place + 1][0] - at_s < room_s:
            continue  # its name would lie under the next one's
        side = "right" if at_s > result.virtual_s - room_s else "left"
        text = {"x": at, "y": 1, "yref": "paper", "text": escape(clipped(name, 20)), "showarrow": False}
        names.append(text | {"xanchor": side, "yanchor": "bottom", "font": {"size": 11, "color": GREY}})
    return {"shapes": shapes, "annotations": names}


def _merged(result: Result, faults: Sequence[Deed], kind: str) -> list[tuple[float, float]]:
    """When any fault of this kind lasted. Two at once are one band, which else would grow darker."""
    spans: list[tuple[float, float]] = []
    for fault in faults:  # in the order of time
        if fault.kind != kind or fault.until_s is None or fault.at_s >= result.virtual_s:
            continue
        until_s = min(fault.until_s, result.virtual_s)
        if spans and fault.at_s <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], until_s)
        else:
            spans.append((fault.at_s, until_s))
    return spans


def _band(kind: str, left: float, right: float) -> Spec:
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": left,
        "x1": right,
        "y0": 0,
        "y1": 1,
        "fillcolor": HUES[kind],
        "opacity": 0.13,
        "line": {"width": 0},
        "layer": "below",
    }


def band_kinds(result: Result) -> list[tuple[str, str]]:
    """Which bands there are, and in which colour: for the words beside the plots."""
    kinds = {
        fault.kind for fault in deeds(result) if fault.until_s is not None and fault.at_s < result.virtual_s
    }
    return [(kind, HUES[kind]) for kind in WIDE if kind in kinds]


def thin(times_s: Sequence[float], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """At most POINTS_MAX of both, evenly, the last one always among them."""
    count = min(len(times_s), len(values))
    step = max(1, ceil(count / POINTS_MAX))
    places = range(count - 1, -1, -step)[::-1]
    return [times_s[place] for place in places], [values[place] for place in places]


def line(xs: Sequence[float], ys: Sequence[float], name: str, place: int) -> Spec:
    hue = CYCLE[place % len(CYCLE)]
    red, green, blue = bytes.fromhex(hue[1:])
    return {
        "type": "scatter",
        "mode": "lines" if len(xs) > 1 else "markers",
        "x": list(xs),
        "y": [float(f"{y:.5g}") for y in ys],
        "name": escape(name),
        "line": {"color": hue, "width": 2},
        "fillcolor": f"rgba({red}, {green}, {blue}, {FILL_ALPHA})",
    }


def y_axis(title: str) -> Spec:
    return {
        "title": {"text": title, "standoff": 8, "font": {"size": 12}},
        "automargin": True,
        "fixedrange": True,
        "rangemode": "tozero",
    }


def layout(axis: Axis | None, y_title: str, end_s: float = 0.0) -> Spec:
    """Colours of ground, grid and letters are the page's, which knows whether it is day or night."""
    x_axis: Spec = {"fixedrange": True, "automargin": True}
    if axis is not None:
        x_axis |= {
            "title": {"text": f"{axis.unit} of the run", "standoff": 6, "font": {"size": 12}},
            "range": [0, axis.of([end_s])[0]],
        }
    return {
        "xaxis": x_axis,
        "yaxis": y_axis(y_title),
        "hovermode": "x unified",
        "dragmode": False,
        "margin": {"l": 8, "r": 8, "t": 20, "b": 8},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    }


def spec(data: list[Spec], layout: Spec) -> Spec:
    layout.setdefault("showlegend", len(data) > 1)
    return {"data": data, "layout": layout}
