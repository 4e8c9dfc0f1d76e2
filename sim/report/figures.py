"""The curves of a report."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import log10
from typing import NamedTuple

from sim.report.canvas import (
    DASHES,
    HUES,
    POINTS_MAX,
    Axis,
    Spec,
    axis_of,
    backdrop,
    layout,
    line,
    spec,
    thin,
    y_axis,
)
from sim.report.strip import strip
from sim.report.words import Deed, clipped, deeds, span
from sim.result import Result

CURVES_MAX = 8  # of the latency plot: the node, and the baselines that come first


class Plot(NamedTuple):
    name: str
    title: str
    note: str
    figure: Spec
    bands: bool = False  # whether `WIDE` faults are drawn behind it


def plots(result: Result) -> list[Plot]:
    """Those that there is something to draw for."""
    axis = axis_of(result)
    faults = deeds(result)
    behind = backdrop(result, axis, faults)
    drawn = [
        _delivery(result, axis),
        _latency(result),
        _rate(result, axis),
        _cost(result, axis),
        _energy(result, axis),
        _hosts(result, axis, faults),
    ]
    for plot in drawn:
        if plot is not None and plot.bands:
            plot.figure["layout"] |= behind
    return [plot for plot in drawn if plot is not None]


# -- the plots ------------------------------------------------------------------------------------------------


def _delivery(result: Result, axis: Axis) -> Plot | None:
    times_s, shares = thin(result.samples.every_s, result.samples.delivered)
    if not times_s:
        return None
    curve = line(axis.of(times_s), [100 * share for share in shares], "delivered", 0)
    curve["hovertemplate"] = "%{y:.1f} %<extra></extra>"
    look = layout(axis, "% of letters", result.virtual_s)
    look["yaxis"] |= {"range": [0, 103], "ticksuffix": " "}
    return Plot(
        "delivery", "Delivery", "share of the letters accepted so far", spec([curve], look), bands=True
    )


def _latency(result: Result) -> Plot | None:
    groups = {"node": result.samples.latency_s, **result.samples.baseline_latency_s}
    groups = {clipped(name, 40): sorted(values) for name, values in groups.items() if values}
    if not groups:
        return None
    shown = dict(list(groups.items())[:CURVES_MAX])
    curves = [_cdf(name, values, place) for place, (name, values) in enumerate(shown.items())]
    positive = [value for values in shown.values() for value in values if value > 0]
    look = layout(None, "% of deliveries")
    look["yaxis"] |= {"range": [0, 103], "ticksuffix": " "}
    look["xaxis"] = _latency_axis(min(positive, default=0.001), max(positive, default=0.001))
    look["hovermode"] = "closest"
    return Plot("latency", "Latency", "how many arrived within which time", spec(curves, look))


def _cdf(name: str, ordered: Sequence[float], place: int) -> Spec:
    count = len(ordered)
    ranks = list(dict.fromkeys(min(count - 1, step * count // POINTS_MAX) for step in range(POINTS_MAX + 1)))
    curve = line(
        [max(ordered[rank], 1e-6) for rank in ranks],
        [100 * (rank + 1) / count for rank in ranks],
        name,
        place,
    )
    curve["line"] |= {"shape": "hv", "dash": DASHES[place % len(DASHES)]}
    curve["text"] = [span(ordered[rank]) for rank in ranks]
    curve["hovertemplate"] = "%{y:.1f} % within %{text}"
    return curve


def _latency_axis(least_s: float, most_s: float) -> Spec:
    """Logarithmic, and its ticks in words."""
    ticks = (1e-3, 1e-2, 0.1, 1, 10, 60, 600, 3_600, 36_000, 360_000)
    low, high = log10(least_s) - 0.1, log10(most_s) + 0.1
    near: list[float] = [tick for tick in ticks if low <= log10(tick) <= high]
    if len(near) < 3:  # too little lies between the ends
        near = sorted({float(f"{10 ** (low + (high - low) * part):.2g}") for part in (0.12, 0.5, 0.88)})
    return {
        "type": "log",
        "range": [low, high],
        "tickvals": near,
        "ticktext": [span(tick) for tick in near],
        "fixedrange": True,
    }


def _rate(result: Result, axis: Axis) -> Plot | None:
    """Frames each second. Thinned as a sum, so that none is lost between two points."""
    samples = result.samples
    times_s, sums = thin(samples.every_s, list(accumulate(samples.frames)))
    if not times_s:
        return None
    steps = list(pairwise([(0.0, 0.0), *zip(times_s, sums, strict=True)]))
    rates = [(now[1] - before[1]) / max(1e-9, now[0] - before[0]) for before, now in steps]
    curve = line(axis.of(times_s), rates, "frames each second", 0) | {"fill": "tozeroy"}
    curve["hovertemplate"] = "%{y:,.4~g} frames/s<extra></extra>"
    plot = spec([curve], layout(axis, "frames / s", result.virtual_s))
    return Plot("frames", "Transmissions", "frames sent each second, by all", plot, bands=True)


def _cost(result: Result, axis: Axis) -> Plot | None:
    samples = result.samples
    sums = list(accumulate(samples.frames))
    known = [
        (at_s, frames / letters)
        for at_s, frames, letters in zip(samples.every_s, sums, samples.letters, strict=False)
        if letters > 0
    ]
    if not known:
        return None
    times_s, costs = thin(*zip(*known, strict=True))
    curve = line(axis.of(times_s), costs, "frames for each letter", 2)
    curve["hovertemplate"] = "%{y:,.4~g} frames<extra></extra>"
    plot = spec([curve], layout(axis, "frames / letter", result.virtual_s))
    return Plot(
        "cost", "Cost of a letter", "all frames sent so far, by letters delivered so far", plot, bands=True
    )


def _energy(result: Result, axis: Axis) -> Plot | None:
    times_s, spent_mj = thin(result.samples.every_s, result.samples.energy_mj)
    if not times_s:
        return None
    worth, unit = next(
        (worth, unit) for worth, unit in ((1e6, "kJ"), (1e3, "J"), (0, "mJ")) if max(spent_mj) >= 10 * worth
    )
    curve = line(axis.of(times_s), [each / (worth or 1) for each in spent_mj], "spent", 4) | {
        "fill": "tozeroy"
    }
    curve["hovertemplate"] = f"%{{y:,.4~g}} {unit}<extra></extra>"
    plot = spec([curve], layout(axis, f"energy, {unit}", result.virtual_s))
    return Plot("energy", "Energy", "spent by all hosts so far", plot, bands=True)


def _hosts(result: Result, axis: Axis, faults: Sequence[Deed]) -> Plot | None:
    """Hosts and links above; below, on the same time, what was done to them."""
    samples = result.samples
    curves: list[Spec] = []
    look = layout(axis, "hosts", result.virtual_s)
    for place, (name, values) in enumerate((("hosts up", samples.up), ("links", samples.links))):
        times_s, numbers = thin(samples.every_s, values)
        if times_s:
            curve: Spec = line(axis.of(times_s), numbers, name, place) | {
                "yaxis": "y" if place == 0 else "y2"
            }
            curve["line"]["dash"] = DASHES[place]
            curves.append(curve | {"hovertemplate": "%{y:,} " + name + "<extra></extra>"})
    bars = strip(result, axis, faults)
    if not curves and not bars:
        return None
    look["showlegend"] = bool(curves)
    look["legend"] |= {"y": 1.07}  # above the names of the phases
    if curves:
        right: Spec = {"overlaying": "y", "side": "right", "showgrid": False, "tickmode": "auto"}
        look["yaxis2"] = y_axis("links") | right
    else:
        del look["yaxis"]
    if bars:
        look |= _below(bars, look, alone=not curves)
    note = "and, below them, what went wrong" if bars and curves else "over time"
    return Plot(
        "hosts", "Hosts and links" if curves else "Faults", note, spec(curves + bars, look), bands=True
    )


def _below(bars: Sequence[Spec], look: Spec, *, alone: bool) -> Spec:
    """What a strip changes: it takes the lower part, more of it the more rows it has."""
    rows = {row for bar in bars for row in bar["y"]}
    top = 1.0 if alone else min(0.62, 0.08 + 0.055 * len(rows))
    changes: Spec = {"barmode": "overlay", "hovermode": "closest", "xaxis": look["xaxis"] | {"anchor": "y3"}}
    changes["yaxis3"] = {
        "domain": [0, top],
        "fixedrange": True,
        "automargin": True,
        "categoryorder": "array",
        "categoryarray": [kind for kind in reversed(HUES) if kind in rows],
    }
    return changes if alone else changes | {"yaxis": look["yaxis"] | {"domain": [top + 0.06, 1]}}
