"""The map as a picture that stands alone: SVG, no script, no font but the viewer's, light or dark as the viewer is."""

from html import escape
from math import cos, hypot, sin

from meshnode.cli.mapping.graph import Edge, Graph, Spot
from meshnode.cli.mapping.layout import Layout, Spotted, lay_out
from meshnode.cli.show import clean

LABEL_CHARS_MAX = 14
MARGIN = 120.0  # at the sides: the longest label
ABOVE = 44.0  # and below: a line of text and some air
HEAD = 72.0  # for the title and the legend
WIDTH_MIN = 520.0  # that the head needs
COLOURS = {"quic": "quic", "ble": "ble", "htx": "htx", "memory": "near", "lan": "near", "ip": "quic"}
STYLE = """
  svg { --paper: #fbfbf9; --ink: #1d232b; --faint: #8a929c; --ring: #e4e6e3; --me: #15489e; --dot: #ffffff;
        --quic: #2f6fd0; --ble: #12867a; --htx: #b8660a; --near: #7a4fb5; --other: #6d7580; --bad: #b3261e; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #16191d; --ink: #e6e9ec; --faint: #87909a; --ring: #2a2f36; --me: #7ba7f0; --dot: #16191d;
          --quic: #6fa3f2; --ble: #4cc3b5; --htx: #e5a04a; --near: #b795ea; --other: #98a1ab; --bad: #f2857d; } }
  text { font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--ink);
         paint-order: stroke; stroke: var(--paper); stroke-width: 3px; stroke-linejoin: round; }
  .title { font-size: 16px; font-weight: 600; } .small { font-size: 11px; fill: var(--faint); }
  .contact { font-weight: 600; } .paper { fill: var(--paper); }
  .ring { fill: none; stroke: var(--ring); } .link { fill: none; stroke-width: 1.6; }
  .across { stroke-width: 1.1; opacity: .62; } .way { fill: none; stroke: var(--faint); stroke-dasharray: 3 4; }
  .quic { stroke: var(--quic); } .ble { stroke: var(--ble); } .htx { stroke: var(--htx); }
  .near { stroke: var(--near); } .other { stroke: var(--other); }
  .dot { fill: var(--dot); stroke: var(--ink); stroke-width: 1.6; } .known { fill: var(--ink); }
  .me { fill: var(--me); stroke: var(--me); } .bad { stroke: var(--bad); } .known.bad { fill: var(--bad); }
  .silent { stroke-dasharray: 2.5 2; }
"""


def svg_text(graph: Graph) -> str:
    layout = lay_out(graph)
    left, top, right, bottom = _bounds(layout)
    width, height = right - left, bottom - top
    parents = graph.parents()
    body = [
        f'<rect class="paper" x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{height:.0f}"/>',
        *(f'<circle class="ring" r="{radius:.0f}"/>' for radius in layout.radii[1:]),
        *(_edge(edge, layout, parents) for edge in graph.edges.values()),
        *(_dot(spot, layout.spots[key], key == graph.me) for key, spot in graph.spots.items()),
        *(_label(spot, layout.spots[key], key == graph.me) for key, spot in graph.spots.items()),
        *_head(graph, left + 20, top + 28),
    ]
    title = escape(f"The mesh as {clean(graph.spots[graph.me].label)} sees it")
    frame = f"{left:.0f} {top:.0f} {width:.0f} {height:.0f}"
    root = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="{frame}" width="{width:.0f}" height="{height:.0f}">'
    return "\n".join([root, f"<title>{title}</title>", f"<style>{STYLE}</style>", *body, "</svg>"])


