"""The plan as a strip: a bar for each fault, in a row for each kind."""

from collections.abc import Sequence
from html import escape
from math import ceil

from sim.report.canvas import HUES, Axis, Spec
from sim.report.words import Deed, clipped, span
from sim.result import Result

BARS_MAX = 1_500  # of the strip of faults
LEAST_BAR_SHARE = 0.004  # of the whole width, so that a moment can be seen


def strip(result: Result, axis: Axis, faults: Sequence[Deed]) -> list[Spec]:
    """A bar for each fault, in a row for each kind."""
    step = ceil(len(faults) / BARS_MAX) if faults else 1
    least_s = result.virtual_s * LEAST_BAR_SHARE
    bars: list[Spec] = []
    for kind, hue in HUES.items():
        some = [fault for fault in faults[::step] if fault.kind == kind and fault.at_s <= result.virtual_s]
        if not some:
            continue
        ends_s = [min(result.virtual_s, fault.until_s or fault.at_s) for fault in some]
        widths_s = [max(least_s, end_s - fault.at_s) for fault, end_s in zip(some, ends_s, strict=True)]
        bars.append(
            {
                "type": "bar",
                "orientation": "h",
                "base": axis.of([fault.at_s for fault in some]),
                "x": axis.of(widths_s),
                "y": [kind] * len(some),
                "yaxis": "y3",
                "text": [escape(told(fault)) for fault in some],
                "textposition": "none",
                "hovertemplate": "%{text}<extra></extra>",
                "marker": {"color": hue, "opacity": 0.6, "line": {"width": 0}},
                "width": 0.62,
                "showlegend": False,
                "name": kind,
            }
        )
    return bars


def told(fault: Deed) -> str:
    lasts = "" if fault.until_s is None else f" for {span(fault.until_s - fault.at_s)}"
    detail = f", {fault.detail}" if fault.detail else ""
    return f"{clipped(fault.who, 80)}: {fault.kind} at {fault.at_s:.2f} s{lasts}{clipped(detail, 80)}"
