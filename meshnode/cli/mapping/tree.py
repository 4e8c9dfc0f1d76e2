"""The map as a tree on the terminal: us at the root, below each node those who are reached through it."""

from meshnode.cli.mapping.graph import Graph, Spot
from meshnode.cli.show import clean

LINKED_MAX = 4  # names of further linked nodes on a line
NAME_CHARS_MAX = 24


def tree_text(graph: Graph) -> str:
    parents, near = graph.parents(), graph.around()
    children: dict[str, list[str]] = {key: [] for key in graph.spots}
    for key, parent in parents.items():
        if parent:
            children[parent].append(key)
    for below in children.values():
        below.sort(key=lambda key: (graph.spots[key].cost, graph.spots[key].label, key))
    lines = [(_name(graph.spots[graph.me]), _about_me(graph))]
    # On a stack rather than by recursion: a chain of nodes may be long.
    stack = [("", key, key == children[graph.me][-1]) for key in reversed(children[graph.me])]
    while stack:
        prefix, key, last = stack.pop()
        branch = "└─ " if last else "├─ "
        lines.append((prefix + branch + _name(graph.spots[key]), _about(graph, key, parents, near)))
        deeper = prefix + ("   " if last else "│  ")
        stack += [(deeper, child, child == children[key][-1]) for child in reversed(children[key])]
    width = max(len(left) for left, _ in lines)
    text = [f"{left:<{width}}  {right}".rstrip() for left, right in lines]
    if graph.left_out:
        text.append(f"... and {graph.left_out} farther")
    return "\n".join(text)


def _name(spot: Spot) -> str:
    name = clean(spot.name)
    if not name:
        return spot.short
    return f"{name[: NAME_CHARS_MAX - 1]}…" if len(name) > NAME_CHARS_MAX else name


def _about_me(graph: Graph) -> str:
    me = graph.spots[graph.me]
    parts = ["this node", f"knows {len(graph.spots) - 1}"]
    if me.landmark:
        parts.append("a landmark")
    elif graph.landmark in graph.spots:
        parts.append(f"landmark {_name(graph.spots[graph.landmark])}")
    return ", ".join(parts)


def _about(graph: Graph, key: str, parents: dict[str, str], near: dict[str, list[str]]) -> str:
    spot, parent = graph.spots[key], parents[key]
    edge = graph.edges.get((min(key, parent), max(key, parent)))
    linked = edge is not None and edge.kind == "link"
    parts = [f"{spot.hops} hop{'s' * (spot.hops != 1)}" if linked else f"about {spot.hops} hops"]
    if edge is not None and edge.transport:
        parts.append(clean(edge.transport))
    if spot.rtt_ms is not None:
        parts.append(f"{spot.rtt_ms:.1f} ms")
    parts.append(f"cost {spot.cost}")
    if spot.name and spot.name != spot.short:
        parts.append(spot.short)
    parts += [word for word, true in (("contact", spot.contact), ("landmark", spot.landmark)) if true]
    if spot.place != "full":
        parts.append("taken last" if spot.place == "last" else "shunned")
    if spot.asked == "silent":
        parts.append("does not answer")
    beside = [graph.spots[other] for other in near[key] if other != parent and parents[other] != key]
    if beside:
        names = ", ".join(_name(other) for other in beside[:LINKED_MAX])
        more = len(beside) - LINKED_MAX
        parts.append(f"also linked to {names}" + (f" and {more} more" if more > 0 else ""))
    return ", ".join(parts)