def _bounds(layout: Layout) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of all dots with their labels, and of the head; rings may be cut."""
    xs, ys = [spot.x for spot in layout.spots.values()], [spot.y for spot in layout.spots.values()]
    left, right = min(xs) - MARGIN, max(xs) + MARGIN
    missing = max(0.0, WIDTH_MIN - (right - left)) / 2
    return left - missing, min(ys) - ABOVE - HEAD, right + missing, max(ys) + ABOVE


def _edge(edge: Edge, layout: Layout, parents: dict[str, str]) -> str:
    a, b = layout.spots[edge.a], layout.spots[edge.b]
    if edge.kind == "way":
        return f'<path class="way" d="M{a.x:.1f} {a.y:.1f}L{b.x:.1f} {b.y:.1f}"/>'
    colour = COLOURS.get(edge.transport, "other")
    trunk = parents.get(edge.a) == edge.b or parents.get(edge.b) == edge.a
    told = escape(f"{clean(edge.transport) or 'link'}, cost {edge.cost}")
    course = f"L{b.x:.1f} {b.y:.1f}" if trunk else _bow(a, b)
    across = "" if trunk else " across"
    return (
        f'<path class="link {colour}{across}" d="M{a.x:.1f} {a.y:.1f}{course}"><title>{told}</title></path>'
    )


def _bow(a: Spotted, b: Spotted) -> str:
    """A link across bends towards the middle a little, so that it runs through no third node of the ring."""
    x, y = (a.x + b.x) / 2, (a.y + b.y) / 2
    length, out = hypot(a.x - b.x, a.y - b.y), hypot(x, y)
    bend = min(0.22 * length, 60.0) / out if out > 1.0 else 0.0
    return f"Q{x * (1 - bend):.1f} {y * (1 - bend):.1f} {b.x:.1f} {b.y:.1f}"


def _dot(spot: Spot, at: Spotted, is_me: bool) -> str:  # noqa: FBT001 - a private helper of one caller
    words = ["dot"]
    words += [
        word
        for word, true in (
            ("me", is_me),
            ("known", spot.contact and not is_me),
            ("bad", spot.place != "full"),
            ("silent", spot.asked == "silent"),
        )
        if true
    ]
    told = escape(f"{clean(spot.label)} {spot.short}, {spot.hops} hops, cost {spot.cost}")
    size = 10.0 if is_me else 6.5 if spot.neighbour else 5.0
    shape = f'<circle cx="{at.x:.1f}" cy="{at.y:.1f}" r="{size}"'
    if spot.landmark:
        side = size * 1.5
        shape = (
            f'<rect x="{at.x - side / 2:.1f}" y="{at.y - side / 2:.1f}" width="{side:.1f}" height="{side:.1f}" '
            f'transform="rotate(45 {at.x:.1f} {at.y:.1f})"'
        )
    tag = shape.partition(" ")[0][1:]
    return f'{shape} class="{" ".join(words)}"><title>{told}</title></{tag}>'


def _label(spot: Spot, at: Spotted, is_me: bool) -> str:  # noqa: FBT001 - a private helper of one caller
    """Outwards of its dot: beside it at the sides, above or below it at the top and the bottom."""
    name = clean(spot.label)
    text = escape(name if len(name) <= LABEL_CHARS_MAX else name[: LABEL_CHARS_MAX - 1] + "…")
    words = "contact" if spot.contact else "plain"
    if is_me:
        return f'<text class="{words}" x="0" y="27" text-anchor="middle">{text}</text>'
    sideways, down = cos(at.angle), sin(at.angle)
    if abs(sideways) < 0.34:
        y = at.y + (22 if down > 0 else -13)
        return f'<text class="{words}" x="{at.x:.1f}" y="{y:.1f}" text-anchor="middle">{text}</text>'
    anchor, x = ("start", at.x + 11) if sideways > 0 else ("end", at.x - 11)
    return f'<text class="{words}" x="{x:.1f}" y="{at.y + 4 + 6 * down:.1f}" text-anchor="{anchor}">{text}</text>'


def _head(graph: Graph, x: float, y: float) -> list[str]:
    links = sum(edge.kind == "link" for edge in graph.edges.values())
    more = f", {graph.left_out} farther ones left out" if graph.left_out else ""
    told = f"{len(graph.spots)} nodes, {links} links{more}; each ring is one hop"
    used = dict.fromkeys(edge.transport for edge in graph.edges.values() if edge.transport)
    parts = [
        f'<text class="title" x="{x:.0f}" y="{y:.0f}">The mesh as {escape(clean(graph.spots[graph.me].label))} sees it</text>',
        f'<text class="small" x="{x:.0f}" y="{y + 18:.0f}">{told}</text>',
    ]
    at = x
    for transport in sorted(used):
        colour, name = COLOURS.get(transport, "other"), escape(clean(transport)[:12])
        parts += [
            f'<path class="link {colour}" d="M{at:.0f} {y + 34:.0f}h18"/>',
            f'<text class="small" x="{at + 24:.0f}" y="{y + 38:.0f}">{name}</text>',
        ]
        at += 40 + 7 * len(name)
    keys = [("dot known", "a contact"), ("dot", "another")]
    if any(edge.kind == "way" for edge in graph.edges.values()):
        parts += [
            f'<path class="way" d="M{at:.0f} {y + 34:.0f}h18"/>',
            f'<text class="small" x="{at + 24:.0f}" y="{y + 38:.0f}">some way</text>',
        ]
        at += 96
    for words, name in keys:
        parts += [
            f'<circle class="{words}" cx="{at + 6:.0f}" cy="{y + 34:.0f}" r="5"/>',
            f'<text class="small" x="{at + 16:.0f}" y="{y + 38:.0f}">{name}</text>',
        ]
        at += 30 + 7 * len(name)
    return parts
