"""The map over time: bounded tables of numbers, which the page's script turns into dots and lines."""

from collections.abc import Sequence
from html import escape
from math import ceil
from typing import Any

from sim.report.canvas import BLUE, GREY, ORANGE, Spec
from sim.report.words import clipped, span
from sim.result import MapFrame, Result

HOSTS_MAX = 2_000  # drawn; a browser moves so many dots without stumbling
FRAMES_MAX = 120
MOMENTS_MAX = 120_000  # hosts times frames: some 13 bytes each in the file
LINKS_MAX = 100_000  # links times frames: some 10 bytes each
PAD = 0.05  # of the place's size, around it
SMALL, MIDDLE = 400, 60  # hosts from which dots shrink


def map_figure(result: Result) -> Spec:
    """An empty map of the right size; `map_frames` fills it."""
    points = [point for frame in result.samples.map for point in frame.points]
    count = len({point.host for point in points})
    dot = 5 if count >= SMALL else 7 if count >= MIDDLE else 10
    x_range, y_range = _range([point.x for point in points]), _range([point.y for point in points])
    base: Spec = {"type": "scatter", "x": [], "y": [], "showlegend": True}
    rule: Spec = {"color": GREY, "width": 1 if count >= MIDDLE else 1.5}
    hosts: Spec = base | {"mode": "markers", "hovertemplate": "%{text}<extra></extra>", "text": []}
    down: Spec = {"symbol": "x-thin", "size": dot, "color": ORANGE, "line": {"color": ORANGE, "width": 2}}
    axis: Spec = {"fixedrange": True, "automargin": True, "zeroline": False, "ticksuffix": " m", "nticks": 7}
    return {
        "data": [
            base | {"mode": "lines", "name": "link", "line": rule, "opacity": 0.45, "hoverinfo": "skip"},
            hosts | {"name": "up", "marker": {"size": dot, "color": BLUE}},
            hosts | {"name": "down", "marker": down},
        ],
        "layout": {
            "xaxis": axis | {"range": x_range, "constrain": "domain"},
            "yaxis": axis | {"range": y_range, "constrain": "domain", "scaleanchor": "x"},
            "hovermode": "closest",
            "dragmode": False,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        },
    }


def map_frames(result: Result) -> dict[str, Any]:
    """Hosts go by their place in `names`. A frame whose hosts stand where they stood has no `x` and `y`."""
    names = _names(result.samples.map)
    place_of = {name: place for place, name in enumerate(names)}
    frames = _some(result.samples.map, min(FRAMES_MAX, max(1, MOMENTS_MAX // max(1, len(names)))))
    links_max = LINKS_MAX // max(1, len(frames))
    told: list[dict[str, Any]] = []
    before: tuple[list[float | None], list[float | None]] | None = None
    for frame in frames:
        xs: list[float | None] = [None] * len(names)
        ys: list[float | None] = [None] * len(names)
        up = ["-"] * len(names)
        for point in frame.points:
            place = place_of.get(point.host)
            if place is not None:
                xs[place], ys[place], up[place] = round(point.x, 1), round(point.y, 1), str(int(point.up))
        told.append({"at": span(frame.at_s), "up": "".join(up), "links": _links(frame, place_of, links_max)})
        if (xs, ys) != before:
            told[-1] |= {"x": xs, "y": ys}
            before = xs, ys
    return {"names": [escape(clipped(name, 60)) for name in names], "frames": told}


def _names(frames: Sequence[MapFrame]) -> list[str]:
    """The hosts that are drawn."""
    every = list(dict.fromkeys(point.host for frame in frames for point in frame.points))
    return every[:: max(1, ceil(len(every) / HOSTS_MAX))]


def _some(frames: Sequence[MapFrame], most: int) -> list[MapFrame]:
    """At most so many, evenly, the last one always among them."""
    step = max(1, ceil(len(frames) / most))
    return [*frames[::-step]][::-1]


def _links(frame: MapFrame, place_of: dict[str, int], most: int) -> list[int]:
    """Both ends, one after the other."""
    pairs = [
        (place_of[one], place_of[two]) for one, two in frame.links if one in place_of and two in place_of
    ]
    step = max(1, ceil(len(pairs) / most))
    return [end for pair in pairs[::step] for end in pair]


def _range(values: Sequence[float]) -> list[float]:
    low, high = min(values, default=0.0), max(values, default=0.0)
    pad = max(1.0, (high - low) * PAD)
    return [low - pad, high + pad]
