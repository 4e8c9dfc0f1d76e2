"""The page with the plots."""

import builtins
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from protocols.errors import SettingsError
from sim.faults.plan import Crash, Cut, Plan, Sleep
from sim.report import need_plotting, page, write_page
from sim.report.canvas import BANDS_MAX, POINTS_MAX, axis_of, thin
from sim.report.figures import plots
from sim.report.page import PAGE_BYTES_MAX
from sim.report.strip import BARS_MAX
from sim.report.village_map import map_frames
from sim.result import Broken, MapFrame, Point, Reached, Result, Samples

pytest.importorskip("plotly")

ResultOf = Callable[..., Result]
VOID = {"meta", "input", "br", "link", "img"}
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>&\"'"


class Reader(HTMLParser):
    """Refuses what is not nested properly; keeps tags, texts and data."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.data: dict[str, Any] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            _, attributes = self.tags[-1]
            if attributes.get("type") == "application/json":
                self.data[str(attributes["id"])] = json.loads(data)
        elif self.open and self.open[-1] != "style" and data.strip():
            self.texts.append(data.strip())


def read(result: Result) -> Reader:
    reader = Reader()
    reader.feed(page(result))
    reader.close()
    assert not reader.open
    return reader


def headings(reader: Reader) -> list[str]:
    return [text for text in reader.texts if text in TITLES or text.startswith(("Plan:", "Trail:"))]


TITLES = {
    "Broken",
    "Goals",
    "Oracles",
    "Delivery",
    "Latency",
    "Transmissions",
    "Cost of a letter",
    "Energy",
    "Hosts and links",
    "Faults",
    "Map",
    "Laid over the scenario",
}


def test_a_page_is_well_formed_and_has_every_section(result_of: ResultOf) -> None:
    broken = [Broken("alive", "n1", "its node ended", 3.0)]
    reader = read(result_of(broken=broken, oracles={"alive": "n1"}, settings={"nodes": "3"}))
    assert set(headings(reader)) == (TITLES - {"Faults"}) | {"Plan: 3 faults", "Trail: the last 1 notes"}
    assert "python -m sim run room --seed 7 --set nodes=3" in reader.texts
    assert "writes letter 0 to n1" in reader.texts


def test_a_page_needs_no_network_and_is_forbidden_any(result_of: ResultOf) -> None:
    reader = read(result_of())
    assert not [attrs for _, attrs in reader.tags if attrs.get("src") or attrs.get("href")]
    policies = [attrs for tag, attrs in reader.tags if tag == "meta" and "http-equiv" in attrs]
    assert "default-src 'none'" in str(policies[0]["content"])


def test_the_same_result_gives_the_same_page(result_of: ResultOf) -> None:
    assert page(result_of()) == page(result_of())


def test_whatever_a_host_is_called_it_is_text(result_of: ResultOf) -> None:
    samples = result_of().samples
    samples.baseline_latency_s = {EVIL: [1.0, 2.0]}
    samples.map = [MapFrame(1.0, [Point(EVIL, 0.0, 0.0, up=True)], [])]
    samples.phases = [(10.0, EVIL)]
    samples.trail = [(1.0, EVIL, EVIL)]
    result = result_of(
        scenario=EVIL,
        metrics={EVIL: 1.0, f"{EVIL}:{EVIL}": 2.0},
        goals=[Reached(EVIL, EVIL, 1.0, met=True, why=EVIL)],
        oracles={EVIL: EVIL},
        broken=[Broken(EVIL, EVIL, EVIL, 1.0)],
        settings={EVIL: EVIL},
        plan=Plan(
            (Crash(at_ms=1, host=EVIL, down_ms=1), Cut(at_ms=1, these=(EVIL,), for_ms=9, media=(EVIL,)))
        ),
        samples=samples,
    )
    reader = read(result)
    usual = read(result_of())
    assert not [tag for tag, attrs in reader.tags if tag == "img" or "onerror" in attrs]
    assert len([tag for tag, _ in reader.tags if tag == "script"]) == len(
        [t for t, _ in usual.tags if t == "script"]
    )
    assert EVIL in reader.texts  # a person still reads the name as it is
    assert "<" not in json.dumps([reader.data["map-frames"], reader.data["plot-latency-data"]])


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        (Reached("delivery", "≥ 0.95", 0.98, met=True), ["✓", "delivery", "≥ 0.95", "0.98"]),
        (Reached("delivery", "≥ 0.95", 0.5, met=False), ["✗", "delivery", "≥ 0.95", "0.5"]),
        (Reached("delivery", "≥ 0.95", None, None), ["\N{EN DASH}", "delivery", "≥ 0.95", "not to be had"]),
    ],
)
def test_a_goal_is_met_or_not_or_not_to_be_had(
    result_of: ResultOf, goal: Reached, words: Sequence[str]
) -> None:
    texts = read(result_of(goals=[goal])).texts
    start = texts.index("Goals")
    assert texts[start + 4 : start + 8] == words  # behind the heading and three column heads


@pytest.mark.parametrize(
    ("changes", "badges"),
    [
        ({}, ["✓ 1 oracle held", "✓ 1 of 1 goals met", "ran to its end"]),
        ({"oracles": {"a": "held", "b": "held"}, "goals": []}, ["✓ 2 oracles held"]),
        (
            {"oracles": {"a": "no", "b": "no"}, "ended": "broken"},
            ["✗ 2 oracles broken", "ended by a broken oracle"],
        ),
        (
            {"ended": "budget", "goals": [Reached("a", "b", 1.0, met=False)]},
            ["✗ 0 of 1 goals met", "ended by its budget"],
        ),
        (
            {"ended": "interrupted", "goals": [Reached("a", "b", None, None)]},
            ["\N{EN DASH} 0 of 1 goals met"],
        ),
    ],
)
def test_the_head_says_at_once_how_it_went(
    result_of: ResultOf, changes: Mapping[str, Any], badges: Sequence[str]
) -> None:
    assert set(badges) <= set(read(result_of(**changes)).texts)


def test_what_has_no_samples_has_no_section(result_of: ResultOf) -> None:
    empty = result_of(samples=Samples(), plan=Plan(), metrics={}, goals=[], oracles={})
    reader = read(empty)
    assert headings(reader) == []
    assert not reader.data


@pytest.mark.parametrize(
    ("field", "title"),
    [
        ("latency_s", "Latency"),
        ("delivered", "Delivery"),
        ("letters", "Cost of a letter"),
        ("frames", "Transmissions"),
        ("energy_mj", "Energy"),
    ],
)
def test_each_plot_is_left_out_alone(result_of: ResultOf, field: str, title: str) -> None:
    samples = result_of().samples
    samples.baseline_latency_s = {}
    setattr(samples, field, [])
    assert title not in [plot.title for plot in plots(result_of(samples=samples))]


def test_letters_of_which_none_arrived_have_no_cost(result_of: ResultOf) -> None:
    samples = result_of().samples
    samples.letters = [0.0] * 60
    assert "cost" not in [plot.name for plot in plots(result_of(samples=samples))]


def test_a_plan_without_samples_is_drawn_alone(result_of: ResultOf) -> None:
    assert [plot.title for plot in plots(result_of(samples=Samples()))] == ["Faults"]


def test_faults_behind_the_end_are_not_drawn(result_of: ResultOf) -> None:
    late = Plan((Cut(at_ms=90_000, these=("n0",), for_ms=9), Sleep(at_ms=90_000, host="n1", for_ms=1)))
    assert plots(result_of(samples=Samples(), plan=late)) == []


def test_wide_faults_are_bands_and_phases_are_lines(result_of: ResultOf) -> None:
    layout = plots(result_of())[0].figure["layout"]
    assert [(shape["type"], shape["x0"]) for shape in layout["shapes"]] == [
        ("rect", 12.0),
        ("rect", 30.0),
        ("line", 10.0),
        ("line", 50.0),
    ]
    assert [note["text"] for note in layout["annotations"]] == ["storm", "calm"]


def test_bands_of_one_kind_that_overlap_are_one(result_of: ResultOf) -> None:
    cuts = tuple(Cut(at_ms=at_ms, these=("n0",), for_ms=4_000) for at_ms in (0, 3_000, 3_500, 20_000))
    shapes = plots(result_of(plan=Plan(cuts)))[0].figure["layout"]["shapes"]
    assert [(each["x0"], each["x1"]) for each in shapes if each["type"] == "rect"] == [
        (10.0, 17.5),
        (30.0, 34.0),
    ]


def test_the_name_of_a_phase_makes_room_for_the_next(result_of: ResultOf) -> None:
    samples = result_of().samples
    samples.phases = [(10.0, "storm"), (11.0, "calm")]
    layout = plots(result_of(samples=samples))[0].figure["layout"]
    assert [note["text"] for note in layout["annotations"]] == ["calm"]


@pytest.mark.parametrize(("virtual_s", "unit"), [(60.0, "seconds"), (600.0, "minutes"), (90_000.0, "hours")])
def test_time_is_told_in_a_unit_a_person_would_choose(
    result_of: ResultOf, virtual_s: float, unit: str
) -> None:
    assert axis_of(result_of(virtual_s=virtual_s)).unit == unit


@pytest.mark.parametrize(("factor", "unit"), [(1.0, "mJ"), (1e3, "J"), (1e6, "kJ")])
def test_energy_is_told_in_a_unit_of_its_size(result_of: ResultOf, factor: float, unit: str) -> None:
    samples = result_of().samples
    samples.energy_mj = [factor * each for each in samples.energy_mj]
    energy = next(plot for plot in plots(result_of(samples=samples)) if plot.name == "energy")
    assert energy.figure["layout"]["yaxis"]["title"]["text"] == f"energy, {unit}"


@pytest.mark.parametrize(("left_out", "drawn"), [("up", ["links"]), ("links", ["hosts up"])])
def test_hosts_and_links_are_drawn_each_without_the_other(
    result_of: ResultOf, left_out: str, drawn: list[str]
) -> None:
    samples = result_of().samples
    setattr(samples, left_out, [])
    figure = plots(result_of(samples=samples, plan=Plan()))[-1].figure
    assert [curve["name"] for curve in figure["data"]] == drawn
    assert "yaxis3" not in figure["layout"]


def test_many_breaches_are_shown_to_a_bound(result_of: ResultOf) -> None:
    reader = read(result_of(broken=[Broken("alive", "n1", "died", 1.0)] * 501))
    assert "the first 500 of 501" in reader.texts


@pytest.mark.parametrize("latencies", [[0.0], [0.3], [0.2, 0.21], [0.001, 90_000.0]])
def test_the_axis_of_latency_is_marked_whatever_the_latencies(
    result_of: ResultOf, latencies: list[float]
) -> None:
    samples = Samples(latency_s=latencies)
    axis = plots(result_of(samples=samples, plan=Plan()))[0].figure["layout"]["xaxis"]
    assert len(axis["tickvals"]) >= 3
    assert len(set(axis["ticktext"])) == len(axis["tickvals"])


def test_a_curve_is_thinned_and_keeps_its_end() -> None:
    times_s, values = thin([float(each) for each in range(5_000)], [2.0 * each for each in range(5_000)])
    assert len(times_s) <= POINTS_MAX
    assert (times_s[-1], values[-1]) == (4_999.0, 9_998.0)


def test_thinned_transmissions_lose_no_frame(result_of: ResultOf) -> None:
    samples = Samples(every_s=[0.01 * each for each in range(1, 6_001)], frames=[1.0] * 6_000)
    rate = plots(result_of(samples=samples, plan=Plan()))[0].figure["data"][0]
    assert set(rate["y"]) == {100.0}


def test_a_host_that_stands_still_is_placed_once(result_of: ResultOf) -> None:
    frames = map_frames(result_of())["frames"]
    assert ["x" in frame for frame in frames] == [True, False, False, False]
    assert [frame["up"] for frame in frames] == ["11", "10", "11", "10"]
    assert frames[0]["links"] == [0, 1]


def test_a_host_that_is_not_on_a_frame_is_nowhere(result_of: ResultOf) -> None:
    samples = result_of().samples
    samples.map = [
        MapFrame(0.0, [Point("n0", 1.0, 1.0, up=True)], [("n0", "n9")]),
        MapFrame(1.0, [Point("n1", 2.0, 2.0, up=True)], []),
    ]
    told = map_frames(result_of(samples=samples))
    assert told["names"] == ["n0", "n1"]
    assert [(frame["x"], frame["up"], frame["links"]) for frame in told["frames"]] == [
        ([1.0, None], "1-", []),
        ([None, 2.0], "-1", []),
    ]


def test_a_page_of_ten_thousand_hosts_and_faults_stays_small(result_of: ResultOf) -> None:
    names = [f"n{each}" for each in range(10_000)]
    frames = [
        MapFrame(
            float(at),
            [
                Point(name, 1234.5 + at + place, 9876.5 - place, up=place % 3 > 0)
                for place, name in enumerate(names)
            ],
            [(one, two) for one, two in zip(names, names[5:], strict=False)] * 2,
        )
        for at in range(70)
    ]
    samples = result_of().samples
    samples.map, samples.trail = frames, [(1.0, "n1", "x" * 5_000)] * 2_000
    faults = [Cut(at_ms=each * 4, these=tuple(names), for_ms=1) for each in range(10_000)]
    written = page(result_of(nodes=10_000, samples=samples, plan=Plan(tuple(faults))))
    assert len(written.encode()) <= PAGE_BYTES_MAX
    assert "2,000 of 10,000 hosts are drawn, and counted." in written
    assert "the first 500 of 10,000" in written


def test_bars_and_bands_of_a_long_plan_are_bounded(result_of: ResultOf) -> None:
    faults = [Cut(at_ms=each * 4, these=("n0",), for_ms=1) for each in range(10_000)]
    figure = plots(result_of(plan=Plan(tuple(faults))))[-1].figure
    assert len([shape for shape in figure["layout"]["shapes"] if shape["type"] == "rect"]) <= BANDS_MAX
    assert sum(len(bar["y"]) for bar in figure["data"] if bar["type"] == "bar") <= BARS_MAX


def test_importing_the_reports_does_not_import_plotly() -> None:
    code = "import sys, sim.report; sys.exit('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_plotly_the_refusal_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, result_of: ResultOf
) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> ModuleType:
        if name.startswith("plotly"):
            raise ImportError(name)
        return real(name, *rest)

    for name in [each for each in sys.modules if each.partition(".")[0] == "plotly"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setattr(builtins, "__import__", refuse)
    for ask in (need_plotting, lambda: page(result_of())):
        with pytest.raises(SettingsError, match=re.escape("pip install 'meshnode[sim]'")):
            ask()


def test_a_page_is_written_where_one_asks(tmp_path: Path, result_of: ResultOf) -> None:
    need_plotting()
    write_page(result_of(), tmp_path / "room.html")
    assert (tmp_path / "room.html").read_text(encoding="utf-8") == page(result_of())


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path, result_of: ResultOf) -> None:
    with pytest.raises(SettingsError, match="can't be written"):
        write_page(result_of(), tmp_path / "missing" / "room.html")
