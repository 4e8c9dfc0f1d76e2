"""What a run gives, for people and programs: tables for a terminal, JSON, and a page with plots in one file."""

from sim.report.machine import as_json
from sim.report.page import page, write_page
from sim.report.plotting import need_plotting
from sim.report.terminal import compare, table, wants_colour
from sim.report.words import replay_line

__all__ = [
    "as_json",
    "compare",
    "need_plotting",
    "page",
    "replay_line",
    "table",
    "wants_colour",
    "write_page",
]
